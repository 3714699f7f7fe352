/*-------------------------------------------------------------------------
 *
 * carry.c
 *	  What aggregates and window functions are computed from, as columns.
 *
 * They may look at a row long after it was read: a window function when all of
 * its partition was, a hashed aggregate when groups come back from disk.  The
 * answers would be forgotten by then and asked for again, one by one.  So the
 * prefetch node below computes what they need of them, and the rows carry it.
 *
 * Invariant: a column is computed where the plain plan makes the call, and
 * nowhere else.  A call that is made sometimes is carried only if all the places
 * where it stands are known to be reached under the conditions found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"

#include "query/prefetch.h"

typedef struct QcCarry
{
	List	   *calls;			/* QcPlannedCalls */
	List	   *aggregates;		/* all that they stand in */
	List	  **targets;		/* of the node below */
} QcCarry;

/* Where a call stands. */
typedef struct QcPlaces
{
	const FuncExpr *call;
	int			n;
} QcPlaces;

static bool
count_places(Node *node, QcPlaces *places)
{
	if (node == NULL)
		return false;
	if (equal(node, places->call))
		places->n++;
	return expression_tree_walker(node, count_places, places);
}

/* When the call is made: NULL: always.  False: it is not known. */
static bool
condition_of(const QcCarry *carry, const FuncExpr *call, Expr **condition)
{
	QcPlaces	places = {call, 0};
	List	   *conditions = NIL;
	ListCell   *cell;

	*condition = NULL;
	(void) count_places((Node *) carry->aggregates, &places);
	foreach(cell, carry->calls)
	{
		const QcPlannedCall *other = (const QcPlannedCall *) lfirst(cell);

		if (!equal(other->call, call))
			continue;
		if (other->guards == NIL)
			return true;
		places.n -= other->times;
		conditions = lappend(conditions, make_ands_explicit((List *) copyObject(other->guards)));
	}
	if (conditions != NIL)
		*condition = list_length(conditions) == 1 ? (Expr *) linitial(conditions) :
			make_orclause(conditions);
	return conditions != NIL && places.n == 0;
}

static Expr *
only_if(Expr *condition, Expr *expr)
{
	CaseExpr   *result = makeNode(CaseExpr);
	CaseWhen   *arm = makeNode(CaseWhen);

	arm->expr = condition;
	arm->result = expr;
	arm->location = -1;
	result->casetype = exprType((Node *) expr);
	result->casecollid = exprCollation((Node *) expr);
	result->args = list_make1(arm);
	result->defresult = (Expr *) makeNullConst(result->casetype, exprTypmod((Node *) expr),
											   result->casecollid);
	result->location = -1;
	return (Expr *) result;
}

/* The column for expr, a call or a field of one; NULL: it has none. */
static Node *
column_for(const QcCarry *carry, Node *expr, const FuncExpr *call)
{
	Expr	   *condition;
	Expr	   *value;

	/* of a record under a condition EXPLAIN could not tell the fields */
	if (!condition_of(carry, call, &condition) || (condition && exprType(expr) == RECORDOID))
		return NULL;
	value = (Expr *) copyObject(expr);
	if (condition)
		value = only_if(condition, value);
	return (Node *) makeVar(OUTER_VAR, qc_column_of(carry->targets, (Node *) value),
							exprType(expr), exprTypmod(expr), exprCollation(expr), 0);
}

static Node *
replace_calls(Node *node, QcCarry *carry)
{
	const FuncExpr *call = NULL;
	Node	   *column;

	if (node == NULL)
		return NULL;
	if (IsA(node, FuncExpr))
		call = (const FuncExpr *) node;
	else if (IsA(node, FieldSelect) && IsA(((FieldSelect *) node)->arg, FuncExpr))
		call = (const FuncExpr *) ((FieldSelect *) node)->arg;
	column = call ? column_for(carry, node, call) : NULL;
	if (column)
		return column;
	return expression_tree_mutator(node, replace_calls, carry);
}

/* Direct arguments of an ordered-set aggregate belong to the group, not to a row. */
static Node *
in_aggregates(Node *node, QcCarry *carry)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Aggref))
	{
		Aggref	   *aggref = (Aggref *) copyObject(node);

		aggref->args = (List *) replace_calls((Node *) aggref->args, carry);
		aggref->aggfilter = (Expr *) replace_calls((Node *) aggref->aggfilter, carry);
		return (Node *) aggref;
	}
	if (IsA(node, WindowFunc))
	{
		WindowFunc *func = (WindowFunc *) copyObject(node);

		func->args = (List *) replace_calls((Node *) func->args, carry);
		func->aggfilter = (Expr *) replace_calls((Node *) func->aggfilter, carry);
		return (Node *) func;
	}
	return expression_tree_mutator(node, in_aggregates, carry);
}

void
qc_carry(Plan *plan, List *calls, List *aggregates)
{
	QcCarry		carry = {calls, aggregates, &plan->lefttree->targetlist};

	if (!qc_is_prefetch(plan->lefttree))
		return;
	plan->targetlist = (List *) in_aggregates((Node *) plan->targetlist, &carry);
	plan->qual = (List *) in_aggregates((Node *) plan->qual, &carry);
}
