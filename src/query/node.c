/*-------------------------------------------------------------------------
 *
 * node.c
 *	  The prefetch node at work.
 *
 * A ring of rows that were read, each with the answers that its calls will
 * need.  Rows are read while there is room for requests and for rows; the
 * first row goes out when its answers are there, and its answers are held until
 * the next one is asked for, so that whoever computes the calls finds them.
 *
 * How far it reads ahead: up to the LIMIT that bounds it; else, if somebody
 * may stop early, a few rows and as many as were taken already, so that what
 * was sent in vain stays below what was of use; else as far as memory goes.
 *
 * Invariant: whatever throws, the query's memory holds all of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/compat.h"
#include "common/int.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "common/guc.h"
#include "common/statement.h"
#include "query/ahead.h"
#include "query/arguments.h"
#include "query/prefetch.h"

#define ROWS_PER_REQUEST	16	/* slow answers must not hold up the fast ones behind */
#define FEW_ROWS			4	/* read ahead before anybody took one */
#define STARTS_A_ROUND		8	/* requests that are started before any is driven */
#define LOOK_AGAIN_MS		250 /* others' places at the server are given back unnoticed */
#define PRETENDED_ROWS		8	/* that a call without a request is late */

static const CustomExecMethods exec_methods;

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
	int			room;			/* requests that may be started before we look again */

	QcAhead    *ahead;			/* NULL: not begun */
	QcAheadCounts *counts;
	int			most_rows;
	instr_time	waited;
} QcPrefetchState;

/* ---- beginning ---- */

static void
init_call(QcPrefetchState *state, QcNodeCall *call, FuncExpr *expr, List *guards)
{
	PlanState  *ps = &state->css.ss.ps;
	int			nargs = list_length(expr->args);
	int			i = 0;
	ListCell   *cell;

	call->labeller = qc_labeller(expr->funcid);
	if (call->labeller == NULL)
		return;					/* it is none of ours any more: nothing to ask */
	fmgr_info(expr->funcid, &call->flinfo);
	fmgr_info_set_expr((Node *) expr, &call->flinfo);
	call->fcinfo = (FunctionCallInfo) palloc0(SizeForFunctionCallInfo(nargs));
	InitFunctionCallInfoData(*call->fcinfo, &call->flinfo, nargs, expr->inputcollid, NULL, NULL);
	call->arg = (ExprState **) palloc0(sizeof(ExprState *) * Max(nargs, 1));
	foreach(cell, expr->args)
		call->arg[i++] = ExecInitExpr((Expr *) lfirst(cell), ps);
	if (guards != NIL)
		call->guard = ExecInitQual(guards, ps);
	state->pretends = state->pretends || call->labeller->pretended;
}

static int
int_of(List *list, QcPrefetchPrivate which)
{
	return intVal(list_nth(list, which));
}

static void
init_calls(QcPrefetchState *state, List *exprs)
{
	List	   *calls = (List *) list_nth(exprs, QC_EXPRS_CALLS);
	List	   *guards = (List *) list_nth(exprs, QC_EXPRS_GUARDS);
	List	   *first = (List *) list_nth(exprs, QC_EXPRS_FIRST);

	state->ncalls = list_length(calls);
	state->call = (QcNodeCall *) palloc0(sizeof(QcNodeCall) * Max(state->ncalls, 1));
	for (int i = 0; i < state->ncalls; i++)
		init_call(state, &state->call[i], (FuncExpr *) list_nth(calls, i),
				  (List *) list_nth(guards, i));
	state->nfirst = list_length(first);
	state->first = (QcNodeCall *) palloc0(sizeof(QcNodeCall) * Max(state->nfirst, 1));
	for (int i = 0; i < state->nfirst; i++)
		init_call(state, &state->first[i], (FuncExpr *) list_nth(first, i), NIL);
	state->count = ExecInitExpr((Expr *) list_nth(exprs, QC_EXPRS_COUNT), &state->css.ss.ps);
	state->offset = ExecInitExpr((Expr *) list_nth(exprs, QC_EXPRS_OFFSET), &state->css.ss.ps);
}

/* WHERE CURRENT OF wants to see the scan's relation here. */
static void
borrow_relation(QcPrefetchState *state)
{
	PlanState  *scan = outerPlanState(&state->css);

	while (qc_is_prefetch(scan->plan))
		scan = outerPlanState(scan);
	if (state->ctid != 0)
		state->css.ss.ss_currentRelation = ((ScanState *) scan)->ss_currentRelation;
}

static void
begin(CustomScanState *node, EState *estate, int eflags)
{
	QcPrefetchState *state = (QcPrefetchState *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;

	outerPlanState(node) =
		ExecInitNode(outerPlan(plan), estate,
					 eflags & ~(EXEC_FLAG_REWIND | EXEC_FLAG_BACKWARD | EXEC_FLAG_MARK));
	state->may_stop = int_of(plan->custom_private, QC_PRIVATE_MAY_STOP) != 0;
	state->is_query = int_of(plan->custom_private, QC_PRIVATE_IS_QUERY) != 0;
	state->may_drop = int_of(plan->custom_private, QC_PRIVATE_MAY_DROP) != 0;
	state->modifies = int_of(plan->custom_private, QC_PRIVATE_MODIFIES) != 0;
	state->ctid = int_of(plan->custom_private, QC_PRIVATE_CTID);
	state->tableoid = int_of(plan->custom_private, QC_PRIVATE_TABLEOID);
	state->usual = -1;
	borrow_relation(state);
	init_calls(state, plan->custom_exprs);
	state->current = (QcAnswer **) palloc0(sizeof(QcAnswer *) * Max(state->ncalls, 1));
	state->arg_context = CreateExprContext(estate);
	state->row_cxt = AllocSetContextCreate(estate->es_query_cxt, "qwen_classify rows",
										   ALLOCSET_DEFAULT_SIZES);
	state->slot = ExecInitExtraTupleSlot(estate, ExecGetResultType(outerPlanState(node)),
										 &TTSOpsMinimalTuple);
}

/*
 * The scan slot is declared a virtual one; the rows are minimal tuples, so all
 * expressions are over OUTER_VAR and must not count on what the slot is.
 */
static Node *
create_state(CustomScan *plan)
{
	QcPrefetchState *state = (QcPrefetchState *) newNode(sizeof(QcPrefetchState),
														 T_CustomScanState);
	(void) plan;
	state->css.methods = &exec_methods;
	state->css.ss.ps.outeropsset = true;
	state->css.ss.ps.outeropsfixed = false;
	state->css.ss.ps.scanopsset = true;
	state->css.ss.ps.scanopsfixed = false;
	return (Node *) state;
}

/* ---- the ring ---- */

/* Room for so many rows; the order stays. */
static void
grow_ring(QcPrefetchState *state, int size)
{
	MemoryContext cxt = state->css.ss.ps.state->es_query_cxt;
	QcRow	   *ring = (QcRow *) MemoryContextAllocHuge(cxt, sizeof(QcRow) * size);
	int			ncalls = Max(state->ncalls, 1);
	QcAnswer  **answers = (QcAnswer **) MemoryContextAllocHuge(cxt, sizeof(QcAnswer *) * ncalls * size);
	QcRow	   *old = state->ring;

	for (int i = 0; i < size; i++)
		ring[i].answer = answers + (Size) i * ncalls;
	for (int i = 0; i < state->n; i++)
	{
		const QcRow *row = &old[(state->head + i) % state->size];

		ring[i].tuple = row->tuple;
		memcpy(ring[i].answer, row->answer, sizeof(QcAnswer *) * ncalls);
	}
	state->ring = ring;
	state->size = size;
	state->head = 0;
	if (old != NULL)
	{
		/* the answers of all rows are one chunk, which the first row has */
		pfree(old[0].answer);
		pfree(old);
	}
}

static void
release_answers(QcPrefetchState *state, QcAnswer **answer)
{
	for (int i = 0; i < state->ncalls; i++)
	{
		if (answer[i] != NULL)
			qc_ahead_release(state->ahead, answer[i]);
		answer[i] = NULL;
	}
}

static void
drop_rows(QcPrefetchState *state)
{
	ExecClearTuple(state->slot);
	for (int i = 0; i < state->n; i++)
		release_answers(state, state->ring[(state->head + i) % state->size].answer);
	release_answers(state, state->current);
	MemoryContextReset(state->row_cxt);
	state->head = state->n = 0;
	state->bytes = 0;
}

/* ---- asking ---- */

/* The answer that this call will need, held; NULL: none.  In per-row memory. */
static QcAnswer *
ask(QcPrefetchState *state, QcNodeCall *call)
{
	ExprContext *context = state->arg_context;
	QcQuestion	question;
	QcAnswer   *answer;
	bool		started;

	if (call->labeller == NULL || (call->guard && !ExecQual(call->guard, context)))
		return NULL;
	for (int i = 0; i < call->fcinfo->nargs; i++)
		call->fcinfo->args[i].value = ExecEvalExpr(call->arg[i], context,
												   &call->fcinfo->args[i].isnull);
	if (call->labeller->pretended || call->fcinfo->args[0].isnull ||
		qc_ahead_stopped(state->ahead))
		return NULL;
	qc_question_of(call->fcinfo, call->labeller->form, call->labeller->has_reason, &call->task,
				   qc_ahead_context(state->ahead), &question);
	answer = qc_ahead_ask(state->ahead, &call->prompt, &question, state->counts, &started);
	state->room -= started;
	return answer;
}

/* Calls that need no row keep nobody's answers: the rows hold none either. */
static void
ask_first(QcPrefetchState *state)
{
	MemoryContext old = MemoryContextSwitchTo(state->arg_context->ecxt_per_tuple_memory);

	while (state->first_asked < state->nfirst && state->room > 0)
	{
		QcAnswer   *answer;

		ResetExprContext(state->arg_context);
		answer = ask(state, &state->first[state->first_asked++]);
		if (answer)
			qc_ahead_release(state->ahead, answer);
	}
	MemoryContextSwitchTo(old);
}

/* Most rows of a node whose calls are guarded allocate nothing. */
static inline void
reset_if_used(ExprContext *context)
{
	MemoryContext cxt = context->ecxt_per_tuple_memory;

	if (!cxt->isReset || cxt->firstchild != NULL)
		ResetExprContext(context);
}

/* A row's answers; answer[] is empty before. */
static void
ask_row(QcPrefetchState *state, TupleTableSlot *slot, QcAnswer **answer)
{
	MemoryContext old;

	reset_if_used(state->arg_context);
	state->arg_context->ecxt_outertuple = slot;
	old = MemoryContextSwitchTo(state->arg_context->ecxt_per_tuple_memory);
	for (int i = 0; i < state->ncalls; i++)
		answer[i] = ask(state, &state->call[i]);
	MemoryContextSwitchTo(old);
}

/* The row is the last of the ring, without answers. */
static QcRow *
keep_row(QcPrefetchState *state, TupleTableSlot *slot)
{
	MemoryContext old;
	QcRow	   *row;

	if (state->n == state->size)
		grow_ring(state, Max(64, 2 * state->size));
	row = &state->ring[(state->head + state->n) % state->size];
	memset(row->answer, 0, sizeof(QcAnswer *) * state->ncalls);
	old = MemoryContextSwitchTo(state->row_cxt);
	row->tuple = ExecCopySlotMinimalTuple(slot);
	MemoryContextSwitchTo(old);
	state->bytes += row->tuple->t_len;
	state->n++;
	state->most_rows = Max(state->most_rows, state->n);
	return row;
}

/* The child's next row, or NULL: there is none. */
static TupleTableSlot *
read_child(QcPrefetchState *state)
{
	TupleTableSlot *slot = ExecProcNode(outerPlanState(&state->css));

	if (!TupIsNull(slot))
		return slot;
	state->ended = true;
	return NULL;
}

static bool
read_row(QcPrefetchState *state)
{
	TupleTableSlot *slot = read_child(state);

	if (slot == NULL)
		return false;
	ask_row(state, slot, keep_row(state, slot)->answer);
	return true;
}

/* ---- how far ahead ---- */

static int64
evaluate(QcPrefetchState *state, ExprState *expr, int64 otherwise)
{
	bool		isnull;
	Datum		value;

	if (expr == NULL)
		return otherwise;
	value = ExecEvalExprSwitchContext(expr, state->arg_context, &isnull);
	return isnull ? otherwise : DatumGetInt64(value);
}

/* Core passes a bound no further than to a custom node: a top-N sort below would sort all. */
static void
begin_scan(QcPrefetchState *state)
{
	state->begun = true;
	state->room = 0;
	state->bound = evaluate(state, state->count, -1);
	if (state->bound >= 0 &&
		pg_add_s64_overflow(state->bound, Max(evaluate(state, state->offset, 0), 0), &state->bound))
		state->bound = -1;
	if (state->bound >= 0 && !state->may_drop)
		ExecSetTupleBound(state->bound, outerPlanState(&state->css));
	if (state->ahead == NULL)
	{
		state->ahead = qc_ahead_of(state->css.ss.ps.state);
		state->counts = qc_ahead_counts(state->ahead);
	}
}

/* Rows that the executor's run still wants; -1: all.  A cursor's FETCH is a run each. */
static int64
left_in_run(QcPrefetchState *state)
{
	const QcRun *run = qc_run_innermost();

	if (run == NULL || run->estate != state->css.ss.ps.state)
		return -1;
	if (state->run != run->number)
	{
		state->run = run->number;
		state->given = 0;
	}
	return run->count == 0 ? -1 : Max((int64) run->count - state->given, 0);
}

/* A few, and as many as were taken; of a node that is scanned often, the usual number. */
static int64
ramp(const QcPrefetchState *state)
{
	double		few = state->usual >= 0 ? Min(ceil(state->usual), qc_max_in_flight) : FEW_ROWS;

	return Max((int64) few, 1) + state->taken;
}

static int
most_rows(QcPrefetchState *state)
{
	int64		rows = (int64) ROWS_PER_REQUEST * qc_max_in_flight;
	int64		left = left_in_run(state);

	if (!qc_prefetch || state->css.ss.ps.state->es_epq_active ||
		qc_ahead_stopped(state->ahead))
		return 1;
	if (state->bound > state->taken)
		rows = Min(rows, state->bound - state->taken);
	else if (state->may_stop || left >= 0)
	{
		int64		few = ramp(state);

		rows = Min(rows, state->is_query ? Max(few, left) : few);
	}
	if (state->modifies && left >= 0)
		rows = Min(rows, left);
	return (int) Max(rows, 1);
}

static bool
are_there(const QcPrefetchState *state, QcAnswer **answer)
{
	for (int i = 0; i < state->ncalls; i++)
		if (answer[i] && qc_answer_awaited(answer[i]))
			return false;
	return true;
}

static bool
head_is_ready(const QcPrefetchState *state)
{
	if (state->n == 0)
		return false;
	if (state->pretends)
		return state->ended || state->n >= PRETENDED_ROWS;
	return are_there(state, state->ring[state->head].answer);
}

static void
wait_ahead(QcPrefetchState *state, long timeout_ms)
{
	qc_ahead_wait(state->ahead, timeout_ms);
	state->room = qc_ahead_room(state->ahead, state->counts);
}

/* Read while there is room; a row or two at a time once the first can go out. */
static void
fill(QcPrefetchState *state)
{
	int			rows = most_rows(state);
	int64		driven = state->counts->requests;
	int			nread = 0;

	if (state->room <= 0)
		state->room = qc_ahead_room(state->ahead, state->counts);
	ask_first(state);
	while (!state->ended && state->n < rows && (state->room > 0 || state->n == 0) &&
		   qc_ahead_has_memory(state->ahead, state->bytes, state->n * state->ncalls))
	{
		if (nread >= 2 && head_is_ready(state))
			break;
		if (!read_row(state))
			break;
		nread++;
		if (state->counts->requests - driven >= STARTS_A_ROUND)
		{
			wait_ahead(state, 0);
			driven = state->counts->requests;
		}
	}
	if (state->counts->requests > driven)
		wait_ahead(state, 0);
}

/* A row whose answer cannot come before others gave way is waited for here. */
static void
wait_for_answers(QcPrefetchState *state)
{
	instr_time	begun;
	instr_time	ended;

	INSTR_TIME_SET_CURRENT(begun);
	wait_ahead(state, LOOK_AGAIN_MS);
	INSTR_TIME_SET_CURRENT(ended);
	INSTR_TIME_ACCUM_DIFF(state->waited, ended, begun);
}

/* ---- rows out ---- */

/* Its answers are held until the next row goes out. */
static TupleTableSlot *
take_head(QcPrefetchState *state)
{
	QcRow	   *row = &state->ring[state->head];

	memcpy(state->current, row->answer, sizeof(QcAnswer *) * state->ncalls);
	state->bytes -= row->tuple->t_len;
	ExecStoreMinimalTuple(row->tuple, state->slot, true);
	row->tuple = NULL;
	state->head = (state->head + 1) % state->size;
	state->n--;
	return state->slot;
}

/*
 * The child's row as it is, if its answers are there; else it is the first of
 * the ring.  Where few rows need answers most of them are not copied.
 */
static TupleTableSlot *
take_directly(QcPrefetchState *state)
{
	TupleTableSlot *slot = read_child(state);

	if (slot == NULL)
		return NULL;
	ask_row(state, slot, state->current);
	if (are_there(state, state->current))
		return slot;
	memcpy(keep_row(state, slot)->answer, state->current, sizeof(QcAnswer *) * state->ncalls);
	memset(state->current, 0, sizeof(QcAnswer *) * state->ncalls);
	return NULL;
}

/* For WHERE CURRENT OF: our scan slot names the row that goes out. */
static void
name_place(QcPrefetchState *state, TupleTableSlot *slot)
{
	TupleTableSlot *scan = state->css.ss.ss_ScanTupleSlot;
	bool		isnull;
	Datum		ctid = slot_getattr(slot, state->ctid, &isnull);

	ExecStoreVirtualTuple(ExecClearTuple(scan));
	scan->tts_tid = *(ItemPointer) DatumGetPointer(ctid);
	scan->tts_tableOid = DatumGetObjectId(slot_getattr(slot, state->tableoid, &isnull));
}

/* The row if it passes the quals, else NULL. */
static TupleTableSlot *
give(QcPrefetchState *state, TupleTableSlot *row)
{
	PlanState  *ps = &state->css.ss.ps;
	ExprContext *context = ps->ps_ExprContext;

	state->taken++;
	reset_if_used(context);
	context->ecxt_outertuple = row;
	if (ps->qual && !ExecQual(ps->qual, context))
	{
		InstrCountFiltered1(&state->css, 1);
		return NULL;
	}
	if (state->ctid != 0)
		name_place(state, row);
	state->given++;

	/* an empty target list (count(*), EXISTS) has no projection */
	if (ps->ps_ProjInfo == NULL)
		return ExecStoreVirtualTuple(ExecClearTuple(ps->ps_ResultTupleSlot));
	return ExecProject(ps->ps_ProjInfo);
}

/* The row that goes out next, its answers there; NULL: the end. */
static TupleTableSlot *
next_ready(QcPrefetchState *state)
{
	for (;;)
	{
		TupleTableSlot *row;

		CHECK_FOR_INTERRUPTS();
		if (state->n == 0 && !state->ended && state->nfirst == 0 && !state->pretends &&
			(row = take_directly(state)) != NULL)
			return row;
		fill(state);
		if (state->n == 0)
			return NULL;
		if (state->pretends || head_is_ready(state))
			return take_head(state);
		wait_for_answers(state);
	}
}

static TupleTableSlot *
next_row(CustomScanState *node)
{
	QcPrefetchState *state = (QcPrefetchState *) node;
	TupleTableSlot *slot = NULL;

	if (!state->begun)
		begin_scan(state);
	while (slot == NULL)
	{
		bool		all = state->bound >= 0 && !state->may_drop && state->taken >= state->bound;
		TupleTableSlot *row;

		release_answers(state, state->current);
		row = all ? NULL : next_ready(state);
		if (row == NULL)
			return ExecClearTuple(node->ss.ss_ScanTupleSlot);	/* nor is there a place any more */
		slot = give(state, row);
	}
	return slot;
}

/* ---- rescan and end ---- */

static void
rescan(CustomScanState *node)
{
	QcPrefetchState *state = (QcPrefetchState *) node;

	if (state->begun)
		state->usual = state->usual < 0 ? state->taken :
			0.7 * state->usual + 0.3 * state->taken;
	drop_rows(state);
	state->begun = state->ended = false;
	state->taken = 0;
	state->first_asked = 0;
	if (outerPlanState(node)->chgParam == NULL)
		ExecReScan(outerPlanState(node));
}

static void
end(CustomScanState *node)
{
	drop_rows((QcPrefetchState *) node);
	ExecEndNode(outerPlanState(node));
}

/* ---- EXPLAIN ---- */

static void
explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	QcPrefetchState *state = (QcPrefetchState *) node;
	const QcAheadCounts none = {0};
	const QcAheadCounts *counts = state->counts ? state->counts : &none;

	(void) ancestors;
	ExplainPropertyInteger("Prefetched Calls", NULL, Max(state->ncalls, state->nfirst), es);
	if (!es->analyze)
		return;
	ExplainPropertyInteger("Requests", NULL, counts->requests, es);
	ExplainPropertyInteger("Shared", NULL, counts->shared, es);
	ExplainPropertyInteger("Retried", NULL, counts->retried, es);
	ExplainPropertyInteger("Max In Flight", NULL, counts->most_in_flight, es);
	ExplainPropertyInteger("Max Rows Buffered", NULL, state->most_rows, es);
	if (counts->tokens > 0)
	{
		ExplainPropertyInteger("Tokens", NULL, counts->tokens, es);
		ExplainPropertyInteger("Cached Tokens", NULL, counts->cached_tokens, es);
	}
	if (es->timing)
		ExplainPropertyFloat("Wait Time", "ms", INSTR_TIME_GET_MILLISEC(state->waited), 1, es);
}

static const CustomExecMethods exec_methods = {
	.CustomName = "Qwen Prefetch",
	.BeginCustomScan = begin,
	.ExecCustomScan = next_row,
	.EndCustomScan = end,
	.ReScanCustomScan = rescan,
	.ExplainCustomScan = explain,
};

const CustomScanMethods qc_prefetch_methods = {"Qwen Prefetch", create_state};
