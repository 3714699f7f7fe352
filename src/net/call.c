/*-------------------------------------------------------------------------
 *
 * call.c
 *	  One text to label: a request with its retries until a verdict or a
 *	  failure.
 *
 * Here a call begins, ends and is cleaned up.  It hangs on its own memory
 * context, so whatever ends the statement ends the call: an error, a cancel, a
 * subtransaction's abort, a portal's drop.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "utils/memutils.h"

#include "net/call_state.h"

/* Counts are shared with other processes: give back what was taken, once. */
void
qc_call_give_place(QcCall *call)
{
	if (call->in_budget)
		call->budget->in_flight--;
	call->in_budget = false;
	if (call->replica >= 0)
		qc_replica_give(call->endpoint, call->replica, call->background);
	call->replica = -1;
	if (call->endpoint->suspect == call)
		call->endpoint->suspect = NULL;
}

/* The reply was read from the answer: they come and go together. */
void
qc_call_drop_answer(QcCall *call)
{
	qc_reply_free(&call->reply);
	memset(&call->reply, 0, sizeof(call->reply));
	qc_http_free(call->answer);
	call->answer = NULL;
}

/* Everything but the result; no throw, and no harm if it runs twice. */
void
qc_call_release(QcCall *call)
{
	qc_timer_disarm(&call->timer);
	qc_call_stop_waiting(call);
	qc_call_count_suspect(call, false);
	if (call->counted)
		call->endpoint->slot->calls--;
	call->counted = false;
	qc_http_free(call->http);
	call->http = NULL;
	qc_probe_free(call->probe);
	call->probe = NULL;
	qc_call_drop_answer(call);
	qc_verdict_free(&call->child);
	memset(&call->child, 0, sizeof(call->child));
	qc_call_give_place(call);
}

/* The context's reset callback; may run during abort, so it must not throw. */
static void
qc_call_cleanup(void *arg)
{
	QcCall	   *call = arg;

	qc_call_release(call);
	qc_verdict_free(&call->verdict);
	qc_endpoint_unpin(call->endpoint);
}

/* Only the result outlives the end: a finished call holds no place. */
void
qc_call_finish(QcCall *call)
{
	call->state = QC_CALL_DONE;
	qc_call_release(call);
}

void
qc_call_fail(QcCall *call)
{
	call->failed = true;
	qc_call_finish(call);
}

/*
 * The pin and the callback come before the copy of the text, which may throw:
 * from the registration on the context's end gives everything back.  The
 * default block size lets the server recycle the context from call to call.
 */
static QcCall *
qc_call_create(MemoryContext parent, const QcCallSpec *spec)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "qwen_classify call",
											  ALLOCSET_DEFAULT_SIZES);
	QcCall	   *call = MemoryContextAllocZero(cxt, sizeof(QcCall));

	call->cxt = cxt;
	call->endpoint = spec->endpoint;
	call->prompt = spec->prompt;
	call->budget = spec->budget;
	call->with_reason = spec->with_reason;
	call->whole = spec->whole;
	call->draw = spec->draw;
	call->cost.requests = 1;
	call->background = spec->budget->patient;
	call->replica = -1;
	call->refining = -1;
	call->timer.fire = qc_call_tick;
	call->timer.arg = call;
	call->cleanup.func = qc_call_cleanup;
	call->cleanup.arg = call;

	qc_endpoint_pin(call->endpoint);
	MemoryContextRegisterResetCallback(cxt, &call->cleanup);
	call->endpoint->slot->calls++;
	call->endpoint->slot->begun_at = qc_pool_now();
	call->counted = true;

	call->text = MemoryContextAlloc(cxt, spec->len + 1);
	memcpy(call->text, spec->text, spec->len);
	call->text[spec->len] = '\0';
	call->len = spec->len;
	qc_pool_choose(call->prompt, call->text, call->len, &call->chosen);
	return call;
}

/* If the first step throws, the call ends with its parent context. */
QcCall *
qc_call_start(MemoryContext parent, const QcCallSpec *spec)
{
	QcCall	   *call = qc_call_create(parent, spec);

	qc_call_proceed(call);
	return call;
}

/* Other calls of the process move on too while this one is waited for. */
void
qc_call_wait(QcCall *call)
{
	while (call->state != QC_CALL_DONE)
		qc_pool_wait(-1);
}

bool
qc_call_done(const QcCall *call)
{
	return call->state == QC_CALL_DONE;
}

const QcFailure *
qc_call_failure(const QcCall *call)
{
	return call->failed ? &call->failure : NULL;
}

const QcVerdict *
qc_call_verdict(const QcCall *call)
{
	return &call->verdict;
}

QcVerdict
qc_call_take_verdict(QcCall *call)
{
	QcVerdict	verdict = call->verdict;

	memset(&call->verdict, 0, sizeof(call->verdict));
	return verdict;
}

/* A call under way after a fault counts as pausing: it is the next try. */
const QcFailure *
qc_call_trouble(const QcCall *call)
{
	if (call->state == QC_CALL_DONE || call->failure.kind == QC_FAIL_NONE
		|| qc_failure_charge(call->failure.kind) != QC_CHARGE_SERVER)
		return NULL;
	return call->state == QC_CALL_PAUSE || call->faults > 0 ? &call->failure : NULL;
}

bool
qc_call_was_cut(const QcCall *call)
{
	return call->was_cut;
}

QcCallCost
qc_call_cost(const QcCall *call)
{
	return call->cost;
}

void
qc_call_free(QcCall *call)
{
	MemoryContextDelete(call->cxt);
}

/* Palloc a copy of malloc'ed text and free that, whatever happens. */
static char *
qc_call_adopt(char *text)
{
	char	   *copy = MemoryContextAllocExtended(CurrentMemoryContext, strlen(text) + 1,
												  MCXT_ALLOC_NO_OOM);

	if (copy != NULL)
		strcpy(copy, text);
	free(text);
	return copy;
}

/*
 * The shape of a first request, by what is known of the endpoint; false: no
 * memory.
 */
static bool
qc_call_first_shape(const QcCallSpec *spec, QcShape *shape)
{
	QcEndpoint *endpoint = spec->endpoint;
	QcChosen	chosen;
	const char *system;

	memset(shape, 0, sizeof(*shape));
	shape->facts = *qc_endpoint_facts(endpoint);
	if (!shape->facts.known)
		shape->facts.api = endpoint->api == QC_API_AUTO ? QC_API_OPENAI : endpoint->api;
	shape->asked.labels = spec->prompt->labels;
	shape->asked.codes = spec->prompt->codes;
	shape->draw = spec->draw;
	shape->asked.mode = qc_shape_mode(&shape->facts, spec->with_reason);
	system = qc_prompt_system(spec->prompt, shape->asked.mode, false);
	if (system == NULL)
		return false;
	qc_pool_choose(spec->prompt, spec->text, spec->len, &chosen);
	qc_shape_take(shape, spec->prompt, &chosen);
	shape->max_chars = qc_shape_max_chars(shape, endpoint, spec->prompt, system,
										  spec->with_reason, spec->text, spec->len);
	return true;
}

static void
qc_call_no_memory(void)
{
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

size_t
qc_call_max_chars(const QcCallSpec *spec)
{
	QcShape		shape;

	if (!qc_call_first_shape(spec, &shape))
		qc_call_no_memory();
	return shape.max_chars;
}

/*
 * The same steps as for sending, so that what is shown is what would be sent;
 * nothing is asked of the server for it.
 */
char *
qc_call_preview(const QcCallSpec *spec)
{
	QcShape		shape;
	char	   *body = NULL;

	if (qc_call_first_shape(spec, &shape))
		body = qc_shape_body(&shape, spec->endpoint, spec->prompt, qc_endpoint_model(spec->endpoint),
							 spec->text, spec->len);
	if (body != NULL)
		body = qc_call_adopt(body);
	if (body == NULL)
		qc_call_no_memory();
	return body;
}
