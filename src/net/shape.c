/*-------------------------------------------------------------------------
 *
 * shape.c
 *	  What one request asks for, and its body.
 *
 * The mode follows from what the server gives: with probabilities of tokens
 * the label alone is asked for (and a reason if wanted), without them the
 * model's own word for its confidence too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "net/cut.h"
#include "net/kind.h"
#include "net/shape.h"
#include "net/template.h"
#include "prompt/buf.h"

/* What an answer without a reason may take, when nothing better is known. */
#define QC_LABEL_TOKENS		64

/* A body's fields beside the two messages. */
#define QC_BODY_ROOM		2048

/* Unknown counts as yes: the first answer tells. */
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

/* A number in the option wins; 0 leaves it to an estimate of the context. */
size_t
qc_shape_max_chars(const QcEndpoint *endpoint, const QcFacts *facts, const char *system,
				   bool with_reason, const char *text, size_t len)
{
	if (endpoint->max_input_chars > 0)
		return endpoint->max_input_chars;
	return qc_cut_to_context(text, len, system, facts->context_tokens,
							 with_reason ? endpoint->max_tokens : QC_LABEL_TOKENS);
}

/* The body as a tree, for what no template holds. */
static char *
qc_shape_print(QcShape *shape, const QcBodySpec *spec)
{
	cJSON	   *body = qc_kind_of(shape->facts.api)->body(spec);
	char	   *printed = NULL;

	if (body != NULL)
	{
		qc_template_limits(body, &shape->answer_tokens, &shape->context_tokens);
		printed = cJSON_PrintBuffered(body, (int) (strlen(spec->system) + strlen(spec->user)
												   + QC_BODY_ROOM), false);
	}
	cJSON_Delete(body);
	return printed;
}

/* By the template if there is one: the usual case, and a fraction of the cost. */
static char *
qc_shape_write(QcShape *shape, const QcBodySpec *spec)
{
	const QcTemplate *template = qc_template_get(spec);
	QcBuf		body = {0};

	if (template == NULL)
		return qc_shape_print(shape, spec);
	shape->answer_tokens = template->answer_tokens;
	shape->context_tokens = template->context_tokens;
	qc_buf_adds(&body, template->before);
	qc_buf_add_json(&body, spec->user, strlen(spec->user));
	qc_buf_adds(&body, template->after);
	return qc_buf_take(&body);
}

/*
 * The text is defused and cut here and nowhere else, so that every way to send
 * it (first try, strict, cut, follow-up, preview) treats it alike.
 */
static char *
qc_shape_try(QcShape *shape, QcEndpoint *endpoint, QcPrompt *prompt,
			 const char *model, const char *text, size_t len)
{
	QcBodySpec	spec = {0};
	size_t		chars = qc_cut_chars(text, len);
	char	   *user = NULL;
	char	   *body = NULL;

	shape->chars = shape->max_chars > 0 ? Min(chars, shape->max_chars) : chars;
	shape->was_cut = false;
	shape->system = qc_prompt_system(prompt, shape->asked.mode, shape->strict);
	if (shape->system != NULL)
		user = qc_prompt_user(prompt, text, len, shape->max_chars, &shape->was_cut);
	if (user != NULL)
	{
		spec.model = model;
		spec.system = shape->system;
		spec.user = user;
		spec.asked = &shape->asked;
		spec.temperature = shape->draw > 0 ? 1 : endpoint->temperature;
		spec.seed = shape->draw;
		spec.max_tokens = endpoint->max_tokens;
		spec.facts = &shape->facts;
		spec.extra_body = endpoint->extra_body;
		body = qc_shape_write(shape, &spec);
	}
	if (shape->answer_tokens == 0)
		shape->answer_tokens = QC_LABEL_TOKENS;
	free(user);
	return body;
}

/*
 * Ollama's context is what the body asks for, and it is not refused but cut
 * without a word when it is too small: so a whole text is measured against it.
 */
char *
qc_shape_body(QcShape *shape, QcEndpoint *endpoint, QcPrompt *prompt,
			  const char *model, const char *text, size_t len)
{
	char	   *body = qc_shape_try(shape, endpoint, prompt, model, text, len);
	size_t		fits;

	if (body == NULL || shape->max_chars > 0 || shape->context_tokens == 0)
		return body;
	fits = qc_cut_to_context(text, len, shape->system, shape->context_tokens,
							 shape->answer_tokens);
	if (fits == 0)
		return body;
	free(body);
	shape->max_chars = fits;
	return qc_shape_try(shape, endpoint, prompt, model, text, len);
}
