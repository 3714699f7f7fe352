/*-------------------------------------------------------------------------
 *
 * feed.c
 *	  From the tables to entries: what was announced, the sweep, retries.
 *
 * Small ranges that were just announced are read at once and whole: these are
 * live rows, even behind a backlog of millions.  Large ranges and the sweep
 * are read in slices while there is room for entries; the rest stays on disk
 * as a range.  The sweep reads the whole queue at the start, when announcements
 * were lost, and every minute, which also finds rows of prepared transactions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "net/pool.h"
#include "queue/outcome.h"
#include "worker/state.h"

#define QC_LIVE_BLOCKS		32	/* a larger range is a backlog: some 6,000 rows */
#define QC_SLICE			4000	/* rows of a backlog that are read at a time */
#define QC_LIVE_SLICE		20000
#define QC_SWEEP_EVERY		(60 * QC_S)
#define QC_RETRY_SLICE		256
#define QC_FAULTY_ENTRIES	1000	/* of a task that waits after a fault */
#define QC_TAKE_RANGES		64

/* What a round of reading has to do. */
typedef struct QcFeeding
{
	QcRange		live[QC_TAKE_RANGES];
	int			nlive;
	bool		bulk;			/* there is room for a slice of the backlog */
	bool		retry;
} QcFeeding;

/* ---- one row ---- */

static bool
is_unknown(int32 task)
{
	for (int i = 0; i < QC_UNKNOWN; i++)
		if (qc_state.unknown[i] == task)
			return true;
	return false;
}

/*
 * A task that is not in our list may be new: the list is read again, and a task
 * that is new wants a sweep.  If it is not there either, its rows stay: a
 * restore loads the queue first and the tasks at any time after it, and whoever
 * drops a task deletes its rows himself.
 */
static void
note_unknown(int32 task)
{
	if (is_unknown(task))
		return;
	memmove(&qc_state.unknown[1], &qc_state.unknown[0], sizeof(int32) * (QC_UNKNOWN - 1));
	qc_state.unknown[0] = task;
	qc_state.outdated = true;
}

/* Most entries of one task: with several, none may fill all the room. */
static int64
most_of(const QcWork *work)
{
	if (work->fault != QC_SOUND)
		return QC_FAULTY_ENTRIES;
	return qc_state.nworks > 1 ? QC_BULK_ENTRIES / 2 : QC_BULK_ENTRIES;
}

static void
note_row(const QcQueueRow *row, bool live)
{
	QcWork	   *work = qc_work_of(row->task);

	if (work == NULL)
		note_unknown(row->task);
	else if (!qc_work_takes(work) ||
			 (work->live.n + work->bulk.n >= most_of(work) && (!live || work->fault != QC_SOUND)))
		work->missed = true;
	else
		qc_entry_queue_row(work, row, live);
}

/* At most max rows (and the rest of a block); true: the range is done. */
static bool
read_range(QcRange *range, int max, bool live)
{
	QcQueueRow *rows;
	bool		end;
	int			n = qc_queue_read(range, max, &rows, &end);

	for (int i = 0; i < n; i++)
		note_row(&rows[i], live);
	return end;
}

/* ---- what there is to read ---- */

static void
push_backlog(const QcRange *range)
{
	if (qc_state.nbacklog < QC_BACKLOG_RANGES)
		qc_state.backlog[qc_state.nbacklog++] = *range;
	else
		qc_state.sweep_wanted = true;
}

static bool
has_room(void)
{
	return hash_get_num_entries(qc_state.entry) < QC_MOST_ENTRIES;
}

/* Announced ranges: the small ones to be read now, the others with the backlog. */
static void
take_announced(QcFeeding *feeding)
{
	QcBoardDatabase *place = qc_worker_place();
	QcRange		range[QC_TAKE_RANGES];
	bool		sweep;
	int			n;

	if (place == NULL)
		return;
	n = qc_board_take(place, range, QC_TAKE_RANGES, &sweep);
	if (sweep)
		qc_state.sweep_wanted = true;
	for (int i = 0; i < n; i++)
	{
		if (range[i].last - range[i].first < QC_LIVE_BLOCKS && has_room())
			feeding->live[feeding->nlive++] = range[i];
		else
			push_backlog(&range[i]);
	}
}

/* Rows that were left unread are read when their task has room for them again. */
static void
look_for_missed(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		if (work->missed && qc_work_takes(work) && work->fault == QC_SOUND &&
			work->live.n + work->bulk.n < most_of(work) / 4)
		{
			work->missed = false;
			qc_state.sweep_wanted = true;
		}
	}
}

static bool
sweep_due(void)
{
	return !qc_state.sweeping &&
		(qc_state.sweep_wanted || qc_pool_now() >= qc_state.sweep_at);
}

static bool
wants_bulk(void)
{
	return (qc_state.nbacklog > 0 || qc_state.sweeping || sweep_due()) &&
		qc_state.nbulk < QC_BULK_ENTRIES && has_room();
}

/* ---- reading ---- */

static void
begin_sweep(void)
{
	BlockNumber blocks = qc_queue_blocks();

	qc_state.sweep_wanted = false;
	qc_state.sweep_at = qc_pool_now() + QC_SWEEP_EVERY;
	qc_state.sweeping = blocks > 0;
	qc_state.sweep.first = 0;
	qc_state.sweep.last = blocks - 1;
	memset(qc_state.unknown, 0, sizeof(qc_state.unknown));	/* look for them again */
}

/* A slice of what was announced last, else of the sweep. */
static void
read_bulk(void)
{
	if (qc_state.nbacklog > 0)
	{
		if (read_range(&qc_state.backlog[qc_state.nbacklog - 1], QC_SLICE, false))
			qc_state.nbacklog--;
		return;
	}
	if (sweep_due())
		begin_sweep();
	if (qc_state.sweeping && read_range(&qc_state.sweep, QC_SLICE, false))
	{
		qc_state.sweeping = false;
		qc_state.sweep_at = qc_pool_now() + QC_SWEEP_EVERY;
	}
}

static void
note_retry(int32 task, const QcItem *item)
{
	QcWork	   *work = qc_work_of(task);
	QcEntry    *entry;

	if (work == NULL || !qc_work_takes(work))
	{
		qc_state.nretry_left++;
		return;
	}
	if (qc_entry_find(task, item->k, item->kx) != NULL)
		return;
	entry = qc_entry_make(work, item->k, item->kx, item->first_enq);
	entry->origin = QC_FROM_RETRY;
	entry->attempts = item->attempts;
	entry->relabel = item->relabel;
	qc_state.nretry++;
	qc_entry_ready(work, entry);
}

/* Rows that are with us already are read again, so as many more are asked for. */
static void
read_retry(void)
{
	int			max = (int) qc_state.nretry + qc_state.nretry_left + QC_RETRY_SLICE;
	int32	   *task_of = palloc(sizeof(int32) * max);
	QcItem	   *item = palloc(sizeof(QcItem) * max);
	TimestampTz next_at;
	int			n = qc_retry_read(max, task_of, item, &next_at);

	qc_state.nretry_left = 0;
	for (int i = 0; i < n; i++)
		note_retry(task_of[i], &item[i]);
	qc_state.retry_due = next_at;
	qc_state.retry_at = QC_NEVER_AT;
	if (next_at != 0)
		qc_state.retry_at = qc_pool_now() + Max(next_at - GetCurrentTimestamp(), 0) + QC_MS;
	if (n == max)
		qc_state.retry_at = Min(qc_state.retry_at, qc_pool_now() + QC_S);
}

static void
read_all(void *arg)
{
	QcFeeding  *feeding = arg;

	qc_work_begin();
	for (int i = 0; i < feeding->nlive; i++)
		if (!read_range(&feeding->live[i], QC_LIVE_SLICE, true))
			push_backlog(&feeding->live[i]);
	if (feeding->bulk)
		read_bulk();
	if (feeding->retry)
		read_retry();
	qc_work_end();
}

/* True if there is more to read at once. */
bool
qc_feed(void)
{
	QcFeeding	feeding = {0};
	ErrorData  *error;

	if (qc_pool_now() < qc_state.feed_at)
		return false;
	take_announced(&feeding);
	look_for_missed();
	feeding.bulk = wants_bulk();
	feeding.retry = qc_pool_now() >= qc_state.retry_at;
	if (feeding.nlive == 0 && !feeding.bulk && !feeding.retry)
		return false;
	error = qc_work_try(read_all, &feeding);
	if (error != NULL && !qc_error_passes(error))
		ReThrowError(error);	/* our own tables: begin anew */
	if (error != NULL)
	{
		/* somebody has locked them; what was to be read is found by a sweep */
		qc_state.sweep_wanted = true;
		qc_state.feed_at = qc_pool_now() + QC_S;
		return false;
	}
	return feeding.nlive == QC_TAKE_RANGES || wants_bulk();
}

int64
qc_feed_due(void)
{
	int64		due = Min(qc_state.retry_at, qc_state.sweeping ? QC_NEVER_AT : qc_state.sweep_at);

	if (qc_state.feed_at > qc_pool_now())
		return qc_state.feed_at;
	return due;
}

/* Do we know every row that waits? */
bool
qc_feed_all_read(void)
{
	return qc_state.nbacklog == 0 && !qc_state.sweeping && !qc_state.sweep_wanted;
}
