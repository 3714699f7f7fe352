/*-------------------------------------------------------------------------
 *
 * loop.c
 *	  The worker's loop: one wait, then everything that can be done.
 *
 * The wait (qc_pool_wait) ends by an answer, the latch, or the time of the
 * next thing that is due.  While it waits the worker has no transaction, no
 * snapshot and no lock but its session's advisory lock.
 *
 * An error that belongs to no task throws all of the state away and begins
 * anew from the tables, after a pause that doubles: what is in memory can always be
 * read again, so nothing is worth dying for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/guc.h"
#include "net/pool.h"
#include "trust/drift.h"
#include "worker/state.h"

#define QC_MINUTE			(60 * QC_S)
#define QC_SAFE_FOR			(60 * QC_S)
#define QC_SAFE_DEATHS		2
#define QC_YIELD_AFTER		(60 * QC_S)
#define QC_YIELD_WITHIN		(5 * QC_S)	/* answers under way are waited for */
#define QC_LEAST_PAUSE		1000	/* ms, after an error of nobody */
#define QC_MOST_PAUSE		60000
#define QC_DRIFT_PAUSE		(5 * QC_S)	/* between two looks at a task */
#define QC_DRIFT_EVERY		(3600 * QC_S)	/* at all tasks */

QcState		qc_state;

/* Outlives a reset of the state. */
static int64 process_begun = 0;
static int64 yielding_since = 0;

/* ---- the state ---- */

void
qc_state_reset(void)
{
	HASHCTL		ctl = {0};
	MemoryContext cxt = qc_state.cxt;
	int64		safe_until = qc_state.safe_until;

	dlist_init(&qc_state.works);	/* callbacks look at it */
	qc_state.cxt = NULL;
	if (cxt != NULL)
		MemoryContextDelete(cxt);	/* and with it all calls */

	memset(&qc_state, 0, sizeof(qc_state));
	dlist_init(&qc_state.works);
	cxt = AllocSetContextCreate(TopMemoryContext, "qwen_classify state", ALLOCSET_DEFAULT_SIZES);
	qc_state.call_cxt = AllocSetContextCreate(cxt, "qwen_classify calls", ALLOCSET_DEFAULT_SIZES);
	qc_state.round = AllocSetContextCreate(cxt, "qwen_classify round", ALLOCSET_DEFAULT_SIZES);
	qc_state.cxt = cxt;
	qc_state.begun = qc_state.busy_at = qc_pool_now();
	qc_state.minute_at = qc_state.begun + QC_MINUTE;
	qc_state.safe_until = safe_until;
	qc_state.sweep_wanted = true;
	qc_entries_init();
	ctl.keysize = sizeof(uint64);
	ctl.entrysize = sizeof(uint64) + sizeof(QcFlight *);
	ctl.hcxt = cxt;
	qc_state.text = hash_create("qwen_classify texts", 512, &ctl,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	MemoryContextSwitchTo(qc_state.round);
	qc_works_load();
	qc_works_check();
}

/* After two crashes within a minute, perhaps a row's doing: slowly for a while. */
static void
begin_carefully(void)
{
	QcBoardDatabase *place = qc_worker_place();
	bool		careful;

	if (place == NULL)
		return;
	careful = (qc_board->crashed_twice &&
			   GetCurrentTimestamp() - qc_board->begun_at < QC_SAFE_FOR) ||
		place->quick_deaths >= QC_SAFE_DEATHS;
	if (careful)
		qc_state.safe_until = qc_pool_now() + QC_SAFE_FOR;
}

/* ---- drift ---- */

static void
check_drift(void *arg)
{
	QcWork	   *work = arg;

	qc_drift_check(work->task);
}

static void
look_for_drift(QcWork *work)
{
	ErrorData  *error = qc_work_try(check_drift, work);

	work->drift_at = qc_pool_now() + QC_DRIFT_PAUSE;
	if (error != NULL && qc_error_passes(error))
		return;					/* soon again */
	work->drifting = 0;
	if (error != NULL)
		ereport(LOG,
				(errmsg("looking for drift in task \"%s\" failed: %s", work->task->name, error->message)));
}

/*
 * When enough labels were written, and (every) whatever came: how long ago the
 * last look was stands in the tables.
 */
static void
look_for_drifts(bool every)
{
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		if (work->task->keep && qc_work_takes(work) &&
			(every || (work->drifting >= work->task->drift_every && qc_pool_now() >= work->drift_at)))
			look_for_drift(work);
	}
}

/* When the next look is due. */
static int64
drift_due(void)
{
	int64		due = QC_NEVER_AT;
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		if (work->task->keep && qc_work_takes(work) && work->drifting >= work->task->drift_every)
			due = Min(due, work->drift_at);
	}
	return due;
}

/* ---- once a minute ---- */

static void
keep_house(void *arg)
{
	QcWork	   *work = arg;

	qc_housekeep(work->task);
}

static void
write_counts(void *arg)
{
	(void) arg;
	qc_write_counts();
}

static void
vacuum_queue(void *arg)
{
	(void) arg;
	qc_queue_vacuum();
}

/* One task a minute, in turn. */
static QcWork *
next_to_keep(void)
{
	int			i = 0;
	int			turn = qc_state.nworks > 0 ? qc_state.housekept++ % qc_state.nworks : 0;
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
		if (i++ == turn)
			return dlist_container(QcWork, node, iter.cur);
	return NULL;
}

static void
every_minute(void)
{
	QcWork	   *work = next_to_keep();
	ErrorData  *error = qc_work_try(write_counts, NULL);

	qc_state.minute_at = qc_pool_now() + QC_MINUTE;
	qc_loops_forget_old();
	qc_works_check();
	if (error == NULL)
		error = qc_work_try(vacuum_queue, NULL);
	if (error == NULL && work != NULL && qc_work_may_run(work) && work->fault == QC_SOUND)
		error = qc_work_try(keep_house, work);
	if (qc_pool_now() >= qc_state.drift_at)
	{
		qc_state.drift_at = qc_pool_now() + QC_DRIFT_EVERY;
		look_for_drifts(true);
	}
	if (error != NULL && !qc_error_passes(error))
		ereport(LOG,
				(errmsg("housekeeping of qwen_classify failed: %s", error->message)));
}

/* ---- whether to go on ---- */

static bool
has_work(void)
{
	dlist_iter	iter;

	if (hash_get_num_entries(qc_state.entry) > 0 || !qc_feed_all_read())
		return true;
	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		if ((work->backfill != NULL || work->rewriting) && qc_work_takes(work))
			return true;
	}
	return false;
}

/* When somebody else waits for the slot: no more requests, and out after the last answer. */
static bool
is_yielding(void)
{
	QcBoardDatabase *place = qc_worker_place();

	if (place == NULL || !place->yield || qc_pool_now() - process_begun < QC_YIELD_AFTER)
		yielding_since = 0;
	else if (yielding_since == 0)
		yielding_since = qc_pool_now();
	return yielding_since != 0;
}

static bool
is_sent_away(void)
{
	QcBoardDatabase *place = qc_worker_place();
	bool		away = false;

	if (place != NULL)
	{
		SpinLockAcquire(&place->mutex);
		away = place->away && GetCurrentTimestamp() < place->away_until;
		SpinLockRelease(&place->mutex);
	}
	return away;
}

/* Without work there is no reason to keep a slot that others wait for. */
static int64
idle_limit(void)
{
	QcBoardDatabase *place = qc_worker_place();
	bool		others = place != NULL && place->yield;

	return qc_state.busy_at + (others ? 1 : qc_worker_idle_timeout) * QC_S;
}

/* True if the worker is to leave; *due says when one is wanted again. */
static bool
time_to_leave(TimestampTz *due)
{
	int64		now = qc_pool_now();

	*due = 0;
	if (is_sent_away())
		return true;
	if (is_yielding() && (qc_state.nflying == 0 || now - yielding_since > QC_YIELD_WITHIN))
	{
		*due = GetCurrentTimestamp();
		return true;
	}
	if (qc_enabled && (has_work() || qc_state.told_at != 0))
		qc_state.busy_at = now;
	if (now < idle_limit())
		return false;
	if (qc_enabled)
		*due = qc_state.retry_due;
	return true;
}

/* The last words: what is counted goes to the board, answers that came are written. */
static void
say_goodbye(void)
{
	if (!is_sent_away())
		(void) qc_flush(true);
	qc_show(true);
	if (!is_sent_away())
		(void) qc_work_try(write_counts, NULL);
}

/* ---- a round ---- */

static void
reload_if_told(void)
{
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (qc_works_outdated())
	{
		qc_state.told_at = qc_pool_now();
		qc_works_load();
		qc_works_check();
	}
}

/* Milliseconds until something is due. */
static long
how_long(bool more)
{
	int64		now = qc_pool_now();
	int64		due = Min(Min(qc_flush_due(), drift_due()), qc_state.minute_at);

	if (more || qc_works_outdated())
		return 0;
	due = Min(due, idle_limit());
	if (qc_enabled)
		due = Min(due, Min(qc_rewrite_due(), Min(qc_feed_due(), qc_send_due())));
	if (qc_state.nflying > 0)
		due = Min(due, now + QC_S);		/* the board */
	if (qc_state.told_at != 0)
		due = Min(due, qc_state.told_at + QC_S);
	if (qc_state.safe_until != 0)
		due = Min(due, qc_state.safe_until);
	return (long) Max((due - now + QC_MS - 1) / QC_MS, 0);
}

/* All that can be done now; true: there is more that needs no wait. */
static bool
do_what_can_be_done(void)
{
	bool		more = false;
	bool		any;

	reload_if_told();
	qc_works_check_again();
	if (qc_state.safe_until != 0 && qc_pool_now() >= qc_state.safe_until)
		qc_state.safe_until = 0;
	any = qc_collect();
	qc_works_look_again();
	if (qc_enabled && !is_yielding())
	{
		more = qc_feed();
		if (qc_send())
			more |= qc_collect();
		more |= qc_rewrite(&any);
	}

	/* what could be written may also have ended a fault that kept rows back */
	if (qc_flush(false))
	{
		any = more = true;
		qc_show_session();		/* not "writing labels" while it waits */
	}
	look_for_drifts(false);
	if (qc_pool_now() >= qc_state.minute_at)
		every_minute();
	qc_show(any && qc_state.in_work == 0);
	return more;
}

static bool
round_or_leave(bool more, TimestampTz *due, bool *again)
{
	qc_pool_wait(how_long(more));
	MemoryContextSwitchTo(qc_state.round);
	MemoryContextReset(qc_state.round);
	if (time_to_leave(due))
	{
		say_goodbye();
		return false;
	}
	*again = do_what_can_be_done();
	return true;
}

/* Nobody's error: say it, pause, and begin anew from the tables. */
static void
begin_again(int *pause)
{
	MemoryContextSwitchTo(TopMemoryContext);
	EmitErrorReport();
	FlushErrorState();
	AbortCurrentTransaction();
	pgstat_report_stat(true);
	MemoryContextSwitchTo(TopMemoryContext);
	if (qc_state.cxt != NULL)
	{
		MemoryContext cxt = qc_state.cxt;

		dlist_init(&qc_state.works);
		qc_state.cxt = NULL;
		MemoryContextDelete(cxt);
	}
	*pause = Min(Max(*pause * 2, QC_LEAST_PAUSE), QC_MOST_PAUSE);
}

/* The latch is left alone: a pause is a pause. */
static void
pause_for(int ms)
{
	int64		until = qc_pool_now() + ms * QC_MS;

	while (qc_pool_now() < until)
	{
		qc_pool_wait((long) Max((until - qc_pool_now()) / QC_MS, 1));
		if (is_sent_away())
			qc_worker_leave(0, false);
	}
}

TimestampTz
qc_loop_run(void)
{
	volatile bool leave = false;
	volatile bool more = true;
	volatile int pause = 0;
	volatile TimestampTz due = 0;

	process_begun = qc_pool_now();
	qc_works_watch();
	qc_loops_watch();
	begin_carefully();
	while (!leave)
	{
		PG_TRY();
		{
			TimestampTz when = 0;
			bool		again = true;

			if (qc_state.cxt == NULL)
			{
				pause_for(pause);
				qc_state_reset();
				more = true;
			}
			leave = !round_or_leave(more, &when, &again);
			due = when;
			more = again;
			if (qc_pool_now() - qc_state.begun > QC_MINUTE)
				pause = 0;
		}
		PG_CATCH();
		{
			int			longer = pause;

			begin_again(&longer);
			pause = longer;
		}
		PG_END_TRY();
	}
	return due;
}
