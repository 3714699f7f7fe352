/*-------------------------------------------------------------------------
 *
 * test_window.c
 *	  The window against simulated servers, in simulated time.
 *
 * A server has slots, each answer takes its time in one, and those who wait
 * for a slot stand in line; a client fills the window whenever it may.  The
 * three promises: no timeouts from a queue, the knee is found, and a server
 * that refuses is asked for less than it takes.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <string.h>

#include "net/pace.h"

#include "tap.h"

#define MOST	1024
#define US		INT64_C(1000000)

typedef struct Request
{
	int64_t		sent;
	int64_t		ends;			/* INT64_MAX: stands in line */
} Request;

typedef struct Sim
{
	/* the server */
	int			slots;
	double		latency;
	double		slower;			/* more for each other that is being served */
	double		jitter;			/* share of the latency */
	int			most_queued;	/* -1: no end */

	/* the client */
	QcPaceTerms terms;
	bool		background;
	int			wanted;			/* as many as it wants in flight */
	double		turnaround;		/* between an answer and what it allows */

	/* the state */
	QcPace		pace;
	int64_t		now;
	int64_t		idle_until;
	uint64_t	random;
	Request		request[MOST];
	int			n;

	/* what happened */
	int			answered;
	int			timeouts;
	int			refused;
	int			most;			/* in flight */
} Sim;

static double
chance(Sim *sim)
{
	sim->random = sim->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (sim->random >> 11) / 9007199254740992.0;
}

static int
served(const Sim *sim)
{
	int			n = 0;

	for (int i = 0; i < sim->n; i++)
		n += sim->request[i].ends != INT64_MAX;
	return n;
}

/* The first in line takes a free slot. */
static void
serve(Sim *sim)
{
	int			busy = served(sim);

	while (busy < sim->slots && busy < sim->n)
	{
		Request    *first = NULL;
		double		takes;

		for (int i = 0; i < sim->n; i++)
			if (sim->request[i].ends == INT64_MAX
				&& (first == NULL || sim->request[i].sent < first->sent))
				first = &sim->request[i];
		busy++;
		takes = sim->latency * (1 + sim->jitter * chance(sim)) + sim->slower * busy;
		first->ends = sim->now + (int64_t) (takes * US);
	}
}

static void
drop(Sim *sim, int i)
{
	qc_pace_advance(&sim->pace, sim->n, sim->now);
	sim->request[i] = sim->request[--sim->n];
}

/* One more; the server may refuse it at once. */
static void
send_one(Sim *sim)
{
	bool		full;

	qc_pace_advance(&sim->pace, sim->n, sim->now);
	full = sim->most_queued >= 0 && sim->n >= sim->slots + sim->most_queued;
	qc_pace_sent(&sim->pace, sim->now);
	sim->request[sim->n].sent = sim->now;
	sim->request[sim->n++].ends = INT64_MAX;
	if (sim->n > sim->most)
		sim->most = sim->n;
	if (full)
	{
		sim->refused++;
		qc_pace_refused(&sim->pace, &sim->terms, sim->n, sim->now);
		sim->n--;
		sim->idle_until = sim->now + US / 2;	/* its back-off */
		return;
	}
	serve(sim);
}

static void
fill(Sim *sim)
{
	while (sim->now >= sim->idle_until && sim->n < sim->wanted && sim->n < MOST)
	{
		qc_pace_advance(&sim->pace, sim->n, sim->now);
		if (sim->n >= qc_pace_window(&sim->pace, &sim->terms, sim->background))
			return;
		send_one(sim);
	}
}

/* What ends next, by an answer or by the time limit; -1: nothing. */
static int
next_end(const Sim *sim, int64_t *when)
{
	int			next = -1;

	for (int i = 0; i < sim->n; i++)
	{
		const Request *r = &sim->request[i];
		int64_t		limit = r->sent + (int64_t) (sim->terms.timeout * US);
		int64_t		end = r->ends < limit ? r->ends : limit;

		if (next < 0 || end < *when)
		{
			*when = end;
			next = i;
		}
	}
	return next;
}

static void
end_one(Sim *sim, int i)
{
	Request    *r = &sim->request[i];

	qc_pace_advance(&sim->pace, sim->n, sim->now);
	if (r->ends <= sim->now)
	{
		sim->answered++;
		qc_pace_answered(&sim->pace, &sim->terms, (sim->now - r->sent) / (double) US,
						 sim->background, sim->now);
	}
	else
	{
		sim->timeouts++;
		qc_pace_timed_out(&sim->pace, &sim->terms, sim->now);
	}
	drop(sim, i);
	serve(sim);
	if (sim->turnaround > 0 && sim->now >= sim->idle_until)
		sim->idle_until = sim->now + (int64_t) (sim->turnaround * US);
}

static void
run(Sim *sim, double seconds)
{
	int64_t		end = sim->now + (int64_t) (seconds * US);

	for (;;)
	{
		int64_t		when = INT64_MAX;
		int64_t		look = sim->now + US / 4;	/* as a waiter does */
		int			i;

		fill(sim);
		if (sim->idle_until > sim->now && sim->idle_until < look)
			look = sim->idle_until;
		i = next_end(sim, &when);
		if ((i < 0 || when > look) && look < end)
		{
			sim->now = look;
			continue;
		}
		if (i < 0 || when >= end)
			break;
		sim->now = when;
		end_one(sim, i);
	}
	sim->now = end;
}

static void
begin(Sim *sim, int slots, double latency)
{
	memset(sim, 0, sizeof(*sim));
	sim->now = 1000 * US;
	sim->random = 42;
	sim->slots = slots;
	sim->latency = latency;
	sim->most_queued = -1;
	sim->terms.timeout = 30;
	sim->wanted = MOST;
}

static void
forget_counts(Sim *sim)
{
	sim->answered = sim->timeouts = sim->refused = sim->most = 0;
}

/* ---- safety ---- */

/* The server of design 4.5: 4 slots of 2 s, 64 want to, 10 s are allowed. */
static void
test_design(int known)
{
	Sim			sim;

	begin(&sim, 4, 2);
	sim.terms.timeout = 10;
	sim.terms.slots = known;
	sim.wanted = 64;
	run(&sim, 600);
	tap_ok(sim.timeouts == 0, "4 slots of 2 s, 64 wanted, 10 s: no timeout", "%d", sim.timeouts);
	tap_ok(sim.answered >= 0.95 * 2 * 600, "at the server's rate", "%d of 1200", sim.answered);
	tap_ok(sim.most <= 16, "never more than begun with", "%d", sim.most);
}

/* Whatever the server is like, as long as the first window fits. */
static void
test_safety(double jitter, bool background)
{
	static const int slots[] = {1, 2, 4, 16, 64};
	static const double latency[] = {0.05, 0.2, 0.5, 2, 4};
	int			timeouts = 0;
	int			slow = 0;
	int			n = 0;
	Sim			sim;

	for (int s = 0; s < 5; s++)
		for (int l = 0; l < 5; l++)
		{
			double		first = ceil((double) QC_PACE_FIRST / slots[s]) * latency[l];

			if (first * (1 + jitter) >= 10)
				continue;
			begin(&sim, slots[s], latency[l]);
			sim.terms.timeout = 10;
			sim.jitter = jitter;
			sim.background = background;
			sim.wanted = 64;
			run(&sim, 30);
			forget_counts(&sim);
			run(&sim, 300);
			n++;
			timeouts += sim.timeouts;
			if (sim.answered < 0.9 * 300 * fmin(slots[s], 64) / (latency[l] * (1 + jitter / 2)))
			{
				slow++;
				printf("# slots %d latency %g: %d answers, window %d\n", slots[s], latency[l],
					   sim.answered, qc_pace_window(&sim.pace, &sim.terms, background));
			}
		}
	tap_ok(n >= 18 && timeouts == 0, "no server's queue turns into timeouts", "%d", timeouts);
	tap_ok(slow == 0, "and none is kept waiting", "%d of %d", slow, n);
}

/* It becomes three times as slow: what was under way may suffer, once. */
static void
test_slower(void)
{
	Sim			sim;

	begin(&sim, 4, 1);
	sim.terms.timeout = 10;
	sim.wanted = 64;
	run(&sim, 120);
	tap_ok(sim.timeouts == 0, "a server of 1 s: no timeout", "%d", sim.timeouts);
	sim.latency = 3;
	run(&sim, 30);
	forget_counts(&sim);
	run(&sim, 300);
	tap_ok(sim.timeouts == 0, "three times as slow: none any more", "%d", sim.timeouts);
	tap_ok(sim.answered >= 0.95 * 400, "at its rate", "%d of 400", sim.answered);
}

static void
test_hang(void)
{
	Sim			sim;
	int			window;

	begin(&sim, 4, 1);
	sim.terms.timeout = 10;
	sim.wanted = 64;
	run(&sim, 60);
	window = qc_pace_window(&sim.pace, &sim.terms, false);
	sim.latency = 1000;
	run(&sim, 60);
	tap_ok(qc_pace_window(&sim.pace, &sim.terms, false) <= window / 4 + 1,
		   "a server that hangs gets few", "%d after %d",
		   qc_pace_window(&sim.pace, &sim.terms, false), window);
	sim.latency = 1;
	run(&sim, 30);
	forget_counts(&sim);
	run(&sim, 60);
	tap_ok(sim.answered >= 0.95 * 240, "and all of its slots when it is back", "%d", sim.answered);
}

/* A text on which the server hangs, now and then another: they are not kept out. */
static void
test_stuck(void)
{
	QcPace		pace = {0};
	QcPaceTerms terms = {0};
	int64_t		now = 1000 * US;
	int			waited = 0;
	int			window;

	terms.timeout = 30;
	for (int i = 0; i < 100; i++)
	{
		qc_pace_advance(&pace, 0, now);
		qc_pace_sent(&pace, now);
		qc_pace_advance(&pace, 1, now += US / 20);
		qc_pace_answered(&pace, &terms, 0.05, true, now);
	}
	window = qc_pace_window(&pace, &terms, true);
	for (int i = 0; i < 20; i++)
	{
		qc_pace_advance(&pace, 0, now);
		qc_pace_sent(&pace, now);	/* the bad one */
		qc_pace_advance(&pace, 1, now += 10 * US);
		waited += qc_pace_room(&pace, &terms, 1, 1, false) <= 0;
		qc_pace_sent(&pace, now);
		qc_pace_advance(&pace, 2, now += US / 20);
		qc_pace_answered(&pace, &terms, 0.05, true, now);
		qc_pace_advance(&pace, 1, now += 20 * US);
		qc_pace_timed_out(&pace, &terms, now);
	}
	tap_ok(waited == 0, "a text on which the server hangs keeps no other out", "%d times", waited);
	tap_ok(qc_pace_room(&pace, &terms, 0, 0, false) >= 1 && window >= 16,
		   "and there is room after it", "%d, %d before", qc_pace_room(&pace, &terms, 0, 0, false),
		   window);
	terms.ceiling = 1;
	qc_pace_advance(&pace, 1, now += 10 * US);
	tap_ok(qc_pace_room(&pace, &terms, 1, 1, false) <= 0, "but max_concurrency always wins", "%d",
		   qc_pace_room(&pace, &terms, 1, 1, false));
}

/* A bad text among many: the window is not the smaller for it. */
static void
test_bad_texts(void)
{
	Sim			sim;
	int			window;

	begin(&sim, 64, 0.1);
	sim.background = true;
	run(&sim, 20);
	window = qc_pace_window(&sim.pace, &sim.terms, true);
	for (int i = 0; i < 20; i++)
	{
		run(&sim, 1);
		qc_pace_timed_out(&sim.pace, &sim.terms, sim.now);
	}
	tap_ok(qc_pace_window(&sim.pace, &sim.terms, true) >= window * 3 / 4,
		   "bad texts that time out leave the window alone", "%d after %d",
		   qc_pace_window(&sim.pace, &sim.terms, true), window);
}

/* ---- growth ---- */

static void
test_session(void)
{
	Sim			sim;

	begin(&sim, 64, 0.5);
	sim.wanted = 64;
	run(&sim, 4);
	tap_ok(sim.most == 64, "sessions have 64 slots after a few answers", "%d", sim.most);
	forget_counts(&sim);
	run(&sim, 60);
	tap_ok(sim.answered >= 0.95 * 60 * 128, "all the time", "%d", sim.answered);
}

/* 256 slots and 50 ms, found within 5 s, with a client that is never instant. */
static void
test_knee(double jitter, double turnaround)
{
	Sim			sim;
	double		ideal = 256 / (0.05 * (1 + jitter / 2) + turnaround);

	begin(&sim, 256, 0.05);
	sim.jitter = jitter;
	sim.turnaround = turnaround;
	sim.background = true;
	run(&sim, 5);
	tap_ok(sim.pace.found >= 200, "a worker finds 256 slots within 5 s", "%d", sim.pace.found);
	forget_counts(&sim);
	run(&sim, 20);
	tap_ok(sim.answered >= 0.9 * 20 * ideal, "and keeps them busy", "%d of %.0f",
		   sim.answered, 20 * ideal);
	tap_ok(sim.most <= QC_PACE_CEILING, "with no more than the ceiling", "%d", sim.most);
}

/* Beyond the knee only latency grows: do not stay there. */
static void
test_no_further(int slots, double latency, double seconds, double jitter)
{
	Sim			sim;
	double		ideal = slots / (latency * (1 + jitter / 2));
	double		in_flight;

	begin(&sim, slots, latency);
	sim.jitter = jitter;
	sim.background = true;
	run(&sim, seconds);
	forget_counts(&sim);
	run(&sim, seconds);
	in_flight = qc_pace_window(&sim.pace, &sim.terms, true);
	tap_ok(sim.answered >= 0.93 * seconds * ideal, "the knee: at the server's rate",
		   "%d slots of %g s: %d of %.0f, window %g", slots, latency, sim.answered,
		   seconds * ideal, in_flight);
	tap_ok(in_flight <= 2 * slots + 2, "the knee: with little more than its slots",
		   "%d slots of %g s: %g", slots, latency, in_flight);
}

/* A batching server: slower with each request, but faster in all until late. */
static void
test_batching(void)
{
	Sim			sim;
	double		best = 256 / (0.2 + 0.001 * 256);

	begin(&sim, 512, 0.2);
	sim.slower = 0.001;
	sim.background = true;
	run(&sim, 60);
	forget_counts(&sim);
	run(&sim, 60);
	tap_ok(sim.answered >= 0.85 * 60 * best, "a server that batches is not taken for a full one",
		   "%d of %.0f, window %d", sim.answered, 60 * best, sim.pace.found);
}

/* Nobody wants more: the window must not be judged by that. */
static void
test_idle(void)
{
	Sim			sim;

	begin(&sim, 64, 0.1);
	sim.background = true;
	sim.wanted = 2;
	run(&sim, 60);
	tap_ok(sim.pace.found == QC_PACE_FIRST, "two at a time say nothing of sixteen", "%d",
		   sim.pace.found);
	sim.wanted = MOST;
	run(&sim, 10);
	tap_ok(sim.pace.found >= 60, "and the search begins when there is work", "%d", sim.pace.found);
}

static void
test_bounds(void)
{
	Sim			sim;
	QcPace		none = {0};
	QcPaceTerms terms = {0};

	terms.timeout = 30;
	tap_ok(qc_pace_window(&none, &terms, true) == QC_PACE_FIRST, "at first 16", "%d",
		   qc_pace_window(&none, &terms, true));
	terms.slots = 6;
	tap_ok(qc_pace_window(&none, &terms, true) == 6, "or the slots that are told", "%d",
		   qc_pace_window(&none, &terms, true));
	terms.ceiling = 3;
	tap_ok(qc_pace_window(&none, &terms, false) == 3, "max_concurrency always wins", "%d",
		   qc_pace_window(&none, &terms, false));
	begin(&sim, 64, 0.1);
	sim.terms.ceiling = 10;
	sim.background = true;
	run(&sim, 30);
	tap_ok(sim.most == 10, "for ever", "%d", sim.most);
}

/* In a window of 64, 16 for the worker: what each may still have. */
static void
test_reserve(void)
{
	QcPace		pace = {0};
	QcPaceTerms terms = {0};
	static const struct
	{
		const char *name;
		int			found;
		int			in_flight;
		int			background;	/* -1: a session asks */
		bool		there;
		int			room;
	}			row[] = {
		{"a worker alone has all", 64, 0, 0, false, 64},
		{"with a session about, all but a tenth", 64, 0, 0, true, 58},
		{"of few, all but one", 4, 0, 0, true, 3},
		{"which a session takes", 64, 58, -1, true, 6},
		{"a worker at its share has no more", 64, 58, 58, true, 0},
		{"of a single place the worker has it too", 1, 0, 0, true, 1},
		{"sessions everywhere leave it one", 16, 40, 0, true, 1},
		{"and not two", 16, 40, 1, true, -25},
		{"nor any beyond the window", 16, 64, 0, true, -48}
	};

	terms.timeout = 30;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
	{
		int			room;

		pace.found = row[i].found;
		pace.quick = row[i].found == 1 ? 1 : 64;
		room = qc_pace_room(&pace, &terms, row[i].in_flight, row[i].background, row[i].there);
		tap_ok(row[i].room > 0 ? room == row[i].room : room <= 0, row[i].name, "%d, not %d",
			   room, row[i].room);
	}
}

/* ---- refusals ---- */

static void
test_refused(int slots, int queued, bool background)
{
	Sim			sim;
	int			most = slots + queued;
	int			window;

	begin(&sim, slots, 0.2);
	sim.most_queued = queued;
	sim.background = background;
	sim.wanted = 64;
	run(&sim, 120);
	forget_counts(&sim);
	run(&sim, 600);
	window = qc_pace_window(&sim.pace, &sim.terms, background);
	tap_ok(window <= most, "it settles below what is refused", "%d of %d", window, most);
	tap_ok(sim.refused <= 10, "and is seldom refused then", "%d in 600 s", sim.refused);
	tap_ok(sim.answered >= 0.9 * 600 * slots / 0.2, "at the server's rate", "%d of %.0f",
		   sim.answered, 600 * slots / 0.2);
}

static void
test_burst(void)
{
	QcPace		pace = {0};
	QcPaceTerms terms = {0};
	int64_t		now = 1000 * US;

	terms.timeout = 30;
	qc_pace_advance(&pace, 0, now);
	qc_pace_answered(&pace, &terms, 1, false, now);
	pace.quick = 64;
	pace.answers = 1000;
	for (int in_flight = 40; in_flight > 30; in_flight--)
		qc_pace_refused(&pace, &terms, in_flight, now += 1000);
	tap_ok(qc_pace_window(&pace, &terms, false) == 20, "ten refusals of a burst halve once", "%d",
		   qc_pace_window(&pace, &terms, false));
	now += 5 * US;
	qc_pace_advance(&pace, 0, now);
	tap_ok(qc_pace_window(&pace, &terms, false) == 24 || qc_pace_window(&pace, &terms, false) == 25,
		   "then one more a second", "%d", qc_pace_window(&pace, &terms, false));
	now += 20 * US;
	qc_pace_advance(&pace, 0, now);
	tap_ok(qc_pace_window(&pace, &terms, false) == 30, "to just below the least that was refused",
		   "%d", qc_pace_window(&pace, &terms, false));
}

/* ---- rates ---- */

static void
test_rates(void)
{
	QcBucket	bucket = {0};
	QcRates		rates = {600, 0};
	int64_t		now = 1000 * US;
	int			sent = 0;

	qc_bucket_fill(&bucket, &rates, now);
	tap_ok(qc_bucket_room(&bucket, &rates, 100, 1000) == 100, "a sixth of a minute at once", "%d",
		   qc_bucket_room(&bucket, &rates, 100, 1000));
	for (int64_t end = now + 60 * US; now < end;)
	{
		long		wait;

		qc_bucket_fill(&bucket, &rates, now);
		wait = qc_bucket_wait(&bucket, &rates, 100);
		if (wait > 0)
			now += wait * 1000;
		else
		{
			qc_bucket_spend(&bucket, 100);
			sent++;
		}
	}
	tap_ok(sent >= 690 && sent <= 701, "600 a minute and the burst", "%d", sent);

	memset(&bucket, 0, sizeof(bucket));
	rates.requests = 0;
	rates.tokens = 6000;
	qc_bucket_fill(&bucket, &rates, now);
	tap_ok(qc_bucket_room(&bucket, &rates, 100, 1000) == 10, "tokens, likewise", "%d",
		   qc_bucket_room(&bucket, &rates, 100, 1000));
	qc_bucket_spend(&bucket, 100);
	qc_bucket_settle(&bucket, 100, 2100);
	tap_ok(qc_bucket_wait(&bucket, &rates, 100) == 12000, "what an answer cost more is owed", "%ld",
		   qc_bucket_wait(&bucket, &rates, 100));
	qc_bucket_fill(&bucket, &rates, now += 60 * US);
	tap_ok(qc_bucket_wait(&bucket, &rates, 1e6) == 0, "a request beyond the burst goes when it is full",
		   "%ld", qc_bucket_wait(&bucket, &rates, 1e6));
}

int
main(void)
{
	test_bounds();
	test_reserve();
	test_design(0);
	test_design(4);
	test_safety(0, false);
	test_safety(0.5, false);
	test_safety(0.3, true);
	test_slower();
	test_hang();
	test_stuck();
	test_bad_texts();
	test_session();
	test_knee(0, 0);
	test_knee(0.3, 0);
	test_knee(0.3, 0.002);
	test_no_further(4, 0.05, 60, 0);
	test_no_further(4, 0.05, 60, 0.3);
	test_no_further(32, 0.5, 240, 0.3);
	test_no_further(1, 0.2, 120, 0.3);
	test_batching();
	test_idle();
	test_refused(4, 4, false);
	test_refused(16, 0, false);
	test_refused(16, 8, true);
	test_burst();
	test_rates();
	return tap_end();
}
