/*-------------------------------------------------------------------------
 *
 * kind_ollama.c
 *	  Ollama's own API: format, options, think.
 *
 * num_ctx is a constant: Ollama loads the model anew when an option of its
 * runner changes, and its own default of 4,096 cuts the start of a long chat
 * without a word.
 *
 *-------------------------------------------------------------------------
 */
#include "net/body.h"

#define NUM_CTX 8192

/* One field for all: a string of an enum, an object, or just "json". */
static void
add_format(QcBody *body)
{
	cJSON	   *format;

	if (body->spec->asked->mode == QC_MODE_LABEL)
	{
		if (qc_body_refused(body, QC_REFUSED_CONSTRAINT))
			return;
		format = qc_body_object(body, body->root, "format");
		qc_body_text(body, format, "type", "string");
		qc_body_item(body, format, "enum", qc_body_answer_list(body));
	}
	else if (!qc_body_refused(body, QC_REFUSED_RESPONSE_FORMAT))
		qc_body_item(body, body->root, "format", qc_body_schema(body));
	else if (!qc_body_refused(body, QC_REFUSED_JSON_OBJECT))
		qc_body_text(body, body->root, "format", "json");
}

/* Where the other kinds have fields at the top, Ollama has options. */
static void
add_options(QcBody *body)
{
	cJSON	   *options = qc_body_object(body, body->root, "options");

	qc_body_number(body, options, "temperature", body->spec->temperature);
	if (body->spec->seed > 0)
		qc_body_number(body, options, "seed", body->spec->seed);
	qc_body_number(body, options, "top_p", 1);
	qc_body_number(body, options, "top_k", 0);
	qc_body_number(body, options, "repeat_penalty", 1);

	/* the label comes within quotes */
	qc_body_number(body, options, "num_predict", qc_body_token_limit(body->spec) + 4);
	qc_body_number(body, options, "num_ctx", NUM_CTX);
}

static cJSON *
ollama_body(const QcBodySpec *spec)
{
	QcBody		body;

	qc_body_begin(&body, spec);
	qc_body_chat(&body);
	if (!qc_body_refused(&body, QC_REFUSED_THINK))
		qc_body_bool(&body, body.root, "think", false);
	add_format(&body);
	qc_body_logprobs(&body, body.root, QC_TOP_LOGPROBS);
	qc_body_text(&body, body.root, "keep_alive", "30m");
	add_options(&body);
	return qc_body_end(&body);
}

const QcKind qc_kind_ollama = {QC_API_OLLAMA, "ollama", "/api/chat", true, ollama_body};
