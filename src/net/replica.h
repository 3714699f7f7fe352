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
 * Take a place at the replica with the fewest requests outstanding that is
 * not left out; -1 when max_concurrency is reached (then wait: the latch is
 * set when a place is given back) or -2 when all replicas are left out
 * (*wait_ms: until the first may be tried again).
 */
extern int	qc_replica_take(QcEndpoint *endpoint, long *wait_ms);
extern void qc_replica_give(QcEndpoint *endpoint, int replica);

/* How it went: a failed replica is left out, 0.5 s doubling to 30 s. */
extern void qc_replica_failed(QcEndpoint *endpoint, int replica);
extern void qc_replica_answered(QcEndpoint *endpoint, int replica);

/* Not left out at this moment. */
extern bool qc_replica_up(QcEndpoint *endpoint, int replica);

#endif							/* QC_REPLICA_H */
