/*-------------------------------------------------------------------------
 *
 * collect.c
 *	  Which calls a plan is sure to make.
 *
 * Invariant: a call that is collected is made by the plain plan, too, for each
 * row for which its guards hold; prefetching pays for nothing that nobody asked
 * for.  A mistake here costs requests or speed, never a result: values always
 * come from the function itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/fmgroids.h"

#include "query/calls.h"
#include "query/prefetch.h"

static bool collect(Node *node, QcCollect *in);

/* ---- depth: calls whose arguments need other calls come later ---- */

static bool
depth_walker(Node *node, int *depth)
{
	int			within = 0;

	if (node == NULL)
		return false;
	expression_tree_walker(node, depth_walker, &within);
	if (IsA(node, FuncExpr) && qc_labeller(((FuncExpr *) node)->funcid) != NULL)
		within++;
	*depth = Max(*depth, within);
	return false;
}

static int
depth_of(Node *node)
{
	int			depth = 0;

	(void) depth_walker(node, &depth);
	return depth;
}

/* ---- a call inside a subquery, in terms of the rows outside ---- */

typedef struct QcReplace
{
	QcCollect  *in;
	bool		failed;
} QcReplace;

static Node *
value_of_param(const QcCollect *in, int paramid)
{
	ListCell   *cell;
	ListCell   *arg;

	foreach(cell, in->nest_params)
	{
		NestLoopParam *param = lfirst_node(NestLoopParam, cell);

		if (param->paramno == paramid)
			return (Node *) copyObject(param->paramval);
	}
	if (in->subplan)
	{
		forboth(cell, in->subplan->parParam, arg, in->subplan->args)
			if (lfirst_int(cell) == paramid)
			return copyObject((Node *) lfirst(arg));
	}
	return NULL;
}

/* What is neither a constant nor such a Param cannot be known outside. */
static Node *
replace_params(Node *node, QcReplace *replace)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
	{
		Node	   *value = value_of_param(replace->in, ((Param *) node)->paramid);

		replace->failed = replace->failed || value == NULL;
		return value ? value : node;
	}
	if (IsA(node, Var) || IsA(node, SubPlan) || IsA(node, Aggref) || IsA(node, WindowFunc))
	{
		replace->failed = true;
		return node;
	}
	return expression_tree_mutator(node, replace_params, replace);
}

/* ---- one call ---- */

/* Can it not be evaluated on the rows below? */
static bool
out_of_place(Node *node, QcCollect *in)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) && in->only_varno && ((Var *) node)->varno != (int) in->only_varno)
		return true;
	if (IsA(node, SubPlan) || IsA(node, CaseTestExpr) || IsA(node, CoerceToDomainValue))
		return true;
	if (IsA(node, Aggref) || IsA(node, WindowFunc) || IsA(node, GroupingFunc))
		return !in->over_aggregates;
	return expression_tree_walker(node, out_of_place, in);
}

QcPlannedCall *
qc_call_planned(List *calls, const QcPlannedCall *call)
{
	ListCell   *cell;

	foreach(cell, calls)
	{
		QcPlannedCall *other = (QcPlannedCall *) lfirst(cell);

		if (equal(other->call, call->call) &&
			(other->guards == NIL || equal(other->guards, call->guards)))
			return other;
	}
	return NULL;
}

static void
add_call(QcCollect *in, FuncExpr *expr)
{
	QcPlannedCall *call;
	QcPlannedCall *planned;
	QcReplace	replace = {in, false};

	if (contain_volatile_functions((Node *) expr->args) ||
		contain_volatile_functions((Node *) in->guards))
		return;
	if (in->nest_params || in->subplan)
	{
		expr = (FuncExpr *) replace_params((Node *) expr, &replace);
		if (replace.failed || in->guards)
			return;
	}
	if (out_of_place((Node *) expr->args, in) || out_of_place((Node *) in->guards, in))
		return;
	call = (QcPlannedCall *) palloc0(sizeof(QcPlannedCall));
	call->call = expr;
	call->guards = in->guards;
	call->depth = 1 + Max(depth_of((Node *) expr->args), depth_of((Node *) in->guards));
	planned = qc_call_planned(in->calls, call);
	if (planned == NULL)
		in->calls = lappend(in->calls, planned = call);
	planned->times++;
}

/* ---- what is evaluated only sometimes ---- */

static List *
guarded(List *guards, Node *guard)
{
	return lappend(list_copy(guards), guard);
}

static Node *
is_test(Node *arg, BoolTestType type)
{
	BooleanTest *test = makeNode(BooleanTest);

	test->arg = (Expr *) arg;
	test->booltesttype = type;
	test->location = -1;
	return (Node *) test;
}

static Node *
is_null(Node *arg)
{
	NullTest   *test = makeNode(NullTest);

	test->arg = (Expr *) arg;
	test->nulltesttype = IS_NULL;
	test->location = -1;
	return (Node *) test;
}

static void
collect_case(CaseExpr *expr, QcCollect *in)
{
	List	   *save = in->guards;
	List	   *before = save;	/* no earlier arm was taken */
	ListCell   *cell;

	if (expr->arg)
	{
		collect((Node *) expr->arg, in);
		return;
	}
	foreach(cell, expr->args)
	{
		CaseWhen   *arm = lfirst_node(CaseWhen, cell);

		in->guards = before;
		collect((Node *) arm->expr, in);
		in->guards = guarded(before, is_test((Node *) arm->expr, IS_TRUE));
		collect((Node *) arm->result, in);
		before = guarded(before, is_test((Node *) arm->expr, IS_NOT_TRUE));
	}
	in->guards = before;
	collect((Node *) expr->defresult, in);
	in->guards = save;
}

static void
collect_bool(BoolExpr *expr, QcCollect *in)
{
	List	   *save = in->guards;
	BoolTestType goes_on = expr->boolop == AND_EXPR ? IS_NOT_FALSE : IS_NOT_TRUE;
	ListCell   *cell;

	foreach(cell, expr->args)
	{
		collect((Node *) lfirst(cell), in);
		if (expr->boolop != NOT_EXPR)
			in->guards = guarded(in->guards, is_test((Node *) lfirst(cell), goes_on));
	}
	in->guards = save;
}

static void
collect_coalesce(CoalesceExpr *expr, QcCollect *in)
{
	List	   *save = in->guards;
	ListCell   *cell;

	foreach(cell, expr->args)
	{
		collect((Node *) lfirst(cell), in);
		in->guards = guarded(in->guards, is_null((Node *) lfirst(cell)));
	}
	in->guards = save;
}

static void
collect_aggregate(Aggref *expr, QcCollect *in)
{
	List	   *save = in->guards;
	ListCell   *cell;

	collect((Node *) expr->aggfilter, in);
	if (expr->aggfilter)
		in->guards = guarded(save, (Node *) expr->aggfilter);
	foreach(cell, expr->args)
		collect((Node *) lfirst_node(TargetEntry, cell)->expr, in);
	in->guards = save;
}

/* Of lag and lead a row at the edge is not computed; of first_value most are not. */
static bool
is_of_few_rows(const WindowFunc *expr)
{
	return expr->winfnoid == F_FIRST_VALUE || expr->winfnoid == F_LAST_VALUE ||
		expr->winfnoid == F_NTH_VALUE;
}

static void
collect_window(WindowFunc *expr, QcCollect *in)
{
	List	   *save = in->guards;

	if (is_of_few_rows(expr))
		return;
	collect((Node *) expr->aggfilter, in);
	if (expr->aggfilter)
		in->guards = guarded(save, (Node *) expr->aggfilter);
	collect((Node *) expr->args, in);
	in->guards = save;
}

/*
 * Of x IN (SELECT ...) the left side; the right one is the subquery's, so no
 * guard may be made of the comparison.  Hashing computes all of (x, y); row by
 * row y is not looked at where x differs, nor x where there is no row, as is
 * common only if the subquery depends on the row outside.
 */
static void
collect_test(SubPlan *expr, QcCollect *in)
{
	List	   *clauses = is_andclause(expr->testexpr) ?
		((BoolExpr *) expr->testexpr)->args : list_make1(expr->testexpr);
	ListCell   *cell;

	foreach(cell, clauses)
	{
		if (IsA(lfirst(cell), OpExpr))
			collect((Node *) linitial(lfirst_node(OpExpr, cell)->args), in);
		else if (IsA(lfirst(cell), RowCompareExpr))
			collect((Node *) linitial(lfirst_node(RowCompareExpr, cell)->largs), in);
		if (!expr->useHashTable)
			break;
	}
}

/* Its arguments and test always; what is in it where that runs once a row. */
static void
collect_subplan(SubPlan *expr, QcCollect *in)
{
	collect((Node *) expr->args, in);
	if (expr->testexpr && (expr->useHashTable || expr->parParam == NIL))
		collect_test(expr, in);
	if (expr->parParam == NIL || expr->useHashTable || in->nest_params || in->subplan)
		return;
	in->subplan = expr;
	qc_collect_plan_calls(in, (Plan *) list_nth(in->stmt->subplans, expr->plan_id - 1));
	in->subplan = NULL;
}

static bool
collect_call(FuncExpr *expr, QcCollect *in)
{
	(void) expression_tree_walker((Node *) expr, collect, in);
	if (qc_labeller(expr->funcid) != NULL)
		add_call(in, expr);
	return false;
}

/* Never true: the walk goes through all of it. */
static bool
collect(Node *node, QcCollect *in)
{
	if (node == NULL)
		return false;
	check_stack_depth();
	if (qc_is_json_expr(node))
		return false;			/* of its parts some are for errors only */
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			return collect_call((FuncExpr *) node, in);
		case T_Aggref:
			if (!in->over_aggregates)
				collect_aggregate((Aggref *) node, in);
			return false;
		case T_WindowFunc:
			if (!in->over_aggregates)
				collect_window((WindowFunc *) node, in);
			return false;
		case T_GroupingFunc:
		case T_AlternativeSubPlan:
			return false;
		case T_CaseExpr:
			collect_case((CaseExpr *) node, in);
			return false;
		case T_BoolExpr:
			collect_bool((BoolExpr *) node, in);
			return false;
		case T_CoalesceExpr:
			collect_coalesce((CoalesceExpr *) node, in);
			return false;
		case T_SubPlan:
			collect_subplan((SubPlan *) node, in);
			return false;
		case T_RowCompareExpr:
			/* the columns behind the first are compared only if it is equal */
			collect((Node *) linitial(((RowCompareExpr *) node)->largs), in);
			return collect((Node *) linitial(((RowCompareExpr *) node)->rargs), in);
		case T_ArrayCoerceExpr:
			/* its element expression runs once an element, or never */
			return collect((Node *) ((ArrayCoerceExpr *) node)->arg, in);
		default:
			return expression_tree_walker(node, collect, in);
	}
}

void
qc_collect_calls(QcCollect *in, Node *node)
{
	(void) collect(node, in);
}

/* ---- plans inside ---- */

void
qc_collect_plan_calls(QcCollect *in, Plan *plan)
{
	ListCell   *cell;

	if (plan == NULL)
		return;
	check_stack_depth();
	switch (nodeTag(plan))
	{
		case T_FunctionScan:
			foreach(cell, ((FunctionScan *) plan)->functions)
				collect(lfirst_node(RangeTblFunction, cell)->funcexpr, in);
			break;
		case T_Result:
			if (plan->lefttree)
				qc_collect_plan_calls(in, plan->lefttree);
			else if (((Result *) plan)->resconstantqual == NULL)
				collect((Node *) plan->targetlist, in);
			break;
		case T_SubqueryScan:
			qc_collect_plan_calls(in, ((SubqueryScan *) plan)->subplan);
			break;
		case T_CustomScan:
			if (qc_is_prefetch(plan))
			{
				collect((Node *) plan->targetlist, in);
				qc_collect_plan_calls(in, plan->lefttree);
			}
			break;
		case T_NestLoop:
		case T_Sort:
		case T_IncrementalSort:
		case T_Limit:
		case T_Agg:
		case T_Material:
		case T_Memoize:
			qc_collect_plan_calls(in, plan->lefttree);
			break;
		default:
			break;
	}
}
