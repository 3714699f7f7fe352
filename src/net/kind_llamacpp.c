/*-------------------------------------------------------------------------
 *
 * kind_llamacpp.c
 *	  llama-server: the label is bound by a GBNF grammar.
 *
 * grammar and json_schema exclude each other, so the modes with a reason use
 * response_format alone.  Labels hold no control characters: in a GBNF literal
 * only quotes and backslashes need an escape, UTF-8 stands as it is.
 *
 *-------------------------------------------------------------------------
 */
#include "net/body.h"

static const QcJoin grammar = {"root ::= ", "\"", "\"\\", " | ", ""};

/* It lists as many as are asked for: all labels are seen, and some other tokens. */
static int
alternatives(const QcBodySpec *spec)
{
	int			most = qc_body_answers(spec) + 4;

	if (most < QC_TOP_LOGPROBS)
		return QC_TOP_LOGPROBS;
	return most < QC_MOST_LOGPROBS ? most : QC_MOST_LOGPROBS;
}

static cJSON *
llamacpp_body(const QcBodySpec *spec)
{
	QcBody		body;

	qc_body_begin(&body, spec);
	qc_body_chat(&body);
	qc_body_greedy(&body);
	qc_body_max_tokens(&body);
	qc_body_plain_sampling(&body, 0, "repeat_penalty");
	if (!qc_body_refused(&body, QC_REFUSED_CACHE_PROMPT))
		qc_body_bool(&body, body.root, "cache_prompt", true);
	qc_body_logprobs(&body, body.root, alternatives(spec));
	if (spec->asked->mode == QC_MODE_LABEL && !qc_body_refused(&body, QC_REFUSED_CONSTRAINT))
		qc_body_joined(&body, body.root, "grammar", &grammar);
	qc_body_response_format(&body);
	qc_body_no_thinking(&body);
	return qc_body_end(&body);
}

const QcKind qc_kind_llamacpp = {QC_API_LLAMACPP, "llamacpp", "/chat/completions", false, llamacpp_body};
