/*-------------------------------------------------------------------------
 *
 * shape.c
 *	  What one request asks for, and its body.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "net/cut.h"
#include "net/kind.h"
#include "net/shape.h"

/* What an answer without a reason may take, when nothing better is known. */
#define QC_LABEL_TOKENS		64

/* A body's fields beside the two messages. */
#define QC_BODY_ROOM		2048

bool
qc_shape_gives_logprobs(const QcFacts *facts)
{
	return facts->stage != QC_STAGE_NONE && facts->api != QC_API_INFERENCE
		&& (facts->refused & QC_REFUSED_LOGPROBS) == 0;
}

QcMode
qc_shape_mode(const QcFacts *facts, bool with_reason)
{
	if (qc_shape_gives_logprobs(facts))
		return with_reason ? QC_MODE_REASON : QC_MODE_LABEL;
	return with_reason ? QC_MODE_VERBAL_REASON : QC_MODE_VERBAL;
}

bool
qc_shape_asks_logprobs(const QcShape *shape)
{
	return (shape->asked.mode == QC_MODE_LABEL || shape->asked.mode == QC_MODE_REASON)
		&& qc_shape_gives_logprobs(&shape->facts);
}

size_t
qc_shape_max_chars(const QcEndpoint *endpoint, const QcFacts *facts, const char *system,
				   bool with_reason, const char *text, size_t len)
{
	if (endpoint->max_input_chars > 0)
		return endpoint->max_input_chars;
	return qc_cut_to_context(text, len, system, facts->context_tokens,
							 with_reason ? endpoint->max_tokens : QC_LABEL_TOKENS);
}

static long
qc_shape_number(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNumber(item) && item->valuedouble > 0 && item->valuedouble < 1e9
		? (long) item->valuedouble : 0;
}

/* The limits that the kind (or extra_body) wrote: read back, not guessed. */
static void
qc_shape_limits(QcShape *shape, const cJSON *body)
{
	const cJSON *options = cJSON_GetObjectItemCaseSensitive(body, "options");

	shape->context_tokens = qc_shape_number(options, "num_ctx");
	shape->answer_tokens = Max(qc_shape_number(options, "num_predict"),
							   Max(qc_shape_number(body, "max_tokens"),
								   qc_shape_number(body, "max_completion_tokens")));
	if (shape->answer_tokens == 0)
		shape->answer_tokens = QC_LABEL_TOKENS;
}

char *
qc_shape_body(QcShape *shape, QcEndpoint *endpoint, QcPrompt *prompt,
			  const char *model, const char *text, size_t len)
{
	QcBodySpec	spec = {0};
	size_t		chars = qc_cut_chars(text, len);
	char	   *user = NULL;
	cJSON	   *body = NULL;
	char	   *printed = NULL;

	shape->chars = shape->max_chars > 0 ? Min(chars, shape->max_chars) : chars;
	shape->was_cut = false;
	shape->system = qc_prompt_system(prompt, shape->asked.mode, shape->strict);
	if (shape->system != NULL)
		user = qc_user_message(text, len, shape->max_chars, &shape->was_cut);
	if (user != NULL)
	{
		spec.model = model;
		spec.system = shape->system;
		spec.user = user;
		spec.asked = &shape->asked;
		spec.temperature = endpoint->temperature;
		spec.max_tokens = endpoint->max_tokens;
		spec.facts = &shape->facts;
		spec.extra_body = endpoint->extra_body;
		body = qc_kind_of(shape->facts.api)->body(&spec);
	}
	if (body != NULL)
	{
		qc_shape_limits(shape, body);
		printed = cJSON_PrintBuffered(body, (int) (strlen(shape->system) + strlen(user)
												   + QC_BODY_ROOM), false);
	}
	cJSON_Delete(body);
	free(user);
	return printed;
}
