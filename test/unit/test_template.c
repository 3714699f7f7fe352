/*-------------------------------------------------------------------------
 *
 * test_template.c
 *	  A body written around a text is the body of that text; and how much of
 *	  a text is sent.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/cut.h"
#include "net/template.h"

#include "tap.h"

static QcLabel two[] = {{(char *) "refund", NULL}, {(char *) "差评", NULL}};
static QcLabel other[] = {{(char *) "refund", NULL}, {(char *) "好评", NULL}};
static QcLabels labels = {.n = 2,.label = two};
static QcLabels other_labels = {2, other};

static QcAsked asked;
static QcFacts facts;
static QcBodySpec spec;

static void
reset(QcApi api, QcMode mode)
{
	memset(&facts, 0, sizeof(facts));
	memset(&asked, 0, sizeof(asked));
	memset(&spec, 0, sizeof(spec));
	facts.api = api;
	asked.labels = &labels;
	asked.mode = mode;
	spec.model = "m";
	spec.system = "Classify \"it\".";
	spec.user = "plain";
	spec.asked = &asked;
	spec.facts = &facts;
	spec.max_tokens = 160;
}

/* The body by its template, for a text without escapes. */
static char *
by_template(void)
{
	const QcTemplate *t = qc_template_get(&spec);
	size_t		room;
	char	   *body;

	if (t == NULL)
		return NULL;
	room = strlen(t->before) + strlen(spec.user) + strlen(t->after) + 3;
	body = malloc(room);
	snprintf(body, room, "%s\"%s\"%s", t->before, spec.user, t->after);
	return body;
}

static bool
same_body(void)
{
	cJSON	   *tree = qc_kind_of(facts.api)->body(&spec);
	char	   *direct = cJSON_PrintUnformatted(tree);
	char	   *joined = by_template();
	bool		same = joined != NULL && strcmp(direct, joined) == 0;

	cJSON_Delete(tree);
	free(direct);
	free(joined);
	return same;
}

static void
test_same(void)
{
	for (int i = 0; qc_kinds[i] != NULL; i++)
		for (int mode = 0; mode < QC_N_MODES; mode++)
		{
			char		name[64];

			reset(qc_kinds[i]->api, (QcMode) mode);
			snprintf(name, sizeof(name), "%s, mode %d: as if built for the text",
					 qc_kinds[i]->name, mode);
			tap_ok(same_body() && same_body(), name, "another body");
		}
}

/* Whatever shapes a body makes another template. */
static void
test_different(void)
{
	static const char *const what[] = {
		"labels", "refused field", "cap", "model", "system", "limit", "temperature", "codes"
	};

	for (int i = 0; i < 8; i++)
	{
		char		name[64];

		reset(QC_API_VLLM, QC_MODE_LABEL);
		(void) same_body();
		if (i == 0)
			asked.labels = &other_labels;
		else if (i == 1)
			facts.refused = QC_REFUSED_CONSTRAINT;
		else if (i == 2)
			facts.top_cap = 5;
		else if (i == 3)
			spec.model = "other";
		else if (i == 4)
			spec.system = "Other words.";
		else if (i == 5)
			spec.max_tokens = 80;
		else if (i == 6)
			spec.temperature = 0.5;
		else
			asked.codes = true;
		snprintf(name, sizeof(name), "another %s is seen", what[i]);
		tap_ok(same_body(), name, "the old body came");
	}

	reset(QC_API_VLLM, QC_MODE_LABEL);
	spec.seed = 1;
	tap_ok(qc_template_get(&spec) == NULL, "a draw is written by itself", "taken");

	reset(QC_API_TGI, QC_MODE_LABEL);
	(void) same_body();
	strcpy(facts.model, spec.model);
	tap_ok(same_body(), "another model of the server itself is seen", "the old body came");

	reset(QC_API_OPENAI, QC_MODE_LABEL);
	spec.system = "It says \"@qwen_classify:the-text-of-the-row@\" itself.";
	tap_ok(qc_template_get(&spec) == NULL, "a mark in the message is no place for the text", "taken");
}

static void
test_limits(void)
{
	const QcTemplate *t;

	reset(QC_API_OLLAMA, QC_MODE_REASON);
	t = qc_template_get(&spec);
	tap_ok(t != NULL && t->context_tokens > 1000 && t->answer_tokens >= 160,
		   "Ollama's limits are read back", "%ld", t ? t->context_tokens : -1);
	reset(QC_API_OPENAI, QC_MODE_REASON);
	t = qc_template_get(&spec);
	tap_ok(t != NULL && t->context_tokens == 0 && t->answer_tokens == 160,
		   "max_tokens is read back", "%ld", t ? t->answer_tokens : -1);
}

static void
test_cut(void)
{
	static char text[40001];
	size_t		n;

	memset(text, 'x', 40000);
	tap_ok(qc_cut_chars("a差b", 5) == 3, "characters are counted", "%zu", qc_cut_chars("a差b", 5));
	tap_ok(fabs(qc_cut_tokens("差评", 6) - 3) < 1e-9, "1.5 tokens a Chinese character", "-");
	tap_ok(qc_cut_to_context(text, 1000, "s", 0, 64) == 0, "no context told: whole", "cut");
	tap_ok(qc_cut_to_context(text, 1000, "s", 4096, 64) == 0, "what fits is whole", "cut");
	n = qc_cut_to_context(text, 40000, "s", 4096, 64);
	tap_ok(n > 9000 && n < 4096 * 2.5, "what does not fit is cut with care", "%zu", n);

	tap_ok(qc_cut_again(4000, "s", 0, 0, 64) == 3000, "nothing told: three quarters", "%zu",
		   qc_cut_again(4000, "s", 0, 0, 64));
	n = qc_cut_again(40000, "s", 4096, 10000, 64);
	tap_ok(n > 12000 && n < 16200, "numbers told: to fit", "%zu", n);
	tap_ok(qc_cut_again(40000, text, 2048, 10000, 2048) == 0, "no room at all", "some");
	tap_ok(qc_cut_again(10, "s", 0, 0, 64) == 0, "a few characters are not cut", "cut");
}

int
main(void)
{
	test_same();
	test_different();
	test_limits();
	test_cut();
	return tap_end();
}
