/*-------------------------------------------------------------------------
 *
 * admin.c
 *	  What an administrator asks: check_server, preview, version.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"

#include "common/compat.h"
#include "common/errors.h"
#include "common/statement.h"
#include "net/inquiry.h"
#include "net/pool.h"
#include "net/probe.h"
#include "net/replica.h"
#include "query/arguments.h"

/* ---- qwen.preview ---- */

static Datum
preview(FunctionCallInfo fcinfo, QcLabelForm form)
{
	QcSitePrompt *site = NULL;
	QcSiteTask *task = NULL;
	QcQuestion	question;
	QcCallSpec	spec = {0};
	char	   *body;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	qc_question_of(fcinfo, form, QC_FOR_PREVIEW, &task, CurrentMemoryContext, &question);
	spec.endpoint = qc_endpoint_resolve(question.server);
	question.prompt.codes = spec.endpoint->codes;
	spec.prompt = qc_site_prompt(&site, CurrentMemoryContext, &question.prompt)->prompt;
	spec.text = qc_server_to_utf8(VARDATA_ANY(question.input),
								  VARSIZE_ANY_EXHDR(question.input), &spec.len);
	if (spec.text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("the text is not valid UTF-8")));
	spec.with_reason = question.with_reason;
	body = qc_inquiry_preview(&spec);
	PG_RETURN_DATUM(CStringGetTextDatum(qc_utf8_to_server(body)));
}

QC_LABELS_ENTRY(qwen_classify_preview_array, preview, QC_LABELS_ARRAY)
QC_LABELS_ENTRY(qwen_classify_preview_jsonb, preview, QC_LABELS_JSONB)
QC_LABELS_ENTRY(qwen_classify_preview_text, preview, QC_LABELS_TEXT)

/* ---- qwen.check_server ---- */

/*
 * A sentence whose likeliest continuation is no label: a server that shows
 * its probabilities before the grammar then lists other tokens.
 */
#define CHECK_SENTENCE "2+2="

static const char *const stage_words[] = {
	[QC_STAGE_UNKNOWN] = "unknown",
	[QC_STAGE_NONE] = "none",
	[QC_STAGE_RAW] = "before the grammar",
	[QC_STAGE_MASKED] = "after the grammar"
};

/* Two labels of one token each; freed with the current context. */
static QcPrompt *
check_prompt(bool codes)
{
	QcSitePrompt *site = NULL;
	QcPromptArgs args = {0};

	args.form = QC_LABELS_TEXT;
	args.labels = cstring_to_text("[\"red\", \"blue\"]");
	args.codes = codes;
	return qc_site_prompt(&site, CurrentMemoryContext, &args)->prompt;
}

/* One small real request; raises what went wrong.  Returns milliseconds. */
static double
check_request(QcEndpoint *endpoint)
{
	QcBudget	budget = {0};
	QcCallSpec	spec = {0};
	const QcFailure *failure;
	QcCall	   *call;
	instr_time	start,
				taken;

	spec.endpoint = endpoint;
	spec.prompt = check_prompt(endpoint->codes);
	spec.text = CHECK_SENTENCE;
	spec.len = strlen(CHECK_SENTENCE);
	spec.budget = &budget;
	INSTR_TIME_SET_CURRENT(start);
	call = qc_call_start(CurrentMemoryContext, &spec);
	qc_call_wait(call);
	INSTR_TIME_SET_CURRENT(taken);
	INSTR_TIME_SUBTRACT(taken, start);
	failure = qc_call_failure(call);
	if (failure)
		qc_failure_raise(failure);
	qc_call_free(call);
	return INSTR_TIME_GET_MILLISEC(taken);
}

typedef struct QcReplicaCheck
{
	QcProbe    *probe;
	bool		done;
	bool		failed;
	MemoryContextCallback callback;
} QcReplicaCheck;

static void
free_check(void *arg)
{
	qc_probe_free(((QcReplicaCheck *) arg)->probe);
}

static void
replica_checked(QcProbe *probe, const QcFailure *failure, void *arg)
{
	QcReplicaCheck *check = (QcReplicaCheck *) arg;

	(void) probe;
	check->done = true;
	check->failed = (failure != NULL);
}

/* Does this replica answer its GETs?  Freed with the current context on error. */
static bool
replica_answers(QcEndpoint *endpoint, int replica)
{
	QcReplicaCheck *check = (QcReplicaCheck *) palloc0(sizeof(QcReplicaCheck));

	check->callback.func = free_check;
	check->callback.arg = check;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &check->callback);
	check->probe = qc_probe_start(endpoint, replica, replica_checked, check);
	while (!check->done)
		qc_pool_wait(-1);
	qc_probe_free(check->probe);
	check->probe = NULL;
	return !check->failed;
}

static int
replicas_up(QcEndpoint *endpoint)
{
	int			up = 0;

	if (endpoint->nreplicas == 1)
		return 1;				/* it has just answered */
	for (int i = 0; i < endpoint->nreplicas; i++)
		if (qc_probe_needed(endpoint) ? replica_answers(endpoint, i) :
			qc_replica_up(endpoint, i))
			up++;
	return up;
}

static Datum
optional_text(const char *words, bool *null)
{
	*null = (words == NULL || words[0] == '\0');
	return *null ? (Datum) 0 : CStringGetTextDatum(qc_utf8_to_server(words));
}

static Datum
optional_count(int32 count, bool *null)
{
	*null = (count <= 0);
	return Int32GetDatum(count);
}

PG_FUNCTION_INFO_V1(qwen_classify_check_server);
Datum
qwen_classify_check_server(PG_FUNCTION_ARGS)
{
	QcEndpoint *endpoint;
	const QcFacts *facts;
	TupleDesc	desc;
	Datum		values[9];
	bool		nulls[9] = {false};
	double		ms;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	endpoint = qc_endpoint_resolve(PG_ARGISNULL(0) ? NULL :
								   text_to_cstring(PG_GETARG_TEXT_PP(0)));
	qc_endpoint_forget(endpoint);
	check_request(endpoint);	/* with the GETs and the connection */
	ms = check_request(endpoint);
	values[7] = Int32GetDatum(replicas_up(endpoint));
	facts = qc_endpoint_facts(endpoint);

	values[0] = CStringGetTextDatum(endpoint->name);
	values[1] = CStringGetTextDatum(qc_kind_of(facts->api)->name);
	values[2] = optional_text(facts->version, &nulls[2]);
	values[3] = optional_text(qc_endpoint_model(endpoint), &nulls[3]);
	values[4] = optional_count(facts->context_tokens, &nulls[4]);
	values[5] = CStringGetTextDatum(stage_words[facts->stage]);
	values[6] = Float8GetDatum(rint(ms * 10) / 10);
	values[8] = Int32GetDatum(endpoint->nreplicas);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}

/* ---- qwen.version ---- */

PG_FUNCTION_INFO_V1(qwen_classify_version);
Datum
qwen_classify_version(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	PG_RETURN_TEXT_P(cstring_to_text(QC_VERSION));
}
