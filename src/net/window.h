/*-------------------------------------------------------------------------
 *
 * window.h
 *	  How many more calls an endpoint takes now, and why no more.
 *
 * Calls keep to the window by themselves: one that is started beyond it waits.
 * These functions are for whoever wants to start only those that go at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_WINDOW_H
#define QC_WINDOW_H

#include "postgres.h"

#include "net/endpoint.h"
#include "net/pace.h"

/* What an endpoint is doing, as its slot says. */
typedef enum QcServerState
{
	QC_SERVER_UP,
	QC_SERVER_DOWN,				/* all replicas are left out after failures */
	QC_SERVER_LIMITED,			/* requests_per_minute or tokens_per_minute */
	QC_SERVER_WAITING			/* it asked to wait (Retry-After) */
} QcServerState;

/*
 * How many calls may be started now by this process (background: a worker's,
 * with budget->patient).  0: none.
 */
extern int	qc_window_room(QcEndpoint *endpoint, bool background);

/*
 * When to ask again, in milliseconds; -1: when something ends.  Also when
 * there is room now: then it is 0.
 */
extern long qc_window_wait_ms(QcEndpoint *endpoint);

extern QcServerState qc_window_state(QcEndpoint *endpoint);

/* The same in words for a view, in the server encoding; "" when it is up. */
extern void qc_window_why(QcEndpoint *endpoint, char *buf, size_t size);

/* What came of a request whose place is still held. */
typedef enum QcWindowEvent
{
	QC_WINDOW_ANSWERED,
	QC_WINDOW_REFUSED,			/* overloaded */
	QC_WINDOW_TIMED_OUT
} QcWindowEvent;

extern void qc_window_note(QcEndpoint *endpoint, QcWindowEvent event, double seconds,
						   bool background);

/* The server asked all of us to wait. */
extern void qc_window_pause(QcEndpoint *endpoint, int64 ms);

/* Requests of this process that are in flight to it. */
extern int	qc_window_ours(const QcEndpoint *endpoint);

/* What a request cost, where it was estimated before it was sent. */
extern void qc_window_settle(QcEndpoint *endpoint, double estimated, double used);

/* Milliseconds that are left of that. */
extern long qc_window_paused_ms(QcEndpoint *endpoint);

/* The endpoint's options and facts as the arithmetic wants them. */
extern QcPaceTerms qc_window_terms(const QcEndpoint *endpoint, const QcFacts *facts);
extern QcRates qc_window_rates(const QcEndpoint *endpoint);

#endif							/* QC_WINDOW_H */
