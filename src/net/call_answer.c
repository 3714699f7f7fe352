/*-------------------------------------------------------------------------
 *
 * call_answer.c
 *	  A call's answer, or its absence: what is done about it.
 *
 * outcome.c judges, this acts.  The answer stays with the call until the end
 * of qc_call_answered, so anything here may throw.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"

#include "common/usage.h"
#include "net/backoff.h"
#include "net/call_state.h"
#include "net/cut.h"

/* The first cut may be guessed wrong, the second has the server's numbers. */
#define QC_MOST_CUTS		2

/* More than there are fields to refuse. */
#define QC_MOST_DOWNGRADES	20

/*
 * An answer of any kind says that the replica is there.  A connection that
 * broke says nothing against it where the text is suspected of that: others
 * are to be tried, which would not be if it was left out.
 */
static void
qc_call_tell_replica(QcCall *call, const QcOutcome *outcome)
{
	bool		others = call->endpoint->nreplicas > 1;
	bool		failed = false;

	if (outcome->action == QC_ACT_RETRY && !call->answer->starved)
		failed = (outcome->kind == QC_FAIL_CONNECT && !(call->alone && call->answer->connected))
			|| (others && qc_failure_charge(outcome->kind) == QC_CHARGE_SERVER);
	if (failed)
		qc_replica_failed(call->endpoint, call->replica);
	else
		qc_replica_answered(call->endpoint, call->replica);
}

/* What the window is to learn of it: of answers and of two faults. */
static void
qc_call_tell_window(const QcCall *call, const QcOutcome *outcome)
{
	QcEndpoint *endpoint = call->endpoint;
	double		seconds = call->answer->seconds;

	if (outcome->action == QC_ACT_READ)
		qc_window_note(endpoint, QC_WINDOW_ANSWERED, seconds, call->background);
	else if (outcome->action == QC_ACT_RETRY && outcome->kind == QC_FAIL_OVERLOADED)
		qc_window_note(endpoint, QC_WINDOW_REFUSED, seconds, call->background);
	else if (outcome->action == QC_ACT_RETRY && outcome->kind == QC_FAIL_TIMEOUT)
		qc_window_note(endpoint, QC_WINDOW_TIMED_OUT, seconds, call->background);
}

/* The counts of qwen.usage, whatever came; a refused field is an error too. */
static void
qc_call_count_usage(QcCall *call, const QcOutcome *outcome)
{
	const QcReply *reply = &call->reply;
	QcUsageCounts counts = {0};

	counts.requests = 1;
	counts.prompt_tokens = Max(reply->prompt_tokens, 0);
	counts.cached_tokens = Max(reply->cached_tokens, 0);
	counts.output_tokens = Max(reply->output_tokens, 0);
	call->cost.tokens += counts.prompt_tokens + counts.output_tokens;
	call->cost.cached_tokens += counts.cached_tokens;
	if (outcome->action == QC_ACT_READ)
		counts.latency = call->answer->seconds;
	else
	{
		counts.errors = 1;
		counts.by_class[outcome->kind] = 1;
	}
	qc_usage_add(call->endpoint->serverid, call->endpoint->userid, &counts);
	if (reply->prompt_tokens > 0)
		qc_window_settle(call->endpoint, call->tokens,
						 counts.prompt_tokens + counts.output_tokens);
}

/* An answer came, and it is of no use. */
static void
qc_call_count_useless(const QcCall *call, QcFailKind kind)
{
	QcUsageCounts counts = {0};

	counts.errors = 1;
	counts.by_class[kind] = 1;
	qc_usage_add(call->endpoint->serverid, call->endpoint->userid, &counts);
}

/* The place is given back by now, so the replica comes as an argument. */
static void
qc_call_describe(QcCall *call, QcFailKind kind, int replica)
{
	qc_describe_failure(&call->failure, kind, call->endpoint, replica,
						call->answer, &call->reply);
}

/* A fault of the answer itself, in our words; said is the model's, or NULL. */
static void
qc_call_set_failure(QcCall *call, QcFailKind kind, const char *words, const char *said)
{
	qc_failure_set(&call->failure, kind, call->answer->status, "%s", words);
	qc_failure_server(&call->failure, call->endpoint->name);
	if (said != NULL && said[0])
	{
		char		detail[128];

		snprintf(detail, sizeof(detail), "The model said: %s", said);
		qc_failure_words(&call->failure, detail, call->endpoint->api_key);
	}
}

/* How much to send instead, by the server's numbers as far as it told them. */
static size_t
qc_call_less(const QcCall *call, long limit_tokens, long prompt_tokens)
{
	const QcShape *shape = &call->shape;

	return qc_cut_again(shape->chars, shape->system, limit_tokens, prompt_tokens,
						shape->answer_tokens);
}

/*
 * Too long, as the server says or as Ollama's count shows.  The next request
 * goes without chosen examples, the one after it has less of the text; the system
 * message is never cut.
 */
static void
qc_call_cut(QcCall *call, size_t chars, int replica)
{
	if (call->chosen.n > 0)
	{
		call->chosen.n = 0;
		qc_call_proceed(call);
		return;
	}
	if (call->whole || call->cuts++ >= QC_MOST_CUTS || chars == 0)
	{
		qc_call_describe(call, QC_FAIL_TOO_LONG, replica);
		qc_call_fail(call);
		return;
	}
	call->max_chars = chars;
	qc_call_proceed(call);
}

/*
 * Learn what the server refuses and send again without it.  It must be less
 * than what this request had, whoever learnt it first; otherwise the server
 * complains of something else.
 */
static void
qc_call_downgrade(QcCall *call, const QcOutcome *outcome, int replica)
{
	const QcFacts *sent = &call->shape.facts;
	QcFacts		facts = *qc_endpoint_facts(call->endpoint);
	const QcFacts *now;

	facts.refused |= outcome->refused;
	if ((outcome->refused & QC_REFUSED_TOP_LOGPROBS) != 0)
		facts.top_cap = outcome->top_cap;
	qc_endpoint_learn(call->endpoint, &facts);
	now = qc_endpoint_facts(call->endpoint);

	if (call->downgrades++ < QC_MOST_DOWNGRADES
		&& ((now->refused & ~sent->refused) != 0 || now->top_cap != sent->top_cap))
		qc_call_proceed(call);
	else
	{
		qc_call_describe(call, outcome->kind, replica);
		qc_call_fail(call);
	}
}

/*
 * Something came that is no answer: a 200 that is not ours, or (before any
 * answer) no HTTP at all.
 */
static bool
qc_call_is_unreadable(const QcCall *call, bool json, const QcOutcome *outcome)
{
	const QcHttp *http = call->answer;

	if (http->status >= 200 && http->status < 300)
		return http->too_large || (http->curl_code == 0 && !json);
	return qc_call_impatient(call) && http->status == 0 && http->connected
		&& outcome->kind == QC_FAIL_SERVER;
}

/* One more try; then it is no inference server, or this text's bad luck. */
static void
qc_call_unreadable(QcCall *call, int replica)
{
	bool		again = !call->unreadable;
	QcFailKind	kind = !call->budget->succeeded ? QC_FAIL_PROTOCOL : QC_FAIL_BAD_ANSWER;

	call->unreadable = true;
	if (call->answer->too_large)
		qc_call_set_failure(call, kind, "answer of the inference server is larger than 256 kB", NULL);
	else if (kind == QC_FAIL_BAD_ANSWER)
		qc_call_set_failure(call, kind, "answer of the inference server is not readable", NULL);
	else
		qc_call_describe(call, kind, replica);
	if (again)
		qc_call_pause(call, qc_backoff_ms(1, -1, 500));
	else
		qc_call_fail(call);
}

/* The first answers tell where the server takes its logprobs. */
static void
qc_call_learn_stage(QcCall *call, QcStage stage)
{
	QcFacts		facts = *qc_endpoint_facts(call->endpoint);

	/* Raw shows by tokens outside the labels; a pure answer may look masked. */
	if (facts.stage == stage || (facts.stage == QC_STAGE_RAW && stage == QC_STAGE_MASKED))
		return;
	facts.stage = stage;
	qc_endpoint_learn(call->endpoint, &facts);
}

/*
 * A server that gives no logprobs does so from the first answer on.  That row
 * is asked again for the model's own word, so that it is like all others.
 */
static bool
qc_call_lacks_logprobs(QcCall *call)
{
	if (!qc_shape_asks_logprobs(&call->shape) || call->shape.facts.stage != QC_STAGE_UNKNOWN
		|| call->reply.position != NULL || call->reply.bad_logprobs
		|| call->verdict.source != QC_SOURCE_NONE)
		return false;

	/* Another text's answer may have had them in the meantime. */
	if (qc_endpoint_facts(call->endpoint)->stage == QC_STAGE_UNKNOWN)
		qc_call_learn_stage(call, QC_STAGE_NONE);
	return qc_endpoint_facts(call->endpoint)->stage == QC_STAGE_NONE;
}

/* Ollama drops the start of a prompt that does not fit, without a word. */
static bool
qc_call_was_truncated(const QcCall *call)
{
	const QcShape *shape = &call->shape;

	return shape->context_tokens > 0 && call->reply.prompt_tokens > 0
		&& call->reply.prompt_tokens >= shape->context_tokens - shape->answer_tokens;
}

/* A label came.  It is the result unless a better request is worth sending. */
static void
qc_call_keep_verdict(QcCall *call)
{
	if (qc_call_lacks_logprobs(call))
	{
		qc_verdict_free(&call->verdict);
		memset(&call->verdict, 0, sizeof(call->verdict));
		qc_call_proceed(call);
		return;
	}
	if (call->verdict.source == QC_SOURCE_MASKED)
		qc_call_learn_stage(call, QC_STAGE_MASKED);
	else if (call->verdict.source == QC_SOURCE_RENORM)
		qc_call_learn_stage(call, QC_STAGE_RAW);
	if (!qc_call_refine(call))
		qc_call_finish(call);
}

/* The model answered beside the labels: once more in stricter words. */
static void
qc_call_bad_label(QcCall *call, const char *said)
{
	if (!call->strict)
	{
		call->strict = true;
		qc_call_proceed(call);
		return;
	}
	qc_call_set_failure(call, QC_FAIL_BAD_ANSWER,
						said[0] ? "answer of the model is none of the labels" :
						"answer of the model is empty", said);
	qc_call_fail(call);
}

/*
 * A 200 with JSON.  Whatever it says of the text, the server works: that ends
 * a time of faults, except when it broke off by itself.
 */
static void
qc_call_read(QcCall *call, int replica)
{
	char		said[81];
	QcReading	reading;

	if (qc_call_was_truncated(call))
	{
		qc_call_cut(call, qc_call_less(call, 0, 0), replica);
		return;
	}
	reading = qc_verdict_read(&call->reply, &call->shape.asked, &call->verdict, said);
	if (reading != QC_READ_NO_MEMORY && reading != QC_READ_AGAIN)
		qc_call_note_answer(call);

	switch (reading)
	{
		case QC_READ_OK:
			qc_call_keep_verdict(call);
			break;
		case QC_READ_NO_TEXT:
		case QC_READ_BAD_LABEL:
			qc_call_count_useless(call, QC_FAIL_BAD_ANSWER);
			qc_call_bad_label(call, said);
			break;
		case QC_READ_REFUSED:
			qc_call_count_useless(call, QC_FAIL_REFUSED);
			qc_call_set_failure(call, QC_FAIL_REFUSED, "inference server refused the text", NULL);
			qc_call_fail(call);
			break;
		case QC_READ_AGAIN:
			qc_call_set_failure(call, QC_FAIL_SERVER, "inference server gave up on its answer", NULL);
			qc_call_fault(call, call->answer);
			break;
		case QC_READ_NO_MEMORY:
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
}

/*
 * The server may have been replaced by another since it was probed: another
 * path, another default model.  Look again, once, unless this call just did.
 */
static bool
qc_call_reprobe(QcCall *call, const QcOutcome *outcome)
{
	if ((outcome->kind != QC_FAIL_PATH && outcome->kind != QC_FAIL_MODEL)
		|| call->answer->status != 404
		|| call->probed || call->reprobed || !qc_probe_needed(call->endpoint))
		return false;
	call->reprobed = true;
	qc_endpoint_forget(call->endpoint);
	qc_call_proceed(call);
	return true;
}

/*
 * One case an action; those that send again return, the rest ends in a fault
 * of the server, which may be waited out, or in the call's failure.
 */
static void
qc_call_act(QcCall *call, const QcOutcome *outcome, int replica)
{
	switch (outcome->action)
	{
		case QC_ACT_READ:
			qc_call_read(call, replica);
			return;
		case QC_ACT_CUT:
			qc_call_cut(call, qc_call_less(call, outcome->limit_tokens,
										   outcome->prompt_tokens), replica);
			return;
		case QC_ACT_DOWNGRADE:
			qc_call_downgrade(call, outcome, replica);
			return;
		case QC_ACT_RESEND:
			if (!call->resent && !call->alone)
			{
				call->resent = true;
				qc_call_proceed(call);
				return;
			}
			break;
		case QC_ACT_FAIL:
			if (qc_call_reprobe(call, outcome))
				return;
			break;
		case QC_ACT_RETRY:
			break;
	}

	qc_call_describe(call, outcome->kind, replica);
	if (qc_failure_charge(outcome->kind) == QC_CHARGE_SERVER)
		qc_call_fault(call, call->answer);
	else
		qc_call_fail(call);
}

/* No descriptor was left: nothing was sent, and the call waits for room. */
static void
qc_call_unsend(QcCall *call)
{
	call->budget->requests--;
	if (--call->sends > 0 && call->refining < 0)
		call->budget->retried--;
	qc_call_proceed(call);
}

/* A follow-up is a luxury: whatever is wrong with it, there is a verdict. */
static void
qc_call_act_on_child(QcCall *call, const QcOutcome *outcome)
{
	QcReading	reading = QC_READ_NO_TEXT;

	if (outcome->action == QC_ACT_READ)
		reading = qc_verdict_read(&call->reply, &call->shape.asked, &call->child, NULL);
	qc_call_merge_child(call, reading);
	if (reading != QC_READ_OK || !qc_call_refine(call))
		qc_call_finish(call);
}

/*
 * The completion of every generation request.  The place goes back before
 * anything else is decided: what follows may take another one at once.
 */
void
qc_call_answered(QcHttp *http, void *arg)
{
	QcCall	   *call = arg;
	int			replica = call->replica;
	bool		json;
	QcReceived	received;
	QcOutcome	outcome;

	call->http = NULL;
	call->answer = http;
	qc_timer_disarm(&call->timer);

	json = http->body != NULL && qc_reply_parse(http->body, http->body_len, &call->reply);
	received = qc_describe_received(http, &call->reply, json);
	outcome = qc_outcome(&received, &call->shape.facts);
	qc_call_tell_replica(call, &outcome);
	if (!http->starved)
	{
		qc_call_tell_window(call, &outcome);
		qc_call_count_usage(call, &outcome);
	}
	qc_call_give_place(call);

	if (http->starved && qc_pool_in_flight() > 0)
		qc_call_unsend(call);
	else if (call->refining >= 0)
		qc_call_act_on_child(call, &outcome);
	else if (qc_call_is_unreadable(call, json, &outcome))
		qc_call_unreadable(call, replica);
	else
		qc_call_act(call, &outcome, replica);
	qc_call_drop_answer(call);
}
