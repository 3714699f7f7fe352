/*-------------------------------------------------------------------------
 *
 * service.c
 *		From a request to its reply.
 *
 * Decides who answers: the mock itself (/stats and the like), a fake
 * server's description of itself, or its model. For the model it finds out
 * what this request is to meet: the path's keys, then those of the model
 * name, then those of the row's markers, the later ones winning.
 *
 * Nothing here touches a socket. An Exchange comes in with the request and
 * goes out with a status, a body and the behaviour that the wire is to show,
 * so each reply is finished before it begins to wait.
 *
 * Invariant: a generation request is counted exactly once here, by
 * stats_arrive; conn.c counts its end.
 *
 *-------------------------------------------------------------------------
 */
#include "exchange.h"

#include <time.h>

#include "arena.h"
#include "check.h"
#include "identity.h"
#include "logprob.h"
#include "loop.h"
#include "replay.h"
#include "reply.h"
#include "score.h"
#include "stats.h"

#define FOLLOWED "/redirected"

/* ---- the mock itself ---- */

bool
service_is_own(Str path)
{
	return str_eq(path, STR("/stats")) || str_eq(path, STR("/last")) ||
		str_eq(path, STR("/lasthdr")) || str_eq(path, STR("/reset"));
}

/* Questions about the mock; they are not part of what they tell. */
static void
answer_own(Exchange *x)
{
	x->status = 200;
	x->type = "application/json";
	if (str_eq(x->req->path, STR("/stats")))
		stats_print(x->body);
	else if (str_eq(x->req->path, STR("/last")))
		stats_last(x->body, http_query(x->req, STR("n")));
	else if (str_eq(x->req->path, STR("/lasthdr")))
	{
		x->type = "text/plain";
		stats_last_header(x->body);
	}
	else
	{
		stats_reset();
		buf_lit(x->body, "{\"reset\":true}\n");
	}
}

/* A mistake in the use of the mock: a status that no client takes for a server's. */
static void
answer_misuse(Exchange *x, const char *what, Str detail)
{
	x->status = 418;
	x->type = "application/json";
	buf_fmt(x->body, "{\"error\":{\"message\":\"qwen_mock: %s ", what);
	buf_json(x->body, detail);
	buf_lit(x->body, "\",\"type\":\"qwen_mock\",\"code\":418}}");
}

/* An error in the words of the endpoint's kind. */
static void
answer_fault(Exchange *x, bool native, const Fault *f)
{
	x->status = f->status;
	x->type = fault_write(x->body, x->ep->kind, native, f);
}

/* ---- which faults are due ---- */

/* loading=MS: from the first request that the endpoint sees. */
static bool
is_loading(const Exchange *x)
{
	Endpoint   *e = x->ep;

	if (e->keys.loading <= 0)
		return false;
	if (e->first_seen == 0)
		e->first_seen = loop_now();
	return loop_now() - e->first_seen < (uint64_t) e->keys.loading * MSEC;
}

/* rps=N: more than N requests in one second are too many. */
static bool
is_over_rate(const Exchange *x)
{
	Endpoint   *e = x->ep;
	uint64_t	second = loop_now() / (1000 * MSEC);

	if (x->b.rps <= 0)
		return false;
	if (e->rps_second != second)
	{
		e->rps_second = second;
		e->rps_count = 0;
	}
	return ++e->rps_count > x->b.rps;
}

/*
 * The faults of path and model share the endpoint's counter. Markers with a
 * times= (or every=, after=) of their own count by text: a row that fails
 * twice and then passes, among others that do not.
 */
static void
find_behaviour(Exchange *x, const Ask *ask)
{
	Behaviour	row = behaviour_default;
	bool		due = true;

	x->b = x->ep->keys;
	behaviour_take(&x->b, ask->model_keys, ';');
	if (!behaviour_due(&x->b, x->ep->counted++))
		behaviour_calm(&x->b);
	if (ask->markers.n == 0)
		return;
	behaviour_take(&row, ask->markers, ';');
	if (row.times || row.every || row.after)
		due = behaviour_due(&row, text_count(score_hash(ask->user)));
	behaviour_overlay(&x->b, ask->markers, due);
}

/*
 * In the order in which a real server would notice: it is not up, it does
 * not know you, you are too fast, something broke, it is full.
 */
static bool
find_fault(Exchange *x, Fault *f)
{
	Kind		kind = x->ep->kind;
	const Behaviour *b = &x->b;

	if (is_loading(x))
		fault_named(f, kind, STR("loading"));
	else if (!check_key(x->req, b))
		f->status = 401;
	else if (is_over_rate(x))
		f->status = 429;
	else if (b->body.n > 0)
	{
		fault_named(f, kind, b->body);
		f->status = b->fail > 0 ? b->fail : f->status;
	}
	else if (b->fail > 0)
		f->status = b->fail;
	else if (b->maxqueue >= 0 && b->slots > 0 && x->ep->slots.busy >= b->slots &&
			 x->ep->slots.waiting >= b->maxqueue)
		fault_busy(f, kind);
	return f->status != 0;
}

/* Seconds as given, or a date two seconds from now. */
static void
add_retry_after(Exchange *x)
{
	Str			value = x->b.retry_after;

	if (value.n == 0 || x->status < 400)
		return;
	if (str_eq(value, STR("date")))
	{
		time_t		when = time(NULL) + 2;
		char		date[64];

		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&when));
		value = arena_copy(str_of(date));
	}
	buf_lit(x->headers, "Retry-After: ");
	buf_str(x->headers, value);
	buf_lit(x->headers, "\r\n");
}

/* ---- the model ---- */

/* Tokens of the system message if the request before had the same one. */
static int
cached_tokens(Endpoint *e, const Ask *ask)
{
	bool		same = e->last_system == ask->system_hash;
	int			cached = same ? ask->system_tokens : 0;

	e->last_system = ask->system_hash;
	return e->kind == KIND_VLLM ? cached / 16 * 16 : cached;
}

/* Ollama's silent cut: only the count of tokens tells. */
static void
cut_prompt(Ask *ask, int context)
{
	if (context > 0 && ask->prompt_tokens > context)
		ask->prompt_tokens = context;
}

/* The static Answer is large and used by one request at a time. */
static void
generate(Exchange *x, Ask *ask)
{
	static Answer answer;
	Logprobs	l;
	Fault		f = {0};
	int			cached;

	answer_make(&answer, ask, &x->b);
	if (answer.shape.broken)
	{
		f.status = 400;
		f.message = STR("Failed to initialize samplers: failed to parse grammar");
		answer_fault(x, ask->native, &f);
		return;
	}
	logprob_make(&l, &answer, ask, &x->b);
	if (x->b.infbug && l.starved)
	{
		fault_named(&f, x->ep->kind, STR("outofrange"));
		answer_fault(x, ask->native, &f);
		return;
	}
	cut_prompt(ask, x->b.context > 0 ? x->b.context : ask->num_ctx);
	cached = cached_tokens(x->ep, ask);
	stats.prompt_tokens += (uint64_t) ask->prompt_tokens;
	stats.output_tokens += l.output_tokens;
	x->status = 200;
	x->type = reply_write(x->body, &answer, &l, ask, &x->b, cached);
}

/* What a real model said to this text, as it came. */
static void
answer_replayed(Exchange *x, const Ask *ask)
{
	Str			body = replay_find(ask);

	if (body.n == 0)
	{
		answer_misuse(x, "no reply was recorded for this text:", ask->user);
		return;
	}
	x->status = 200;
	x->type = "application/json";
	buf_str(x->body, body);
}

/* From the body to a reply, whatever becomes of it. */
static void
answer_generation(Exchange *x, bool native)
{
	Fault		f = {0};
	Ask			ask;

	x->generation = true;
	stats_arrive(x->ep, x->req);
	ask_read(&ask, x->ep->kind, native, x->req->body);
	x->text_hash = score_hash(ask.text);
	find_behaviour(x, &ask);
	if (x->b.error.n > 0)
	{
		answer_misuse(x, "unknown key or value", x->b.error);
		return;
	}
	if (!find_fault(x, &f) && ask.body != NULL)
	{
		ask_ignore(&ask, x->b.ignore_field);
		ask_options(&ask);
	}
	if (f.status || check_request(&f, x->req, &ask, &x->b))
		answer_fault(x, native, &f);
	else if (x->b.redirect)
	{
		x->status = 302;
		x->type = "text/plain";
		buf_lit(x->headers, "Location: " FOLLOWED "\r\n");
	}
	else if (replay_on())
		answer_replayed(x, &ask);
	else
		generate(x, &ask);
	add_retry_after(x);
}

/* Ollama's /api/chat is its own API; elsewhere the paths are OpenAI's. */
static bool
is_generation(const Exchange *x, bool *native)
{
	Kind		kind = x->ep->kind;

	*native = false;
	if (!str_eq(x->req->method, STR("POST")))
		return false;
	if (kind == KIND_PLAIN)
		return str_ends(x->rest, STR("/inference"));
	if (kind == KIND_OLLAMA && str_eq(x->rest, STR("/api/chat")))
		return *native = true;
	return str_eq(x->rest, STR("/v1/chat/completions")) ||
		(kind == KIND_LLAMACPP && str_eq(x->rest, STR("/chat/completions")));
}

/* ---- everything else ---- */

/* Public paths of servers that guard the rest with a key. */
static bool
needs_key(const Exchange *x)
{
	switch (x->ep->kind)
	{
		case KIND_VLLM:
		case KIND_VLLM_OLD:
			return str_starts(x->rest, STR("/v1"));
		case KIND_LLAMACPP:
			return !str_ends(x->rest, STR("/health")) && !str_ends(x->rest, STR("/models"));
		default:
			return !str_ends(x->rest, STR("/health"));
	}
}

/*
 * GETs and the small POSTs. The faults of generation do not touch them, but
 * a server that is loading says so everywhere.
 */
static void
answer_other(Exchange *x)
{
	Fault		f = {0};

	if (str_eq(x->req->method, STR("GET")))
		stats.gets++;
	else
		stats.others++;
	x->b = x->ep->keys;
	if (is_loading(x) || (str_eq(x->b.body, STR("loading")) && behaviour_due(&x->b, x->ep->counted)))
		fault_named(&f, x->ep->kind, STR("loading"));
	else if (needs_key(x) && !check_key(x->req, &x->b))
		f.status = 401;
	else if (x->b.getfail > 0)
		f.status = x->b.getfail;
	if (f.status)
		answer_fault(x, false, &f);
	else
		identity_answer(x);
	behaviour_calm(&x->b);
	x->b.delay = x->b.getdelay;
	x->b.jitter = x->b.slots = 0;
	x->b.faildelay = -1;
}

/* Everything that arrives comes through here. */
void
service_answer(Exchange *x)
{
	bool		native;

	arena_reset();
	x->b = behaviour_default;
	if (service_is_own(x->req->path))
	{
		answer_own(x);
		return;
	}
	x->ep = endpoint_of(x->req->path, &x->rest);
	if (x->ep == NULL)
	{
		stats.followed += str_eq(x->req->path, STR(FOLLOWED));
		answer_misuse(x, "no such kind of server:", x->req->path);
		return;
	}
	if (x->ep->keys.error.n > 0)
		answer_misuse(x, "unknown key or value", x->ep->keys.error);
	else if (x->reused && x->ep->keys.resetreuse)
		x->drop = true;
	else if (is_generation(x, &native))
		answer_generation(x, native);
	else
		answer_other(x);
}
