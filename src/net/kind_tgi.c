/*-------------------------------------------------------------------------
 *
 * kind_tgi.c
 *	  Text Generation Inference: one field binds every answer.
 *
 * Its router takes a model's name for that of an adapter, except "tgi"; it
 * refuses top_p 1, and knows neither top_k nor a penalty that could be set to
 * nothing, so sampling is left to temperature 0, which it takes for greedy.
 *
 *-------------------------------------------------------------------------
 */
#include "net/body.h"

#include <string.h>

/* What it gives unless it was started with --max-top-n-tokens. */
#define USUAL_TOP 5

/* An adapter is asked for by its name, the model itself never by its own. */
static const char *
model_name(const QcBodySpec *spec)
{
	return spec->model == NULL || strcmp(spec->model, spec->facts->model) == 0 ?
		"tgi" : spec->model;
}

/* The label alone is bound by a regular expression, an object by its schema. */
static void
add_format(QcBody *body)
{
	bool		label = body->spec->asked->mode == QC_MODE_LABEL;
	cJSON	   *format;
	cJSON	   *value;

	if (qc_body_refused(body, label ? QC_REFUSED_CONSTRAINT : QC_REFUSED_RESPONSE_FORMAT))
		return;
	format = qc_body_object(body, body->root, "response_format");
	qc_body_text(body, format, "type", label ? "regex" : "json_schema");
	if (label)
	{
		qc_body_joined(body, format, "value", &qc_body_regex);
		return;
	}
	value = qc_body_object(body, format, "value");
	qc_body_text(body, value, "name", "c");
	qc_body_item(body, value, "schema", qc_body_schema(body));
}

/* More than the usual only where there are more labels: a refusal is a request. */
static cJSON *
tgi_body(const QcBodySpec *spec)
{
	QcBodySpec	named = *spec;
	QcBody		body;
	int			most = qc_body_answers(spec);

	named.model = model_name(spec);
	most = most > USUAL_TOP ? most : USUAL_TOP;
	qc_body_begin(&body, &named);
	qc_body_chat(&body);
	qc_body_temperature(&body);
	qc_body_max_tokens(&body);
	qc_body_logprobs(&body, body.root, most < QC_TOP_LOGPROBS ? most : QC_TOP_LOGPROBS);
	add_format(&body);
	return qc_body_end(&body);
}

const QcKind qc_kind_tgi = {QC_API_TGI, "tgi", "/chat/completions", false, tgi_body};
