/*-------------------------------------------------------------------------
 *
 * replica.c
 *	  Which replica takes the next request, and how many are in flight.
 *
 * All of it is arithmetic on the endpoint's slot under its spinlock: a few
 * instructions for each of at most 16 replicas, nothing that can throw.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/condition_variable.h"
#include "utils/timestamp.h"

#include "net/pool.h"
#include "net/replica.h"
#include "net/window.h"

/* How long a failed replica is left out: 0.5 s, doubled at each failure. */
#define FIRST_OUT_MS	500
#define LONGEST_OUT_MS	30000

/* A session that used the endpoint so long ago may come again. */
#define SESSION_US		(5 * INT64CONST(1000000))

/* Doubled with each failure, as long as that is shorter than the longest. */
static int64
out_us(int failures)
{
	int64		ms = FIRST_OUT_MS;

	while (--failures > 0 && ms < LONGEST_OUT_MS)
		ms *= 2;
	return Min(ms, LONGEST_OUT_MS) * INT64CONST(1000);
}

/* A clock that was set back must not leave a replica out for as long. */
static bool
is_up(const QcSharedReplica *replica, TimestampTz now)
{
	return replica->out_until <= now ||
		replica->out_until - now > LONGEST_OUT_MS * INT64CONST(1000);
}

/* The replica with the fewest outstanding; in turn among equals.  -1: none is up. */
static int
choose(const QcSharedEndpoint *at, int n, TimestampTz now, bool any)
{
	int			best = -1;

	for (int k = 0; k < n; k++)
	{
		int			i = (at->turn + k) % n;

		if (!any && !is_up(&at->replica[i], now))
			continue;
		if (best < 0 || at->replica[i].in_flight < at->replica[best].in_flight)
			best = i;
	}
	return best;
}

/* Note a request that is on its way to a replica. */
static void
count_in(QcSharedEndpoint *at, int i, int n, TimestampTz now)
{
	QcSharedReplica *replica = &at->replica[i];

	replica->in_flight++;
	at->in_flight++;
	at->turn = (i + 1) % n;

	/*
	 * One request finds out whether a failed replica is back; the others stay
	 * away until it is answered, or for as long as another failure would cost.
	 */
	if (replica->failures > 0)
	{
		replica->trial = true;
		replica->out_until = now + out_us(replica->failures + 1);
	}
}

/* Milliseconds until the first of the replicas may be tried again. */
static long
first_return(const QcSharedEndpoint *at, int n, TimestampTz now)
{
	TimestampTz first = at->replica[0].out_until;

	for (int i = 1; i < n; i++)
		first = Min(first, at->replica[i].out_until);
	return Max(1, (long) ((first - now) / 1000) + 1);
}

/* What stands in the way, or the replica to take; under the lock. */
static int
look(QcEndpoint *endpoint, QcTake *how, int *room, long *wait_ms)
{
	QcSharedEndpoint *at = endpoint->slot->at;
	QcPaceTerms terms = qc_window_terms(endpoint, &at->facts);
	QcRates		rates = qc_window_rates(endpoint);
	TimestampTz now = how->now;
	bool		there;
	int			chosen;

	qc_pace_advance(&at->pace, at->in_flight, how->clock);
	if (at->bucket.usual_tokens > 0)
		how->tokens = at->bucket.usual_tokens;
	there = at->session_at != 0 && how->clock - at->session_at < SESSION_US;
	*room = qc_pace_room(&at->pace, &terms, at->in_flight,
						 how->background ? at->background : -1, there);
	if (*room <= 0)
		return QC_TAKE_FULL;
	if (rates.requests > 0 || rates.tokens > 0)
	{
		qc_bucket_fill(&at->bucket, &rates, how->clock);
		*wait_ms = qc_bucket_wait(&at->bucket, &rates, how->tokens);
		if (*wait_ms > 0)
			return QC_TAKE_LIMITED;
		*room = qc_bucket_room(&at->bucket, &rates, how->tokens, *room);
	}
	chosen = choose(at, endpoint->nreplicas, now, how->any);
	if (chosen < 0)
	{
		*wait_ms = first_return(at, endpoint->nreplicas, now);
		return QC_TAKE_OUT;
	}
	if (at->replica[chosen].failures > 0)
		*room = 1;
	return chosen;
}

/*
 * The count of what this process took is raised after the lock is let go: no
 * interrupt is served in between, and a crash resets shared memory anyway.
 */
int
qc_replica_take(QcEndpoint *endpoint, QcTake *how)
{
	QcSlot	   *slot = endpoint->slot;
	QcSharedEndpoint *at = slot->at;
	int			chosen;
	int			room;

	how->now = GetCurrentTimestamp();
	how->clock = qc_pool_now();
	how->wait_ms = 0;
	SpinLockAcquire(&at->mutex);
	chosen = look(endpoint, how, &room, &how->wait_ms);
	if (chosen >= 0)
	{
		qc_pace_sent(&at->pace, how->clock);
		count_in(at, chosen, endpoint->nreplicas, how->now);
		qc_bucket_spend(&at->bucket, how->tokens);
		if (how->background)
			at->background++;
		else
			at->session_at = how->clock;
	}
	SpinLockRelease(&at->mutex);

	if (chosen >= 0)
	{
		slot->taken[chosen]++;
		if (how->background)
			slot->background++;
	}
	return chosen;
}

/* The same without taking. */
int
qc_replica_look(QcEndpoint *endpoint, QcTake *how, int *room)
{
	QcSharedEndpoint *at = endpoint->slot->at;
	int			chosen;

	how->now = GetCurrentTimestamp();
	how->clock = qc_pool_now();
	how->wait_ms = 0;
	SpinLockAcquire(&at->mutex);
	chosen = look(endpoint, how, room, &how->wait_ms);
	SpinLockRelease(&at->mutex);
	return chosen;
}

/* From reset callbacks too: nothing here throws. */
void
qc_replica_give(QcEndpoint *endpoint, int replica, bool background)
{
	QcSlot	   *slot = endpoint->slot;
	QcSharedEndpoint *at = slot->at;
	int64		clock = qc_pool_now();

	/* given back already, because the process is ending */
	if (slot->taken[replica] == 0)
		return;
	slot->taken[replica]--;
	if (background)
		slot->background--;

	SpinLockAcquire(&at->mutex);
	qc_pace_advance(&at->pace, at->in_flight, clock);
	at->replica[replica].in_flight--;
	at->in_flight--;
	if (background)
		at->background--;
	SpinLockRelease(&at->mutex);

	/* two: while the window grows, each answer makes room for two */
	ConditionVariableSignal(&at->given);
	ConditionVariableSignal(&at->given);
}

/*
 * Of 64 requests that fail together the first counts: the others come back
 * while the replica is left out already, and say nothing new.
 */
void
qc_replica_failed(QcEndpoint *endpoint, int replica)
{
	QcSharedEndpoint *at = endpoint->slot->at;
	QcSharedReplica *r = &at->replica[replica];
	TimestampTz now = GetCurrentTimestamp();

	SpinLockAcquire(&at->mutex);
	if (r->trial || is_up(r, now))
	{
		if (r->failures++ == 0)
			r->failing_since = now;
		r->out_until = now + out_us(r->failures);
		r->trial = false;
	}
	SpinLockRelease(&at->mutex);
}

/* Any answer will do, a refusal as well: somebody is there. */
void
qc_replica_answered(QcEndpoint *endpoint, int replica)
{
	QcSharedEndpoint *at = endpoint->slot->at;
	QcSharedReplica *r = &at->replica[replica];

	SpinLockAcquire(&at->mutex);
	r->failures = 0;
	r->failing_since = 0;
	r->out_until = 0;
	r->trial = false;
	SpinLockRelease(&at->mutex);
}

bool
qc_replica_up(QcEndpoint *endpoint, int replica)
{
	QcSharedEndpoint *at = endpoint->slot->at;
	TimestampTz now = GetCurrentTimestamp();
	bool		up;

	SpinLockAcquire(&at->mutex);
	up = is_up(&at->replica[replica], now);
	SpinLockRelease(&at->mutex);
	return up;
}

int
qc_replica_in_flight(QcEndpoint *endpoint)
{
	QcSharedEndpoint *at = endpoint->slot->at;
	int			in_flight;

	SpinLockAcquire(&at->mutex);
	in_flight = at->in_flight;
	SpinLockRelease(&at->mutex);
	return in_flight;
}

void
qc_replica_wait_prepare(QcEndpoint *endpoint)
{
	ConditionVariablePrepareToSleep(&endpoint->slot->at->given);
}

void
qc_replica_wait_cancel(void)
{
	ConditionVariableCancelSleep();
}
