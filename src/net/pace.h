/*-------------------------------------------------------------------------
 *
 * pace.h
 *	  The arithmetic of the window and of the rates: no clock, no lock.
 *
 * Plain C, so that a test can drive it through simulated hours.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_NET_PACE_H
#define QC_NET_PACE_H

#include "common/pace.h"

/* The most in flight to one endpoint where no option says otherwise. */
#define QC_PACE_CEILING	256

/* Before anything is known. */
#define QC_PACE_FIRST	16

/* What is given: from the options and the facts of the endpoint. */
typedef struct QcPaceTerms
{
	int			ceiling;		/* max_concurrency; 0: QC_PACE_CEILING */
	int			slots;			/* that the server told of; 0: it did not */
	double		timeout;		/* of one request, seconds */
} QcPaceTerms;

/* Time passed with so many requests in flight: before each change of that. */
extern void qc_pace_advance(QcPace *pace, int in_flight, int64_t now);

/* A request is on its way. */
extern void qc_pace_sent(QcPace *pace, int64_t now);

/* How many may be in flight, all together; at least 1. */
extern int	qc_pace_window(const QcPace *pace, const QcPaceTerms *terms, bool background);

/*
 * Places that are free: for a session (background < 0), or for a worker of
 * whose kind so many are in flight, which leaves some of them to sessions
 * that are there.
 */
extern int	qc_pace_room(const QcPace *pace, const QcPaceTerms *terms, int in_flight,
						 int background, bool sessions_there);

/* What came of a request, itself still counted as in flight; after an advance. */
extern void qc_pace_answered(QcPace *pace, const QcPaceTerms *terms, double latency,
							 bool background, int64_t now);
extern void qc_pace_refused(QcPace *pace, const QcPaceTerms *terms, int in_flight, int64_t now);
extern void qc_pace_timed_out(QcPace *pace, const QcPaceTerms *terms, int64_t now);

/* Rates a minute; 0: no limit.  Burst: at most a sixth of a minute's worth. */
typedef struct QcRates
{
	int			requests;
	int			tokens;
} QcRates;

extern void qc_bucket_fill(QcBucket *bucket, const QcRates *rates, int64_t now);

/* Milliseconds until a request of that many tokens may go; 0: now. */
extern long qc_bucket_wait(const QcBucket *bucket, const QcRates *rates, double tokens);

/* How many such requests may go now, at most max. */
extern int	qc_bucket_room(const QcBucket *bucket, const QcRates *rates, double tokens, int max);
extern void qc_bucket_spend(QcBucket *bucket, double tokens);

/* The answer tells what it cost: used instead of what was estimated. */
extern void qc_bucket_settle(QcBucket *bucket, double estimated, double used);

#endif							/* QC_NET_PACE_H */
