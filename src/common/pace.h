/*-------------------------------------------------------------------------
 *
 * pace.h
 *	  How many requests an endpoint takes at once, and how often: what is
 *	  known of it.
 *
 * Plain structs without pointers, kept in the endpoint's slot; the arithmetic
 * on them is in net/pace.c.  Times are microseconds of one clock that nobody
 * sets back, the same in all processes.  All zero is a good beginning.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PACE_H
#define QC_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* What the search for the knee is doing. */
typedef enum QcPacePhase
{
	QC_PACE_DOUBLING = 0,
	QC_PACE_STEADY,
	QC_PACE_UP,					/* trying a larger window */
	QC_PACE_DOWN				/* trying a smaller one */
} QcPacePhase;

typedef struct QcPace
{
	int64_t		seen_at;		/* sums below are as of then; 0: never used */

	/* the latest answers: counts and busy seconds, both fading */
	double		answers;
	double		seconds;
	double		latency;		/* seconds; 0: no answer yet */
	double		least;			/* of all answers: what it takes without a queue */
	int64_t		answered_at;	/* the last one */
	int64_t		stirred_at;		/* something was sent or answered */

	/* of sessions: doubles with each answered window */
	int			quick;			/* 0: not begun */
	int			quick_answers;	/* since it last grew */

	/* of workers: the knee, by marginal throughput */
	int			found;			/* 0: not begun */
	QcPacePhase phase;
	int			settle;			/* answers left until what is measured is new */
	bool		measuring;
	int			epoch_answers;
	double		epoch_seconds;	/* busy */
	double		epoch_area;		/* requests in flight times seconds */
	int			base;			/* window before the trial ... */
	double		base_rate;		/* ... and its answers a second; 0: not measured */
	int			step;			/* of the next trial; 0: by the window */
	bool		downward;		/* direction of the next trial */
	int			gap;			/* epochs between trials */
	int			until_trial;	/* of these, left */

	/* after 429 or 503 */
	int			limit;			/* 0: none */
	int			refused_at;		/* settle below; 0: not known */
	int64_t		limit_at;		/* when the limit was last raised */
	int64_t		shrunk_at;		/* last refusal or timeout that counted */
	int64_t		hold_until;		/* keep below refused_at until then */
	int64_t		hold;			/* how long the next time */
} QcPace;

/* Requests and tokens that may be spent now; filled by the minute's rates. */
typedef struct QcBucket
{
	int64_t		filled_at;		/* 0: never, and full */
	double		requests;
	double		tokens;			/* below zero: estimates were too low */
	double		usual_tokens;	/* of the latest answers; 0: none yet */
} QcBucket;

#endif							/* QC_PACE_H */
