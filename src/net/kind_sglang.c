/*-------------------------------------------------------------------------
 *
 * kind_sglang.c
 *	  SGLang: the label is bound by a regular expression.
 *
 * It answers 500 when more alternatives are asked for than the grammar leaves
 * legal tokens (sgl-project/sglang#5984): no more than there are labels.
 *
 *-------------------------------------------------------------------------
 */
#include "net/body.h"

static cJSON *
sglang_body(const QcBodySpec *spec)
{
	QcBody		body;
	int			most = qc_body_answers(spec);

	qc_body_begin(&body, spec);
	qc_body_chat(&body);
	qc_body_greedy(&body);
	qc_body_max_tokens(&body);
	qc_body_plain_sampling(&body, -1, "repetition_penalty");
	qc_body_logprobs(&body, body.root, most < QC_TOP_LOGPROBS ? most : QC_TOP_LOGPROBS);
	if (spec->asked->mode == QC_MODE_LABEL && !qc_body_refused(&body, QC_REFUSED_CONSTRAINT))
		qc_body_joined(&body, body.root, "regex", &qc_body_regex);
	qc_body_response_format(&body);
	qc_body_no_thinking(&body);
	return qc_body_end(&body);
}

const QcKind qc_kind_sglang = {QC_API_SGLANG, "sglang", "/chat/completions", false, sglang_body};
