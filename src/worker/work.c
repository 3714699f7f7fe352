/*-------------------------------------------------------------------------
 *
 * work.c
 *	  Transactions of the worker, and errors that must not end it.
 *
 * One task's trouble never stops another and never ends the process: it is
 * caught, the transaction is gone, and the task waits.  It is said in the log
 * once when it begins and once when it ends, and in qwen.progress all the time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "net/pool.h"
#include "worker/state.h"

#define QC_FAULT_PAUSE		(30 * QC_S)
#define QC_SQL_PAUSE		(1 * QC_S)

/* The extension may have been dropped since; what is locked here stays until the end. */
void
qc_work_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (!qc_worker_extension_same())
	{
		CommitTransactionCommand();
		qc_worker_leave(0, true);
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(qc_state.round);
}

void
qc_work_end(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(false);
	MemoryContextSwitchTo(qc_state.round);
}

/*
 * Run a step that may begin a transaction; NULL, or what was thrown.  The
 * error lies in the round's context.
 */
ErrorData *
qc_work_try(void (*step) (void *), void *arg)
{
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		step(arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(qc_state.round);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		pgstat_report_stat(true);
		MemoryContextSwitchTo(qc_state.round);
	}
	PG_END_TRY();
	return error;
}

/* The same fault again only moves the time of the next try. */
void
qc_work_fault(QcWork *work, QcFaultOf fault, const char *why)
{
	bool		news = work->fault != fault || work->why == NULL || strcmp(work->why, why) != 0;

	work->again_at = qc_pool_now() + QC_FAULT_PAUSE;
	if (!news)
		return;
	if (work->why != NULL)
		pfree(work->why);
	work->why = MemoryContextStrdup(work->cxt, why);
	work->fault = fault;
	work->reported = true;
	ereport(LOG,
			(errmsg("task \"%s\" waits: %s", work->task->name, why)));
	qc_show(true);
}

/* Somebody was in the way for a moment: nothing to tell anybody. */
bool
qc_error_passes(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		error->sqlerrcode == ERRCODE_QUERY_CANCELED;
}

void
qc_work_error(QcWork *work, ErrorData *error)
{
	StringInfoData why;

	work->target_stale = true;
	if (qc_error_passes(error) || qc_works_outdated())
	{
		work->again_at = qc_pool_now() + QC_SQL_PAUSE;
		return;
	}
	initStringInfo(&why);
	appendStringInfoString(&why, error->message);
	if (error->hint)
		appendStringInfo(&why, ". %s", error->hint);
	qc_work_fault(work, QC_FAULT_SQL, why.data);
	pfree(why.data);
}

/* What this fault was about works again. */
void
qc_work_sound(QcWork *work, QcFaultOf fault)
{
	if (work->fault != fault)
		return;
	work->fault = QC_SOUND;
	work->again_at = 0;
	pfree(work->why);
	work->why = NULL;
	if (work->reported)
		ereport(LOG,
				(errmsg("task \"%s\" goes on", work->task->name)));
	work->reported = false;
	qc_show(true);
}

/* Are rows of this task read at all? */
bool
qc_work_takes(const QcWork *work)
{
	return !work->task->paused && OidIsValid(work->task->source);
}

/* Not while it waits after a fault. */
bool
qc_work_may_run(const QcWork *work)
{
	return qc_work_takes(work) && (work->again_at == 0 || qc_pool_now() >= work->again_at);
}
