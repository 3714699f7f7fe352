/*-------------------------------------------------------------------------
 *
 * endpoint.c
 *		One fake server: a base path with its keys, counters and slots.
 *
 * An endpoint is made when its base path is seen first and lives as long as
 * the process; its keys are parsed once. /kind/key=value/... is the base,
 * what follows the last key=value segment is the path on that server.
 *
 * Invariant: two paths have the same endpoint exactly if their bases are
 * equal byte by byte.
 *
 *-------------------------------------------------------------------------
 */
#include "endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "score.h"

#define BUCKETS 1024
#define TEXTS 4096				/* rows with their own times= in one test */

static Endpoint *buckets[BUCKETS];
static Endpoint *all;

static struct
{
	uint64_t	hash;
	uint64_t	count;
}			texts[TEXTS];

/* Length of the first segment of a path that starts with a slash. */
static size_t
segment_len(Str path)
{
	const char *end = path.n > 1 ? memchr(path.p + 1, '/', path.n - 1) : NULL;

	return end ? (size_t) (end - path.p) : path.n;
}

/* The base is the kind and all segments that hold a "=" after it. */
static Str
split_base(Str path, Str *rest)
{
	size_t		len = segment_len(path);

	for (;;)
	{
		Str			tail = str_from(path, len);
		Str			segment = {tail.p, tail.n ? segment_len(tail) : 0};

		if (str_find(segment, STR("=")) < 0)
		{
			*rest = tail;
			return (Str) {path.p, len};
		}
		len += segment.n;
	}
}

static int
hex(char c)
{
	return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

/* %XX in place; keys are typed by people, so bad ones are not policed. */
static size_t
percent_decode(char *s, size_t n)
{
	size_t		to = 0;

	for (size_t i = 0; i < n; i++)
		if (s[i] == '%' && i + 2 < n)
		{
			s[to++] = (char) (hex(s[i + 1]) << 4 | hex(s[i + 2]));
			i += 2;
		}
		else
			s[to++] = s[i];
	return to;
}

static Endpoint *
make_endpoint(Str base, Kind kind, uint64_t hash)
{
	Endpoint   *e = must_alloc(sizeof(Endpoint));
	char	   *own = must_alloc(2 * base.n);
	char	   *text = own + base.n;
	size_t		kind_len = segment_len(base);

	memset(e, 0, sizeof(*e));
	memcpy(own, base.p, base.n);
	memcpy(text, base.p, base.n);
	e->base = (Str) {own, base.n};
	e->hash = hash;
	e->kind = kind;
	e->keys = behaviour_default;
	if (base.n > kind_len)
	{
		Str			keys = {text + kind_len + 1, base.n - kind_len - 1};

		/* Another separator first, so that %2F may stand in a value. */
		for (size_t i = kind_len; i < base.n; i++)
			text[i] = text[i] == '/' ? '\1' : text[i];
		keys.n = percent_decode(text + kind_len + 1, keys.n);
		behaviour_take(&e->keys, keys, '\1');
	}
	return e;
}

/* NULL when the path does not begin with a kind. */
Endpoint *
endpoint_of(Str path, Str *rest)
{
	Str			base = split_base(path, rest);
	uint64_t	hash = score_hash(base);
	Endpoint  **bucket = &buckets[hash % BUCKETS];
	Endpoint   *e;
	Kind		kind;

	for (e = *bucket; e; e = e->chained)
		if (e->hash == hash && str_eq(e->base, base))
			return e;
	if (base.n < 2 ||
		!kind_named((Str) {base.p + 1, segment_len(base) - 1}, &kind))
		return NULL;
	e = make_endpoint(base, kind, hash);
	e->chained = *bucket;
	*bucket = e;
	e->next = all;
	all = e;
	return e;
}

Endpoint *
endpoint_first(void)
{
	return all;
}

/* Zeroes the counters; what is in flight stays in flight. */
void
endpoint_reset_all(void)
{
	for (Endpoint *e = all; e; e = e->next)
	{
		e->requests = e->counted = e->answered = e->failed = e->aborted = 0;
		e->max_in_flight = e->in_flight;
		e->first_seen = 0;
		e->last_system = 0;
	}
	memset(texts, 0, sizeof(texts));
}

/* How often this text was asked before, for markers with a times= of their own. */
uint64_t
text_count(uint64_t text_hash)
{
	size_t		at = text_hash % TEXTS;

	for (size_t tries = 0; tries < TEXTS; tries++)
	{
		if (texts[at].count == 0)
			texts[at].hash = text_hash;
		if (texts[at].hash == text_hash)
			return texts[at].count++;
		at = (at + 1) % TEXTS;
	}
	return 0;
}
