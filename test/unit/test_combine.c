/*-------------------------------------------------------------------------
 *
 * test_combine.c
 *	  One verdict of several.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/combine.h"
#include "prompt/sibling.h"

#include "tap.h"

#define MOST 20

/* A draw of label, of n labels; word NaN: the model said no number. */
static QcVerdict
drawn(int label, int n, double word, const char *reason)
{
	QcVerdict	draw = {0};

	draw.coverage = NAN;
	draw.label = label;
	draw.nlabels = n;
	draw.confidence = word;
	draw.source = isnan(word) ? QC_SOURCE_NONE : QC_SOURCE_VERBAL;
	draw.reason = reason ? strdup(reason) : NULL;
	return draw;
}

static void
free_all(QcVerdict *draw, int n, QcVerdict *out)
{
	for (int i = 0; i < n; i++)
		qc_verdict_free(&draw[i]);
	qc_verdict_free(out);
}

/* labels: a digit each. */
static void
vote(const char *labels, int nlabels, int label, double confidence)
{
	QcVerdict	draw[MOST];
	QcVerdict  *of[MOST];
	QcVerdict	out;
	int			n = (int) strlen(labels);
	double		sum = 0;

	for (int i = 0; i < n; i++)
	{
		draw[i] = drawn(labels[i] - '0', nlabels, NAN, NULL);
		of[i] = &draw[i];
	}
	tap_ok(qc_verdict_vote(of, n, &out), labels, "no memory");
	for (int i = 0; i < nlabels; i++)
		sum += out.posterior[i];
	tap_ok(out.label == label && fabs(out.confidence - confidence) < 1e-12 &&
		   out.source == QC_SOURCE_VOTE && out.nlabels == nlabels && fabs(sum - 1) < 1e-12 &&
		   isnan(out.coverage) && isnan(out.verbal) && out.lo == out.confidence,
		   labels, "label %d, confidence %.17g, sum %.17g", out.label, out.confidence, sum);
	free_all(draw, n, &out);
}

static void
words_and_reasons(void)
{
	QcVerdict	draw[4] = {
		drawn(0, 3, .9, "first"), drawn(2, 3, .5, NULL), drawn(2, 3, NAN, "second"), drawn(2, 3, .7, "third")
	};
	QcVerdict  *of[4] = {&draw[0], &draw[1], &draw[2], &draw[3]};
	QcVerdict	out;

	tap_ok(qc_verdict_vote(of, 4, &out), "draws with words", "no memory");
	tap_ok(out.label == 2 && strcmp(out.reason, "second") == 0,
		   "the reason is the first that was given for the label", "%s", out.reason);
	tap_ok(fabs(out.verbal - .6) < 1e-12, "the word is the mean over the label's draws that said one",
		   "%g", out.verbal);
	free_all(draw, 4, &out);
}

/* A verdict of yes or no; p NaN: no number. */
static QcVerdict
yes_or_no(double p, bool yes, QcSource source)
{
	QcVerdict	answer = {0};

	answer.label = yes ? QC_YES : QC_NO;
	answer.nlabels = 2;
	answer.coverage = NAN;
	answer.source = source;
	answer.confidence = isnan(p) ? NAN : yes ? p : 1 - p;
	if (source == QC_SOURCE_RENORM)
	{
		answer.posterior = calloc(2, sizeof(double));
		answer.posterior[QC_YES] = p;
		answer.posterior[QC_NO] = 1 - p;
		answer.coverage = p;
	}
	return answer;
}

static void
each(void)
{
	QcVerdict	answer[3] = {yes_or_no(0.9, true, QC_SOURCE_RENORM), yes_or_no(0.2, false, QC_SOURCE_RENORM),
	yes_or_no(0.6, true, QC_SOURCE_RENORM)};
	QcVerdict  *of[3] = {&answer[0], &answer[1], &answer[2]};
	QcVerdict	out;
	bool		good = qc_verdict_each(of, 3, &out);

	tap_ok(good, "each label", "no memory");
	tap_ok(out.label == -1 && out.nlabels == 3 && out.posterior[0] == 0.9 && out.posterior[1] == 0.2 && out.posterior[2] == 0.6,
		   "probabilities label by label", "%g %g %g", out.posterior[0], out.posterior[1], out.posterior[2]);
	tap_ok(out.confidence == 0.6 && out.coverage == 0.2 && out.source == QC_SOURCE_RENORM, "as sure as the least sure",
		   "%g %g %d", out.confidence, out.coverage, out.source);
	free_all(answer, 3, &out);

	answer[0] = yes_or_no(0.7, false, QC_SOURCE_VERBAL);
	answer[1] = yes_or_no(0.9, true, QC_SOURCE_RENORM);
	good = qc_verdict_each(of, 2, &out);
	tap_ok(good && fabs(out.posterior[0] - 0.7) < 1e-12 && out.source == QC_SOURCE_VERBAL &&
		   isnan(out.coverage) && fabs(out.confidence - 0.7) < 1e-12, "a no that the model is unsure of", "%g %g", out.posterior[0], out.confidence);
	free_all(answer, 2, &out);

	answer[0] = yes_or_no(NAN, true, QC_SOURCE_NONE);
	answer[1] = yes_or_no(NAN, false, QC_SOURCE_NONE);
	good = qc_verdict_each(of, 2, &out);
	tap_ok(good && out.posterior[0] == 1 && out.posterior[1] == 0 && isnan(out.confidence) &&
		   out.source == QC_SOURCE_NONE, "without a number yes is yes, and confidence unknown", "%g", out.confidence);
	free_all(answer, 2, &out);
}

/* Over its orders a label stands at each end as often; a verdict comes back to its own labels. */
static void
orders(int n, bool abstains)
{
	QcLabels   *labels;
	QcPrompt   *prompt;
	QcFault		fault = {0};
	const char *name[] = {"a", "b", "c", "d", "e", "f"};
	bool		good = true;

	labels = qc_labels_from_names(name, n, &fault);
	if (abstains)
		qc_labels_add_none(labels, &fault);
	prompt = qc_prompt_create(labels, "x", "[{\"input\": \"i\", \"label\": \"a\"}]", false, &fault);
	for (int order = 0; order < QC_MOST_ORDERS; order++)
	{
		QcPrompt   *sibling = qc_prompt_ordered(prompt, order);
		int			at[8];
		bool		seen[8] = {false};
		QcVerdict	v = drawn(0, labels->n, NAN, NULL);

		good &= sibling == qc_prompt_ordered(prompt, order) && sibling->labels->n == labels->n;
		for (int i = 0; i < labels->n; i++)
		{
			at[i] = qc_order_at(labels, order, i);
			good &= !seen[at[i]] && strcmp(sibling->labels->label[i].name, labels->label[at[i]].name) == 0;
			seen[at[i]] = true;
		}
		good &= sibling->labels->abstains == abstains && (!abstains || at[n] == n);
		good &= strcmp(sibling->labels->label[sibling->example[0].label].name, "a") == 0;
		if (order == 0 || n > 2)
			good &= (strcmp(qc_prompt_system(sibling, QC_MODE_LABEL, false),
							qc_prompt_system(prompt, QC_MODE_LABEL, false)) == 0) == (order == 0);
		v.posterior = calloc((size_t) labels->n, sizeof(double));
		v.posterior[0] = 0.9;
		v.subtree = calloc(1, sizeof(QcSubtree));
		v.subtree[0].member = calloc(2, sizeof(int));
		v.subtree[0].member[1] = 1;
		v.subtree[0].n = 2;
		v.nsubtrees = 1;
		good &= qc_verdict_reorder(&v, at) && v.label == at[0] && v.posterior[at[0]] == 0.9 &&
			v.subtree[0].member[0] == at[0] && v.subtree[0].member[1] == at[1];
		qc_verdict_free(&v);
	}
	tap_ok(good, "orders", "of %d labels", n);
	qc_prompt_free(prompt);
}

static void
order_of_texts(void)
{
	int			n[4] = {0};
	char		text[16];

	for (int i = 0; i < 4000; i++)
	{
		int			len = snprintf(text, sizeof(text), "text %d", i);

		n[qc_order_of(text, (size_t) len, 4)]++;
	}
	tap_ok(n[0] > 900 && n[1] > 900 && n[2] > 900 && n[3] > 900, "texts take all orders alike", "%d %d %d %d", n[0], n[1], n[2], n[3]);
	tap_ok(qc_order_of("text 1", 6, 1) == 0 && qc_order_of("text 1", 6, 0) == 0, "one order is the order", "not");
	tap_ok(qc_order_of("a bug", 5, 4) == 0, "the same for ever", "%d", qc_order_of("a bug", 5, 4));
}

static void
yes_no_prompts(void)
{
	QcFault		fault = {0};
	const char *json = "{\"a \\\"b\\\"\": \"<|im_end|> x\", \"c\": null}";
	QcPrompt   *prompt = qc_prompt_create(qc_labels_from_json(json, strlen(json), "/", &fault), "Mail.",
										  "[{\"input\": \"i\", \"label\": \"c\"}]", true, &fault);
	QcPrompt   *first = qc_prompt_each(prompt, 0);
	QcPrompt   *second = qc_prompt_each(prompt, 1);
	bool		cut;
	char	   *user = qc_prompt_user(second, "the text", 8, 0, &cut);
	const char *system = qc_prompt_system(first, QC_MODE_LABEL, false);

	tap_ok(first != second && first == qc_prompt_each(prompt, 0) && first->labels->n == 2 && !first->codes, "a prompt a label", "not");
	tap_ok(system == qc_prompt_system(second, QC_MODE_LABEL, false), "with one system message", "not");
	tap_ok(strstr(system, "Mail.") == system && strstr(system, "Labels of texts:\n- a \"b\": <") != NULL && strstr(system, "Text: \"i\"\nIs \"c\" one of the labels of the text? Yes\n\nAnswer Yes or No and") != NULL,
		   "which has instructions and examples", "%s", system);
	tap_ok(strstr(system, "Text: \"c\"\nIs \"c\" one of the labels of the text? Yes\nIs \"a \\\"b\\\"\" one of the labels of the text? No\n") != NULL && strstr(system, "<|im_end|>") == NULL,
		   "and a text made of each label, with two answers", "%s", system);
	tap_ok(strcmp(user, "the text\n\nIs \"c\" one of the labels of the text?") == 0, "text first, question last", "%s", user);
	free(user);
	user = qc_prompt_user(first, "the long text", 13, 8, &cut);
	tap_ok(cut && strstr(user, "\\\"b\\\"") != NULL && strstr(user, " one of the labels of the text?") != NULL,
		   "a cut takes nothing of the question", "%s", user);
	free(user);
	qc_prompt_free(prompt);
}

/* A verdict with probabilities. */
static QcVerdict
sure(int label, const double *p, int n, double coverage, const char *reason)
{
	QcVerdict	verdict = drawn(label, n, NAN, reason);

	verdict.posterior = malloc(sizeof(double) * (size_t) n);
	memcpy(verdict.posterior, p, sizeof(double) * (size_t) n);
	verdict.source = QC_SOURCE_RENORM;
	verdict.confidence = verdict.lo = verdict.hi = p[label];
	verdict.coverage = coverage;
	return verdict;
}

static void
guard(const char *name, QcVerdict whole, QcVerdict rest, bool suspect, int label,
	  double confidence, const char *reason)
{
	QcVerdict	both[2] = {whole, rest};
	QcVerdict	out;

	qc_verdict_guard(&both[0], &both[1], &out);
	tap_ok(out.suspect == suspect && out.label == label &&
		   (isnan(confidence) ? isnan(out.confidence) : fabs(out.confidence - confidence) < 1e-12) &&
		   (reason == NULL ? out.reason == NULL : out.reason && strcmp(out.reason, reason) == 0),
		   name, "%d, label %d, confidence %f, %s", out.suspect, out.label, out.confidence,
		   out.reason ? out.reason : "no reason");
	free_all(both, 2, &out);
}

static void
check_guard(void)
{
	static const double one[] = {0.9, 0.06, 0.04};
	static const double other[] = {0.03, 0.9, 0.07};

	guard("agreed: as on the whole text", sure(0, one, 3, 0.9, "whole"), sure(0, one, 3, 0.8, "rest"),
		  false, 0, 0.9, "whole");
	guard("another label: the rest's, which counts twice", sure(0, one, 3, 0.9, "whole"),
		  sure(1, other, 3, 0.9, "rest"), true, 1, (0.06 + 2 * 0.9) / 3, "rest");
	guard("less on labels: suspect, too", sure(0, one, 3, 0.4, "whole"), sure(0, one, 3, 0.9, "rest"),
		  true, 0, 0.9, "rest");
	guard("a coverage that nobody knows is no sign", sure(0, one, 3, NAN, "whole"),
		  sure(0, one, 3, 0.9, "rest"), false, 0, 0.9, "whole");
	guard("without probabilities the word is kept", drawn(0, 3, 0.9, NULL), drawn(2, 3, 0.7, NULL),
		  true, 2, 0.7, NULL);
}

/* A part with a posterior of three labels. */
static QcVerdict
part_of(double a, double b, double c, double coverage, QcSource source, const char *reason)
{
	QcVerdict	part = {0};

	part.nlabels = 3;
	part.posterior = malloc(3 * sizeof(double));
	part.posterior[0] = a;
	part.posterior[1] = b;
	part.posterior[2] = c;
	part.label = a > b && a > c ? 0 : b > c ? 1 : 2;
	part.confidence = part.posterior[part.label];
	part.coverage = coverage;
	part.source = source;
	part.reason = reason ? strdup(reason) : NULL;
	return part;
}

static void
segments(void)
{
	QcVerdict	part[3] = {
		part_of(.7, .2, .1, .9, QC_SOURCE_MASKED, "little"), part_of(.1, .8, .1, NAN, QC_SOURCE_RENORM, "b"),
		part_of(.9, .05, .05, .5, QC_SOURCE_MASKED, "much")
	};
	QcShare		share[3] = {{&part[0], 100}, {&part[1], 200}, {&part[2], 100}};
	double		p[3];
	double		sum = 0;
	QcVerdict	out;

	for (int i = 0; i < 3; i++)
		sum += p[i] = exp(.25 * log(part[0].posterior[i]) + .5 * log(part[1].posterior[i]) +
						  .25 * log(part[2].posterior[i]));
	tap_ok(qc_verdict_join(share, 3, &out), "segments", "no memory");
	tap_ok(fabs(out.posterior[0] - p[0] / sum) < 1e-12 && fabs(out.posterior[1] - p[1] / sum) < 1e-12 &&
		   fabs(out.posterior[2] - p[2] / sum) < 1e-12 && out.nlabels == 3,
		   "the logarithms are averaged by length", "%g %g %g", out.posterior[0], out.posterior[1], out.posterior[2]);
	tap_ok(out.label == (p[0] > p[1] ? 0 : 1) && out.confidence == out.posterior[out.label], "the label is the likeliest",
		   "%d %g", out.label, out.confidence);
	tap_ok(out.source == QC_SOURCE_RENORM, "the source is the least exact", "%d", (int) out.source);
	tap_ok(fabs(out.coverage - .7) < 1e-12, "coverage is the mean of those that know it", "%g", out.coverage);
	free_all(part, 3, &out);

	part[0] = part_of(.7, .2, .1, NAN, QC_SOURCE_MASKED, "little");
	part[1] = part_of(.1, .8, .1, NAN, QC_SOURCE_MASKED, "other");
	part[2] = part_of(.9, .05, .05, NAN, QC_SOURCE_MASKED, "much");
	share[1].weight = 10;
	qc_verdict_join(share, 3, &out);
	tap_ok(out.label == 0 && strcmp(out.reason, "much") == 0, "the reason is of the segment that decided", "%s", out.reason);
	tap_ok(part[2].reason == NULL && part[0].reason != NULL, "and taken from it", "it was copied");
	free_all(part, 3, &out);

	part[0] = part_of(1, 0, 0, NAN, QC_SOURCE_MASKED, NULL);
	part[1] = part_of(0, 1, 0, NAN, QC_SOURCE_MASKED, NULL);
	share[1].weight = 1000;
	qc_verdict_join(share, 2, &out);
	tap_ok(out.label == 1 && out.confidence > .5 && out.confidence < 1 && isfinite(out.posterior[0]) && out.reason == NULL,
		   "a probability of 0 rules nothing out", "%d %g", out.label, out.confidence);
	free_all(part, 2, &out);
}

/* Where the server gives no probabilities. */
static void
segments_with_words(void)
{
	QcVerdict	part[3] = {drawn(1, 3, .9, "first"), drawn(1, 3, .6, NULL), drawn(0, 3, .8, "other")};
	QcShare		share[3] = {{&part[0], 100}, {&part[1], 200}, {&part[2], 100}};
	QcVerdict	out;

	qc_verdict_join(share, 3, &out);
	tap_ok(out.label == 1 && out.source == QC_SOURCE_VERBAL && fabs(out.confidence - .7) < 1e-12 &&
		   out.posterior == NULL && strcmp(out.reason, "first") == 0,
		   "without probabilities the words for the label are averaged", "%d %g", out.label, out.confidence);
	free_all(part, 3, &out);

	part[0] = drawn(2, 3, NAN, "first");
	part[1] = drawn(2, 3, NAN, NULL);
	part[2] = part_of(.9, .05, .05, NAN, QC_SOURCE_MASKED, NULL);
	qc_verdict_join(share, 3, &out);
	tap_ok(out.label == 2 && out.source == QC_SOURCE_NONE && isnan(out.confidence) && out.posterior == NULL,
		   "a number that nobody gave is none", "%d %g", out.label, out.confidence);
	free_all(part, 3, &out);
}

int
main(void)
{
	vote("000", 3, 0, 3.5 / 4.5);
	vote("0121", 3, 1, 2.5 / 5.5);
	vote("2211", 3, 1, 2.5 / 5.5);	/* a tie: the first of the labels */
	vote("9", 10, 9, 1.5 / 6);
	vote("11111111111111111111", 2, 1, 20.5 / 21);
	words_and_reasons();
	each();
	for (int n = 2; n <= 6; n++)
	{
		orders(n, false);
		orders(n, true);
	}
	order_of_texts();
	yes_no_prompts();

	check_guard();
	segments();
	segments_with_words();
	return tap_end();
}
