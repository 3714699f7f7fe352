/*-------------------------------------------------------------------------
 *
 * stack.c
 *	  Prefetch nodes put into a finished plan.
 *
 * Split: the node keeps what it reads, its columns being just the leaves of
 * what was computed from them (Vars, aggregates), and one or more prefetch
 * nodes above it compute the rest.  Each stage asks for calls that need no
 * call of its own stage, and checks the quals that come with them; all but the
 * top one pass the leaves on.
 *
 * Invariant: quals move as a whole tail of their list, so that none is checked
 * before one that stood in front of it (row security stands in front).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"

#include "common/compat.h"
#include "query/prefetch.h"

/* ---- columns ---- */

static Var *
outer_column(AttrNumber resno, Node *expr)
{
	return makeVar(OUTER_VAR, resno, exprType(expr), exprTypmod(expr), exprCollation(expr), 0);
}

static List *
pass_through(List *targets)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, targets)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);
		TargetEntry *copy = flatCopyTargetEntry(target);

		copy->expr = (Expr *) outer_column(target->resno, (Node *) target->expr);
		result = lappend(result, copy);
	}
	return result;
}

static bool
is_leaf(Node *node)
{
	return IsA(node, Var) || IsA(node, Aggref) || IsA(node, WindowFunc) ||
		IsA(node, GroupingFunc) || qc_is_returning_leaf(node);
}

/* The column of *targets that a leaf is; added if need be. */
AttrNumber
qc_column_of(List **targets, Node *leaf)
{
	ListCell   *cell;
	TargetEntry *target;

	foreach(cell, *targets)
		if (equal(lfirst_node(TargetEntry, cell)->expr, leaf))
			return lfirst_node(TargetEntry, cell)->resno;
	target = makeTargetEntry((Expr *) copyObject(leaf), list_length(*targets) + 1, NULL, false);
	*targets = lappend(*targets, target);
	return target->resno;
}

/* Leaves become columns, collected in *targets. */
static Node *
flatten(Node *node, List **targets)
{
	if (node == NULL)
		return NULL;
	if (is_leaf(node))
		return (Node *) outer_column(qc_column_of(targets, node), node);
	return expression_tree_mutator(node, flatten, targets);
}

/* ---- one node ---- */

static void
copy_costs(Plan *to, const Plan *from)
{
	to->startup_cost = from->startup_cost;
	to->total_cost = from->total_cost;
	to->plan_rows = from->plan_rows;
	to->plan_width = from->plan_width;
	to->parallel_safe = from->parallel_safe;
	to->extParam = bms_copy(from->extParam);
	to->allParam = bms_copy(from->allParam);
}

/* LIMIT's own expressions are evaluated twice, so they must be what they were. */
static Limit *
usable_limit(const QcConsumer *consumer, bool bounded)
{
	Limit	   *limit = bounded ? consumer->limit : NULL;

	if (limit && (contain_volatile_functions(limit->limitCount) ||
				  contain_volatile_functions(limit->limitOffset) ||
				  contain_subplans(limit->limitCount) || contain_subplans(limit->limitOffset)))
		return NULL;
	return limit;
}

static CustomScan *
make_node(QcSurgery *surgery, Plan *child, List *targets, List *calls,
		  const QcConsumer *consumer, bool bounded)
{
	CustomScan *node = makeNode(CustomScan);
	Limit	   *limit = usable_limit(consumer, bounded);
	List	   *exprs = NIL;
	List	   *guards = NIL;
	ListCell   *cell;

	foreach(cell, calls)
	{
		QcPlannedCall *call = (QcPlannedCall *) lfirst(cell);

		exprs = lappend(exprs, call->call);
		guards = lappend(guards, call->guards);
	}
	child->async_capable = false;	/* only an Append knows how to wait for such a child */
	copy_costs(&node->scan.plan, child);
	node->scan.plan.plan_node_id = surgery->next_id++;
	node->scan.plan.targetlist = targets;
	node->scan.plan.lefttree = child;
	node->custom_exprs = list_make5(exprs, guards, limit ? limit->limitCount : NULL,
									limit ? limit->limitOffset : NULL, NIL);
	node->custom_private = list_make5(makeInteger(consumer->may_stop),
									  makeInteger(consumer->is_query && bounded),
									  makeInteger(consumer->may_drop),
									  makeInteger(IsA(child, ModifyTable)), makeInteger(0));
	node->custom_private = lappend(node->custom_private, makeInteger(0));
	node->methods = &qc_prefetch_methods;
	surgery->inserted++;
	return node;
}

Plan *
qc_materialize(QcSurgery *surgery, Plan *child)
{
	Material   *node = makeNode(Material);

	copy_costs(&node->plan, child);
	node->plan.targetlist = pass_through(child->targetlist);
	node->plan.lefttree = child;
	node->plan.plan_node_id = surgery->next_id++;
	return (Plan *) node;
}

/* ---- stages ---- */

typedef struct QcStage
{
	List	   *calls;
	List	   *quals;
} QcStage;

static int
compare_depths(const ListCell *a, const ListCell *b)
{
	return ((const QcPlannedCall *) lfirst(a))->depth - ((const QcPlannedCall *) lfirst(b))->depth;
}

static bool
is_staged(List *stages, const QcPlannedCall *call)
{
	ListCell   *cell;

	foreach(cell, stages)
		if (qc_call_planned(((QcStage *) lfirst(cell))->calls, call))
			return true;
	return false;
}

static List *
new_stage(List *stages)
{
	return lappend(stages, palloc0(sizeof(QcStage)));
}

/* Stages for calls that are not in earlier ones; the quals are checked in the last. */
static List *
add_stages(List *stages, List *calls, List *quals)
{
	int			depth = 0;
	ListCell   *cell;

	list_sort(calls, compare_depths);
	foreach(cell, calls)
	{
		QcPlannedCall *call = (QcPlannedCall *) lfirst(cell);
		QcStage    *stage;

		if (is_staged(stages, call))
			continue;
		if (call->depth != depth)
			stages = new_stage(stages);
		depth = call->depth;
		stage = (QcStage *) llast(stages);
		stage->calls = lappend(stage->calls, call);
	}
	if (quals != NIL)
	{
		QcStage    *stage;

		if (stages == NIL)
			stages = new_stage(stages);
		stage = (QcStage *) llast(stages);
		stage->quals = list_concat(stage->quals, quals);
	}
	return stages;
}

static List *
calls_of(QcSurgery *surgery, Node *node)
{
	QcCollect	in = {0};

	in.stmt = surgery->stmt;
	in.over_aggregates = true;
	qc_collect_calls(&in, node);
	return in.calls;
}

/* A clause with a call begins a group: those after it run only for its rows. */
static List *
stages_of_quals(QcSurgery *surgery, List *quals)
{
	List	   *stages = NIL;
	List	   *group = NIL;
	ListCell   *cell;

	foreach(cell, quals)
	{
		if (group != NIL && qc_has_call((Node *) lfirst(cell)))
		{
			stages = add_stages(stages, calls_of(surgery, (Node *) group), group);
			group = NIL;
		}
		group = lappend(group, lfirst(cell));
	}
	if (group != NIL)
		stages = add_stages(stages, calls_of(surgery, (Node *) group), group);
	return stages;
}

/* ---- split ---- */

/* Cut off the tail of *quals that begins with the first clause with a call. */
static List *
cut_tail(List **quals)
{
	List	   *keep = NIL;
	List	   *tail = NIL;
	ListCell   *cell;

	foreach(cell, *quals)
	{
		if (tail != NIL || qc_has_call((Node *) lfirst(cell)))
			tail = lappend(tail, lfirst(cell));
		else
			keep = lappend(keep, lfirst(cell));
	}
	*quals = keep;
	return tail;
}

/* Of an inner join: its own clauses may be checked above it as well. */
static List **
inner_quals(Plan *plan)
{
	if ((IsA(plan, NestLoop) || IsA(plan, HashJoin) || IsA(plan, MergeJoin)) &&
		((Join *) plan)->jointype == JOIN_INNER)
		return &((Join *) plan)->joinqual;
	return NULL;
}

static List *
take_quals(Plan *plan)
{
	List	  **inner = inner_quals(plan);
	List	   *taken;

	if (inner == NULL || !qc_has_call((Node *) *inner))
		return cut_tail(&plan->qual);
	taken = list_concat(cut_tail(inner), plan->qual);
	((Join *) plan)->inner_unique = false;
	plan->qual = NIL;
	return taken;
}

static bool
is_worth_it(QcSurgery *surgery, Plan *plan)
{
	List	  **inner = inner_quals(plan);

	return qc_has_call((Node *) plan->qual) ||
		(inner != NULL && qc_has_call((Node *) *inner)) ||
		calls_of(surgery, (Node *) plan->targetlist) != NIL;
}

/* WHERE CURRENT OF looks for the row's place in the scan of a cursor's plan. */
static bool
may_be_current(QcSurgery *surgery, Plan *plan, const QcConsumer *consumer)
{
	return (surgery->cursor_options & CURSOR_OPT_FAST_PLAN) && consumer->is_query &&
		surgery->stmt->rowMarks == NIL &&
		(IsA(plan, SeqScan) || IsA(plan, IndexScan) || IsA(plan, BitmapHeapScan) ||
		 IsA(plan, TidScan));
}

static void
add_place(Plan *plan, List **leaves, AttrNumber *ctid, AttrNumber *tableoid)
{
	Index		rti = ((Scan *) plan)->scanrelid;

	*ctid = qc_column_of(leaves, (Node *) makeVar(rti, SelfItemPointerAttributeNumber, TIDOID,
											   -1, InvalidOid, 0));
	*tableoid = qc_column_of(leaves, (Node *) makeVar(rti, TableOidAttributeNumber, OIDOID,
												   -1, InvalidOid, 0));
}

static void
set_private(CustomScan *node, QcPrefetchPrivate which, int value)
{
	lfirst(list_nth_cell(node->custom_private, which)) = makeInteger(value);
}

/* A row that comes to this stage is a row of the top. */
static bool
none_drops(List *stages, int from)
{
	for (int i = from; i < list_length(stages); i++)
		if (((QcStage *) list_nth(stages, i))->quals != NIL)
			return false;
	return true;
}

/* Init plans go to the top: all of the stack may use them. */
static Plan *
build_stages(QcSurgery *surgery, Plan *plan, List *stages, List *targets, List **leaves,
			 const QcConsumer *consumer)
{
	Plan	   *top = plan;
	List	   *init_plans = plan->initPlan;
	CustomScan *node = NULL;
	AttrNumber	ctid = 0;
	AttrNumber	tableoid = 0;
	ListCell   *cell;

	if (may_be_current(surgery, plan, consumer))
		add_place(plan, leaves, &ctid, &tableoid);
	plan->initPlan = NIL;
	plan->targetlist = *leaves;
	foreach(cell, stages)
	{
		QcStage    *stage = (QcStage *) lfirst(cell);
		bool		last = lnext(stages, cell) == NULL;

		node = make_node(surgery, top, last ? targets : pass_through(*leaves), stage->calls,
						 consumer, none_drops(stages, foreach_current_index(cell)));
		node->scan.plan.qual = stage->quals;
		top = &node->scan.plan;
	}
	set_private(node, QC_PRIVATE_CTID, ctid);
	set_private(node, QC_PRIVATE_TABLEOID, tableoid);
	top->initPlan = init_plans;
	return top;
}

Plan *
qc_split(QcSurgery *surgery, Plan *plan, const QcConsumer *consumer)
{
	List	   *leaves = NIL;
	List	   *targets;
	List	   *quals;
	List	   *stages;

	if (!is_worth_it(surgery, plan))
		return plan;
	quals = take_quals(plan);
	targets = (List *) flatten((Node *) plan->targetlist, &leaves);
	quals = (List *) flatten((Node *) quals, &leaves);
	stages = stages_of_quals(surgery, quals);
	stages = add_stages(stages, calls_of(surgery, (Node *) targets), NIL);
	if (stages == NIL)
		stages = new_stage(stages);
	return build_stages(surgery, plan, stages, targets, &leaves, consumer);
}

/* ---- what a data-modifying node returns ---- */

static bool
modifies_foreign(QcSurgery *surgery, ModifyTable *plan)
{
	ListCell   *cell;

	foreach(cell, plan->resultRelations)
		if (rt_fetch(lfirst_int(cell), surgery->stmt->rtable)->relkind == RELKIND_FOREIGN_TABLE)
			return true;
	return false;
}

static bool
same_columns(List *a, List *b)
{
	ListCell   *x;
	ListCell   *y;

	if (list_length(a) != list_length(b))
		return false;
	forboth(x, a, y, b)
	{
		Node	   *p = (Node *) lfirst_node(TargetEntry, x)->expr;
		Node	   *q = (Node *) lfirst_node(TargetEntry, y)->expr;

		if (exprType(p) != exprType(q) || exprTypmod(p) != exprTypmod(q) ||
			exprCollation(p) != exprCollation(q))
			return false;
	}
	return true;
}

/* Each partition has a list of its own; what is computed from the leaves must be the same. */
static bool
flatten_returning(ModifyTable *plan, List **targets, List **lists)
{
	ListCell   *cell;

	foreach(cell, plan->returningLists)
	{
		List	   *leaves = NIL;
		List	   *computed = (List *) flatten((Node *) lfirst(cell), &leaves);

		if (*lists == NIL)
			*targets = computed;
		else if (!equal(computed, *targets) || !same_columns(leaves, (List *) linitial(*lists)))
			return false;
		*lists = lappend(*lists, leaves);
	}
	return true;
}

Plan *
qc_split_returning(QcSurgery *surgery, ModifyTable *plan, const QcConsumer *consumer)
{
	List	   *targets = NIL;
	List	   *lists = NIL;
	List	   *leaves;
	List	   *stages;

	if (plan->returningLists == NIL || !qc_has_call((Node *) linitial(plan->returningLists)) ||
		modifies_foreign(surgery, plan) || !flatten_returning(plan, &targets, &lists))
		return (Plan *) plan;
	stages = add_stages(NIL, calls_of(surgery, (Node *) targets), NIL);
	leaves = (List *) linitial(lists);
	if (stages == NIL || leaves == NIL)
		return (Plan *) plan;
	plan->returningLists = lists;
	return build_stages(surgery, &plan->plan, stages, targets, &leaves, consumer);
}

/* ---- below ---- */

Plan *
qc_put_below(QcSurgery *surgery, Plan *child, List *calls, const QcConsumer *consumer,
			 bool bounded)
{
	List	   *stages = add_stages(NIL, calls, NIL);
	Plan	   *top = child;
	ListCell   *cell;

	foreach(cell, stages)
		top = (Plan *) make_node(surgery, top, pass_through(child->targetlist),
								 ((QcStage *) lfirst(cell))->calls, consumer, bounded);
	return top;
}

Plan *
qc_put_first(QcSurgery *surgery, Plan *child, List *calls, const QcConsumer *consumer)
{
	CustomScan *node = make_node(surgery, child, pass_through(child->targetlist), NIL,
								 consumer, false);
	List	   *exprs = NIL;
	ListCell   *cell;

	foreach(cell, calls)
		exprs = lappend(exprs, ((QcPlannedCall *) lfirst(cell))->call);
	lfirst(list_nth_cell(node->custom_exprs, QC_EXPRS_FIRST)) = exprs;
	return (Plan *) node;
}

/* ---- lift ---- */

static bool
same_stack(Plan *a, Plan *b)
{
	while (qc_is_prefetch(a) && qc_is_prefetch(b))
	{
		if (!equal(a->targetlist, b->targetlist) || !equal(a->qual, b->qual) ||
			!equal(((CustomScan *) a)->custom_exprs, ((CustomScan *) b)->custom_exprs) ||
			!equal(((CustomScan *) a)->custom_private, ((CustomScan *) b)->custom_private) ||
			a->initPlan != NIL || b->initPlan != NIL)
			return false;
		a = a->lefttree;
		b = b->lefttree;
	}
	return !qc_is_prefetch(a) && !qc_is_prefetch(b) && same_columns(a->targetlist, b->targetlist);
}

static Plan *
bottom(Plan *stack)
{
	while (qc_is_prefetch(stack->lefttree))
		stack = stack->lefttree;
	return stack;
}

static bool
all_alike(List *children)
{
	ListCell   *cell;

	foreach(cell, children)
		if (!qc_is_prefetch((Plan *) lfirst(cell)) ||
			!same_stack((Plan *) linitial(children), (Plan *) lfirst(cell)))
			return false;
	return children != NIL;
}

/* Below the stack, the columns that are sorted by must be plain ones. */
static bool
renumber(List *targets, int nsort, AttrNumber *columns)
{
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < nsort; i++)
		{
			Var		   *var = (Var *) list_nth_node(TargetEntry, targets, columns[i] - 1)->expr;

			if (pass == 0 && (!IsA(var, Var) || var->varno != OUTER_VAR))
				return false;
			if (pass == 1)
				columns[i] = var->varattno;
		}
	return true;
}

/* Names, junk marks and the like stand on the Append, not on its children. */
static void
copy_labels(List *to, List *from)
{
	ListCell   *a;
	ListCell   *b;

	forboth(a, to, b, from)
	{
		TargetEntry *target = lfirst_node(TargetEntry, a);
		TargetEntry *label = lfirst_node(TargetEntry, b);

		target->resname = label->resname;
		target->ressortgroupref = label->ressortgroupref;
		target->resorigtbl = label->resorigtbl;
		target->resorigcol = label->resorigcol;
		target->resjunk = label->resjunk;
	}
}

/* WHERE CURRENT OF asks each child for its place. */
static bool
is_placed(Plan *stack)
{
	return intVal(list_nth(((CustomScan *) stack)->custom_private, QC_PRIVATE_CTID)) != 0;
}

Plan *
qc_lift(QcSurgery *surgery, Plan *append, List *children, int nsort, AttrNumber *sort_columns)
{
	Plan	   *stack;
	ListCell   *cell;

	(void) surgery;
	if (!all_alike(children) || append->parallel_aware)
		return append;
	stack = (Plan *) linitial(children);
	if (is_placed(stack))
		return append;
	if (!renumber(stack->targetlist, nsort, sort_columns))
		return append;
	foreach(cell, children)
		lfirst(cell) = bottom((Plan *) lfirst(cell))->lefttree;
	copy_labels(stack->targetlist, append->targetlist);
	append->targetlist = pass_through(bottom(stack)->lefttree->targetlist);
	bottom(stack)->lefttree = append;
	for (Plan *node = stack; qc_is_prefetch(node); node = node->lefttree)
		copy_costs(node, append);
	stack->initPlan = append->initPlan;
	append->initPlan = NIL;
	return stack;
}
