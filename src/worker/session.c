/*-------------------------------------------------------------------------
 *
 * session.c
 *	  A worker's process: its place on the board, its session, its end.
 *
 * The place is taken before the database is entered: whoever wants the
 * database empty (utility.c) either sees the worker there or is seen by it.
 * It is given back before the process leaves the server, however it ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "task/task.h"
#include "worker/worker.h"

/* A worker that lived shorter than this and did not mean to end; microseconds. */
#define QC_QUICK_DEATH	INT64CONST(60000000)

/* First key of the session's advisory lock; the second is 0. */
#define QC_LOCK_CLASS	0x7177656e	/* "qwen" */

static QcBoardDatabase *place = NULL;
static Oid	extension = InvalidOid;
static volatile sig_atomic_t told_to_end = false;
static uint32 seen_config = 0;
static bool leaving = false;
static TimestampTz leaving_due = 0;
static bool leaving_absent = false;

QcBoardDatabase *
qc_worker_place(void)
{
	return place;
}

void
qc_worker_config_seen(uint32 config)
{
	seen_config = config;
}

/* As any backend ends; but the end was asked for, so it is no death. */
static void
on_terminate(SIGNAL_ARGS)
{
	told_to_end = true;
	die(postgres_signal_arg);
}

void
qc_worker_signals(void)
{
	pqsignal(SIGTERM, on_terminate);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
}

/* ---- the place ---- */

/* What was not said before is said at the end: who died too early counts. */
static void
leave_place(int code, Datum arg)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		died = code != 0 && !told_to_end;

	(void) arg;
	SpinLockAcquire(&place->mutex);
	if (place->worker_pid == MyProcPid)
	{
		place->worker_pid = 0;
		place->worker_proc = -1;
		if (leaving && leaving_due != 0)
			place->due = leaving_due;
		place->absent = leaving && leaving_absent && place->config == seen_config;
		if (!died)
			place->quick_deaths = 0;
		else if (now - place->started_at < QC_QUICK_DEATH)
			place->quick_deaths++;
		else
			place->quick_deaths = 1;

		/* work that was cut off, or what came when the mind was made up to leave */
		place->sweep = place->sweep || code != 0;
		place->wanted = code != 0 || place->config != seen_config ||
			(!place->absent && (place->sweep || place->head != place->tail));
	}
	SpinLockRelease(&place->mutex);
}

/* False: somebody is here already, or nobody may be. */
static bool
take_place(Oid dbid)
{
	bool		taken;
	TimestampTz now = GetCurrentTimestamp();

	place = qc_board_database(dbid, true);
	if (place == NULL)
		return true;
	before_shmem_exit(leave_place, (Datum) 0);
	SpinLockAcquire(&place->mutex);
	taken = place->worker_pid == 0 && !(place->away && now < place->away_until);
	if (taken)
	{
		place->worker_pid = MyProcPid;
		place->worker_proc = qc_my_proc_number();
		place->started_at = now;
		place->wanted = false;
		place->due = 0;
		seen_config = place->config;
	}
	SpinLockRelease(&place->mutex);
	return taken;
}

void
qc_worker_leave(TimestampTz due, bool absent)
{
	leaving = true;
	leaving_due = due;
	leaving_absent = absent;
	proc_exit(0);
}

/* ---- the session ---- */

/*
 * What the database or the role may have set is not for us: our statements are
 * short, few and planned once.
 */
static void
fix_settings(void)
{
	static const char *const fixed[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"session_replication_role", "origin"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"statement_timeout", "0"},
		{"lock_timeout", "500ms"},	/* somebody else's lock is no reason to hold up all tasks */
		{"idle_in_transaction_session_timeout", "0"},
		{"row_security", "off"},
		{"check_function_bodies", "off"},
		{"plan_cache_mode", "force_generic_plan"},
		{"enable_hashjoin", "off"},
		{"enable_mergejoin", "off"},
		{"enable_seqscan", "off"},
		{"jit", "off"},
		{"max_parallel_workers_per_gather", "0"},
		{"application_name", QC_WORKER_NAME}
	};

	for (size_t i = 0; i < lengthof(fixed); i++)
		SetConfigOption(fixed[i][0], fixed[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	if (GetConfigOption("transaction_timeout", true, false) != NULL)
		SetConfigOption("transaction_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
}

/* One worker a database: the lock dies with the session, so nothing needs cleaning. */
static bool
lock_session(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, QC_LOCK_CLASS, 0, 2);
	return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

static bool
find_extension(void)
{
	bool		found;
	bool		locked;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	locked = lock_session();
	found = locked && qc_extension_present(&extension);
	CommitTransactionCommand();
	if (!locked)
		qc_worker_leave(0, false);
	return found;
}

bool
qc_worker_extension_same(void)
{
	Oid			now;

	return qc_extension_present(&now) && now == extension;
}

void
qwen_classify_worker_main(Datum arg)
{
	Oid			dbid = DatumGetObjectId(arg);

	if (!take_place(dbid))
		proc_exit(0);
	qc_worker_signals();
	BackgroundWorkerInitializeConnectionByOid(dbid, InvalidOid, 0);
	fix_settings();
	if (!find_extension())
		qc_worker_leave(0, true);
	qc_worker_leave(qc_loop_run(), false);
}
