/*-------------------------------------------------------------------------
 *
 * calls.h
 *	  Calls of our functions in a finished plan: which they are, and which of
 *	  them the plan is sure to make.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_CALLS_H
#define QC_CALLS_H

#include "postgres.h"

#include "nodes/plannodes.h"
#include "nodes/primnodes.h"

#include "task/prompts.h"

/* A function that sends requests; one line of a table each (calls.c). */
typedef struct QcLabeller
{
	const char *symbol;			/* its C entry */
	QcLabelForm form;
	QcAskFor	what;
	bool		pretended;		/* of qwen_classify.prefetch_functions: sends nothing */
} QcLabeller;

/* NULL: none of ours. */
extern const QcLabeller *qc_labeller(Oid funcid);

/* Is there a call anywhere in it? */
extern bool qc_has_call(Node *node);

/* A call that is made for each row for which all its guards hold. */
typedef struct QcPlannedCall
{
	FuncExpr   *call;
	List	   *guards;			/* implicitly ANDed */
	int			depth;			/* 1 + that of the calls in its arguments and guards */
	int			times;			/* that it was met with these guards, or stronger ones */
} QcPlannedCall;

/*
 * What calls are looked for in.  Zeroed but for what matters; calls is the
 * result, in the order in which the plan makes them.
 */
typedef struct QcCollect
{
	PlannedStmt *stmt;
	bool		over_aggregates;	/* aggregates are columns here, not code */
	Index		only_varno;		/* calls over Vars of another varno do not count; 0: all do */
	List	   *nest_params;	/* NestLoopParams, replaced by their values, or */
	SubPlan    *subplan;		/* the subquery whose arguments replace its Params */
	List	   *guards;			/* of where we are */
	List	   *calls;
} QcCollect;

/*
 * Add the calls in an expression, or list of them, that are surely made when it
 * is evaluated.  Left out: calls whose arguments are volatile or
 * cannot be evaluated elsewhere.
 */
extern void qc_collect_calls(QcCollect *in, Node *node);

/* The same for each scan of a plan: calls whose arguments are Params only. */
extern void qc_collect_plan_calls(QcCollect *in, Plan *plan);

/* The one among them that is made at least as often; NULL: none. */
extern QcPlannedCall *qc_call_planned(List *calls, const QcPlannedCall *call);

#endif							/* QC_CALLS_H */
