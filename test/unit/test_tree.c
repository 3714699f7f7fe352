/*-------------------------------------------------------------------------
 *
 * test_tree.c
 *	  The levels of a tree of labels, and one verdict of theirs.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/joint.h"

#include "tap.h"

/*
 * 0 f
 *	 1 f/s
 *	 2 f/l
 *		3 f/l/h
 *		4 f/l/c
 * 5 g
 *	 6 g/x
 *	 7 g/y
 * 8 k
 *	 9 k/z
 * 10 p
 */
static const char *const tree_json =
"{\"f\": {\"\": \"money\", \"s\": \"shares\", \"l\": [\"h\", \"c\"]}, \"g\": [\"x\", \"y\"], \"k\": [\"z\"], \"p\": null}";

static const char *const examples_json =
"[{\"input\": \"one\", \"label\": \"f/l/h\", \"confidence\": 0.9, \"reason\": \"why\"},"
" {\"input\": \"two\", \"label\": \"p\", \"reason\": \"because\"}]";

#define MOST 12

/* A tree under question: levels as they are answered. */
typedef struct Asking
{
	QcPrompt   *prompt;
	QcVerdict	verdict[MOST];
	QcOpened	opened[MOST];
	int			n;
} Asking;

static Asking
ask(QcTreeWay way)
{
	Asking		a = {0};
	QcFault		fault = {0};

	a.prompt = qc_prompt_create(qc_labels_from_json(tree_json, strlen(tree_json), "/", &fault),
								"Mail.", examples_json, false, &fault);
	a.prompt->how.tree = way;
	return a;
}

static int
next(Asking *a)
{
	return qc_joint_next(a->prompt, a->opened, a->n);
}

/* The next level's answer: its label and n probabilities (n 0: none). */
static void
answer(Asking *a, int label, int n,...)
{
	QcVerdict  *v = &a->verdict[a->n];
	int			node = next(a);
	va_list		args;

	v->label = label;
	v->source = n > 0 ? QC_SOURCE_MASKED : QC_SOURCE_VERBAL;
	v->coverage = NAN;
	v->posterior = n > 0 ? calloc((size_t) n, sizeof(double)) : NULL;
	va_start(args, n);
	for (int i = 0; i < n; i++)
		v->posterior[i] = va_arg(args, double);
	v->confidence = n > 0 ? v->posterior[label] : va_arg(args, double);
	va_end(args);
	a->opened[a->n].node = node;
	a->opened[a->n].level = qc_prompt_level(a->prompt, node);
	v->nlabels = a->opened[a->n].level->prompt->labels->n;
	a->opened[a->n].verdict = v;
	a->n++;
}

static void
give_reason(Asking *a, const char *reason)
{
	a->verdict[a->n - 1].reason = strdup(reason);
}

/* The verdict is as said; what it has of all nodes sums to 1. */
static QcVerdict
verdict(Asking *a, const char *name, int label, double confidence)
{
	QcVerdict	out;
	double		sum = 0;

	tap_ok(qc_joint_verdict(a->prompt, a->opened, a->n, &out), name, "no memory");
	for (int i = 0; out.posterior != NULL && i < out.nlabels; i++)
		sum += out.posterior[i];
	tap_ok(out.label == label && fabs(out.confidence - confidence) < 1e-12 &&
		   (out.posterior == NULL || fabs(sum - 1) < 1e-12) && out.nlabels == 11,
		   name, "label %d, confidence %.17g, sum %.17g", out.label, out.confidence, sum);
	tap_ok(out.lo <= out.confidence + 1e-12 && out.hi >= out.confidence - 1e-12,
		   "its bounds hold it", "%g %g", out.lo, out.hi);
	return out;
}

static void
end(Asking *a, QcVerdict *out)
{
	for (int i = 0; i < a->n; i++)
		qc_verdict_free(&a->verdict[i]);
	qc_prompt_free(a->prompt);
	if (out != NULL)
		qc_verdict_free(out);
}

/* ---- levels ---- */

static void
test_levels(void)
{
	Asking		a = ask(QC_TREE_LEVELS);
	const QcLevel *root = qc_prompt_level(a.prompt, QC_ROOT);
	const QcLevel *f = qc_prompt_level(a.prompt, 0);
	const QcLevel *l = qc_prompt_level(a.prompt, 2);

	tap_ok(root->prompt->labels->n == 4 && root->node[3] == 10 && root->node[1] == 5 &&
		   strcmp(root->prompt->labels->label[1].name, "g") == 0 && !root->prompt->labels->tree,
		   "the root's level has the root's labels", "-");
	tap_ok(strcmp(root->prompt->labels->label[0].description, "money") == 0 &&
		   strcmp(root->prompt->labels->label[1].description, "x, y") == 0 &&
		   root->prompt->labels->label[3].description == NULL,
		   "one without a description is described by what is within it", "-");
	tap_ok(f->prompt->labels->n == 2 && strcmp(f->prompt->labels->label[1].name, "l") == 0 &&
		   strcmp(f->prompt->labels->label[0].description, "shares") == 0 && l->prompt->labels->n == 2,
		   "a node's level has what is right within it, by its own name", "-");
	tap_ok(strstr(qc_prompt_system(l->prompt, QC_MODE_LABEL, false), "\"f/l\"") != NULL &&
		   strstr(qc_prompt_system(l->prompt, QC_MODE_LABEL, false), "- h\n- c\n") != NULL &&
		   strstr(qc_prompt_system(l->prompt, QC_MODE_LABEL, false), "Mail.") != NULL &&
		   strstr(qc_prompt_system(root->prompt, QC_MODE_LABEL, false), "belong") == NULL,
		   "its message says where it is", "%s", qc_prompt_system(l->prompt, QC_MODE_LABEL, false));
	tap_ok(qc_prompt_level(a.prompt, 0) == f, "a level is made once", "-");
	tap_ok(root->prompt->nexamples == 2 && root->prompt->example[0].label == 0 &&
		   root->prompt->example[0].reason == NULL && isnan(root->prompt->example[0].confidence) &&
		   root->prompt->example[1].label == 3 && strcmp(root->prompt->example[1].reason, "because") == 0,
		   "an example speaks of what its label is within; its reason is for its label alone", "-");
	tap_ok(f->prompt->nexamples == 1 && f->prompt->example[0].label == 1 && l->prompt->nexamples == 1 &&
		   strcmp(l->prompt->example[0].reason, "why") == 0,
		   "and stands in the levels on its path alone", "-");
	end(&a, NULL);
}

static void
test_flat_level(void)
{
	Asking		a = ask(QC_TREE_FLAT);
	const QcLevel *root = qc_prompt_level(a.prompt, QC_ROOT);

	tap_ok(root->prompt->labels->n == 7 && root->node[0] == 1 && root->node[6] == 10 &&
		   strcmp(root->prompt->labels->label[1].name, "f/l/h") == 0,
		   "flat there is one level, of all leaves by their paths", "%d", root->prompt->labels->n);
	end(&a, NULL);
}

/* ---- the way down ---- */

static void
test_way(void)
{
	Asking		a = ask(QC_TREE_LEVELS);
	QcVerdict	out;

	tap_ok(next(&a) == QC_ROOT, "the root's level is first", "%d", next(&a));
	answer(&a, 0, 4, .9, .04, .03, .03);
	tap_ok(next(&a) == 0, "then that of its answer", "%d", next(&a));
	answer(&a, 1, 2, .2, .8);
	tap_ok(next(&a) == 2, "and so on", "%d", next(&a));
	answer(&a, 0, 2, .75, .25);
	tap_ok(next(&a) == QC_NO_NODE, "down to a leaf", "%d", next(&a));
	out = verdict(&a, "a leaf's probability is the product", 3, .9 * .8 * .75);
	tap_ok(fabs(out.posterior[5] - .04) < 1e-12 && out.posterior[6] == 0 && out.posterior[0] == 0 &&
		   fabs(out.posterior[1] - .18) < 1e-12 && fabs(out.posterior[4] - .18) < 1e-12,
		   "a node that was not opened keeps what it has, one that was has nothing", "-");
	end(&a, &out);
}

static void
test_leaf_at_the_root(void)
{
	Asking		a = ask(QC_TREE_LEVELS);
	QcVerdict	out;

	answer(&a, 3, 4, .1, .1, .1, .7);
	tap_ok(next(&a) == QC_NO_NODE, "no node is opened that cannot hold a likelier leaf", "%d", next(&a));
	out = verdict(&a, "a leaf at the root needs one level", 10, .7);
	end(&a, &out);
}

static void
test_other_branches(void)
{
	Asking		a = ask(QC_TREE_LEVELS);
	QcVerdict	out;

	answer(&a, 0, 4, .4, .35, .2, .05);
	answer(&a, 0, 2, .5, .5);
	tap_ok(next(&a) == 5, "the likeliest node is opened that may hold a likelier leaf", "%d", next(&a));
	answer(&a, 1, 2, .4, .6);
	tap_ok(next(&a) == QC_NO_NODE, "until none may", "%d", next(&a));
	out = verdict(&a, "the likeliest leaf may be in another branch", 7, .35 * .6);
	tap_ok(fabs(out.posterior[2] - .2) < 1e-12 && out.posterior[3] == 0, "whose own mass stays", "-");
	end(&a, &out);
}

static void
test_few_branches(void)
{
	Asking		a = ask(QC_TREE_LEVELS);
	QcVerdict	out;

	answer(&a, 0, 4, .34, .33, .32, .01);
	answer(&a, 1, 2, .5, .5);
	answer(&a, 0, 2, .5, .5);
	tap_ok(next(&a) == 5, "one more", "%d", next(&a));
	answer(&a, 0, 2, .5, .5);
	tap_ok(next(&a) == 8, "and one more", "%d", next(&a));
	answer(&a, 0, 1, 1.0);
	tap_ok(next(&a) == QC_NO_NODE, "at most two levels beside the way down", "%d", next(&a));
	out = verdict(&a, "a single label within one has all of it", 9, .32);
	end(&a, &out);
}

/* ---- the threshold ---- */

static void
test_threshold(double min, int label, double confidence)
{
	Asking		a = ask(QC_TREE_LEVELS);
	QcVerdict	out;

	a.prompt->how.min_confidence = min;
	answer(&a, 0, 4, .9, .04, .03, .03);
	answer(&a, 1, 2, .2, .8);
	answer(&a, 0, 2, .75, .25);
	out = verdict(&a, "the deepest node that is likely enough", label, confidence);
	tap_ok(fabs(out.lo - confidence) < 1e-12 && fabs(out.hi - confidence) < 1e-12,
		   "bounds where all is settled", "%g %g", out.lo, out.hi);
	end(&a, &out);
}

static void
test_flat(double min, int label, double confidence)
{
	Asking		a = ask(QC_TREE_FLAT);
	QcVerdict	out;

	a.prompt->how.min_confidence = min;
	answer(&a, 1, 7, .2, .3, .25, .1, .05, .05, .05);
	tap_ok(next(&a) == QC_NO_NODE, "flat there is one request", "%d", next(&a));
	out = verdict(&a, "flat, a node has what its leaves have", label, confidence);
	tap_ok(fabs(out.posterior[3] - .3) < 1e-12 && out.posterior[2] == 0, "and nothing beside", "-");
	end(&a, &out);
}

/* ---- reasons, and servers without probabilities ---- */

static void
test_reason(void)
{
	Asking		a = ask(QC_TREE_LEVELS);
	QcVerdict	out;

	answer(&a, 1, 4, .3, .6, .05, .05);
	answer(&a, 0, 2, .45, .55);
	give_reason(&a, "it is x");
	out = verdict(&a, "the label is the one that the reason speaks of", 6, .6 * .45);
	tap_ok(out.reason != NULL && strcmp(out.reason, "it is x") == 0, "the reason is the leaf's", "-");
	end(&a, &out);
}

static void
test_words(double second, double min, int label, double confidence)
{
	Asking		a = ask(QC_TREE_LEVELS);
	QcVerdict	out;

	a.prompt->how.min_confidence = min;
	answer(&a, 1, 0, .9);
	tap_ok(next(&a) == 5, "without probabilities the answer alone is followed", "%d", next(&a));
	answer(&a, 1, 0, second);
	if (isnan(second))
		a.verdict[1].source = QC_SOURCE_NONE;
	tap_ok(next(&a) == QC_NO_NODE, "and no other", "%d", next(&a));
	tap_ok(qc_joint_verdict(a.prompt, a.opened, a.n, &out), "words", "no memory");
	tap_ok(out.label == label && out.posterior == NULL &&
		   (isnan(confidence) ? isnan(out.confidence) && out.source == QC_SOURCE_NONE :
			fabs(out.confidence - confidence) < 1e-12 && out.source == QC_SOURCE_VERBAL),
		   "words multiply, where there are any", "%d %g %d", out.label, out.confidence, out.source);
	end(&a, &out);
}

/* Half of a level's mass on two labels that it did not tell apart. */
static void
test_bounds(void)
{
	Asking		a = ask(QC_TREE_LEVELS);
	QcVerdict	out;
	static int	member[] = {0, 1};
	static QcSubtree subtree = {member, 2, .4};

	answer(&a, 0, 4, .5, .2, .2, .1);
	answer(&a, 0, 2, .6, .4);
	a.verdict[1].subtree = &subtree;
	a.verdict[1].nsubtrees = 1;
	a.verdict[1].source = QC_SOURCE_RENORM;
	out = verdict(&a, "unsettled", 1, .3);
	tap_ok(fabs(out.lo - .5 * .4) < 1e-12 && fabs(out.hi - .5 * .8) < 1e-12, "bounds multiply", "%g %g", out.lo, out.hi);
	tap_ok(out.source == QC_SOURCE_RENORM, "of two sources the weaker one is named", "%d", out.source);
	a.verdict[1].subtree = NULL;
	a.verdict[1].nsubtrees = 0;
	end(&a, &out);
}

int
main(void)
{
	test_levels();
	test_flat_level();
	test_way();
	test_leaf_at_the_root();
	test_other_branches();
	test_few_branches();
	test_threshold(0, 3, .54);
	test_threshold(.54, 3, .54);
	test_threshold(.6, 2, .72);
	test_threshold(.85, 0, .9);
	test_threshold(.95, 0, .9);
	test_flat(0, 3, .3);
	test_flat(.5, 2, .55);
	test_flat(.7, 0, .75);
	test_flat(.99, 0, .75);
	test_reason();
	test_words(.8, 0, 7, .72);
	test_words(.8, .75, 5, .9);
	test_words(NAN, .75, 7, NAN);
	test_bounds();
	return tap_end();
}
