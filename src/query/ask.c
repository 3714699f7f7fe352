/*-------------------------------------------------------------------------
 *
 * ask.c
 *	  One text to a result: the engine under the SQL functions.
 *
 * Invariant: whatever is thrown while a call is under way, the call is freed
 * before anyone else sees the error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "common/guc.h"
#include "common/statement.h"
#include "net/call.h"
#include "net/shape.h"
#include "query/ask.h"

static void
hash_part(pg_cryptohash_ctx *ctx, const void *part, size_t len)
{
	if (pg_cryptohash_update(ctx, (const uint8 *) part, len) < 0)
		elog(ERROR, "could not hash a request");
}

static void
make_key(QcResultKey *key, const QcSitePrompt *site, const QcEndpoint *endpoint,
		 bool with_reason, const char *text, size_t len)
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);

	if (pg_cryptohash_init(ctx) < 0)
		elog(ERROR, "could not hash a request");
	hash_part(ctx, site->fingerprint, QC_FINGERPRINT);
	hash_part(ctx, &endpoint->serverid, sizeof(Oid));
	hash_part(ctx, &endpoint->userid, sizeof(Oid));
	hash_part(ctx, &with_reason, sizeof(bool));
	hash_part(ctx, text, len);
	if (pg_cryptohash_final(ctx, key->digest, QC_FINGERPRINT) < 0)
		elog(ERROR, "could not hash a request");
	pg_cryptohash_free(ctx);
}

/* Raise, unless it is the row's own fault and the row may keep it. */
static void
raise_or_count(QcStatement *statement, const QcFailure *failure)
{
	QcCharge	charge = qc_failure_charge(failure->kind);
	bool		keep;

	if (charge == QC_CHARGE_ROW)
		keep = (qc_on_error != QC_ON_ERROR_ERROR);
	else
		keep = (charge == QC_CHARGE_SERVER && statement->budget.succeeded &&
				qc_on_error == QC_ON_ERROR_LABEL);
	if (!keep)
		qc_failure_raise(failure);

	if (statement->first_failure[0] == '\0')
		strlcpy(statement->first_failure, failure->message,
				sizeof(statement->first_failure));
	statement->failed[failure->kind]++;
}

/*
 * Say once a session that the number is not what the user may take it for.
 * One answer without a usable probability does not say that of its server.
 */
static void
tell_source(QcEndpoint *endpoint, const QcVerdict *verdict)
{
	static bool told = false;

	if (told || (verdict->source != QC_SOURCE_VERBAL && verdict->source != QC_SOURCE_NONE) ||
		qc_shape_gives_logprobs(qc_endpoint_facts(endpoint)))
		return;
	told = true;
	ereport(NOTICE,
			(errmsg("confidence is the model's own word"),
			 errdetail("Server \"%s\" gives no probabilities of tokens; where the model says no number, confidence is NULL.",
					   endpoint->name)));
}

static QcResult *
finish_call(QcCall *call, const QcCallSpec *spec, QcStatement *statement,
			const QcResultKey *key)
{
	const QcFailure *failure;

	qc_call_wait(call);
	failure = qc_call_failure(call);
	if (failure)
		raise_or_count(statement, failure);
	else
		tell_source(spec->endpoint, qc_call_verdict(call));
	if (qc_call_was_cut(call))
		statement->cut++;
	return qc_result_keep(statement, key, failure ? NULL : qc_call_verdict(call),
						  spec->prompt->labels->n, failure);
}

/* Send it and wait; a cancel or any other error leaves nothing in flight. */
static QcResult *
send_call(const QcCallSpec *spec, QcStatement *statement, const QcResultKey *key)
{
	QcCall	   *call = qc_call_start(CurrentMemoryContext, spec);
	QcResult   *volatile result = NULL;

	PG_TRY();
	{
		result = finish_call(call, spec, statement, key);
	}
	PG_FINALLY();
	{
		qc_call_free(call);
	}
	PG_END_TRY();
	return result;
}

QcResult *
qc_ask(QcSitePrompt **site, MemoryContext site_cxt, QcQuestion *question)
{
	QcStatement *statement = qc_statement();
	QcEndpoint *endpoint = qc_endpoint_resolve(question->server);
	QcFailure	unreadable = {0};
	QcCallSpec	spec = {0};
	QcSitePrompt *prompt;
	QcResultKey key;
	QcResult   *result;

	question->prompt.codes = endpoint->codes;
	prompt = qc_site_prompt(site, site_cxt, &question->prompt);
	spec.text = qc_readable_text(VARDATA_ANY(question->input),
								 VARSIZE_ANY_EXHDR(question->input), &spec.len, &unreadable);
	make_key(&key, prompt, endpoint, question->with_reason,
			 spec.text ? spec.text : VARDATA_ANY(question->input), spec.len);

	result = qc_result_find(statement, &key);
	if (result)
		return result;
	if (spec.text == NULL)
	{
		raise_or_count(statement, &unreadable);
		return qc_result_keep(statement, &key, NULL, 0, &unreadable);
	}
	spec.endpoint = endpoint;
	spec.prompt = prompt->prompt;
	spec.with_reason = question->with_reason;
	spec.budget = &statement->budget;
	return send_call(&spec, statement, &key);
}
