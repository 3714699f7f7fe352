/*-------------------------------------------------------------------------
 *
 * window.c
 *	  How many more calls an endpoint takes now, and why no more.
 *
 * The arithmetic is pace.c's; here it meets the endpoint's slot and its lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/spin.h"
#include "utils/timestamp.h"

#include "net/pool.h"
#include "net/replica.h"
#include "net/window.h"

/*
 * A place that another process holds is given back without a word to whoever
 * does not wait for it: look again after this time.
 */
#define OTHERS_MS	250

/* A clock that was set back must not make a pause longer than any may be. */
#define LONGEST_PAUSE_MS	(60 * 1000)

QcPaceTerms
qc_window_terms(const QcEndpoint *endpoint, const QcFacts *facts)
{
	QcPaceTerms terms;

	terms.ceiling = endpoint->max_concurrency;
	terms.slots = facts->slots * endpoint->nreplicas;
	terms.timeout = endpoint->request_timeout / 1000.0;
	return terms;
}

QcRates
qc_window_rates(const QcEndpoint *endpoint)
{
	QcRates		rates;

	rates.requests = endpoint->requests_per_minute;
	rates.tokens = endpoint->tokens_per_minute;
	return rates;
}

long
qc_window_paused_ms(QcEndpoint *endpoint)
{
	QcSharedEndpoint *at = endpoint->slot->at;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until;

	SpinLockAcquire(&at->mutex);
	until = at->paused_until;
	SpinLockRelease(&at->mutex);
	if (until <= now || until - now > LONGEST_PAUSE_MS * INT64CONST(1000))
		return 0;
	return (long) ((until - now) / 1000) + 1;
}

void
qc_window_pause(QcEndpoint *endpoint, int64 ms)
{
	QcSharedEndpoint *at = endpoint->slot->at;
	TimestampTz until = GetCurrentTimestamp() + Min(ms, LONGEST_PAUSE_MS) * 1000;

	SpinLockAcquire(&at->mutex);
	at->paused_until = Max(at->paused_until, until);
	SpinLockRelease(&at->mutex);
}

int
qc_window_ours(const QcEndpoint *endpoint)
{
	int			n = 0;

	for (int i = 0; i < endpoint->nreplicas; i++)
		n += endpoint->slot->taken[i];
	return n;
}

/* Suspects beside which others go as if they were not there. */
#define FEW_SUSPECTS	16

/* Beside more, one other at least so often. */
#define EXTRA_US		INT64CONST(1000000)

/*
 * What is left for new calls when those that pause or wait have their places.
 * When all of them may be waiting for others to pass, one other may try.
 */
static int
beside_waiting(QcSlot *slot, int room, int ours)
{
	int			waiting = slot->calls - ours - Min(slot->suspects, FEW_SUSPECTS);

	if (room - Max(waiting, 0) > 0)
		return room - Max(waiting, 0);
	return room > 0 && slot->suspects > FEW_SUSPECTS
		&& qc_pool_now() - slot->begun_at >= EXTRA_US ? 1 : 0;
}

/* All that may stand in the way, the longest first. */
static QcServerState
look(QcEndpoint *endpoint, bool background, int *room, long *wait_ms)
{
	QcTake		how = {0};
	long		paused = qc_window_paused_ms(endpoint);
	int			chosen;

	*room = 0;
	*wait_ms = paused;
	if (paused > 0)
		return QC_SERVER_WAITING;

	how.background = background;
	how.tokens = 1;				/* until the first answers tell */
	chosen = qc_replica_look(endpoint, &how, room);
	*wait_ms = how.wait_ms;
	if (chosen == QC_TAKE_OUT || chosen == QC_TAKE_LIMITED)
	{
		*room = 0;
		return chosen == QC_TAKE_OUT ? QC_SERVER_DOWN : QC_SERVER_LIMITED;
	}
	*room = beside_waiting(endpoint->slot, *room, qc_window_ours(endpoint));
	if (!qc_pool_has_room())
		*room = 0;
	if (*room == 0)
		*wait_ms = qc_window_ours(endpoint) > 0 ? -1 : OTHERS_MS;
	return QC_SERVER_UP;
}

int
qc_window_room(QcEndpoint *endpoint, bool background)
{
	int			room;
	long		wait_ms;

	(void) look(endpoint, background, &room, &wait_ms);
	return room;
}

long
qc_window_wait_ms(QcEndpoint *endpoint)
{
	int			room;
	long		wait_ms;

	(void) look(endpoint, true, &room, &wait_ms);
	return wait_ms;
}

QcServerState
qc_window_state(QcEndpoint *endpoint)
{
	int			room;
	long		wait_ms;

	return look(endpoint, true, &room, &wait_ms);
}

void
qc_window_why(QcEndpoint *endpoint, char *buf, size_t size)
{
	int			room;
	long		wait_ms;

	buf[0] = '\0';
	switch (look(endpoint, true, &room, &wait_ms))
	{
		case QC_SERVER_UP:
			break;
		case QC_SERVER_DOWN:
			snprintf(buf, size, "server \"%s\" is left alone after failures", endpoint->name);
			break;
		case QC_SERVER_LIMITED:
			snprintf(buf, size, "server \"%s\" has reached %s", endpoint->name,
					 endpoint->requests_per_minute == 0 ? "tokens_per_minute" :
					 endpoint->tokens_per_minute == 0 ? "requests_per_minute" :
					 "requests_per_minute or tokens_per_minute");
			break;
		case QC_SERVER_WAITING:
			snprintf(buf, size, "server \"%s\" asked to wait", endpoint->name);
			break;
	}
}

void
qc_window_note(QcEndpoint *endpoint, QcWindowEvent event, double seconds, bool background)
{
	QcSharedEndpoint *at = endpoint->slot->at;
	int64		now = qc_pool_now();
	QcPaceTerms terms;

	SpinLockAcquire(&at->mutex);
	terms = qc_window_terms(endpoint, &at->facts);
	qc_pace_advance(&at->pace, at->in_flight, now);
	switch (event)
	{
		case QC_WINDOW_ANSWERED:
			qc_pace_answered(&at->pace, &terms, seconds, background, now);
			break;
		case QC_WINDOW_REFUSED:
			qc_pace_refused(&at->pace, &terms, at->in_flight, now);
			break;
		case QC_WINDOW_TIMED_OUT:
			qc_pace_timed_out(&at->pace, &terms, now);
			break;
	}
	SpinLockRelease(&at->mutex);
}

void
qc_window_settle(QcEndpoint *endpoint, double estimated, double used)
{
	QcSharedEndpoint *at = endpoint->slot->at;

	SpinLockAcquire(&at->mutex);
	qc_bucket_settle(&at->bucket, estimated, used);
	SpinLockRelease(&at->mutex);
}
