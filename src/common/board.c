/*-------------------------------------------------------------------------
 *
 * board.c
 *	  What sessions, the launcher and the workers tell each other.
 *
 * Lock order: the LWLock of shmem.h, then a place's spinlock.  A place that
 * was given to a database is never given to another while the server runs
 * unless qc_board_forget_database said so, so a process may keep a pointer to
 * the place of its own database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "common/board.h"
#include "common/shmem.h"

/* Two crashes within this time make the worker careful; microseconds. */
#define QC_CRASHES_WITHIN	INT64CONST(60000000)

QcBoard    *qc_board = NULL;

Size
qc_board_size(void)
{
	return MAXALIGN(sizeof(QcBoard));
}

/*
 * In the postmaster, once; after a crash again, since shared memory is new
 * then.  The postmaster itself survives that, so its own variables know how
 * often: two crashes in a row may well be a row's doing.
 */
void
qc_board_init(QcBoard *board)
{
	static TimestampTz crashed_at = 0;
	static bool begun = false;
	TimestampTz now = GetCurrentTimestamp();

	memset(board, 0, sizeof(*board));
	board->begun_at = now;
	board->crashed_twice = crashed_at != 0 && now - crashed_at < QC_CRASHES_WITHIN;
	if (begun)
		crashed_at = now;
	begun = true;
	SpinLockInit(&board->launcher_mutex);
	for (int i = 0; i < QC_BOARD_DATABASES; i++)
		SpinLockInit(&board->database[i].mutex);
	for (int i = 0; i < QC_BOARD_TASKS; i++)
		SpinLockInit(&board->task[i].mutex);
}

/* ---- places of databases ---- */

/* Under the LWLock: its place, or the first free one in *unused. */
static QcBoardDatabase *
find_database(Oid dbid, QcBoardDatabase **unused)
{
	*unused = NULL;
	for (int i = 0; i < QC_BOARD_DATABASES; i++)
	{
		QcBoardDatabase *place = &qc_board->database[i];

		if (place->dbid == dbid)
			return place;
		if (*unused == NULL && !OidIsValid(place->dbid))
			*unused = place;
	}
	return NULL;
}

/* A new place knows nothing of the queue: its worker begins with a sweep. */
static void
reset_database(QcBoardDatabase *place)
{
	SpinLockAcquire(&place->mutex);
	place->worker_pid = 0;
	place->worker_proc = -1;
	place->wanted = false;
	place->away = false;
	place->away_until = 0;
	place->absent = false;
	place->sweep = true;
	place->config = 0;
	place->due = 0;
	place->started_at = 0;
	place->quick_deaths = 0;
	place->yield = false;
	place->told = false;
	place->head = place->tail = 0;
	SpinLockRelease(&place->mutex);
}

QcBoardDatabase *
qc_board_database(Oid dbid, bool make)
{
	QcBoardDatabase *place;
	QcBoardDatabase *unused;

	if (qc_board == NULL)
		return NULL;
	LWLockAcquire(qc_shared->lock, LW_SHARED);
	place = find_database(dbid, &unused);
	LWLockRelease(qc_shared->lock);
	if (place != NULL || !make)
		return place;

	LWLockAcquire(qc_shared->lock, LW_EXCLUSIVE);
	place = find_database(dbid, &unused);
	if (place == NULL && unused != NULL)
	{
		reset_database(unused);
		unused->dbid = dbid;
		place = unused;
	}
	LWLockRelease(qc_shared->lock);
	return place;
}

void
qc_board_forget_database(Oid dbid)
{
	QcBoardDatabase *place;
	QcBoardDatabase *unused;

	if (qc_board == NULL)
		return;
	LWLockAcquire(qc_shared->lock, LW_EXCLUSIVE);
	place = find_database(dbid, &unused);
	if (place != NULL)
	{
		reset_database(place);
		place->dbid = InvalidOid;
	}
	for (int i = 0; i < QC_BOARD_TASKS; i++)
		if (qc_board->task[i].dbid == dbid)
			qc_board->task[i].dbid = InvalidOid;
	LWLockRelease(qc_shared->lock);
}

/* ---- waking ---- */

/* A latch that belongs to nobody any more, or to somebody else, may be set. */
static void
set_latch_of(int proc)
{
	SetLatch(&GetPGProcByNumber(proc)->procLatch);
}

void
qc_board_wake_launcher(void)
{
	int			pid;
	int			proc;

	if (qc_board == NULL)
		return;
	SpinLockAcquire(&qc_board->launcher_mutex);
	pid = qc_board->launcher_pid;
	proc = qc_board->launcher_proc;
	SpinLockRelease(&qc_board->launcher_mutex);
	if (pid != 0)
		set_latch_of(proc);
}

void
qc_board_databases_changed(void)
{
	if (qc_board == NULL)
		return;
	SpinLockAcquire(&qc_board->launcher_mutex);
	qc_board->look = true;
	SpinLockRelease(&qc_board->launcher_mutex);
	qc_board_wake_launcher();
}

/* Without a worker the place says that one is wanted, and the launcher sees to it. */
void
qc_board_wake(QcBoardDatabase *place)
{
	int			pid;
	int			proc;

	SpinLockAcquire(&place->mutex);
	pid = place->worker_pid;
	proc = place->worker_proc;
	if (pid == 0)
		place->wanted = true;
	SpinLockRelease(&place->mutex);
	if (pid != 0)
		set_latch_of(proc);
	else
		qc_board_wake_launcher();
}

/* ---- what sessions tell ---- */

/* Under the spinlock.  A range next to the latest one is joined with it. */
static void
push_range(QcBoardDatabase *place, const QcRange *range)
{
	if (place->head != place->tail)
	{
		QcRange    *last = &place->range[(place->head - 1) % QC_BOARD_RANGES];

		if (range->first >= last->first && range->first <= last->last)
		{
			last->last = Max(last->last, range->last);
			return;
		}
	}
	if (place->head - place->tail >= QC_BOARD_RANGES)
		place->sweep = true;
	else
		place->range[place->head++ % QC_BOARD_RANGES] = *range;
}

void
qc_board_announce(Oid dbid, const QcRange *range, int n)
{
	QcBoardDatabase *place = qc_board_database(dbid, true);
	bool		told;

	if (place == NULL)
	{
		qc_board_wake_launcher();
		return;
	}
	SpinLockAcquire(&place->mutex);
	if (n < 0)
		place->sweep = true;
	for (int i = 0; i < n; i++)
		push_range(place, &range[i]);
	place->absent = false;
	told = place->told && place->worker_pid != 0;
	place->told = true;
	SpinLockRelease(&place->mutex);

	/* a busy worker is told once: a signal for each commit is what costs most */
	if (told)
		return;
	qc_board_wake(place);
}

void
qc_board_config_changed(Oid dbid)
{
	QcBoardDatabase *place = qc_board_database(dbid, true);

	if (place == NULL)
		return;
	SpinLockAcquire(&place->mutex);
	place->config++;
	place->absent = false;
	SpinLockRelease(&place->mutex);
	qc_board_wake(place);
}

static bool config_changes = false;

/* A prepared transaction's changes are found by the worker's slow look. */
static void
at_end(XactEvent event, void *arg)
{
	(void) arg;
	if (event == XACT_EVENT_COMMIT && config_changes)
		qc_board_config_changed(MyDatabaseId);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		config_changes = false;
}

/*
 * A change that is rolled back to a savepoint wakes the worker all the same:
 * it looks and finds nothing new.
 */
void
qc_board_config_changes(void)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(at_end, NULL);
		registered = true;
	}
	config_changes = true;
}

/* ---- what the worker takes and tells ---- */

int
qc_board_take(QcBoardDatabase *place, QcRange *range, int max, bool *sweep)
{
	int			n = 0;

	SpinLockAcquire(&place->mutex);
	while (n < max && place->tail != place->head)
		range[n++] = place->range[place->tail++ % QC_BOARD_RANGES];
	*sweep = place->sweep;
	place->sweep = false;
	place->told = false;
	SpinLockRelease(&place->mutex);
	return n;
}

/* Under the LWLock. */
static QcBoardTask *
find_task(Oid dbid, int32 task, QcBoardTask **unused)
{
	*unused = NULL;
	for (int i = 0; i < QC_BOARD_TASKS; i++)
	{
		QcBoardTask *place = &qc_board->task[i];

		if (place->dbid == dbid && place->task == task)
			return place;
		if (*unused == NULL && !OidIsValid(place->dbid))
			*unused = place;
	}
	return NULL;
}

static void
reset_task(QcBoardTask *place)
{
	SpinLockAcquire(&place->mutex);
	place->activity = QC_TASK_IDLE;
	place->since = GetCurrentTimestamp();
	place->why[0] = place->last_error[0] = place->source[0] = '\0';
	place->waiting_exact = false;
	place->waiting = place->in_flight = 0;
	place->oldest = 0;
	place->rate = 0;
	place->done = place->undecided = place->failed = place->cut = 0;
	SpinLockRelease(&place->mutex);
}

/* NULL: no board, or all places are taken (the views then know less). */
QcBoardTask *
qc_board_task_claim(int32 task)
{
	QcBoardTask *place;
	QcBoardTask *unused;

	if (qc_board == NULL)
		return NULL;
	LWLockAcquire(qc_shared->lock, LW_EXCLUSIVE);
	place = find_task(MyDatabaseId, task, &unused);
	if (place == NULL && unused != NULL)
	{
		reset_task(unused);
		unused->dbid = MyDatabaseId;
		unused->task = task;
		place = unused;
	}
	LWLockRelease(qc_shared->lock);
	return place;
}

bool
qc_board_task_read(Oid dbid, int32 task, QcBoardTask *copy)
{
	QcBoardTask *place;
	QcBoardTask *unused;

	if (qc_board == NULL)
		return false;
	LWLockAcquire(qc_shared->lock, LW_SHARED);
	place = find_task(dbid, task, &unused);
	if (place != NULL)
	{
		SpinLockAcquire(&place->mutex);
		*copy = *place;
		SpinLockRelease(&place->mutex);
	}
	LWLockRelease(qc_shared->lock);
	return place != NULL;
}

void
qc_board_task_forget(Oid dbid, int32 task)
{
	QcBoardTask *place;
	QcBoardTask *unused;

	if (qc_board == NULL)
		return;
	LWLockAcquire(qc_shared->lock, LW_EXCLUSIVE);
	place = find_task(dbid, task, &unused);
	if (place != NULL)
		place->dbid = InvalidOid;
	LWLockRelease(qc_shared->lock);
}
