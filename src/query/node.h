/*-------------------------------------------------------------------------
 *
 * node.h
 *	  The prefetch node from the inside: for the files node*.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_NODE_H
#define QC_NODE_H

#include "postgres.h"

#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "common/statement.h"
#include "query/ahead.h"
#include "query/arguments.h"
#include "query/prefetch.h"

/* A call: its arguments are evaluated here, the function itself is not run. */
typedef struct QcNodeCall
{
	const QcLabeller *labeller;
	FmgrInfo	flinfo;
	FunctionCallInfo fcinfo;
	ExprState **arg;
	ExprState  *guard;
	QcSitePrompt *prompt;
	QcSiteTask *task;
} QcNodeCall;

typedef struct QcRow
{
	MinimalTuple tuple;
	QcAnswer  **answer;			/* a call each; NULL: none is needed */
} QcRow;

typedef struct QcPrefetchState
{
	CustomScanState css;

	/* as planned */
	int			ncalls;
	QcNodeCall *call;
	int			nfirst;
	QcNodeCall *first;
	ExprState  *count;
	ExprState  *offset;
	bool		may_stop;
	bool		is_query;
	bool		may_drop;
	bool		modifies;
	bool		pretends;		/* a call of qwen_classify.prefetch_functions */
	AttrNumber	ctid;
	AttrNumber	tableoid;

	/* since the scan began */
	bool		begun;
	int64		bound;			/* rows at most; -1: not known */
	int			first_asked;
	bool		ended;			/* the child has no more */
	int64		taken;
	uint64		run;			/* number of the executor run that it is in ... */
	int64		given;			/* ... and the rows that it gave in that */
	double		usual;			/* rows taken by a scan so far; -1: none ended */

	/* rows */
	MemoryContext row_cxt;
	ExprContext *arg_context;
	TupleTableSlot *slot;
	QcRow	   *ring;
	int			size;
	int			head;
	int			n;
	Size		bytes;
	QcAnswer  **current;		/* of the row that went out last */
	bool		holding;		/* it needed some */
	int			room;			/* requests that may be started before we look again */
	int64		driven;			/* of counts->requests; the others are not on their way yet */

	QcAhead    *ahead;			/* NULL: not begun */
	QcAheadCounts *counts;
	int			most_rows;
	instr_time	waited;
} QcPrefetchState;

/* Most rows of a node whose calls are guarded allocate nothing. */
static inline void
reset_if_used(ExprContext *context)
{
	MemoryContext cxt = context->ecxt_per_tuple_memory;

	if (!cxt->isReset || cxt->firstchild != NULL)
		ResetExprContext(context);
}

/* node_ask.c: calls as the executor knows them, and their answers. */
extern void qc_node_init_calls(QcPrefetchState *state, List *exprs);

/* A row's answers, held; answer[] is empty before.  False: it needs none. */
extern bool qc_node_ask_row(QcPrefetchState *state, TupleTableSlot *slot, QcAnswer **answer);

/* Calls that need no row keep nobody's answers: the rows hold none either. */
extern void qc_node_ask_first(QcPrefetchState *state);

/* Is none of a row's answers awaited? */
extern bool qc_node_answered(const QcPrefetchState *state, QcAnswer **answer);
extern void qc_node_release(QcPrefetchState *state, QcAnswer **answer);

/* node_rows.c: the ring.  The row becomes its last, without answers. */
extern QcRow *qc_node_keep_row(QcPrefetchState *state, TupleTableSlot *slot);

/* The first row, out of the ring; its answers are held until the next goes out. */
extern TupleTableSlot *qc_node_take_head(QcPrefetchState *state);
extern void qc_node_drop_rows(QcPrefetchState *state);

/* node_explain.c */
extern void qc_node_explain(CustomScanState *node, List *ancestors, struct ExplainState *es);

#endif							/* QC_NODE_H */
