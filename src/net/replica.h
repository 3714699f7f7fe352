/*-------------------------------------------------------------------------
 *
 * replica.h
 *	  Which replica takes the next request, and how many are in flight.
 *
 * Counts are kept in shared memory when preloaded (all sessions together),
 * else per process.  Invariant: whatever ends a process, its counts are given
 * back (before_shmem_exit), and only what it took.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_REPLICA_H
#define QC_REPLICA_H

#include "postgres.h"

#include "net/endpoint.h"

/*
 * No place: the window (or max_concurrency) is full, all replicas are left
 * out, or the minute's requests or tokens are spent.
 */
#define QC_TAKE_FULL	(-1)
#define QC_TAKE_OUT		(-2)
#define QC_TAKE_LIMITED	(-3)

typedef struct QcTake
{
	bool		background;		/* a worker's call */
	bool		any;			/* a replica that is left out will do */
	double		tokens;			/* what the request may cost: guessed, and then
								 * what the latest answers did */
	long		wait_ms;		/* out: for OUT and LIMITED */
	TimestampTz now;			/* private */
	int64		clock;			/* private */
} QcTake;

/*
 * Take a place at the replica with the fewest requests outstanding that is
 * not left out; QC_TAKE_FULL when the window is full (then wait: the latch is
 * set when a place is given back).  any: for a statement that has had no
 * answer yet and wants to know now whether the server is there.
 */
extern int	qc_replica_take(QcEndpoint *endpoint, QcTake *how);

/* What taking would return, and for how many calls there is room. */
extern int	qc_replica_look(QcEndpoint *endpoint, QcTake *how, int *room);

/* background as when it was taken. */
extern void qc_replica_give(QcEndpoint *endpoint, int replica, bool background);

/* How it went: a failed replica is left out, 0.5 s doubling to 30 s. */
extern void qc_replica_failed(QcEndpoint *endpoint, int replica);
extern void qc_replica_answered(QcEndpoint *endpoint, int replica);

/* Not left out at this moment. */
extern bool qc_replica_up(QcEndpoint *endpoint, int replica);

/* Requests in flight to this endpoint: of all processes when preloaded. */
extern int	qc_replica_in_flight(QcEndpoint *endpoint);

/*
 * Have the latch set when a place is given back.  Prepare, then try to take
 * once more, then wait on the latch; again each round, since other waits of the
 * server use the same mechanism and end ours.  One of several waiters is
 * woken, and it may not want the place any more: wait 250 ms at most.
 */
extern void qc_replica_wait_prepare(QcEndpoint *endpoint);
extern void qc_replica_wait_cancel(void);

#endif							/* QC_REPLICA_H */
