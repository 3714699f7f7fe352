/*-------------------------------------------------------------------------
 *
 * template.c
 *	  The body of a request around the row's text, kept for the next row.
 *
 * Plain C, malloc.  A template is found by the values of everything that
 * shapes a body, never by address: prompts and endpoints come and go.
 *
 *-------------------------------------------------------------------------
 */
#include "net/template.h"

#include <stdlib.h>
#include <string.h>

/* A statement may use two servers, or labels with and without a reason, or in four orders. */
#define QC_KEPT_TEMPLATES	8

/* Stands for the text; a body in which it stands twice is not kept. */
#define QC_MARK				"@qwen_classify:the-text-of-the-row@"
#define QC_QUOTED_MARK		"\"" QC_MARK "\""

typedef struct QcKept
{
	QcTemplate	template;
	QcApi		api;
	QcStage		stage;
	uint32_t	refused;
	int32_t		top_cap;
	bool		old_guided;
	bool		own_name;		/* the model is asked for by the server's name of it */
	QcMode		mode;
	bool		codes;
	double		temperature;
	int			max_tokens;
	char	   *model;			/* "" for NULL */
	char	   *system;
	int			nlabels;
	char	   *labels;			/* their names, one after the other, each with its NUL */
} QcKept;

static QcKept kept[QC_KEPT_TEMPLATES];
static int	next_kept = 0;

/* All zeros is an empty place: it fits nothing. */
static void
qc_kept_free(QcKept *k)
{
	free(k->template.before);
	free(k->template.after);
	free(k->model);
	free(k->system);
	free(k->labels);
	memset(k, 0, sizeof(*k));
}

/*
 * The system message alone does not tell two sets apart: "a: b" may be a label
 * or a label with its description, and the constraint differs.
 */
static bool
qc_kept_has_labels(const QcKept *k, const QcLabels *labels)
{
	const char *name = k->labels;

	if (k->nlabels != labels->n)
		return false;
	for (int i = 0; i < labels->n; i++)
	{
		if (strcmp(name, labels->label[i].name) != 0)
			return false;
		name += strlen(name) + 1;
	}
	return true;
}

/* TGI is told apart by this: an adapter of one server may be another's model. */
static bool
qc_is_own_name(const QcBodySpec *spec)
{
	return spec->model != NULL && strcmp(spec->model, spec->facts->model) == 0;
}

/* Every field of a QcBodySpec that a kind may look at, numbers first. */
static bool
qc_kept_fits(const QcKept *k, const QcBodySpec *spec)
{
	const QcFacts *facts = spec->facts;

	return k->template.before != NULL
		&& k->api == facts->api && k->stage == facts->stage
		&& k->refused == facts->refused && k->top_cap == facts->top_cap
		&& k->old_guided == facts->old_guided
		&& k->own_name == qc_is_own_name(spec)
		&& k->mode == spec->asked->mode && k->codes == spec->asked->codes
		&& k->temperature == spec->temperature && k->max_tokens == spec->max_tokens
		&& strcmp(k->model, spec->model ? spec->model : "") == 0
		&& strcmp(k->system, spec->system) == 0
		&& qc_kept_has_labels(k, spec->asked->labels);
}

static char *
qc_kept_copy_labels(const QcLabels *labels)
{
	size_t		room = 1;
	char	   *copy;
	char	   *at;

	for (int i = 0; i < labels->n; i++)
		room += strlen(labels->label[i].name) + 1;
	at = copy = malloc(room);
	for (int i = 0; copy != NULL && i < labels->n; i++)
	{
		size_t		n = strlen(labels->label[i].name) + 1;

		memcpy(at, labels->label[i].name, n);
		at += n;
	}
	return copy;
}

/* extra_body may hold anything: what is no sensible number is not told. */
static long
qc_number(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNumber(item) && item->valuedouble > 0 && item->valuedouble < 1e9
		? (long) item->valuedouble : 0;
}

void
qc_template_limits(const cJSON *body, long *answer_tokens, long *context_tokens)
{
	const cJSON *options = cJSON_GetObjectItemCaseSensitive(body, "options");

	*context_tokens = qc_number(options, "num_ctx");
	*answer_tokens = qc_number(options, "num_predict");
	if (*answer_tokens == 0)
		*answer_tokens = qc_number(body, "max_tokens");
	if (*answer_tokens == 0)
		*answer_tokens = qc_number(body, "max_completion_tokens");
}

/* Print a body with the mark for a text and split it there. */
static bool
qc_template_make(QcTemplate *template, const QcBodySpec *spec)
{
	QcBodySpec	marked = *spec;
	cJSON	   *body;
	char	   *printed;
	char	   *mark;

	marked.user = QC_MARK;
	body = qc_kind_of(spec->facts->api)->body(&marked);
	printed = body != NULL ? cJSON_PrintUnformatted(body) : NULL;
	if (printed != NULL)
	{
		qc_template_limits(body, &template->answer_tokens, &template->context_tokens);
		mark = strstr(printed, QC_QUOTED_MARK);
		if (mark != NULL && strstr(printed, QC_MARK) == mark + 1
			&& strstr(mark + strlen(QC_QUOTED_MARK), QC_MARK) == NULL)
		{
			template->after = strdup(mark + strlen(QC_QUOTED_MARK));
			*mark = '\0';
			template->before = printed;
			printed = NULL;
		}
	}
	cJSON_free(printed);
	cJSON_Delete(body);
	return template->before != NULL && template->after != NULL;
}

/* False leaves a half-filled place, which the caller empties. */
static bool
qc_kept_make(QcKept *k, const QcBodySpec *spec)
{
	const QcFacts *facts = spec->facts;

	k->api = facts->api;
	k->stage = facts->stage;
	k->refused = facts->refused;
	k->top_cap = facts->top_cap;
	k->old_guided = facts->old_guided;
	k->own_name = qc_is_own_name(spec);
	k->mode = spec->asked->mode;
	k->codes = spec->asked->codes;
	k->temperature = spec->temperature;
	k->max_tokens = spec->max_tokens;
	k->nlabels = spec->asked->labels->n;
	k->model = strdup(spec->model ? spec->model : "");
	k->system = strdup(spec->system);
	k->labels = qc_kept_copy_labels(spec->asked->labels);
	return k->model != NULL && k->system != NULL && k->labels != NULL
		&& qc_template_make(&k->template, spec);
}

/* The oldest place is given to a new one, in turn. */
const QcTemplate *
qc_template_get(const QcBodySpec *spec)
{
	QcKept	   *k;

	/* Rare, or of no fixed shape: not worth a comparison. */
	if (spec->extra_body != NULL || spec->asked->subset != NULL || spec->seed > 0 || spec->nturns > 0)
		return NULL;

	for (int i = 0; i < QC_KEPT_TEMPLATES; i++)
		if (qc_kept_fits(&kept[i], spec))
			return &kept[i].template;

	k = &kept[next_kept];
	next_kept = (next_kept + 1) % QC_KEPT_TEMPLATES;
	qc_kept_free(k);
	if (!qc_kept_make(k, spec))
	{
		qc_kept_free(k);
		return NULL;
	}
	return &k->template;
}
