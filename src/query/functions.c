/*-------------------------------------------------------------------------
 *
 * functions.c
 *	  The SQL functions that label: qwen_classify, qwen_label, qwen_scores,
 *	  qwen_labels; and qwen.answer.
 *
 * Each but the last comes in three overloads that differ in how the labels are
 * written; the C entry says which, the rest is shared.  A NULL input is NULL without a
 * request; while the planner runs everything is (statement.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "common/compat.h"
#include "common/errors.h"
#include "common/guc.h"
#include "common/statement.h"
#include "query/arguments.h"
#include "query/ask.h"

#define ERROR_LABEL "error"		/* the label of on_error = 'label' */

/* What a call site keeps between its calls, below fn_mcxt. */
typedef struct QcSite
{
	QcSitePrompt *prompt;
	QcSiteTask *task;			/* or NULL: labels were given */
	TupleDesc	desc;			/* of a row */
} QcSite;

static QcSite *
call_site(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(QcSite));
	return (QcSite *) fcinfo->flinfo->fn_extra;
}

/* The result of this call and what was asked, or NULL if it has none to give. */
static QcResult *
ask(FunctionCallInfo fcinfo, QcLabelForm form, QcAskFor what, QcQuestion *question)
{
	QcSite	   *site = call_site(fcinfo);

	if (qc_planning(fcinfo->flinfo->fn_mcxt) || PG_ARGISNULL(0))
		return NULL;
	qc_question_of(fcinfo, form, what, &site->task, fcinfo->flinfo->fn_mcxt,
				   question);
	return qc_ask(&site->prompt, fcinfo->flinfo->fn_mcxt, question);
}

static QcResult *
answer(FunctionCallInfo fcinfo, QcLabelForm form, QcAskFor what)
{
	QcQuestion	question;

	return ask(fcinfo, form, what, &question);
}

/* The answer is that no label fits. */
static bool
is_none(const QcSite *site, const QcResult *result)
{
	return qc_label_is_none(site->prompt->prompt->labels, result->label);
}

static Datum
server_text(const char *utf8)
{
	return CStringGetTextDatum(qc_utf8_to_server(utf8));
}

/* ---- qwen_classify and qwen.answer: label, confidence, reason ---- */

static TupleDesc
row_desc(FunctionCallInfo fcinfo, QcSite *site)
{
	if (site->desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		if (get_call_result_type(fcinfo, NULL, &site->desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		site->desc = BlessTupleDesc(site->desc);
		MemoryContextSwitchTo(old);
	}
	return site->desc;
}

/* As the worker writes it: of a task, by what people said of its answers. */
static double
shown_confidence(const QcSite *site, const QcQuestion *question, const QcResult *result)
{
	const struct QcCalibration *calibration =
		is_none(site, result) ? NULL : qc_question_calibration(site->task, question);
	QcRawAnswer raw;

	if (calibration == NULL)
		return result->confidence;
	raw.source = qc_source_name(result->source);
	raw.label = text_to_cstring(site->prompt->label[result->label]);
	raw.confidence = result->confidence;
	raw.top = isnan(result->confidence) ? NULL : result->posterior;
	raw.ntop = site->prompt->prompt->labels->n;
	raw.coverage = result->coverage;
	raw.verbal = result->source == QC_SOURCE_VOTE ? result->verbal : NAN;
	return qc_showing.confidence(calibration, &raw);
}

static void
put_number(int i, double number, Datum *values, bool *nulls)
{
	values[i] = Float8GetDatum(number);
	nulls[i] = isnan(number);
}

static void
row_values(const QcSite *site, const QcQuestion *question, const QcResult *result, Datum *values, bool *nulls)
{
	bool		as_label = (qc_on_error == QC_ON_ERROR_LABEL);

	if (result->failed == QC_FAIL_NONE)
	{
		nulls[0] = is_none(site, result);
		values[0] = PointerGetDatum(site->prompt->label[result->label]);
		put_number(1, shown_confidence(site, question, result), values, nulls);
	}
	else if (as_label)
	{
		values[0] = CStringGetTextDatum(ERROR_LABEL);
		values[1] = Float8GetDatum(0);
	}
	else
		nulls[0] = nulls[1] = true;

	nulls[2] = (result->words == NULL);
	if (result->words)
		values[2] = server_text(result->words);
}

/* qwen.answer has the server's own number beside it, and where that comes from. */
static void
raw_values(const QcResult *result, Datum *values, bool *nulls)
{
	nulls[3] = nulls[4] = result->failed != QC_FAIL_NONE;
	if (result->failed != QC_FAIL_NONE)
		return;
	put_number(3, result->confidence, values, nulls);
	values[4] = CStringGetTextDatum(qc_source_name(result->source));
}

static Datum
row(FunctionCallInfo fcinfo, QcLabelForm form, QcAskFor what)
{
	QcQuestion	question;
	QcResult   *result = ask(fcinfo, form, what, &question);
	QcSite	   *site = (QcSite *) fcinfo->flinfo->fn_extra;
	Datum		values[5] = {0};
	bool		nulls[5] = {false};
	TupleDesc	desc;

	if (result == NULL)
		PG_RETURN_NULL();
	desc = row_desc(fcinfo, site);
	row_values(site, &question, result, values, nulls);
	if (what == QC_FOR_ANSWER)
		raw_values(result, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

static Datum
classify(FunctionCallInfo fcinfo, QcLabelForm form)
{
	return row(fcinfo, form, QC_FOR_ROW);
}

static Datum
answer_row(FunctionCallInfo fcinfo, QcLabelForm form)
{
	return row(fcinfo, form, QC_FOR_ANSWER);
}

/* ---- qwen_label: the label alone ---- */

static Datum
label(FunctionCallInfo fcinfo, QcLabelForm form)
{
	QcResult   *result = answer(fcinfo, form, QC_FOR_LABEL);
	QcSite	   *site = (QcSite *) fcinfo->flinfo->fn_extra;

	if (result == NULL)
		PG_RETURN_NULL();
	if (result->failed == QC_FAIL_NONE && !is_none(site, result))
		PG_RETURN_TEXT_P(site->prompt->label[result->label]);
	if (result->failed != QC_FAIL_NONE && qc_on_error == QC_ON_ERROR_LABEL)
		PG_RETURN_TEXT_P(cstring_to_text(ERROR_LABEL));
	PG_RETURN_NULL();
}

/* ---- qwen_scores: every label's probability ---- */

static void
push_score(JsonbParseState **state, const char *key, int key_len, double score)
{
	JsonbValue	jb;

	jb.type = jbvString;
	jb.val.string.val = unconstify(char *, key);
	jb.val.string.len = key_len;
	pushJsonbValue(state, WJB_KEY, &jb);
	if (isnan(score))
		jb.type = jbvNull;
	else
	{
		jb.type = jbvNumeric;
		jb.val.numeric = DatumGetNumeric(DirectFunctionCall1(float8_numeric,
															 Float8GetDatum(score)));
	}
	pushJsonbValue(state, WJB_VALUE, &jb);
}

/* Scores are kept in single precision: six digits are what they hold. */
static double
six_digits(float4 score)
{
	return rint((double) score * 1e6) / 1e6;
}

/* Of several labels without a number of their own only yes or no is known. */
static double
known_score(const QcSitePrompt *prompt, const QcResult *result, int i)
{
	return prompt->prompt->how.multi && isnan(result->confidence) ? NAN : six_digits(result->posterior[i]);
}

/* No label is empty: that key is for the answer that none fits. */
static void
push_label_score(JsonbParseState **state, const QcSitePrompt *prompt, int i, double score)
{
	const text *label = prompt->label[i];

	if (qc_label_is_none(prompt->prompt->labels, i))
		push_score(state, "", 0, score);
	else
		push_score(state, VARDATA_ANY(label), (int) VARSIZE_ANY_EXHDR(label), score);
}

/*
 * In a tree, a label that was not looked into has a probability and those
 * within it have none; of one that was looked into it is the other way round.
 */
static bool
is_scored(const QcPrompt *prompt, const float4 *posterior, int i)
{
	const QcLabels *labels = prompt->labels;

	if (prompt->how.multi)
		return true;
	if (labels->label[i].nchildren > 0)
		return posterior[i] > 0;
	for (int above = labels->label[i].parent; above >= 0; above = labels->label[above].parent)
		if (posterior[above] > 0)
			return false;
	return true;
}

static Datum
scores_jsonb(const QcSite *site, const QcResult *result)
{
	JsonbParseState *state = NULL;
	const QcSitePrompt *prompt = site->prompt;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (result->failed != QC_FAIL_NONE)
		push_score(&state, ERROR_LABEL, (int) strlen(ERROR_LABEL), 0);
	else if (result->posterior == NULL)
		push_label_score(&state, prompt, result->label, result->confidence);
	else
		for (int i = 0; i < prompt->prompt->labels->n; i++)
			if (is_scored(prompt->prompt, result->posterior, i))
				push_label_score(&state, prompt, i, known_score(prompt, result, i));
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

static Datum
scores(FunctionCallInfo fcinfo, QcLabelForm form)
{
	QcResult   *result = answer(fcinfo, form, QC_FOR_SCORES);

	if (result == NULL ||
		(result->failed != QC_FAIL_NONE && qc_on_error != QC_ON_ERROR_LABEL))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(scores_jsonb((QcSite *) fcinfo->flinfo->fn_extra, result));
}

/* ---- qwen_labels: those that fit ---- */

static Datum
text_array(Datum *member, int n)
{
	return PointerGetDatum(construct_array(member, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* In the order written; none is an empty array. */
static Datum
fitting(const QcSitePrompt *prompt, const QcResult *result, double threshold)
{
	int			n = prompt->prompt->labels->n;
	Datum	   *member = palloc(sizeof(Datum) * n);
	int			m = 0;

	for (int i = 0; i < n; i++)
		if (result->posterior[i] >= threshold)
			member[m++] = PointerGetDatum(prompt->label[i]);
	return text_array(member, m);
}

static Datum
several(FunctionCallInfo fcinfo, QcLabelForm form)
{
	double		threshold = qc_threshold_of(fcinfo);
	QcResult   *result = answer(fcinfo, form, QC_FOR_LABELS);
	Datum		error;

	if (result == NULL)
		PG_RETURN_NULL();
	if (result->failed == QC_FAIL_NONE)
		PG_RETURN_DATUM(fitting(((QcSite *) fcinfo->flinfo->fn_extra)->prompt, result, threshold));
	if (qc_on_error != QC_ON_ERROR_LABEL)
		PG_RETURN_NULL();
	error = CStringGetTextDatum(ERROR_LABEL);
	PG_RETURN_DATUM(text_array(&error, 1));
}

/* ---- the entries: a function, an overload ---- */

QC_LABELS_ENTRY(qwen_classify_array, classify, QC_LABELS_ARRAY)
QC_LABELS_ENTRY(qwen_classify_jsonb, classify, QC_LABELS_JSONB)
QC_LABELS_ENTRY(qwen_classify_text, classify, QC_LABELS_TEXT)
QC_LABELS_ENTRY(qwen_classify_answer, answer_row, QC_LABELS_TEXT)
QC_LABELS_ENTRY(qwen_classify_label_array, label, QC_LABELS_ARRAY)
QC_LABELS_ENTRY(qwen_classify_label_jsonb, label, QC_LABELS_JSONB)
QC_LABELS_ENTRY(qwen_classify_label_text, label, QC_LABELS_TEXT)
QC_LABELS_ENTRY(qwen_classify_scores_array, scores, QC_LABELS_ARRAY)
QC_LABELS_ENTRY(qwen_classify_scores_jsonb, scores, QC_LABELS_JSONB)
QC_LABELS_ENTRY(qwen_classify_scores_text, scores, QC_LABELS_TEXT)
QC_LABELS_ENTRY(qwen_classify_labels_array, several, QC_LABELS_ARRAY)
QC_LABELS_ENTRY(qwen_classify_labels_jsonb, several, QC_LABELS_JSONB)
QC_LABELS_ENTRY(qwen_classify_labels_text, several, QC_LABELS_TEXT)
