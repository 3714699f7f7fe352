/*-------------------------------------------------------------------------
 *
 * flush.c
 *	  Results to the write-back, in batches, and what came of each.
 *
 * A batch is written when it is full, when its oldest result has waited long
 * enough, or when nothing is in flight: an idle queue sees its label at once,
 * a busy one gets large batches.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "net/pool.h"
#include "worker/state.h"

#define QC_PATIENCE			(5 * QC_MS)	/* of a result */
#define QC_BUSY_PATIENCE	(100 * QC_MS)	/* while many others wait behind it */
#define QC_BLOCKED_PAUSE	(250 * QC_MS)

void
qc_result_add(QcFlight *flight)
{
	flight->since = qc_pool_now();
	dlist_push_tail(&flight->work->results, &flight->node);
	flight->work->nresults++;
	qc_state.nresults++;
}

/* Rows that were locked when they were to be written: hand them in again. */
static void
unblock(QcWork *work, int64 now)
{
	while (!dlist_is_empty(&work->blocked))
	{
		QcFlight   *flight = dlist_head_element(QcFlight, node, &work->blocked);

		if (flight->since > now)
			return;
		dlist_delete(&flight->node);
		work->nblocked--;
		qc_result_add(flight);
	}
}

static int64
patience(const QcWork *work)
{
	return work->nfetched + work->live.n + work->bulk.n > QC_BATCH ?
		QC_BUSY_PATIENCE : QC_PATIENCE;
}

/* May its results be written at all? */
static bool
may_write(const QcWork *work)
{
	return work->nresults > 0 && (work->again_at == 0 || work->fault != QC_FAULT_WRITE ||
								  qc_pool_now() >= work->again_at);
}

static bool
is_due(const QcWork *work, int64 now)
{
	QcFlight   *oldest;

	if (!may_write(work))
		return false;
	if (work->nresults >= QC_BATCH || qc_state.nflying == 0)
		return true;
	oldest = dlist_head_element(QcFlight, node, unconstify(dlist_head *, &work->results));
	return now - oldest->since >= patience(work);
}

/* ---- a batch ---- */

typedef struct QcFlushing
{
	QcWork	   *work;
	QcFlight   *flight[QC_BATCH];
	QcItem	   *item[QC_BATCH];
	int			n;
	const char *cursor;
	bool		good;
	char	   *why;
} QcFlushing;

static void
resolve_step(void *arg)
{
	qc_work_begin();
	qc_work_resolve(arg);
	qc_work_end();
}

/* The table may have changed since the texts were read. */
static bool
resolve(QcWork *work)
{
	ErrorData  *error;

	if (work->target != NULL && !work->target_stale)
		return true;
	error = qc_work_try(resolve_step, work);
	if (error == NULL)
		return true;
	qc_work_error(work, error);
	if (work->fault == QC_FAULT_SQL)
		work->fault = QC_FAULT_WRITE;
	return false;
}

static void
write_step(void *arg)
{
	QcFlushing *flushing = arg;
	QcWork	   *work = flushing->work;

	flushing->good = qc_write_back(work->task, work->target, flushing->item, flushing->n,
								   work->backfill, flushing->cursor, &flushing->why);
}

static bool
write_batch(QcFlushing *flushing)
{
	QcWork	   *work = flushing->work;
	ErrorData  *error;

	if (!resolve(work))
		return false;
	error = qc_work_try(write_step, flushing);
	if (error == NULL && flushing->good)
	{
		qc_work_sound(work, QC_FAULT_WRITE);
		return true;
	}
	work->target_stale = true;
	qc_work_fault(work, QC_FAULT_WRITE, error ? error->message :
				  flushing->why ? flushing->why : "labels could not be written");
	return false;
}

/* ---- what came of it ---- */

static void
block(QcFlight *flight)
{
	QcItem	   *item = &flight->item;

	/* an error of the write-back's own is found again */
	if (item->sql_error)
	{
		item->failed = QC_FAIL_NONE;
		item->sql_error = false;
		item->error = NULL;
	}
	flight->since = qc_pool_now() + QC_BLOCKED_PAUSE;
	dlist_push_tail(&flight->work->blocked, &flight->node);
	flight->work->nblocked++;
}

static void
note_retry(const QcItem *item)
{
	int64		at = qc_pool_now() + Max(item->retry_at - GetCurrentTimestamp(), 0) + QC_MS;

	qc_state.retry_at = Min(qc_state.retry_at, at);
	if (qc_state.retry_due == 0 || item->retry_at < qc_state.retry_due)
		qc_state.retry_due = item->retry_at;
}

static void
settle(QcFlight *flight)
{
	QcWork	   *work = flight->work;
	QcItem	   *item = &flight->item;

	switch (item->outcome)
	{
		case QC_BLOCKED:
			block(flight);
			return;
		case QC_NOT_WRITTEN:
			qc_flight_back(flight);
			return;
		case QC_WRITTEN:
			qc_show_written(work, item);
			break;
		case QC_RETRYING:
			note_retry(item);
			qc_show_failed(work, item);
			break;
		case QC_DEAD:
			work->failed++;
			qc_show_failed(work, item);
			break;
		case QC_DROPPED:
		case QC_REQUEUED:
			break;
		case QC_LOST:
			/* perhaps the queue was rewritten (VACUUM FULL): its rows are elsewhere */
			qc_state.sweep_wanted = true;
			break;
	}
	qc_flight_done(flight);
}

static bool
flush_batch(QcWork *work)
{
	QcFlushing	flushing = {.work = work};

	while (flushing.n < QC_BATCH && !dlist_is_empty(&work->results))
	{
		QcFlight   *flight = dlist_container(QcFlight, node, dlist_pop_head_node(&work->results));

		flight->item.outcome = QC_NOT_WRITTEN;
		flushing.item[flushing.n] = &flight->item;
		flushing.flight[flushing.n++] = flight;
	}
	if (write_batch(&flushing))
	{
		work->nresults -= flushing.n;
		qc_state.nresults -= flushing.n;
		for (int i = 0; i < flushing.n; i++)
			settle(flushing.flight[i]);
		return true;
	}

	/* some may have been written before the fault was met */
	for (int i = flushing.n - 1; i >= 0; i--)
	{
		if (flushing.flight[i]->item.outcome == QC_NOT_WRITTEN)
		{
			dlist_push_head(&work->results, &flushing.flight[i]->node);
			continue;
		}
		work->nresults--;
		qc_state.nresults--;
		settle(flushing.flight[i]);
	}
	return false;
}

/* Move the backfill's cursor alone; false: not now. */
bool
qc_write_cursor(QcWork *work, const char *cursor)
{
	QcFlushing	flushing = {.work = work};

	flushing.cursor = cursor;
	return write_batch(&flushing);
}

/* True if anything was written; all: whatever its age. */
bool
qc_flush(bool all)
{
	bool		any = false;
	int64		now = qc_pool_now();
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		unblock(work, now);
		while ((all && may_write(work)) || is_due(work, now))
		{
			if (!flush_batch(work))
				break;
			any = true;
		}
		if (work->nchunks > 0 || work->backfill != NULL)
			qc_backfill_settle(work);
	}
	return any;
}

/* When the next result is due. */
int64
qc_flush_due(void)
{
	int64		due = QC_NEVER_AT;
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		if (work->nblocked > 0)
			due = Min(due, dlist_head_element(QcFlight, node, &work->blocked)->since);
		if (work->nresults == 0)
			continue;
		if (work->fault == QC_FAULT_WRITE && work->again_at > qc_pool_now())
			due = Min(due, work->again_at);
		else
			due = Min(due, dlist_head_element(QcFlight, node, &work->results)->since +
					  patience(work));
	}
	return due;
}
