/*-------------------------------------------------------------------------
 *
 * kind_inference.c
 *	  The plain API: POST /inference with four fields, no more.
 *
 * The url names the path itself.  There is no constraint and there are no
 * logprobs; the answer's form is asked for in the system text.
 *
 *-------------------------------------------------------------------------
 */
#include "net/body.h"

static cJSON *
inference_body(const QcBodySpec *spec)
{
	QcBody		body;

	qc_body_begin(&body, spec);
	qc_body_text(&body, body.root, "prompt", spec->user);
	qc_body_text(&body, body.root, "system", spec->system);
	qc_body_number(&body, body.root, "temperature", spec->temperature);
	qc_body_number(&body, body.root, "max_tokens", qc_body_token_limit(spec));
	return qc_body_end(&body);
}

const QcKind qc_kind_inference = {QC_API_INFERENCE, "inference", "", false, inference_body};
