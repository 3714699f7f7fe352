/*-------------------------------------------------------------------------
 *
 * pace.c
 *	  The arithmetic of the window and of the rates: no clock, no lock.
 *
 * Two rules.  Safety: no more in flight than what the server answers in half
 * of the time limit (Little's law), so that a queue at the server never turns
 * into timeouts.  Growth: sessions double with each answered window; a worker
 * grows as long as that brings more answers a second, because beyond the knee
 * only other people's latency grows.  Latency alone would be the wrong signal:
 * a batching server is slower for each request with every one that it gets,
 * while its throughput still doubles.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "net/pace.h"

#define US			1e6

/* Answers fade over twice their latency, at least over this. */
#define LEAST_FADE	0.2
#define MOST_FADE	60.0

/* Gains of answers a second that justify a larger window. */
#define GAIN_DOUBLED	1.25
#define GAIN_TRIAL		1.02
#define LOSS_TRIAL		0.98

/* An epoch is at least this long, in seconds and in latencies. */
#define LEAST_EPOCH		0.05
#define EPOCH_LATENCIES	2.0

/* Epochs between two trials: doubled each time that one fails. */
#define FIRST_GAP	4
#define LONGEST_GAP	64

/* When nothing is sent or answered for so long, all that is in flight is stuck. */
#define STUCK_LATENCIES	4
#define LEAST_STUCK		0.2

/* Below this share of the window in flight it was not the window that held us. */
#define USED_SHARE	0.5

/* After a refusal: stay below for this long, doubled each time. */
#define FIRST_HOLD	(30 * INT64_C(1000000))
#define LONGEST_HOLD (600 * INT64_C(1000000))

static int
least(int a, int b)
{
	return a < b ? a : b;
}

static int
most(int a, int b)
{
	return a > b ? a : b;
}

static int
ceiling_of(const QcPaceTerms *terms)
{
	return terms->ceiling > 0 ? terms->ceiling : QC_PACE_CEILING;
}

static int
first_of(const QcPaceTerms *terms)
{
	return least(terms->slots > 0 ? terms->slots : QC_PACE_FIRST, ceiling_of(terms));
}

/* Over how many seconds answers fade; for ever before the first. */
static double
fade_of(const QcPace *pace)
{
	return fmin(fmax(2 * pace->latency, LEAST_FADE), MOST_FADE);
}

/* The limit after a refusal grows by one a second, in the end beyond its memory. */
static void
raise_limit(QcPace *pace, int64_t now)
{
	while (pace->limit > 0 && now - pace->limit_at >= (int64_t) US)
	{
		if (pace->refused_at > 0 && pace->limit >= pace->refused_at)
		{
			if (now < pace->hold_until)
			{
				pace->limit_at = now;
				return;
			}
			pace->refused_at = 0;
		}
		pace->limit++;
		pace->limit_at += (int64_t) US;
		if (pace->limit >= QC_PACE_CEILING)
			pace->limit = 0;
	}
}

/* From when on nothing can be expected of what is in flight. */
static int64_t
stuck_at(const QcPace *pace)
{
	if (pace->latency == 0)
		return INT64_MAX;
	return pace->stirred_at + (int64_t) ((STUCK_LATENCIES * pace->latency + LEAST_STUCK) * US);
}

void
qc_pace_sent(QcPace *pace, int64_t now)
{
	pace->stirred_at = now;
}

/*
 * Only time with something in flight counts, and not that of a single text on
 * which the server hangs: an idle server is no slow one.  Before the first answer nothing fades, or what the first ones took would be
 * forgotten when they come.
 */
void
qc_pace_advance(QcPace *pace, int in_flight, int64_t now)
{
	int64_t		until = now < stuck_at(pace) ? now : stuck_at(pace);
	double		passed = pace->seen_at == 0 ? 0 : (until - pace->seen_at) / US;

	if (pace->seen_at == 0 || now > pace->seen_at)
		pace->seen_at = now;
	raise_limit(pace, now);
	if (in_flight <= 0 || passed <= 0)
		return;
	if (pace->latency > 0)
	{
		double		fade = fade_of(pace);
		double		left = exp(-passed / fade);

		pace->answers *= left;
		pace->seconds = pace->seconds * left + fade * (1 - left);
	}
	else
		pace->seconds += passed;
	pace->epoch_seconds += passed;
	pace->epoch_area += passed * in_flight;
}

/* Of the latest answers, a second. */
static double
rate_of(const QcPace *pace)
{
	return pace->seconds > 0 ? pace->answers / pace->seconds : 0;
}

/*
 * Half of the time limit is for what an answer takes and for its wait in the
 * server's queue.  An answer that by itself takes as much is no queue: half as
 * long again is room for others beside it.  Slots that the server told of keep
 * nobody waiting, however slow they are.
 */
static int
safe_window(const QcPace *pace, const QcPaceTerms *terms)
{
	double		time = fmin(fmax(terms->timeout / 2, 1.5 * pace->least), 0.8 * terms->timeout);
	double		safe = floor(rate_of(pace) * time);

	if (pace->latency == 0)
		return ceiling_of(terms);
	return most((int) fmin(safe, 1e6), most(terms->slots, 1));
}

/* Without the search's and the sessions' own numbers. */
static int
bound(const QcPace *pace, const QcPaceTerms *terms, int window)
{
	window = least(window, safe_window(pace, terms));
	if (pace->limit > 0)
		window = least(window, pace->limit);
	return most(least(window, ceiling_of(terms)), 1);
}

int
qc_pace_window(const QcPace *pace, const QcPaceTerms *terms, bool background)
{
	int			found = pace->found > 0 ? pace->found : first_of(terms);
	int			quick = pace->quick > 0 ? pace->quick : first_of(terms);

	return bound(pace, terms, background ? found : most(found, quick));
}

/*
 * A text on which the server hangs must not keep the others out for as long as
 * the time limit: where all that is in flight is stuck, one more may try.
 */
static int
room_beside(const QcPace *pace, const QcPaceTerms *terms, int in_flight, int room)
{
	int			most_stuck = least(first_of(terms), pace->limit > 0 ? pace->limit : QC_PACE_FIRST);

	if (room <= 0 && in_flight < most_stuck && pace->seen_at > stuck_at(pace))
		return 1;
	return room;
}

/*
 * A tenth of the window is the sessions', so that nobody who waits stands
 * behind a worker's hours.  One place a worker may have whatever they do.
 */
int
qc_pace_room(const QcPace *pace, const QcPaceTerms *terms, int in_flight, int background,
			 bool sessions_there)
{
	int			window = qc_pace_window(pace, terms, background >= 0);
	int			room = window - in_flight;

	if (background < 0)
		return room_beside(pace, terms, in_flight, room);
	if (sessions_there)
		room -= most(window / 10, 1);
	if (room <= 0 && background == 0 && in_flight < qc_pace_window(pace, terms, false))
		room = 1;
	return room_beside(pace, terms, in_flight, room);
}

/* ---- the knee ---- */

/* What is in flight now was sent under the old window: wait for it to end. */
static void
epoch_anew(QcPace *pace)
{
	pace->settle = pace->found;
	pace->measuring = false;
	pace->epoch_answers = 0;
	pace->epoch_seconds = 0;
	pace->epoch_area = 0;
}

static void
move_to(QcPace *pace, int window, QcPacePhase phase)
{
	pace->found = window;
	pace->phase = phase;
	epoch_anew(pace);
}

/* The next trial, in the direction in which it is due. */
static void
begin_trial(QcPace *pace, const QcPaceTerms *terms, double rate)
{
	int			step = pace->step > 0 ? pace->step : most(pace->found / 16, 1);
	int			window = pace->found + step;

	/* a smaller window must save more to be worth the risk of a loss */
	if (pace->downward)
		window = pace->found - least(2 * step, pace->found / 2);
	window = most(least(window, ceiling_of(terms)), 1);
	pace->base = pace->found;
	pace->base_rate = rate;
	if (window == pace->found)
	{
		pace->downward = !pace->downward;
		pace->step = 0;
		pace->until_trial = pace->gap;
		epoch_anew(pace);
		return;
	}
	move_to(pace, window, pace->downward ? QC_PACE_DOWN : QC_PACE_UP);
}

/* A kept trial is followed by a larger one at once, a failed one later. */
static void
end_trial(QcPace *pace, double rate)
{
	bool		down = pace->phase == QC_PACE_DOWN;
	bool		keep = rate >= pace->base_rate * (down ? LOSS_TRIAL : GAIN_TRIAL);

	if (keep)
	{
		pace->step = 2 * (pace->step > 0 ? pace->step : most(pace->base / 16, 1));
		pace->gap = FIRST_GAP;
		pace->until_trial = 1;
		move_to(pace, pace->found, QC_PACE_STEADY);
		return;
	}
	pace->step = 0;
	pace->gap = least(2 * pace->gap, LONGEST_GAP);
	pace->until_trial = pace->gap;
	pace->downward = !down;
	move_to(pace, pace->base, QC_PACE_STEADY);
}

static void
settle_down(QcPace *pace, int window)
{
	pace->step = 0;
	pace->gap = FIRST_GAP;
	pace->until_trial = FIRST_GAP;
	move_to(pace, window, QC_PACE_STEADY);
}

/* Double while it brings at least a quarter more. */
static void
go_on_doubling(QcPace *pace, const QcPaceTerms *terms, double rate)
{
	int			ceiling = ceiling_of(terms);

	if (pace->base_rate > 0 && rate < GAIN_DOUBLED * pace->base_rate)
	{
		/* the first window may have been too large already */
		settle_down(pace, pace->base);
		pace->downward = true;
		pace->until_trial = 1;
	}
	else if (pace->found >= ceiling)
		settle_down(pace, ceiling);
	else
	{
		pace->base = pace->found;
		pace->base_rate = rate;
		move_to(pace, least(2 * pace->found, ceiling), QC_PACE_DOUBLING);
	}
}

/*
 * Another rule holds us below what was found: look for the knee from there.
 * While that rule lets us have more each time, the doubling goes on.
 */
static void
held_at(QcPace *pace, int allowed, double rate)
{
	bool		more = pace->base_rate == 0 || rate >= GAIN_DOUBLED * pace->base_rate;

	if (pace->phase == QC_PACE_DOUBLING && more)
	{
		pace->base = allowed;
		pace->base_rate = rate;
		move_to(pace, allowed, QC_PACE_DOUBLING);
		return;
	}
	pace->base_rate = 0;
	settle_down(pace, allowed);
}

static void
end_epoch(QcPace *pace, const QcPaceTerms *terms)
{
	double		rate = pace->epoch_answers / pace->epoch_seconds;
	int			allowed = bound(pace, terms, pace->found);

	if (allowed < pace->found)
	{
		held_at(pace, allowed, rate);
		return;
	}
	/* nobody wanted as much as the window allows: that says nothing of it */
	if (pace->epoch_area / pace->epoch_seconds < USED_SHARE * pace->found)
	{
		epoch_anew(pace);
		return;
	}
	switch (pace->phase)
	{
		case QC_PACE_DOUBLING:
			go_on_doubling(pace, terms, rate);
			break;
		case QC_PACE_STEADY:
			if (--pace->until_trial <= 0)
				begin_trial(pace, terms, rate);
			else
				epoch_anew(pace);
			break;
		case QC_PACE_UP:
		case QC_PACE_DOWN:
			end_trial(pace, rate);
			break;
	}
}

/*
 * An epoch begins and ends before the first answer after a gap, if there are
 * gaps: servers answer in bursts, and half a burst would be counted as speed.
 */
static void
count_epoch(QcPace *pace, const QcPaceTerms *terms, int64_t now)
{
	bool		gap = (now - pace->answered_at) / US > pace->latency / 50;
	int			n = pace->found;

	if (!pace->measuring)
	{
		if (--pace->settle > 0 || (!gap && pace->settle > -n))
			return;
		pace->measuring = true;
		pace->epoch_answers = 0;
		pace->epoch_seconds = 0;
		pace->epoch_area = 0;
	}
	else if (pace->epoch_answers >= 2 * n && (gap || pace->epoch_answers >= 3 * n)
			 && pace->epoch_seconds >= fmax(EPOCH_LATENCIES * pace->latency, LEAST_EPOCH))
		end_epoch(pace, terms);
	pace->epoch_answers++;
}

/* ---- what came ---- */

/* Up at once, down slowly: a queue that grows is to be seen early. */
static void
learn_latency(QcPace *pace, double latency)
{
	if (pace->latency == 0 || latency > pace->latency)
		pace->latency = pace->latency == 0 ? latency : (pace->latency + latency) / 2;
	else
		pace->latency += (latency - pace->latency) / 10;
	pace->latency = fmax(pace->latency, 1e-6);
	if (pace->least == 0 || latency < pace->least)
		pace->least = fmax(latency, 1e-6);
}

static void
grow_quick(QcPace *pace, const QcPaceTerms *terms)
{
	if (pace->quick == 0)
		pace->quick = first_of(terms);
	if (++pace->quick_answers < pace->quick)
		return;
	pace->quick = least(2 * pace->quick, ceiling_of(terms));
	pace->quick_answers = 0;
}

void
qc_pace_answered(QcPace *pace, const QcPaceTerms *terms, double latency, bool background,
				 int64_t now)
{
	if (pace->found == 0)
	{
		pace->found = first_of(terms);
		epoch_anew(pace);
	}
	count_epoch(pace, terms, now);
	learn_latency(pace, latency);

	/* a server that has become slow is not as fast as its last burst */
	pace->seconds = fmax(pace->seconds, fmin(latency, fade_of(pace)));
	pace->answers += 1;
	pace->answered_at = now;
	pace->stirred_at = now;
	if (!background)
		grow_quick(pace, terms);
}

/* At most once a round trip: those that were sent together fail together. */
static bool
may_shrink(QcPace *pace, int64_t now)
{
	double		round_trip = fmax(pace->latency, 0.1);

	if (pace->shrunk_at != 0 && (now - pace->shrunk_at) / US < round_trip)
		return false;
	pace->shrunk_at = now;
	return true;
}

/*
 * Halve what is in flight, then go up again to just below where it was refused.
 * Of a burst of refusals the last tells most precisely how many are too many.
 * Two in flight are too many only for a server that counts by time.
 */
void
qc_pace_refused(QcPace *pace, const QcPaceTerms *terms, int in_flight, int64_t now)
{
	int			window = qc_pace_window(pace, terms, false);

	if (!may_shrink(pace, now))
	{
		if (pace->refused_at > 0)
			pace->refused_at = least(pace->refused_at, most(in_flight - 1, pace->limit));
		return;
	}
	pace->limit = most(least(in_flight, window) / 2, 1);
	pace->limit_at = now;
	pace->refused_at = in_flight > 2 ? most(in_flight - 1, pace->limit) : 0;
	pace->hold = pace->hold == 0 ? FIRST_HOLD : 2 * pace->hold;
	if (pace->hold > LONGEST_HOLD)
		pace->hold = LONGEST_HOLD;
	pace->hold_until = now + pace->hold;
	pace->base_rate = 0;
	if (pace->found > 0)
		settle_down(pace, pace->found);
}

/*
 * One that timed out while others were answered in a fraction of the time
 * stood in no queue: that says something of its text, not of the window.
 */
void
qc_pace_timed_out(QcPace *pace, const QcPaceTerms *terms, int64_t now)
{
	int			window = qc_pace_window(pace, terms, false);
	int			smaller = most(window * 3 / 4, 1);

	if (pace->latency > 0 && pace->latency < terms->timeout / 4
		&& (now - pace->answered_at) / US < terms->timeout / 2)
		return;
	if (!may_shrink(pace, now))
		return;
	pace->quick = smaller;
	pace->quick_answers = 0;
	pace->base_rate = 0;
	move_to(pace, least(smaller, pace->found > 0 ? pace->found : smaller), QC_PACE_DOUBLING);
}

/* ---- rates ---- */

static double
room_of(int a_minute)
{
	return fmax(a_minute / 6.0, 1);
}

void
qc_bucket_fill(QcBucket *bucket, const QcRates *rates, int64_t now)
{
	double		passed = bucket->filled_at == 0 ? 60 : (now - bucket->filled_at) / US;

	if (bucket->filled_at != 0 && now <= bucket->filled_at)
		return;
	bucket->filled_at = now;
	bucket->requests = fmin(bucket->requests + passed * rates->requests / 60,
							room_of(rates->requests));
	bucket->tokens = fmin(bucket->tokens + passed * rates->tokens / 60,
						  room_of(rates->tokens));
}

/* A request larger than the whole burst goes when the bucket is full. */
static double
tokens_needed(const QcRates *rates, double tokens)
{
	return fmin(tokens, room_of(rates->tokens));
}

long
qc_bucket_wait(const QcBucket *bucket, const QcRates *rates, double tokens)
{
	double		seconds = 0;

	if (rates->requests > 0 && bucket->requests < 1)
		seconds = (1 - bucket->requests) * 60 / rates->requests;
	if (rates->tokens > 0 && bucket->tokens < tokens_needed(rates, tokens))
		seconds = fmax(seconds, (tokens_needed(rates, tokens) - bucket->tokens) * 60 / rates->tokens);
	return seconds > 0 ? (long) ceil(seconds * 1000) : 0;
}

int
qc_bucket_room(const QcBucket *bucket, const QcRates *rates, double tokens, int max)
{
	double		room = max;

	if (qc_bucket_wait(bucket, rates, tokens) > 0)
		return 0;
	if (rates->requests > 0)
		room = fmin(room, floor(bucket->requests));
	if (rates->tokens > 0 && tokens > 0)
		room = fmin(room, fmax(floor(bucket->tokens / tokens), 1));
	return (int) room;
}

void
qc_bucket_spend(QcBucket *bucket, double tokens)
{
	bucket->requests -= 1;
	bucket->tokens -= tokens;
}

void
qc_bucket_settle(QcBucket *bucket, double estimated, double used)
{
	bucket->tokens += estimated - used;
	if (bucket->usual_tokens == 0)
		bucket->usual_tokens = used;
	else
		bucket->usual_tokens += (used - bucket->usual_tokens) / 10;
}
