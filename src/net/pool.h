/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  The process's one multi handle and the one loop that waits on it.
 *
 * libcurl's sockets sit in an epoll descriptor; that descriptor, the latch
 * and postmaster death sit in one WaitEventSet; libcurl's timer and our own
 * (back-off, Retry-After, loading) are its timeout.  CHECK_FOR_INTERRUPTS
 * runs in every round, between libcurl calls, never inside one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_POOL_H
#define QC_POOL_H

#include "postgres.h"

/*
 * Wait until something happened (a request ended, a timer of ours is due, the
 * latch was set) or timeout_ms passed (-1: no limit), move everything that can
 * be moved, and call the completions.  Throws what CHECK_FOR_INTERRUPTS throws.
 */
extern void qc_pool_wait(long timeout_ms);

/*
 * The worker of a later day waits on the same latch: true if the last
 * qc_pool_wait returned because the latch was set.
 */
extern bool qc_pool_latch_was_set(void);

/* Requests in flight in this process, and descriptors held: for tests and views. */
extern int	qc_pool_in_flight(void);

#endif							/* QC_POOL_H */
