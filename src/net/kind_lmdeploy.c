/*-------------------------------------------------------------------------
 *
 * kind_lmdeploy.c
 *	  LMDeploy: a type of response_format of its own binds the label.
 *
 * It gives logprobs only when started with --logprobs-mode, and says so in a
 * 400; then the model's own word is asked for instead.
 *
 *-------------------------------------------------------------------------
 */
#include "net/body.h"

static void
add_regex(QcBody *body)
{
	cJSON	   *format;

	if (body->spec->asked->mode != QC_MODE_LABEL ||
		qc_body_refused(body, QC_REFUSED_CONSTRAINT))
		return;
	format = qc_body_object(body, body->root, "response_format");
	qc_body_text(body, format, "type", "regex_schema");
	qc_body_joined(body, format, "regex_schema", &qc_body_regex);
}

/* top_k 0 is no limit; it has no word for "greedy" but 1. */
static cJSON *
lmdeploy_body(const QcBodySpec *spec)
{
	QcBody		body;

	qc_body_begin(&body, spec);
	qc_body_chat(&body);
	qc_body_greedy(&body);
	qc_body_max_tokens(&body);
	qc_body_plain_sampling(&body, spec->temperature > 0 ? 0 : 1, "repetition_penalty");
	qc_body_logprobs(&body, body.root, QC_TOP_LOGPROBS);
	add_regex(&body);
	qc_body_response_format(&body);
	qc_body_no_thinking(&body);
	return qc_body_end(&body);
}

const QcKind qc_kind_lmdeploy = {QC_API_LMDEPLOY, "lmdeploy", "/chat/completions", false, lmdeploy_body};
