/*-------------------------------------------------------------------------
 *
 * ask.c
 *	  One text to a result: the engine under the SQL functions.
 *
 * Invariant: whatever is thrown while a text is being asked about, its requests are
 * aborted before anyone else sees the error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "common/guc.h"
#include "common/statement.h"
#include "net/inquiry.h"
#include "net/shape.h"
#include "query/ahead.h"
#include "query/ask.h"

/*
 * Two hashes of 64 bits under seeds that nobody knows: as good as a digest for
 * telling the texts of one statement apart, at a tenth of its cost a row.
 */
static void
make_key(QcResultKey *key, const QcSitePrompt *site, const QcEndpoint *endpoint,
		 bool with_reason, const char *text, size_t len)
{
	static uint64 seed[QC_RESULT_HASHES];
	static bool seeded = false;

	if (!seeded && !pg_strong_random(seed, sizeof(seed)))
		elog(ERROR, "could not make a random seed");
	seeded = true;
	for (int i = 0; i < QC_RESULT_HASHES; i++)
	{
		uint64		hash = hash_bytes_extended(site->fingerprint, QC_FINGERPRINT, seed[i]);

		hash = hash_combine64(hash, ((uint64) endpoint->serverid << 32) | endpoint->userid);
		hash = hash_combine64(hash, with_reason);
		key->hash[i] = hash_bytes_extended((const unsigned char *) text, (int) len, hash);
	}
}

bool
qc_failure_stops(const QcStatement *statement, const QcFailure *failure)
{
	QcCharge	charge = qc_failure_charge(failure->kind);

	if (charge == QC_CHARGE_ROW)
		return qc_on_error == QC_ON_ERROR_ERROR;
	return charge != QC_CHARGE_SERVER || !statement->budget.succeeded ||
		qc_on_error != QC_ON_ERROR_LABEL;
}

/* Raise, unless the row may keep it. */
static void
raise_or_count(QcStatement *statement, const QcFailure *failure)
{
	if (qc_failure_stops(statement, failure))
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
tell_source(QcEndpoint *endpoint, QcSource source)
{
	static bool told = false;

	if (told || (source != QC_SOURCE_VERBAL && source != QC_SOURCE_NONE) ||
		qc_shape_gives_logprobs(qc_endpoint_facts(endpoint)))
		return;
	told = true;
	ereport(NOTICE,
			(errmsg("confidence is the model's own word"),
			 errdetail("Server \"%s\" gives no probabilities of tokens; where the model says no number, confidence is NULL.",
					   endpoint->name)));
}

static QcResult *
finish_inquiry(QcInquiry *inquiry, const QcCallSpec *spec, QcStatement *statement,
			   const QcResultKey *key)
{
	const QcFailure *failure;

	qc_inquiry_wait(inquiry);
	failure = qc_inquiry_failure(inquiry);
	if (failure)
		raise_or_count(statement, failure);
	else
		tell_source(spec->endpoint, qc_inquiry_verdict(inquiry)->source);
	if (qc_inquiry_was_cut(inquiry))
		statement->cut++;
	return qc_result_keep(statement, key, failure ? NULL : qc_inquiry_verdict(inquiry),
						  spec->prompt->labels->n, failure);
}

/* Send it and wait; a cancel or any other error leaves nothing in flight. */
static QcResult *
send_inquiry(const QcCallSpec *spec, QcStatement *statement, const QcResultKey *key)
{
	QcInquiry  *inquiry = qc_inquiry_start(CurrentMemoryContext, spec);
	QcResult   *volatile result = NULL;

	PG_TRY();
	{
		result = finish_inquiry(inquiry, spec, statement, key);
	}
	PG_FINALLY();
	{
		qc_inquiry_free(inquiry);
	}
	PG_END_TRY();
	return result;
}

void
qc_request_of(QcSitePrompt **site, MemoryContext site_cxt, QcQuestion *question,
			  QcStatement *statement, QcRequest *request)
{
	QcCallSpec *spec = &request->spec;

	memset(request, 0, sizeof(QcRequest));
	spec->endpoint = question->endpoint = qc_endpoint_resolve(question->server);
	question->prompt.codes = spec->endpoint->codes;
	request->prompt = qc_site_prompt(site, site_cxt, &question->prompt);
	spec->prompt = request->prompt->prompt;
	spec->text = qc_readable_text(VARDATA_ANY(question->input),
								  VARSIZE_ANY_EXHDR(question->input), &spec->len,
								  &request->unreadable);
	spec->with_reason = question->with_reason;
	spec->budget = &statement->budget;
	make_key(&request->key, request->prompt, spec->endpoint, question->with_reason,
			 spec->text ? spec->text : VARDATA_ANY(question->input), spec->len);
}

/* It was asked for ahead: what it brought is told and counted when it is first used. */
static QcResult *
take_answer(QcAnswer *answer, QcStatement *statement)
{
	if (answer->failure && (!answer->taken || qc_failure_stops(statement, answer->failure)))
	{
		/* whoever catches the error and goes on asks anew */
		answer->gone = qc_failure_stops(statement, answer->failure);
		raise_or_count(statement, answer->failure);
	}
	if (!answer->taken && answer->failure == NULL)
		tell_source(answer->endpoint, answer->result.source);
	if (!answer->taken && answer->cut)
		statement->cut++;
	answer->taken = true;

	/* another run within this statement may ask the same */
	if (qc_run_innermost()->outer != NULL)
		return qc_result_copy(statement, &answer->result, answer->nlabels);
	return &answer->result;
}

QcResult *
qc_ask(QcSitePrompt **site, MemoryContext site_cxt, QcQuestion *question)
{
	QcStatement *statement = qc_statement();
	QcRequest	request;
	QcResult   *result;
	QcAnswer   *answer;

	qc_request_of(site, site_cxt, question, statement, &request);
	result = qc_result_find(statement, &request.key);
	if (result)
		return result;
	answer = qc_ahead_find(&request.key);
	if (answer)
		return take_answer(answer, statement);
	if (request.spec.text == NULL)
	{
		raise_or_count(statement, &request.unreadable);
		return qc_result_keep(statement, &request.key, NULL, 0, &request.unreadable);
	}
	return send_inquiry(&request.spec, statement, &request.key);
}
