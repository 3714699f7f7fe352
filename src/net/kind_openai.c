/*-------------------------------------------------------------------------
 *
 * kind_openai.c
 *	  Any OpenAI-style server that is not known better.
 *
 * A label alone is asked for without a format: strict providers know no
 * choice, and a short answer holds without one.  The client checks it anyway.
 *
 *-------------------------------------------------------------------------
 */
#include "net/body.h"

static cJSON *
openai_body(const QcBodySpec *spec)
{
	QcBody		body;

	qc_body_begin(&body, spec);
	qc_body_chat(&body);
	qc_body_greedy(&body);
	qc_body_max_tokens(&body);
	qc_body_logprobs(&body, body.root, QC_TOP_LOGPROBS);
	qc_body_response_format(&body);

	/* DashScope: thinking must be off at the top level, or it refuses */
	if (qc_body_refused(&body, QC_NEEDS_NO_THINKING))
		qc_body_bool(&body, body.root, "enable_thinking", false);
	return qc_body_end(&body);
}

const QcKind qc_kind_openai = {QC_API_OPENAI, "openai", "/chat/completions", false, openai_body};
