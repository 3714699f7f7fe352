/*-------------------------------------------------------------------------
 *
 * stats.c
 *		What a test can ask about what has happened.
 *
 * Counts and the latest request bodies. Asking for them counts nowhere, and
 * the connection that asks is not counted either (conn.c).
 *
 * Invariant: in_flight is the number of generation requests that have
 * arrived whole and whose answer has not been handed to the socket whole.
 *
 *-------------------------------------------------------------------------
 */
#include "stats.h"

#include <stdlib.h>

#define RING 64

Stats		stats;

static Buf	bodies[RING];
static Buf	last_head;
static uint64_t n_bodies;

/* The buffers of the ring keep their room. */
static void
remember(Buf *b, Str s)
{
	b->len = 0;
	buf_str(b, s);
}

/* A generation request has come whole. */
void
stats_arrive(Endpoint *e, const HttpReq *req)
{
	stats.requests++;
	e->requests++;
	if (++stats.in_flight > stats.max_in_flight)
		stats.max_in_flight = stats.in_flight;
	if (++e->in_flight > e->max_in_flight)
		e->max_in_flight = e->in_flight;
	remember(&bodies[n_bodies++ % RING], req->body);
	remember(&last_head, req->head);
}

/* It is answered, or its client has gone. */
void
stats_leave(Endpoint *e, int status, bool aborted)
{
	stats.in_flight--;
	e->in_flight--;
	if (aborted)
	{
		stats.aborted++;
		e->aborted++;
	}
	else if (status == 200)
	{
		stats.answered++;
		e->answered++;
	}
	else
	{
		stats.failed++;
		e->failed++;
	}
}

/* What is open and in flight now is a fact and not a count: it stays. */
void
stats_reset(void)
{
	uint64_t	in_flight = stats.in_flight;
	uint64_t	open = stats.opened - stats.closed;

	stats = (Stats) {.in_flight = in_flight,.max_in_flight = in_flight,.opened = open};
	n_bodies = 0;
	last_head.len = 0;
	endpoint_reset_all();
}

static void
print_count(Buf *b, const char *name, uint64_t value)
{
	buf_fmt(b, "\"%s\":%llu,", name, (unsigned long long) value);
}

/* The same counts for one base path, and its line. */
static void
print_endpoint(Buf *b, const Endpoint *e)
{
	buf_quoted(b, e->base);
	buf_lit(b, ":{");
	print_count(b, "requests", e->requests);
	print_count(b, "answered", e->answered);
	print_count(b, "failed", e->failed);
	print_count(b, "aborted", e->aborted);
	print_count(b, "in_flight", e->in_flight);
	print_count(b, "busy", (uint64_t) e->slots.busy);
	print_count(b, "waiting", (uint64_t) e->slots.waiting);
	buf_fmt(b, "\"max_in_flight\":%llu}", (unsigned long long) e->max_in_flight);
}

/* by_path comes last, so that a plain text search finds the totals. */
void
stats_print(Buf *b)
{
	const char *comma = "";

	buf_char(b, '{');
	print_count(b, "requests", stats.requests);
	print_count(b, "gets", stats.gets);
	print_count(b, "others", stats.others);
	print_count(b, "answered", stats.answered);
	print_count(b, "failed", stats.failed);
	print_count(b, "aborted", stats.aborted);
	print_count(b, "followed", stats.followed);
	print_count(b, "in_flight", stats.in_flight);
	print_count(b, "max_in_flight", stats.max_in_flight);
	print_count(b, "opened", stats.opened);
	print_count(b, "closed", stats.closed);
	print_count(b, "open", stats.opened - stats.closed);
	print_count(b, "prompt_tokens", stats.prompt_tokens);
	print_count(b, "output_tokens", stats.output_tokens);
	buf_lit(b, "\"by_path\":{");
	for (const Endpoint *e = endpoint_first(); e; e = e->next)
	{
		buf_str(b, str_of(comma));
		print_endpoint(b, e);
		comma = ",";
	}
	buf_lit(b, "}}\n");
}

/* The last body as it came; with a count, that many as a JSON array, oldest first. */
void
stats_last(Buf *b, Str count)
{
	uint64_t	kept = n_bodies < RING ? n_bodies : RING;
	uint64_t	n = count.n ? strtoul(count.p, NULL, 10) : 1;

	if (n > kept)
		n = kept;
	if (count.n > 0)
		buf_char(b, '[');
	for (uint64_t i = n_bodies - n; i < n_bodies; i++)
	{
		buf_str(b, buf_view(&bodies[i % RING]));
		if (i + 1 < n_bodies)
			buf_char(b, ',');
	}
	if (count.n > 0)
		buf_char(b, ']');
}

void
stats_last_header(Buf *b)
{
	buf_str(b, buf_view(&last_head));
}
