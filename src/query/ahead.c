/*-------------------------------------------------------------------------
 *
 * ahead.c
 *	  The answers of one query that were asked for before their rows are
 *	  reached.
 *
 * Invariants: every request under way uses the budget of the statement that
 * the query is attached to, and is aborted when that ends or the query does,
 * whichever is first.  An answer that somebody holds is not freed; the others
 * are, oldest first, beyond work_mem.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "common/guc.h"
#include "net/pool.h"
#include "net/window.h"
#include "query/ahead.h"

/* What an answer takes beside its own structure: its place in the table, headers. */
#define ANSWER_OVERHEAD		96

struct QcAhead
{
	dlist_node	node;			/* in alive */
	EState	   *estate;
	MemoryContext cxt;
	MemoryContextCallback forget;
	QcStatement *statement;		/* NULL: attached to none */
	dlist_node	in_statement;
	HTAB	   *table;			/* of pointers: see forget_ahead */
	dlist_head	awaited;
	int			nawaited;
	dlist_head	idle;			/* settled, held by nobody; oldest first */
	Size		bytes;
	Size		largest;		/* answer so far */
	int			nodes;			/* that ask in it */
	bool		stopped;
	QcEndpoint *endpoint;		/* asked last */
};

typedef struct QcPlaced
{
	QcResultKey key;
	QcAnswer   *answer;
} QcPlaced;

static dlist_head alive = DLIST_STATIC_INIT(alive);

/* ---- beginning and end ---- */

static void
detach(QcAhead *ahead)
{
	if (ahead->statement)
		dlist_delete(&ahead->in_statement);
	ahead->statement = NULL;
}

/*
 * Memory context callback.  The contexts below are gone by now, with the
 * requests in them and the table, so neither is touched.
 */
static void
forget_ahead(void *arg)
{
	QcAhead    *ahead = (QcAhead *) arg;

	detach(ahead);
	dlist_delete(&ahead->node);
	qc_pool_want(0);
}

/* A key is made of hashes: four bytes of it are one. */
static uint32
hash_key(const void *key, Size size)
{
	uint32		hash;

	(void) size;
	memcpy(&hash, key, sizeof(hash));
	return hash;
}

static QcAhead *
make_ahead(EState *estate)
{
	MemoryContext cxt = AllocSetContextCreate(estate->es_query_cxt, "qwen_classify ahead",
											  ALLOCSET_DEFAULT_SIZES);
	QcAhead    *ahead = (QcAhead *) MemoryContextAllocZero(cxt, sizeof(QcAhead));
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(QcResultKey);
	ctl.entrysize = sizeof(QcPlaced);
	ctl.hash = hash_key;
	ctl.hcxt = cxt;
	ahead->table = hash_create("qwen_classify ahead", 256, &ctl,
							   HASH_ELEM | HASH_FUNCTION | HASH_CONTEXT);
	ahead->estate = estate;
	ahead->cxt = cxt;
	dlist_init(&ahead->awaited);
	dlist_init(&ahead->idle);
	ahead->forget.func = forget_ahead;
	ahead->forget.arg = ahead;
	dlist_push_head(&alive, &ahead->node);
	MemoryContextRegisterResetCallback(cxt, &ahead->forget);
	return ahead;
}

static QcAhead *
find_ahead(EState *estate)
{
	dlist_iter	iter;

	dlist_foreach(iter, &alive)
	{
		QcAhead    *ahead = dlist_container(QcAhead, node, iter.cur);

		if (ahead->estate == estate)
			return ahead;
	}
	return NULL;
}

QcAhead *
qc_ahead_of(EState *estate)
{
	QcAhead    *ahead;

	while (estate->es_epq_active)
		estate = estate->es_epq_active->parentestate;
	ahead = find_ahead(estate);
	return ahead ? ahead : make_ahead(estate);
}

QcAheadCounts *
qc_ahead_counts(QcAhead *ahead)
{
	ahead->nodes++;
	return (QcAheadCounts *) MemoryContextAllocZero(ahead->cxt, sizeof(QcAheadCounts));
}

MemoryContext
qc_ahead_context(QcAhead *ahead)
{
	return ahead->cxt;
}

/* ---- answers ---- */

/* From awaited to settled or gone; the inquiry is freed already. */
static void
leave_awaited(QcAhead *ahead, QcAnswer *answer)
{
	dlist_delete(&answer->node);
	ahead->nawaited--;
	answer->counts->in_flight--;
	if (answer->holders == 0)
		dlist_push_tail(&ahead->idle, &answer->node);
}

static void
abort_answer(QcAhead *ahead, QcAnswer *answer)
{
	QcInquiry  *inquiry = answer->inquiry;

	answer->inquiry = NULL;
	answer->gone = true;
	leave_awaited(ahead, answer);
	qc_inquiry_free(inquiry);
	qc_site_prompt_release(answer->prompt);
}

/* No throw: it also runs while the statement's memory goes away. */
static void
abort_awaited(QcAhead *ahead)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &ahead->awaited)
		abort_answer(ahead, dlist_container(QcAnswer, node, iter.cur));
}

static void
statement_ends(QcStatement *statement)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &statement->aheads)
	{
		QcAhead    *ahead = dlist_container(QcAhead, in_statement, iter.cur);

		abort_awaited(ahead);
		detach(ahead);
	}
}

static void
run_failed(QcStatement *statement, EState *estate)
{
	dlist_iter	iter;

	dlist_foreach(iter, &statement->aheads)
	{
		QcAhead    *ahead = dlist_container(QcAhead, in_statement, iter.cur);

		if (ahead->estate == estate)
			abort_awaited(ahead);
	}
}

/* A cursor may be opened in one statement and read in another. */
static QcStatement *
attach(QcAhead *ahead)
{
	QcStatement *statement = qc_statement();

	if (ahead->statement == statement)
		return statement;
	abort_awaited(ahead);
	detach(ahead);
	statement->on_end = statement_ends;
	statement->on_failure = run_failed;
	dlist_push_tail(&statement->aheads, &ahead->in_statement);
	ahead->statement = statement;
	return statement;
}

static void
remove_answer(QcAhead *ahead, QcAnswer *answer)
{
	QcPlaced   *placed = (QcPlaced *) hash_search(ahead->table, &answer->key, HASH_FIND, NULL);

	if (placed && placed->answer == answer)
		hash_search(ahead->table, &answer->key, HASH_REMOVE, NULL);
	dlist_delete(&answer->node);
	ahead->bytes -= answer->bytes;
	if (answer->result.words)
		pfree(answer->result.words);
	if (answer->result.posterior)
		pfree(answer->result.posterior);
	if (answer->failure)
		pfree(answer->failure);
	pfree(answer);
}

static void
forget_oldest(QcAhead *ahead)
{
	while (ahead->bytes > (Size) work_mem * 1024 && !dlist_is_empty(&ahead->idle))
		remove_answer(ahead, dlist_container(QcAnswer, node, dlist_head_node(&ahead->idle)));
}

static void
count_bytes(QcAhead *ahead, QcAnswer *answer)
{
	Size		bytes = sizeof(QcAnswer) + ANSWER_OVERHEAD;

	if (answer->result.words)
		bytes += strlen(answer->result.words) + 1;
	if (answer->result.posterior)
		bytes += answer->nlabels * sizeof(float4);
	if (answer->failure)
		bytes += sizeof(QcFailure);
	ahead->bytes += bytes - answer->bytes;
	ahead->largest = Max(ahead->largest, bytes);
	answer->bytes = bytes;
}

static void
keep_failure(QcAhead *ahead, QcAnswer *answer, const QcFailure *failure)
{
	if (failure == NULL)
		return;
	answer->failure = (QcFailure *) MemoryContextAlloc(ahead->cxt, sizeof(QcFailure));
	*answer->failure = *failure;
	if (qc_failure_stops(ahead->statement, failure))
		ahead->stopped = true;
}

static void
count_cost(QcAnswer *answer)
{
	QcCallCost	cost = qc_inquiry_cost(answer->inquiry);

	/* one was counted when it was asked */
	answer->counts->requests += cost.requests - 1;
	answer->counts->retried += cost.retried;
	answer->counts->tokens += cost.tokens;
	answer->counts->cached_tokens += cost.cached_tokens;
}

/* Its inquiry is done: what it came to is copied, and it goes. */
static void
settle_answer(QcAhead *ahead, QcAnswer *answer)
{
	QcInquiry  *inquiry = answer->inquiry;
	const QcFailure *failure = qc_inquiry_failure(inquiry);

	qc_result_fill(&answer->result, ahead->cxt, failure ? NULL : qc_inquiry_verdict(inquiry),
				   answer->nlabels, failure);
	answer->result.key = answer->key;
	keep_failure(ahead, answer, failure);
	answer->cut = qc_inquiry_was_cut(inquiry);
	count_cost(answer);
	answer->inquiry = NULL;
	leave_awaited(ahead, answer);
	qc_inquiry_free(inquiry);
	qc_site_prompt_release(answer->prompt);
	count_bytes(ahead, answer);
}

static bool
settle(QcAhead *ahead)
{
	bool		any = false;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &ahead->awaited)
	{
		QcAnswer   *answer = dlist_container(QcAnswer, node, iter.cur);

		if (qc_inquiry_done(answer->inquiry))
		{
			settle_answer(ahead, answer);
			any = true;
		}
	}
	forget_oldest(ahead);
	return any;
}

static bool
settle_all(QcAhead *ahead)
{
	bool		any = false;
	dlist_iter	iter;

	if (ahead->statement == NULL)
		return false;
	dlist_foreach(iter, &ahead->statement->aheads)
		any = settle(dlist_container(QcAhead, in_statement, iter.cur)) || any;
	return any;
}

/*
 * All of the statement's: what is done holds no room any more.  A call that
 * was waited for alone may have seen the others through: nothing would end a
 * sleep for them.
 */
void
qc_ahead_wait(QcAhead *ahead, long timeout_ms)
{
	if (timeout_ms != 0 && settle_all(ahead))
		return;
	qc_pool_wait(timeout_ms);
	(void) settle_all(ahead);
}

/* ---- asking ---- */

/* Of the whole statement; nodes: how many ask in it. */
static int
under_way(const QcStatement *statement, int *nodes)
{
	dlist_iter	iter;
	int			n = 0;

	*nodes = 0;
	dlist_foreach(iter, &unconstify(QcStatement *, statement)->aheads)
	{
		const QcAhead *ahead = dlist_container(QcAhead, in_statement, iter.cur);

		n += ahead->nawaited;
		*nodes += ahead->nodes;
	}
	return n;
}

/*
 * A node's share of what is under way is its own even when the others have
 * taken it all: what is asked beyond the limits waits within net/ for a place,
 * and the others start nothing meanwhile.
 */
int
qc_ahead_room(QcAhead *ahead, const QcAheadCounts *counts)
{
	QcStatement *statement = attach(ahead);
	int			nodes;
	int			n = under_way(statement, &nodes);
	int			room = statement->budget.max_in_flight - n;

	if (room > 0 && ahead->endpoint)
		room = Min(room, qc_window_room(ahead->endpoint, false));
	return Max(Max(room, 0), Max(n / Max(nodes, 1), 1) - counts->in_flight);
}

/* All of it twice: a node's answers, and those below it for the same rows. */
bool
qc_ahead_has_memory(const QcAhead *ahead, Size row_bytes, int answers)
{
	return row_bytes + answers * ahead->largest <
		(Size) work_mem * 1024 / (2 * Max(ahead->nodes, 1));
}

bool
qc_ahead_stopped(const QcAhead *ahead)
{
	return ahead->stopped;
}

void
qc_ahead_last(void)
{
	qc_pool_want(0);
}

static QcAnswer *
find_answer(QcAhead *ahead, const QcResultKey *key)
{
	QcPlaced   *placed = (QcPlaced *) hash_search(ahead->table, key, HASH_FIND, NULL);

	return placed && !placed->answer->gone ? placed->answer : NULL;
}

static void
hold(QcAnswer *answer)
{
	if (answer->holders++ == 0 && answer->inquiry == NULL)
		dlist_delete(&answer->node);
}

void
qc_ahead_release(QcAhead *ahead, QcAnswer *answer)
{
	if (--answer->holders == 0 && answer->inquiry == NULL)
		dlist_push_tail(&ahead->idle, &answer->node);
}

/* An answer without an inquiry, in the table, held once. */
static QcAnswer *
make_answer(QcAhead *ahead, const QcRequest *request, QcAheadCounts *counts)
{
	QcAnswer   *answer = (QcAnswer *) MemoryContextAllocZero(ahead->cxt, sizeof(QcAnswer));
	QcPlaced   *placed = (QcPlaced *) hash_search(ahead->table, &request->key, HASH_ENTER, NULL);

	placed->answer = answer;
	answer->key = request->key;
	answer->holders = 1;
	answer->endpoint = request->spec.endpoint;
	answer->prompt = request->prompt;
	answer->nlabels = request->spec.prompt->labels->n;
	answer->counts = counts;
	count_bytes(ahead, answer);
	return answer;
}

/*
 * The inquiry may throw when it starts; the answer is then in the table without
 * one, and the query ends with the error.
 */
static QcAnswer *
start(QcAhead *ahead, const QcRequest *request, QcAheadCounts *counts)
{
	QcAnswer   *answer = make_answer(ahead, request, counts);

	answer->gone = true;
	answer->inquiry = qc_inquiry_start(ahead->cxt, &request->spec);
	answer->gone = false;
	qc_pool_want(ahead->statement->budget.max_in_flight);
	qc_site_prompt_hold(answer->prompt);
	dlist_push_tail(&ahead->awaited, &answer->node);
	ahead->nawaited++;
	counts->requests++;
	counts->in_flight++;
	counts->most_in_flight = Max(counts->most_in_flight, counts->in_flight);
	return answer;
}

QcAnswer *
qc_ahead_ask(QcAhead *ahead, QcSitePrompt **site, QcQuestion *question,
			 QcAheadCounts *counts, bool *started)
{
	QcStatement *statement = attach(ahead);
	QcRequest	request;
	QcAnswer   *answer;

	*started = false;
	qc_request_of(site, ahead->cxt, question, statement, &request);
	ahead->endpoint = request.spec.endpoint;
	if (request.spec.text == NULL)
		return NULL;
	answer = find_answer(ahead, &request.key);
	if (answer)
		hold(answer);
	if (answer || qc_result_find(statement, &request.key))
	{
		counts->shared++;
		return answer;
	}
	if (ahead->stopped)
		return NULL;
	*started = true;
	return start(ahead, &request, counts);
}

/* ---- taking ---- */

QcAnswer *
qc_ahead_find(const QcResultKey *key)
{
	const QcRun *run = qc_run_innermost();
	QcAhead    *ahead = run && run->estate ? find_ahead(run->estate) : NULL;
	QcAnswer   *answer = ahead ? find_answer(ahead, key) : NULL;

	if (answer == NULL || answer->inquiry == NULL)
		return answer;
	hold(answer);
	while (answer->inquiry != NULL)
		qc_ahead_wait(ahead, -1);
	qc_ahead_release(ahead, answer);
	return answer->gone ? NULL : answer;
}
