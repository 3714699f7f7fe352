/*-------------------------------------------------------------------------
 *
 * show.c
 *	  What the worker does, on the board and in pg_stat_activity.
 *
 * Counts go to the board a few times a second; a change of what a task is
 * doing goes there at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/compat.h"
#include "mb/pg_wchar.h"
#include "pgstat.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#include "net/pool.h"
#include "net/window.h"
#include "worker/state.h"

#define QC_SHOW_EVERY	(250 * QC_MS)

/* ---- counts ---- */

static void
advance_seconds(QcWork *work)
{
	int64		now = qc_pool_now() / QC_S;

	if (now - work->second_at >= QC_RATE_SECONDS)
		memset(work->second, 0, sizeof(work->second));
	else
		while (work->second_at < now)
			work->second[++work->second_at % QC_RATE_SECONDS] = 0;
	work->second_at = now;
}

/* A label stands in its row, or that none fits. */
void
qc_show_written(QcWork *work, const QcItem *item)
{
	advance_seconds(work);
	work->second[work->second_at % QC_RATE_SECONDS]++;
	work->done++;
	work->drifting++;
	work->source = item->source;
	if (item->undecided ||
		(!isnan(item->shown) && !qc_accepted(&work->acceptance, item->source, item->confidence, item->shown)))
		work->undecided++;
}

static void
clip(char *dst, size_t room, const char *src)
{
	int			len = pg_mbcliplen(src, (int) strlen(src), (int) room - 1);

	memcpy(dst, src, len);
	dst[len] = '\0';
}

void
qc_show_failed(QcWork *work, const QcItem *item)
{
	if (item->error != NULL)
		clip(work->last_error, sizeof(work->last_error), item->error);
}

/*
 * Labels a second over the last minute, or since the first of it that had any:
 * who begins must not look slow for a minute.
 */
static double
rate_of(QcWork *work)
{
	int64		sum = 0;
	int			seconds = 0;

	advance_seconds(work);
	for (int64 at = work->second_at - QC_RATE_SECONDS + 1; at <= work->second_at; at++)
	{
		int32		n = at < 0 ? 0 : work->second[at % QC_RATE_SECONDS];

		sum += n;
		if (sum > 0)
			seconds++;
	}
	return sum / Max(seconds, 1.0);
}

static int64
waiting_of(const QcWork *work)
{
	return work->live.n + work->bulk.n + work->nfetched + work->nresults + work->nblocked;
}

static TimestampTz
oldest_of(const QcWork *work)
{
	TimestampTz oldest = 0;
	dlist_iter	iter;

	if (work->live.head != NULL)
		oldest = work->live.head->first_enq;
	if (work->bulk.head != NULL && (oldest == 0 || work->bulk.head->first_enq < oldest))
		oldest = work->bulk.head->first_enq;
	dlist_foreach(iter, unconstify(dlist_head *, &work->flying))
	{
		QcFlight   *flight = dlist_container(QcFlight, node, iter.cur);

		if (oldest == 0 || flight->item.first_enq < oldest)
			oldest = flight->item.first_enq;
	}
	return oldest;
}

/* ---- what it is doing ---- */

/* What its calls ran into last, in the server encoding. */
static const char *
trouble_of(QcWork *work)
{
	dlist_iter	iter;

	dlist_foreach(iter, &work->flying)
	{
		QcFlight   *flight = dlist_container(QcFlight, node, iter.cur);
		const QcFailure *trouble = flight->inquiry ? qc_inquiry_trouble(flight->inquiry) : NULL;

		if (trouble != NULL)
			return qc_utf8_to_server(trouble->message);
	}
	return "the inference server does not answer";
}

static QcTaskActivity
activity_of(QcWork *work, const char **why)
{
	*why = "";
	if (work->fault != QC_SOUND)
	{
		*why = work->why;
		return QC_TASK_STOPPED;
	}
	if (work->budget.failing_since != 0 && work->nflying > 0)
	{
		*why = trouble_of(work);
		return QC_TASK_SERVER_DOWN;
	}
	if (work->endpoint != NULL && waiting_of(work) > 0 &&
		qc_window_state(work->endpoint) == QC_SERVER_LIMITED)
	{
		static char limit[256];

		qc_window_why(work->endpoint, limit, sizeof(limit));
		*why = limit;
		return QC_TASK_LIMITED;
	}
	if (qc_state.safe_until != 0 && waiting_of(work) + work->nflying > 0)
	{
		*why = "one request at a time for a minute, after two crashes within a minute";
		return QC_TASK_SAFE_MODE;
	}
	if (work->nchunks > 0)
		return QC_TASK_BACKFILLING;
	if (work->rewriting && waiting_of(work) + work->nflying == 0)
	{
		static char far[64];

		snprintf(far, sizeof(far), "confidences of " INT64_FORMAT " rows are rewritten", work->rewritten);
		*why = far;
		return QC_TASK_RECALIBRATING;
	}
	return waiting_of(work) + work->nflying > 0 ? QC_TASK_LABELLING : QC_TASK_IDLE;
}

static void
show_work(QcWork *work)
{
	QcBoardTask *board = work->board;
	const char *why;
	QcTaskActivity activity = activity_of(work, &why);
	double		rate = rate_of(work);
	TimestampTz oldest = oldest_of(work);
	TimestampTz now = GetCurrentTimestamp();
	char		words[sizeof(((QcBoardTask *) NULL)->why)];

	if (board == NULL)
		return;
	clip(words, sizeof(words), why);
	SpinLockAcquire(&board->mutex);
	if (board->activity != activity)
	{
		board->activity = activity;
		board->since = now;
	}
	strcpy(board->why, words);
	if (work->last_error[0] != '\0')
		strcpy(board->last_error, work->last_error);
	if (work->source != NULL)
		strlcpy(board->source, work->source, sizeof(board->source));
	board->waiting_exact = qc_feed_all_read() && !work->missed;
	board->waiting = waiting_of(work);
	board->in_flight = work->nflying + work->nfollowing;
	board->oldest = oldest;
	board->rate = rate;
	board->done += work->done;
	board->undecided += work->undecided;
	board->failed += work->failed;
	board->cut += work->cut;
	SpinLockRelease(&board->mutex);
	work->done = work->undecided = work->failed = work->cut = 0;
}

/* "labelling tickets: 64 in flight" */
void
qc_show_session(void)
{
	char		text[256] = "";
	const QcWork *busy = NULL;
	int			others = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
	{
		const QcWork *work = dlist_container(QcWork, node, iter.cur);

		if (work->nflying == 0)
			continue;
		if (busy == NULL)
			busy = work;
		else
			others++;
	}
	if (busy == NULL)
	{
		pgstat_report_activity(STATE_IDLE, "waiting for rows to label");
		return;
	}
	snprintf(text, sizeof(text), "labelling %s%s: %d in flight", busy->task->name,
			 others > 0 ? " and others" : "", qc_state.nflying);
	pgstat_report_activity(STATE_RUNNING, text);
}

void
qc_show(bool now)
{
	dlist_iter	iter;
	int64		at = qc_pool_now();

	if (!now && at - qc_state.shown_at < QC_SHOW_EVERY)
		return;
	qc_state.shown_at = at;
	dlist_foreach(iter, &qc_state.works)
		show_work(dlist_container(QcWork, node, iter.cur));
	qc_show_session();
}
