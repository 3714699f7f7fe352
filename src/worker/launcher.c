/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  Starts a worker in each database that has something to do.
 *
 * Who remembers what an idle database waits for?  The launcher does: it
 * visits every database once after the start of the server, when one is
 * wanted (a commit set its latch), at the time that the last worker named,
 * and every five minutes.  A visit is a worker that leaves at once where the
 * extension is not installed.
 *
 * It is connected to the shared catalogs only and has a transaction just
 * while it reads pg_database.  A launcher that was killed finds running
 * workers on the board.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/guc.h"
#include "worker/worker.h"

#define QC_SECOND			INT64CONST(1000000)

/* A worker that died: how long to leave its database alone. */
#define QC_FIRST_PAUSE		(5 * QC_SECOND)
#define QC_LONGEST_PAUSE	(300 * QC_SECOND)

/* No free worker slot: try again. */
#define QC_WARN_EVERY		(3600 * INT64CONST(1000000))
#define QC_SLOT_PAUSE		(5 * QC_SECOND)

typedef struct QcServed
{
	Oid			dbid;			/* key */
	BackgroundWorkerHandle *handle; /* of the worker that runs; NULL: none of ours */
	TimestampTz served_at;		/* start of the latest worker; 0: never */
	TimestampTz visit_at;		/* look again then */
	TimestampTz not_before;		/* after deaths */
	bool		seen;			/* in the latest list */
} QcServed;

typedef struct QcLauncher
{
	HTAB	   *served;
	TimestampTz list_at;		/* read the list of databases then */
	TimestampTz slot_at;		/* no slot was free: not before then */
	TimestampTz warned_at;		/* about slots; 0: never */
	bool		enabled;		/* qwen_classify.enabled as last seen */
} QcLauncher;

static QcLauncher launcher;

/* ---- the list of databases ---- */

static void
note_database(Form_pg_database form)
{
	bool		found;
	QcServed   *served;

	if (!form->datallowconn || form->datistemplate)
		return;
	served = hash_search(launcher.served, &form->oid, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) served + sizeof(Oid), 0, sizeof(*served) - sizeof(Oid));
		served->dbid = form->oid;
	}
	served->seen = true;
}

static void
scan_databases(void)
{
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
		note_database((Form_pg_database) GETSTRUCT(tuple));
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	pgstat_report_stat(true);
}

/* Those that are gone, or may not be connected to any more, are forgotten. */
static void
read_databases(TimestampTz now)
{
	HASH_SEQ_STATUS status;
	QcServed   *served;

	hash_seq_init(&status, launcher.served);
	while ((served = hash_seq_search(&status)) != NULL)
		served->seen = false;

	scan_databases();

	hash_seq_init(&status, launcher.served);
	while ((served = hash_seq_search(&status)) != NULL)
	{
		if (served->seen || served->handle != NULL)
			continue;
		qc_board_forget_database(served->dbid);
		hash_search(launcher.served, &served->dbid, HASH_REMOVE, NULL);
	}
	launcher.list_at = now + QC_VISIT_EVERY;
}

/* ---- one database ---- */

/* What the board says of a database, copied. */
typedef struct QcSaid
{
	bool		there;
	int			worker_pid;
	bool		wanted;
	bool		away;
	bool		absent;
	TimestampTz away_until;
	TimestampTz due;
	int			quick_deaths;
} QcSaid;

static QcSaid
what_is_said(Oid dbid)
{
	QcSaid		said = {0};
	QcBoardDatabase *place = qc_board_database(dbid, false);

	if (place == NULL)
		return said;
	SpinLockAcquire(&place->mutex);
	said.there = true;
	said.worker_pid = place->worker_pid;
	said.wanted = place->wanted;
	said.away = place->away;
	said.absent = place->absent;
	said.away_until = place->away_until;
	said.due = place->due;
	said.quick_deaths = place->quick_deaths;
	SpinLockRelease(&place->mutex);
	return said;
}

/* Its worker is gone: when is the next one to come? */
static void
note_end(QcServed *served, TimestampTz now)
{
	QcSaid		said = what_is_said(served->dbid);

	pfree(served->handle);
	served->handle = NULL;
	served->visit_at = now + QC_VISIT_EVERY;
	served->not_before = 0;
	if (said.quick_deaths > 0)
		served->not_before = now +
			Min(QC_FIRST_PAUSE << Min(said.quick_deaths - 1, 10), QC_LONGEST_PAUSE);
	if (said.there && said.absent && !said.away)
		qc_board_forget_database(served->dbid);
}

/* When this database wants a worker; a time in the past: now. */
static TimestampTz
wanted_at(QcServed *served, TimestampTz now, bool *busy)
{
	QcSaid		said = what_is_said(served->dbid);
	TimestampTz at = served->visit_at;

	*busy = served->handle != NULL || said.worker_pid != 0;
	if (said.due != 0)
		at = Min(at, said.due);
	if (said.wanted)
		at = now;
	at = Max(at, served->not_before);
	if (said.away)
		at = Max(at, said.away_until);
	return at;
}

static bool
start_worker(QcServed *served)
{
	BackgroundWorker worker;
	MemoryContext old;
	bool		ok;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "qwen_classify", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "qwen_classify_worker_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, QC_WORKER_NAME, sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, QC_WORKER_NAME, sizeof(worker.bgw_type));
	worker.bgw_main_arg = ObjectIdGetDatum(served->dbid);
	worker.bgw_notify_pid = MyProcPid;

	old = MemoryContextSwitchTo(TopMemoryContext);
	ok = RegisterDynamicBackgroundWorker(&worker, &served->handle);
	MemoryContextSwitchTo(old);
	if (!ok)
		served->handle = NULL;
	return ok;
}

/* Once an hour at most, however often it is tried: an administrator has to act. */
static void
no_slot(TimestampTz now)
{
	launcher.slot_at = now + QC_SLOT_PAUSE;
	if (launcher.warned_at != 0 && now - launcher.warned_at < QC_WARN_EVERY)
		return;
	launcher.warned_at = now;
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("no background worker is free to label a database"),
			 errdetail("All max_worker_processes = %d are in use; rows wait meanwhile.",
					   max_worker_processes),
			 errhint("Raise it and restart the server: ALTER SYSTEM SET max_worker_processes = %d.",
					 max_worker_processes + qc_max_workers)));
}

/* ---- a round ---- */

static int
by_turn(const void *a, const void *b)
{
	const QcServed *const *x = a;
	const QcServed *const *y = b;

	if ((*x)->served_at != (*y)->served_at)
		return (*x)->served_at < (*y)->served_at ? -1 : 1;
	return (*x)->dbid < (*y)->dbid ? -1 : 1;
}

/* Workers that ended since the last look. */
static void
collect_ends(TimestampTz now)
{
	HASH_SEQ_STATUS status;
	QcServed   *served;
	pid_t		pid;

	hash_seq_init(&status, launcher.served);
	while ((served = hash_seq_search(&status)) != NULL)
		if (served->handle != NULL &&
			GetBackgroundWorkerPid(served->handle, &pid) == BGWH_STOPPED)
			note_end(served, now);
}

/* Tell workers whether others wait for their slot; an idle one sleeps. */
static void
tell_to_yield(bool yield)
{
	for (int i = 0; i < QC_BOARD_DATABASES; i++)
	{
		QcBoardDatabase *place = &qc_board->database[i];
		bool		news;

		SpinLockAcquire(&place->mutex);
		news = yield && !place->yield && place->worker_pid != 0;
		place->yield = yield;
		SpinLockRelease(&place->mutex);
		if (news)
			qc_board_wake(place);
	}
}

static void
start_one(QcServed *served, TimestampTz now)
{
	QcBoardDatabase *place = qc_board_database(served->dbid, false);

	if (place != NULL)
	{
		SpinLockAcquire(&place->mutex);
		place->wanted = false;
		place->due = 0;
		SpinLockRelease(&place->mutex);
	}
	if (!start_worker(served))
	{
		if (place != NULL)
		{
			SpinLockAcquire(&place->mutex);
			place->wanted = true;
			SpinLockRelease(&place->mutex);
		}
		no_slot(now);
		return;
	}
	served->served_at = now;
	served->visit_at = now + QC_VISIT_EVERY;
}

/* The longest unserved first, as many as there is room for; when to look again. */
static TimestampTz
start_wanted(TimestampTz now)
{
	long		n = hash_get_num_entries(launcher.served);
	QcServed  **wanting = palloc(sizeof(QcServed *) * Max(n, 1));
	int			nwanting = 0;
	int			running = 0;
	int			started = 0;
	TimestampTz next = launcher.list_at;
	HASH_SEQ_STATUS status;
	QcServed   *served;

	hash_seq_init(&status, launcher.served);
	while ((served = hash_seq_search(&status)) != NULL)
	{
		bool		busy;
		TimestampTz at = wanted_at(served, now, &busy);

		if (busy)
			running++;
		else if (at <= now)
			wanting[nwanting++] = served;
		else
			next = Min(next, at);
	}
	qsort(wanting, nwanting, sizeof(QcServed *), by_turn);
	while (started < nwanting && running + started < qc_max_workers &&
		   now >= launcher.slot_at)
	{
		start_one(wanting[started], now);
		if (wanting[started]->handle == NULL)
			break;
		started++;
	}
	if (started < nwanting)
		next = Min(next, Max(launcher.slot_at, now + QC_SECOND));
	tell_to_yield(started < nwanting);
	pfree(wanting);
	return next;
}

/* A place of a database that is not in our list yet: it was just made. */
static bool
unknown_wanted(void)
{
	for (int i = 0; i < QC_BOARD_DATABASES; i++)
	{
		QcBoardDatabase *place = &qc_board->database[i];
		Oid			dbid = place->dbid;

		if (OidIsValid(dbid) && place->wanted &&
			hash_search(launcher.served, &dbid, HASH_FIND, NULL) == NULL)
			return true;
	}
	return false;
}

static bool
told_to_look(void)
{
	bool		look;

	SpinLockAcquire(&qc_board->launcher_mutex);
	look = qc_board->look;
	qc_board->look = false;
	SpinLockRelease(&qc_board->launcher_mutex);
	return look;
}

static TimestampTz
launcher_round(void)
{
	TimestampTz now = GetCurrentTimestamp();

	/* a clock that was set back must not make anybody wait for it */
	if (launcher.list_at > now + 2 * QC_VISIT_EVERY)
		launcher.list_at = now;
	collect_ends(now);
	if (!qc_enabled)
		return now + QC_VISIT_EVERY;
	if (told_to_look() || now >= launcher.list_at || unknown_wanted())
		read_databases(now);
	return start_wanted(now);
}

/* ---- the process ---- */

static void
leave_board(int code, Datum arg)
{
	(void) code;
	(void) arg;
	SpinLockAcquire(&qc_board->launcher_mutex);
	if (qc_board->launcher_pid == MyProcPid)
		qc_board->launcher_pid = 0;
	SpinLockRelease(&qc_board->launcher_mutex);
}

static void
enter_board(void)
{
	before_shmem_exit(leave_board, (Datum) 0);
	SpinLockAcquire(&qc_board->launcher_mutex);
	qc_board->launcher_pid = MyProcPid;
	qc_board->launcher_proc = qc_my_proc_number();
	SpinLockRelease(&qc_board->launcher_mutex);
}

static void
reload(void)
{
	HASH_SEQ_STATUS status;
	QcServed   *served;

	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	if (qc_enabled && !launcher.enabled)
	{
		hash_seq_init(&status, launcher.served);
		while ((served = hash_seq_search(&status)) != NULL)
			served->visit_at = 0;
	}
	launcher.enabled = qc_enabled;
}

void
qwen_classify_launcher_main(Datum arg)
{
	HASHCTL		ctl = {0};
	MemoryContext cxt;

	(void) arg;
	qc_worker_signals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	enter_board();
	SetConfigOption("application_name", QC_LAUNCHER_NAME, PGC_USERSET, PGC_S_OVERRIDE);

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(QcServed);
	launcher.served = hash_create("qwen_classify databases", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	launcher.enabled = qc_enabled;
	cxt = AllocSetContextCreate(TopMemoryContext, "qwen_classify launcher", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		TimestampTz next;

		MemoryContextSwitchTo(cxt);
		next = launcher_round();
		MemoryContextSwitchTo(cxt);
		MemoryContextReset(cxt);
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next) + 1,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
			reload();
	}
}

/* Never in a server that pg_upgrade starts: nothing may write there. */
void
qc_launcher_init(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "qwen_classify", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "qwen_classify_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, QC_LAUNCHER_NAME, sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, QC_LAUNCHER_NAME, sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}
