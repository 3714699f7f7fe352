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

/* An example's answer, and the marks of its two turns. */
#define QC_TURN_TOKENS		24

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

static double
qc_shape_turn_tokens(const QcPrompt *prompt, const QcChosen *chosen)
{
	double		tokens = 0;

	for (int i = 0; i < chosen->n; i++)
	{
		const char *user = qc_pool_user(prompt, chosen->pick[i]);

		tokens += qc_cut_tokens(user, strlen(user)) + QC_TURN_TOKENS;
	}
	return tokens;
}

/* Half of the context at most; the least similar go first. */
void
qc_shape_take(QcShape *shape, const QcPrompt *prompt, const QcChosen *chosen)
{
	shape->chosen = *chosen;
	while (shape->chosen.n > 0 && shape->facts.context_tokens > 0 &&
		   qc_shape_turn_tokens(prompt, &shape->chosen) > shape->facts.context_tokens / 2.0)
	{
		shape->chosen.n--;
		memmove(shape->chosen.pick, shape->chosen.pick + 1, sizeof(int) * shape->chosen.n);
	}
}

/* What a context has for system message, text and answer; 0: not known. */
static long
qc_shape_context(const QcShape *shape, const QcPrompt *prompt, long context_tokens)
{
	long		left = context_tokens - (long) qc_shape_turn_tokens(prompt, &shape->chosen);

	return context_tokens > 0 ? Max(left, 1) : 0;
}

/* A number in the option wins; 0 leaves it to an estimate of the context. */
size_t
qc_shape_max_chars(const QcShape *shape, const QcEndpoint *endpoint, const QcPrompt *prompt,
				   const char *system, bool with_reason, const char *text, size_t len)
{
	if (endpoint->max_input_chars > 0)
		return endpoint->max_input_chars;
	return qc_cut_to_context(text, len, system,
							 qc_shape_context(shape, prompt, shape->facts.context_tokens),
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

/* The chosen examples as turns; without memory for one it fails. */
static bool
qc_shape_turns(const QcShape *shape, QcPrompt *prompt, QcTurn *turn)
{
	for (int i = 0; i < shape->chosen.n; i++)
	{
		turn[i].user = qc_pool_user(prompt, shape->chosen.pick[i]);
		turn[i].answer = qc_pool_answer(prompt, shape->chosen.pick[i], shape->asked.mode);
		if (turn[i].answer == NULL)
			return false;
	}
	return true;
}

/* The plain API has no turns: there the examples end the system message. */
static char *
qc_shape_write_all(QcShape *shape, QcPrompt *prompt, QcBodySpec *spec)
{
	QcTurn		turn[QC_MOST_SHOTS];
	char	   *system;
	char	   *body;

	if (shape->chosen.n == 0)
		return qc_shape_write(shape, spec);
	if (shape->facts.api == QC_API_INFERENCE)
	{
		system = qc_pool_lines(prompt, &shape->chosen, shape->asked.mode, spec->system);
		if (system == NULL)
			return NULL;
		spec->system = system;
		body = qc_shape_print(shape, spec);
		free(system);
		return body;
	}
	if (!qc_shape_turns(shape, prompt, turn))
		return NULL;
	spec->turn = turn;
	spec->nturns = shape->chosen.n;
	return qc_shape_print(shape, spec);
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
		body = qc_shape_write_all(shape, prompt, &spec);
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
	fits = qc_cut_to_context(text, len, shape->system,
							 qc_shape_context(shape, prompt, shape->context_tokens),
							 shape->answer_tokens);
	if (fits == 0)
		return body;
	free(body);
	shape->max_chars = fits;
	return qc_shape_try(shape, endpoint, prompt, model, text, len);
}
