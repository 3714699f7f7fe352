/*-------------------------------------------------------------------------
 *
 * test_memory.c
 *	  Each allocation fails once: nothing crashes, leaks or lies.
 *
 * The linker sends the allocations of prompt/ here (--wrap), cJSON's come
 * through its hooks.  Leaks are the sanitizer's to find.
 *
 *-------------------------------------------------------------------------
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/answer.h"
#include "prompt/block.h"
#include "prompt/clean.h"
#include "prompt/combine.h"
#include "prompt/joint.h"
#include "prompt/pool.h"
#include "prompt/segment.h"

#include "replies.h"
#include "tap.h"

extern void *__real_malloc(size_t size);
extern void *__real_calloc(size_t n, size_t size);
extern void *__real_realloc(void *p, size_t size);
extern void *__wrap_malloc(size_t size);
extern void *__wrap_calloc(size_t n, size_t size);
extern void *__wrap_realloc(void *p, size_t size);

/* The allocation that fails, counted down; 0: none does any more. */
static long fail_at = 0;

/* A verdict that a failed allocation made wrong. */
static bool lied = false;

static bool
fails(void)
{
	return fail_at > 0 && --fail_at == 0;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

static const char labels_json[] = "{\"card\": null, \"top_a\": \"x\", \"top_b\": null}";
static const char examples_json[] =
"[{\"input\": \"a\", \"label\": \"card\", \"confidence\": 1, \"reason\": \"x\"}]";

static const Pos label_pos[] = {
	{{"card", .5}, {"top", .3}, {"x", .2}}, {{END, 1}}
};

static const Pos object_pos[] = {
	{{"{\"label\":\"", 1}}, {{"top", .6}, {"card", .4}}, {{"_a", .7}, {"_b", .3}},
	{{"\",\"reason\":\"it is\"}", 1}}, {{END, 1}}
};

static const char pool_json[] =
"[{\"input\": \"one more\", \"label\": \"card\"}, {\"input\": \"one less\", \"label\": \"top_a\"}]";

/* A pool, a block and what is shown of them. */
static bool
choose(QcPrompt *prompt, QcFault *fault)
{
	const QcTold told[] = {{"one", 0, true}, {"two", 1, false}};
	QcChosen	chosen;
	int			pick[2];
	char	   *lines;
	bool		good;

	if (!qc_pool_read(prompt, pool_json, 2, fault))
		return false;
	qc_pool_choose(prompt, "one", 3, &chosen);
	lines = qc_pool_lines(prompt, &chosen, QC_MODE_REASON, "s");
	good = lines != NULL && qc_choose_block(told, 2, 3, 2, 1, pick) == 2;
	free(lines);
	return good;
}

/* Prompt and messages; returns whether all of it worked. */
static bool
make_prompt(void)
{
	QcFault		fault = {0};
	QcLabels   *labels = qc_labels_from_json(labels_json, strlen(labels_json), "/", &fault);
	QcPrompt   *prompt;
	char	   *message;
	bool		cut;
	bool		good;

	if (labels == NULL)
		return false;
	qc_labels_find(labels, "CARD", 4);
	prompt = qc_prompt_create(labels, " some ", examples_json, false, &fault);
	if (prompt == NULL)
		return false;
	good = qc_prompt_system(prompt, QC_MODE_VERBAL_REASON, true) != NULL;
	good = good && choose(prompt, &fault);
	message = qc_user_message("a <think> b", 11, 5, &cut);
	good = good && message != NULL;
	free(message);
	qc_prompt_free(prompt);
	return good;
}

static const char *const tree_json = "{\"a\": {\"\": \"x\", \"b\": null, \"c\": [\"d\"]}, \"e\": \"f\"}";
static const char *const tree_examples = "[{\"input\": \"i\", \"label\": \"a/c/d\", \"reason\": \"r\"}]";

/* A tree, its levels and a verdict of two of them. */
static bool
make_tree(void)
{
	QcFault		fault = {0};
	QcLabels   *labels = qc_labels_from_json(tree_json, strlen(tree_json), "/", &fault);
	QcPrompt   *prompt = labels ? qc_prompt_create(labels, "some", tree_examples, false, &fault) : NULL;
	double		p[] = {.6, .4};
	QcVerdict	one = {.label = 1, .nlabels = 2, .confidence = .4, .posterior = p};
	QcVerdict	out = {0};
	QcOpened	opened[1] = {{QC_ROOT, NULL, &one}};
	bool		good;

	if (prompt == NULL)
		return false;
	good = qc_prompt_level(prompt, 0) != NULL && qc_prompt_level(prompt, 2) != NULL;
	opened[0].level = qc_prompt_level(prompt, QC_ROOT);
	good = good && opened[0].level != NULL && qc_joint_next(prompt, opened, 1) == 0;
	if (good && qc_joint_verdict(prompt, opened, 1, &out))
		lied |= out.label != 4 || fabs(out.confidence - .4) > 1e-12;
	else
		good = false;
	qc_verdict_free(&out);
	qc_prompt_free(prompt);
	return good;
}

static void
test_tree(void)
{
	long		n = 0;
	bool		good;

	do
	{
		fail_at = ++n;
		good = make_tree();
	} while (fail_at == 0 && n < 10000);
	fail_at = 0;
	tap_ok(good && !lied && n > 20, "a tree", "%ld, lied %d", n, lied);
}

/* A reply and its verdict; a failure may cost the number, never make one. */
static bool
read_reply(const char *body, size_t len, const QcAsked *asked, int label, double confidence)
{
	QcReply		reply;
	QcVerdict	v;
	char		said[81];
	QcReading	reading;
	bool		good = qc_reply_parse(body, len, &reply);

	reading = qc_verdict_read(&reply, asked, &v, said);
	if (reading == QC_READ_OK && (v.label != label ||
								  (!isnan(v.confidence) && fabs(v.confidence - confidence) > 1e-9)))
		lied = true;
	else
		good = good && reading == QC_READ_OK && !isnan(v.confidence);
	if (reading == QC_READ_OK && v.nsubtrees > 0)
	{
		QcAsked		again = *asked;
		QcVerdict	child;
		const int	subset[] = {1, 2};

		again.subset = subset;
		again.nsubset = 2;
		qc_verdict_read(&reply, &again, &child, NULL);
		qc_verdict_refine(&v, 0, &child, asked->mode);
		qc_verdict_free(&child);
	}
	qc_verdict_free(&v);
	qc_reply_free(&reply);
	return good;
}

static void
test_prompt(void)
{
	long		n = 0;
	bool		good;

	do
	{
		fail_at = ++n;
		good = make_prompt();
	} while (fail_at == 0 && n < 10000);	/* until none was left to fail */
	fail_at = 0;
	tap_ok(good && n > 20, "a prompt", "%ld", n);
}

static void
test_reply(const char *name, QcMode mode, const char *content, const Pos *pos, int npos,
		   int label, double confidence)
{
	static Out	out;
	QcFault		fault;
	QcLabels   *labels = qc_labels_from_json(labels_json, strlen(labels_json), "/", &fault);
	QcAsked		asked = {labels, mode, false, NULL, 0};
	long		n = 0;
	bool		good;

	put_body(&out, content, "stop", pos, npos, LLAMACPP);
	do
	{
		fail_at = ++n;
		good = read_reply(out.body, out.len, &asked, label, confidence);
	} while (fail_at == 0 && n < 10000);
	fail_at = 0;
	tap_ok(good && !lied && n > 20, name, "%ld, lied %d", n, lied);
	qc_labels_free(labels);
}

static const char dirty[] = "x &amp; <p>caf\xC3\x83\xC2\xA9 \xE2\x80\x8B!!!!!</p>\nhttp://a.b\nUnsubscribe\n\xFF  y\n-- \nz";

/* NULL, or the text as it should be: never half of it. */
static void
test_clean(void)
{
	QcCleanOptions options;
	size_t		len;
	bool		stopped;
	char	   *whole;
	char	   *seen;
	long		n = 0;

	qc_clean_defaults(&options);
	options.urls = QC_URLS_DOMAIN;
	whole = qc_clean(dirty, strlen(dirty), &options, &len, &stopped);
	do
	{
		fail_at = ++n;
		seen = qc_clean(dirty, strlen(dirty), &options, &len, &stopped);
		lied = lied || stopped || (seen != NULL && strcmp(seen, whole) != 0);
		if (fail_at != 0)
			break;
		free(seen);
	} while (n < 10000);
	fail_at = 0;
	tap_ok(seen != NULL && !lied && n > 10, "a dirty text", "%ld, lied %d: %s", n, lied, whole);
	free(seen);
	free(whole);
}

/* Pieces of a text and a verdict of two of them. */
static bool
split_and_combine(void)
{
	static const char text[] = "one two three four five six seven eight nine ten";
	QcVerdict	part[2] = {{.nlabels = 3,.confidence = .9}, {.label = 1,.nlabels = 3,.confidence = .8}};
	QcVerdict  *draw[2] = {&part[0], &part[1]};
	QcShare		share[2] = {{&part[0], 1}, {&part[1], 2}};
	QcVerdict	voted;
	QcVerdict	joined;
	size_t		n;
	QcSegment  *segment = qc_segments(text, strlen(text), 4, &n);
	bool		good = segment != NULL;

	good &= qc_verdict_vote(draw, 2, &voted);
	good &= qc_verdict_join(share, 2, &joined);
	qc_verdict_free(&voted);
	qc_verdict_free(&joined);
	free(segment);
	return good;
}

static void
test_combine(void)
{
	long		n = 0;
	bool		good;

	do
	{
		fail_at = ++n;
		good = split_and_combine();
	} while (fail_at == 0 && n < 10000);
	fail_at = 0;
	tap_ok(good && n > 3, "segments and what they come to", "%ld", n);
}

int
main(void)
{
	cJSON_Hooks hooks = {__wrap_malloc, free};

	cJSON_InitHooks(&hooks);
	test_prompt();
	test_combine();
	test_clean();
	test_tree();
	test_reply("a label", QC_MODE_LABEL, "card", label_pos, 2, 0, .5 / .8);
	test_reply("an object", QC_MODE_REASON, "{\"label\":\"top_a\",\"reason\":\"it is\"}", object_pos, 5, 1, .42);
	return tap_end();
}
