/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  The process's one multi handle and the one loop that waits on it.
 *
 * libcurl's sockets sit in one descriptor (mux.h); that descriptor, the latch
 * and postmaster death sit in one WaitEventSet; libcurl's timer and our own
 * (back-off, Retry-After, loading) are its timeout.  CHECK_FOR_INTERRUPTS
 * runs in every round, between libcurl calls, never inside one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_POOL_H
#define QC_POOL_H

#include "postgres.h"

#include "lib/ilist.h"
#include "lib/pairingheap.h"

/*
 * A timer of ours.  Embedded in what it wakes, zeroed before first use; fire
 * runs in qc_pool_wait, outside libcurl, and may throw: the other timers stay
 * armed.  An eager timer also fires, before it is due, after any round in
 * which the latch was set or a request ended.
 */
typedef struct QcTimer
{
	pairingheap_node node;
	dlist_node	eager;
	bool		armed;
	bool		is_eager;
	int64		due;			/* of qc_pool_now() */
	uint64		order;			/* of those due at the same time the one armed first fires first */
	void		(*fire) (void *arg);
	void	   *arg;
} QcTimer;

extern void qc_timer_arm(QcTimer *timer, long ms, bool eager);
extern void qc_timer_disarm(QcTimer *timer);

/* A clock in microseconds that nobody sets back. */
extern int64 qc_pool_now(void);

/*
 * Wait until something happened (a request ended, a timer of ours is due, the
 * latch was set) or timeout_ms passed (-1: no limit), move everything that can
 * be moved, and call the completions.  Throws what CHECK_FOR_INTERRUPTS throws.
 */
extern void qc_pool_wait(long timeout_ms);

/*
 * So many are wanted in flight for a while: connections stay through a dip.  0
 * again when the last was started, so that what is kept beyond need is closed.
 */
extern void qc_pool_want(int n);

/* Requests in flight in this process: for tests and views. */
extern int	qc_pool_in_flight(void);

/*
 * Is there room for another request?  Not while as many are in flight as the
 * server's share of descriptors allows; an eager timer tells when to ask again.
 */
extern bool qc_pool_has_room(void);

/* For http.c: hand a transfer to the pool, take it back before its end. */
struct QcHttp;
extern void qc_pool_add(struct QcHttp *http);
extern void qc_pool_remove(struct QcHttp *http);
extern void qc_pool_starved(void);

#endif							/* QC_POOL_H */
