/*-------------------------------------------------------------------------
 *
 * kind_vllm.c
 *	  vLLM: structured_outputs, before 0.11 guided_choice.
 *
 * vLLM ignores fields that it does not know, so the right name of the two is
 * chosen by the server's version.  The model's own sampling defaults (top_k 20,
 * repetition_penalty 1.05) would punish labels that stand in the prompt: they are
 * switched off.
 *
 *-------------------------------------------------------------------------
 */
#include "net/body.h"

/* Only a label alone: with a reason the schema binds it. */
static void
add_choice(QcBody *body)
{
	cJSON	   *outer;

	if (body->spec->asked->mode != QC_MODE_LABEL ||
		qc_body_refused(body, QC_REFUSED_CONSTRAINT))
		return;

	if (body->spec->facts->old_guided)
	{
		qc_body_item(body, body->root, "guided_choice", qc_body_answer_list(body));
		return;
	}
	outer = qc_body_object(body, body->root, "structured_outputs");
	qc_body_item(body, outer, "choice", qc_body_answer_list(body));
}

static cJSON *
vllm_body(const QcBodySpec *spec)
{
	QcBody		body;

	qc_body_begin(&body, spec);
	qc_body_chat(&body);
	qc_body_greedy(&body);
	qc_body_max_tokens(&body);
	qc_body_plain_sampling(&body, -1, "repetition_penalty");
	qc_body_logprobs(&body, body.root, QC_TOP_LOGPROBS);
	add_choice(&body);
	qc_body_response_format(&body);
	qc_body_no_thinking(&body);
	return qc_body_end(&body);
}

const QcKind qc_kind_vllm = {QC_API_VLLM, "vllm", "/chat/completions", false, vllm_body};
