/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  CALL qwen.wait(task, timeout): until nothing waits for a label.
 *
 * A procedure and no function: a function would hold its snapshot for as long
 * as it waits, and VACUUM could not clean up behind the very labels that it
 * waits for.  Each look is a transaction of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/board.h"
#include "common/guc.h"
#include "queue/own.h"

PG_FUNCTION_INFO_V1(qwen_classify_wait);

/* Milliseconds between two looks. */
#define SHORTEST_PAUSE	20
#define LONGEST_PAUSE	1000

/* A fault that was there before may just have been mended: the worker tries again after 30 s. */
#define OLD_FAULT_FOR	INT64CONST(40000000)
#define NEW_FAULT_FOR	INT64CONST(2000000)

typedef struct QcWaiting
{
	char	   *name;
	int32		task;
	TimestampTz begun;
	TimestampTz until;			/* DT_NOEND: for ever */
	TimestampTz fault_since;	/* 0: the task is sound */
} QcWaiting;

/*
 * What is in the tables; a row in flight stands there until it is written.  A
 * row that is tried again in minutes is not waited for.
 */
typedef struct QcLeft
{
	int64		queued;
	int64		retrying;		/* within a minute */
	int64		later;
	bool		backfill;
	bool		recalibration;
} QcLeft;

static QcLeft
look(int32 task)
{
	QcLeft		left;
	QcOwn		own;
	bool		isnull;

	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_run(&own, "SELECT (SELECT pg_catalog.count(*) FROM qwen.queue WHERE task = $1), "
			   "(SELECT pg_catalog.count(*) FROM qwen.retry WHERE task = $1 AND next_at <= now() + '1 min'), "
			   "(SELECT pg_catalog.count(*) FROM qwen.retry WHERE task = $1 AND next_at > now() + '1 min'), "
			   "(SELECT pg_catalog.count(*) FROM qwen.backfill_state "
			   "WHERE task = $1 AND finished_at IS NULL), "
			   "(SELECT pg_catalog.count(*) FROM qwen.recalibration "
			   "WHERE task = $1 AND finished_at IS NULL)", SPI_OK_SELECT);
	left.queued = qc_own_int8_at(0, 1, &isnull);
	left.retrying = qc_own_int8_at(0, 2, &isnull);
	left.later = qc_own_int8_at(0, 3, &isnull);
	left.backfill = qc_own_int8_at(0, 4, &isnull) > 0;
	left.recalibration = qc_own_int8_at(0, 5, &isnull) > 0;
	qc_own_end(&own);
	return left;
}

static bool
is_done(const QcLeft *left)
{
	return left->queued == 0 && left->retrying == 0 && !left->backfill && !left->recalibration;
}

static char *
left_words(const QcLeft *left)
{
	return psprintf(INT64_FORMAT " rows are queued, " INT64_FORMAT " failed and are tried again%s%s.",
					left->queued, left->retrying + left->later,
					left->backfill ? ", a backfill is under way" : "",
					left->recalibration ? ", confidences are rewritten" : "");
}

/* ---- nothing will happen ---- */

static void
check_configuration(const QcTask *task, const QcLeft *left)
{
	const char *what = NULL;
	char	   *hint = NULL;

	if (qc_board == NULL)
	{
		what = "there is no worker: the library is not preloaded";
		hint = "Add qwen_classify to shared_preload_libraries in postgresql.conf and restart the server.";
	}
	else if (!qc_enabled)
	{
		what = "the worker is switched off";
		hint = "Type: ALTER SYSTEM SET qwen_classify.enabled = on; SELECT pg_reload_conf().";
	}
	else if (task->paused)
	{
		what = psprintf("task \"%s\" is paused", task->name);
		hint = psprintf("Type: SELECT qwen.resume(%s).", quote_literal_cstr(task->name));
	}
	else if (!OidIsValid(task->source))
	{
		what = psprintf("task \"%s\" is not attached to a table", task->name);
		hint = psprintf("Type: SELECT qwen.attach(%s, 'schema.table', input => 'column').",
						quote_literal_cstr(task->name));
	}
	if (what != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s", what), errdetail("%s", left_words(left)), errhint("%s", hint)));
}

/* A fault that the worker shows, once it is sure to be one of now. */
static void
check_board(QcWaiting *w, const QcLeft *left)
{
	QcBoardTask place;
	TimestampTz now = GetCurrentTimestamp();

	if (!qc_board_task_read(MyDatabaseId, w->task, &place) || place.activity != QC_TASK_STOPPED)
	{
		w->fault_since = 0;
		return;
	}
	if (w->fault_since == 0)
		w->fault_since = now;
	if (now - w->fault_since < (place.since > w->begun ? NEW_FAULT_FOR : OLD_FAULT_FOR))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("task \"%s\" does not get on: %s", w->name, place.why),
			 errdetail("%s", left_words(left)),
			 errhint("The worker tries again by itself; mend what it says, then call qwen.wait again.")));
}

static void
check_time(const QcWaiting *w, const QcLeft *left)
{
	if (GetCurrentTimestamp() < w->until)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("task \"%s\" is not done within the time limit", w->name),
			 errdetail("%s", left_words(left)),
			 errhint("SELECT * FROM qwen.progress; shows what it is doing.")));
}

/* ---- the procedure ---- */

/* True: done. */
static bool
look_once(QcWaiting *w)
{
	QcTask	   *task;
	QcLeft		left;

	PushActiveSnapshot(GetTransactionSnapshot());
	task = qc_task_by_id(w->task);
	if (task == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("task \"%s\" was dropped", w->name)));
	left = look(w->task);
	PopActiveSnapshot();
	if (is_done(&left))
	{
		if (left.later > 0)
			ereport(NOTICE,
					(errmsg(INT64_FORMAT " rows failed and are tried again in a while", left.later),
					 errhint("SELECT * FROM qwen.failed WHERE task = %s; shows why.",
							 quote_literal_cstr(w->name))));
		return true;
	}
	check_configuration(task, &left);
	check_board(w, &left);
	check_time(w, &left);
	return false;
}

static void
pause_for(int ms)
{
	static uint32 event = 0;

	if (event == 0)
		event = qc_wait_event_new("QwenClassifyWait");
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Without a snapshot and a transaction's locks in the pauses. */
static void
wait_until_done(QcWaiting *w)
{
	int			ms = SHORTEST_PAUSE;

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	for (;;)
	{
		bool		done = look_once(w);

		SPI_commit();
		SPI_start_transaction();
		if (done)
			break;
		pause_for(ms);
		ms = Min(ms * 3 / 2, LONGEST_PAUSE);
	}
	SPI_finish();
}

static void
begin_wait(QcWaiting *w, FunctionCallInfo fcinfo)
{
	QcTask	   *task = qc_task_argument(fcinfo, 0);

	if (!qc_task_visible(task))
		qc_task_check_owner(task);
	w->name = pstrdup(task->name);
	w->task = task->id;
	w->begun = GetCurrentTimestamp();
	w->fault_since = 0;
	w->until = PG_ARGISNULL(1) ? DT_NOEND :
		DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												TimestampTzGetDatum(w->begun),
												PG_GETARG_DATUM(1)));
}

Datum
qwen_classify_wait(PG_FUNCTION_ARGS)
{
	QcWaiting	w;

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("CALL qwen.wait cannot run inside a transaction block"),
				 errdetail("Rows of the transaction are queued when it commits."),
				 errhint("COMMIT first.")));
	begin_wait(&w, fcinfo);
	wait_until_done(&w);
	PG_RETURN_VOID();
}
