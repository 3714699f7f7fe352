/*-------------------------------------------------------------------------
 *
 * surgery.c
 *	  Where a finished plan gets prefetch nodes.
 *
 * From the leaves up, each node is looked at for calls that it makes itself.
 * If it has one child whose rows it computes them from, a prefetch node goes
 * below it; otherwise it is split.  On the way down it is noted who reads a
 * node's rows: whoever may stop early gets fewer of them read ahead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"

#include "common/compat.h"
#include "query/prefetch.h"

/* The two children's. */
typedef struct QcConsumers
{
	QcConsumer	left;
	QcConsumer	right;
} QcConsumers;

static Plan *operate(QcSurgery *surgery, Plan *plan, QcConsumer consumer);

/* ---- who reads whose rows ---- */

static void
reads_all(QcConsumers *of)
{
	of->left.may_stop = of->right.may_stop = false;
	of->left.limit = of->right.limit = NULL;
}

/* Row for row, unless a qual stands between. */
static void
passes_on(QcConsumers *of, const Plan *plan, const QcConsumer *consumer)
{
	if (plan->qual == NIL)
		of->left.is_query = consumer->is_query;
	else
		of->left.limit = NULL;
}

static void
bounds(QcConsumers *of, Limit *limit, const QcConsumer *consumer)
{
	of->left.is_query = consumer->is_query;
	of->left.may_stop = true;
	of->left.may_drop = false;
	of->left.limit = limit->limitOption == LIMIT_OPTION_COUNT && limit->limitCount ? limit : NULL;
}

static void
joins(QcConsumers *of, const Join *join)
{
	of->left.limit = of->right.limit = NULL;
	of->right.may_stop = join->jointype == JOIN_SEMI || join->jointype == JOIN_ANTI ||
		join->inner_unique;
}

static QcConsumers
consumers_of(Plan *plan, const QcConsumer *consumer)
{
	QcConsumers of = {*consumer, *consumer};

	of.left.is_query = of.right.is_query = false;
	switch (nodeTag(plan))
	{
		case T_Limit:
			bounds(&of, (Limit *) plan, consumer);
			break;
		case T_Result:
		case T_SubqueryScan:
		case T_Append:
			passes_on(&of, plan, consumer);
			break;
		case T_LockRows:
			/* a row that changed meanwhile drops out, and one more is read */
			of.left.is_query = consumer->is_query;
			of.left.may_drop = true;
			break;
		case T_MergeAppend:
			break;
		case T_Sort:
		case T_Hash:
		case T_ModifyTable:
		case T_SetOp:
		case T_RecursiveUnion:
			reads_all(&of);
			break;
		case T_Agg:
			if (((Agg *) plan)->aggstrategy != AGG_SORTED)
				of.left.may_stop = false;
			of.left.limit = NULL;
			break;
		case T_WindowAgg:
			of.left.may_stop = of.left.may_stop || qc_window_may_end((WindowAgg *) plan);
			of.left.limit = NULL;
			break;
		case T_NestLoop:
			joins(&of, (Join *) plan);
			break;
		case T_MergeJoin:
			/* it ends with the side that ends first */
			of.left.may_stop = of.right.may_stop = true;
			of.left.limit = of.right.limit = NULL;
			break;
		default:
			of.left.limit = of.right.limit = NULL;
			break;
	}
	return of;
}

/* ---- kinds of nodes ---- */

static void
put_below_left(QcSurgery *surgery, Plan *plan, QcCollect *in, const QcConsumer *consumer,
			   bool bounded)
{
	if (in->calls != NIL)
		plan->lefttree = qc_put_below(surgery, plan->lefttree, in->calls, consumer, bounded);
}

/* INSERT ... VALUES: its rows' calls need no row. */
static Plan *
on_values(QcSurgery *surgery, ValuesScan *plan, const QcConsumer *consumer)
{
	QcCollect	in = {.stmt = surgery->stmt};
	List	   *first = NIL;
	ListCell   *cell;

	qc_collect_calls(&in, (Node *) plan->values_lists);
	foreach(cell, in.calls)
	{
		QcPlannedCall *call = (QcPlannedCall *) lfirst(cell);

		if (call->depth == 1 && call->guards == NIL && !contain_var_clause((Node *) call->call))
			first = lappend(first, call);
	}
	if (list_length(first) > 1)
		return qc_put_first(surgery, &plan->scan.plan, first, consumer);
	return qc_split(surgery, &plan->scan.plan, consumer);
}

static Plan *
on_result(QcSurgery *surgery, Result *plan, const QcConsumers *of, const QcConsumer *consumer)
{
	QcCollect	in = {.stmt = surgery->stmt};

	if (plan->plan.lefttree && plan->plan.qual)
		return qc_split(surgery, &plan->plan, consumer);
	qc_collect_calls(&in, (Node *) plan->plan.targetlist);
	if (plan->plan.lefttree)
		put_below_left(surgery, &plan->plan, &in, &of->left, true);
	else if (plan->resconstantqual == NULL && list_length(in.calls) > 1)
		return qc_split(surgery, &plan->plan, consumer);
	return &plan->plan;
}

/* Is what a window function or an aggregate is computed from computed for each row? */
static bool
is_of_every_row(Plan *plan, List *aggregates)
{
	const WindowAgg *window = (const WindowAgg *) plan;
	ListCell   *cell;

	if (!IsA(plan, WindowAgg))
		return true;
	foreach(cell, aggregates)
		if (!lfirst_node(WindowFunc, cell)->winagg)
			return false;
	return !qc_window_may_end(window) &&
		!(window->frameOptions & (FRAMEOPTION_START_OFFSET_FOLLOWING |
								  FRAMEOPTION_END_OFFSET_PRECEDING | FRAMEOPTION_EXCLUSION));
}

/* The arguments of aggregates are computed from the rows below, the rest above. */
static Plan *
on_aggregate(QcSurgery *surgery, Plan *plan, const QcConsumers *of, const QcConsumer *consumer)
{
	QcCollect	in = {.stmt = surgery->stmt};
	List	   *leaves = pull_var_clause((Node *) list_make2(plan->targetlist, plan->qual),
										 PVC_INCLUDE_AGGREGATES | PVC_INCLUDE_WINDOWFUNCS |
										 PVC_INCLUDE_PLACEHOLDERS);
	List	   *aggregates = NIL;
	ListCell   *cell;

	foreach(cell, leaves)
		if (IsA(lfirst(cell), Aggref) || IsA(lfirst(cell), WindowFunc))
			aggregates = lappend(aggregates, lfirst(cell));
	qc_collect_calls(&in, (Node *) aggregates);
	put_below_left(surgery, plan, &in, &of->left, false);
	if (in.calls != NIL && is_of_every_row(plan, aggregates))
		qc_carry(plan, in.calls, aggregates);
	return qc_split(surgery, plan, consumer);
}

static Plan *
on_hash_join(QcSurgery *surgery, HashJoin *plan, const QcConsumers *of, const QcConsumer *consumer)
{
	QcCollect	in = {.stmt = surgery->stmt,.only_varno = OUTER_VAR};

	qc_collect_calls(&in, (Node *) plan->hashkeys);
	put_below_left(surgery, &plan->join.plan, &in, &of->left, false);
	return qc_split(surgery, &plan->join.plan, consumer);
}

static Plan *
on_merge_join(QcSurgery *surgery, MergeJoin *plan, const QcConsumer *consumer)
{
	Plan	   *inner = plan->join.plan.righttree;

	/* it goes back in it */
	if (qc_is_prefetch(inner) && !plan->skip_mark_restore)
		plan->join.plan.righttree = qc_materialize(surgery, inner);
	return qc_split(surgery, &plan->join.plan, consumer);
}

/* LATERAL: what is called inside with columns of the outer row. */
static Plan *
on_nest_loop(QcSurgery *surgery, NestLoop *plan, const QcConsumers *of, const QcConsumer *consumer)
{
	QcCollect	in = {.stmt = surgery->stmt,.nest_params = plan->nestParams};

	if (plan->nestParams != NIL)
		qc_collect_plan_calls(&in, plan->join.plan.righttree);
	put_below_left(surgery, &plan->join.plan, &in, &of->left, false);
	return qc_split(surgery, &plan->join.plan, consumer);
}

static Plan *
on_hash_or_set(QcSurgery *surgery, Plan *plan, List *exprs, const QcConsumers *of)
{
	QcCollect	in = {.stmt = surgery->stmt};

	qc_collect_calls(&in, (Node *) exprs);
	put_below_left(surgery, plan, &in, &of->left, false);
	return plan;
}

/* A join's inner side that its outer row parameterizes gets nothing of a Gather's. */
static Plan *
on_node(QcSurgery *surgery, Plan *plan, const QcConsumers *of, const QcConsumer *consumer)
{
	switch (nodeTag(plan))
	{
		case T_ModifyTable:
			return qc_split_returning(surgery, (ModifyTable *) plan, consumer);
		case T_Append:
			return qc_lift(surgery, plan, ((Append *) plan)->appendplans, 0, NULL);
		case T_MergeAppend:
			return qc_lift(surgery, plan, ((MergeAppend *) plan)->mergeplans,
						   ((MergeAppend *) plan)->numCols, ((MergeAppend *) plan)->sortColIdx);
		case T_ValuesScan:
			return on_values(surgery, (ValuesScan *) plan, consumer);
		case T_Result:
			return on_result(surgery, (Result *) plan, of, consumer);
		case T_ProjectSet:
			return on_hash_or_set(surgery, plan, plan->targetlist, of);
		case T_Hash:
			return on_hash_or_set(surgery, plan, ((Hash *) plan)->hashkeys, of);
		case T_Agg:
		case T_WindowAgg:
			return on_aggregate(surgery, plan, of, consumer);
		case T_HashJoin:
			return on_hash_join(surgery, (HashJoin *) plan, of, consumer);
		case T_MergeJoin:
			return on_merge_join(surgery, (MergeJoin *) plan, consumer);
		case T_NestLoop:
			return on_nest_loop(surgery, (NestLoop *) plan, of, consumer);
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_SubqueryScan:
		case T_FunctionScan:
		case T_TableFuncScan:
		case T_CteScan:
		case T_NamedTuplestoreScan:
		case T_WorkTableScan:
		case T_ForeignScan:
		case T_CustomScan:
		case T_Group:
		case T_Gather:
		case T_GatherMerge:
			return qc_split(surgery, plan, consumer);
		default:
			return plan;
	}
}

/* ---- the walk ---- */

static void
operate_list(QcSurgery *surgery, List *plans, const QcConsumer *consumer)
{
	ListCell   *cell;

	foreach(cell, plans)
		lfirst(cell) = operate(surgery, (Plan *) lfirst(cell), *consumer);
}

static Plan *
operate(QcSurgery *surgery, Plan *plan, QcConsumer consumer)
{
	QcConsumers of;

	if (plan == NULL)
		return NULL;
	check_stack_depth();
	of = consumers_of(plan, &consumer);
	plan->lefttree = operate(surgery, plan->lefttree, of.left);
	plan->righttree = operate(surgery, plan->righttree, of.right);
	if (IsA(plan, Append))
		operate_list(surgery, ((Append *) plan)->appendplans, &of.left);
	else if (IsA(plan, MergeAppend))
		operate_list(surgery, ((MergeAppend *) plan)->mergeplans, &of.left);
	else if (IsA(plan, CustomScan))
		operate_list(surgery, ((CustomScan *) plan)->custom_plans, &of.left);
	else if (IsA(plan, SubqueryScan))
		((SubqueryScan *) plan)->subplan = operate(surgery, ((SubqueryScan *) plan)->subplan, of.left);
	return on_node(surgery, plan, &of, &consumer);
}

static void
greatest_id(Plan *plan, int *id)
{
	List	   *children = NIL;
	ListCell   *cell;

	if (plan == NULL)
		return;
	check_stack_depth();
	*id = Max(*id, plan->plan_node_id);
	greatest_id(plan->lefttree, id);
	greatest_id(plan->righttree, id);
	if (IsA(plan, Append))
		children = ((Append *) plan)->appendplans;
	else if (IsA(plan, MergeAppend))
		children = ((MergeAppend *) plan)->mergeplans;
	else if (IsA(plan, CustomScan))
		children = ((CustomScan *) plan)->custom_plans;
	else if (IsA(plan, SubqueryScan))
		greatest_id(((SubqueryScan *) plan)->subplan, id);
	foreach(cell, children)
		greatest_id((Plan *) lfirst(cell), id);
}

/* Plan ids tell nodes apart across all plans of the statement. */
static int
next_id(PlannedStmt *stmt)
{
	int			id = 0;
	ListCell   *cell;

	greatest_id(stmt->planTree, &id);
	foreach(cell, stmt->subplans)
		greatest_id((Plan *) lfirst(cell), &id);
	return id + 1;
}

/*
 * Is it one value computed from no row?  It may be an expression of PL/pgSQL,
 * which takes the value out of the plan and insists on finding a Result.
 */
static bool
is_expression(PlannedStmt *stmt)
{
	Plan	   *plan = stmt->planTree;

	if (IsA(plan, Gather))
		plan = plan->lefttree;
	return stmt->subplans == NIL && IsA(plan, Result) && plan->lefttree == NULL &&
		list_length(plan->targetlist) == 1;
}

void
qc_prefetch_plan(PlannedStmt *stmt, int cursor_options)
{
	QcSurgery	surgery = {stmt, cursor_options, 0, 0};
	QcConsumer	of_query = {.is_query = true};
	QcConsumer	of_subplan = {.may_stop = true};

	if (stmt->planTree == NULL || is_expression(stmt))
		return;
	surgery.next_id = next_id(stmt);
	operate_list(&surgery, stmt->subplans, &of_subplan);
	stmt->planTree = operate(&surgery, stmt->planTree, of_query);

	/* a cursor that scrolls needs what its plan could do before */
	if (surgery.inserted > 0 && (cursor_options & CURSOR_OPT_SCROLL) &&
		!ExecSupportsBackwardScan(stmt->planTree))
		stmt->planTree = qc_materialize(&surgery, stmt->planTree);
}
