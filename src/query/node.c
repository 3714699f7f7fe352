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

#include "common/guc.h"
#include "query/node.h"

#define ROWS_PER_REQUEST	16	/* slow answers must not hold up the fast ones behind */
#define FEW_ROWS			4	/* read ahead before anybody took one */
#define STARTS_A_ROUND		8	/* requests that are started before any is driven */
#define LOOK_AGAIN_MS		250 /* others' places at the server are given back unnoticed */
#define PRETENDED_ROWS		8	/* that a call without a request is late */

static const CustomExecMethods exec_methods;

/* ---- beginning ---- */

static int
int_of(List *list, QcPrefetchPrivate which)
{
	return intVal(list_nth(list, which));
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
	qc_node_init_calls(state, plan->custom_exprs);
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

/* The child's next row, or NULL: there is none. */
static TupleTableSlot *
read_child(QcPrefetchState *state)
{
	TupleTableSlot *slot = ExecProcNode(outerPlanState(&state->css));

	if (!TupIsNull(slot))
		return slot;
	state->ended = true;
	qc_ahead_last();
	return NULL;
}

static bool
read_row(QcPrefetchState *state)
{
	TupleTableSlot *slot = read_child(state);

	if (slot == NULL)
		return false;
	(void) qc_node_ask_row(state, slot, qc_node_keep_row(state, slot)->answer);
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
head_is_ready(const QcPrefetchState *state)
{
	if (state->n == 0)
		return false;
	if (state->pretends)
		return state->ended || state->n >= PRETENDED_ROWS;
	return qc_node_answered(state, state->ring[state->head].answer);
}

static void
wait_ahead(QcPrefetchState *state, long timeout_ms)
{
	qc_ahead_wait(state->ahead, timeout_ms);
	state->room = qc_ahead_room(state->ahead, state->counts);
	state->driven = state->counts->requests;
}

/*
 * Read while there is room; a row or two at a time once the first can go out.
 * Requests are sent off in handfuls, and before we wait: each trip to the
 * sockets costs several calls of the system.
 */
static void
fill(QcPrefetchState *state)
{
	int			rows = most_rows(state);
	int			nread = 0;

	if (state->room <= 0)
		state->room = qc_ahead_room(state->ahead, state->counts);
	qc_node_ask_first(state);
	while (!state->ended && state->n < rows && (state->room > 0 || state->n == 0) &&
		   qc_ahead_has_memory(state->ahead, state->bytes, state->n * state->ncalls))
	{
		if (nread >= 2 && head_is_ready(state))
			break;
		if (!read_row(state))
			break;
		nread++;
		if (state->counts->requests - state->driven >= STARTS_A_ROUND)
			wait_ahead(state, 0);
	}
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
	state->holding = qc_node_ask_row(state, slot, state->current);
	if (!state->holding || qc_node_answered(state, state->current))
		return slot;
	memcpy(qc_node_keep_row(state, slot)->answer, state->current, sizeof(QcAnswer *) * state->ncalls);
	memset(state->current, 0, sizeof(QcAnswer *) * state->ncalls);
	state->holding = false;
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
			return qc_node_take_head(state);
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

		if (state->holding)
			qc_node_release(state, state->current);
		state->holding = false;
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
	qc_node_drop_rows(state);
	state->begun = state->ended = false;
	state->taken = 0;
	state->first_asked = 0;
	if (outerPlanState(node)->chgParam == NULL)
		ExecReScan(outerPlanState(node));
}

static void
end(CustomScanState *node)
{
	qc_node_drop_rows((QcPrefetchState *) node);
	ExecEndNode(outerPlanState(node));
}

static const CustomExecMethods exec_methods = {
	.CustomName = "Qwen Prefetch",
	.BeginCustomScan = begin,
	.ExecCustomScan = next_row,
	.EndCustomScan = end,
	.ReScanCustomScan = rescan,
	.ExplainCustomScan = qc_node_explain,
};

const CustomScanMethods qc_prefetch_methods = {"Qwen Prefetch", create_state};
