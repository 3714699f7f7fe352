/*-------------------------------------------------------------------------
 *
 * combine.c
 *	  One verdict of several about the same text.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/combine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/sibling.h"
#include "prompt/subtree.h"

/* Dirichlet 1/2: what no draw said is unlikely, not impossible. */
#define PRIOR 0.5

/* No part rules a label out: servers print no more precision than this. */
#define LEAST_SHARE 1e-6

/* What a label is worth that came without a number: for the choice alone. */
#define UNSAID 0.75

/* The model would rather say something else: a fall of coverage by this much. */
#define MOST_FALL 0.3

static int
largest(const double *share, int n)
{
	int			best = 0;

	for (int i = 1; i < n; i++)
		if (share[i] > share[best])
			best = i;
	return best;
}

/* The mean of what the draws for the label say of themselves; NaN: none does. */
static double
mean_word(QcVerdict *const *draw, int n, int label)
{
	double		sum = 0;
	int			words = 0;

	for (int i = 0; i < n; i++)
	{
		if (draw[i]->label != label || draw[i]->source != QC_SOURCE_VERBAL)
			continue;
		sum += draw[i]->confidence;
		words++;
	}
	return words > 0 ? sum / words : NAN;
}

static void
take_reason(QcVerdict *const *draw, int n, QcVerdict *out)
{
	for (int i = 0; i < n; i++)
	{
		if (draw[i]->label != out->label || draw[i]->reason == NULL)
			continue;
		out->reason = draw[i]->reason;
		draw[i]->reason = NULL;
		return;
	}
}

bool
qc_verdict_vote(QcVerdict *const *draw, int n, QcVerdict *out)
{
	int			nlabels = draw[0]->nlabels;
	double	   *share = calloc((size_t) nlabels, sizeof(double));

	memset(out, 0, sizeof(*out));
	if (share == NULL)
		return false;
	for (int i = 0; i < n; i++)
		share[draw[i]->label] += 1;
	for (int i = 0; i < nlabels; i++)
		share[i] = (share[i] + PRIOR) / (n + PRIOR * nlabels);
	out->label = largest(share, nlabels);
	out->posterior = share;
	out->nlabels = nlabels;
	out->confidence = out->lo = out->hi = share[out->label];
	out->coverage = NAN;
	out->source = QC_SOURCE_VOTE;
	out->verbal = mean_word(draw, n, out->label);
	take_reason(draw, n, out);
	return true;
}

/* How probable yes is; NaN: nobody gave a number. */
static double
probability_of_yes(const QcVerdict *answer)
{
	if (answer->posterior != NULL)
		return answer->posterior[QC_YES];
	return answer->label == QC_YES ? answer->confidence : 1 - answer->confidence;
}

/* What the numbers of all labels are worth is what the worst of them is. */
static void
take_weakest(QcVerdict *out, const QcVerdict *answer, double p)
{
	double		sure = fmax(p, 1 - p);

	if (answer->source < out->source)
		out->source = answer->source;
	if (isnan(p) || isnan(out->confidence))
		out->confidence = NAN;
	else
		out->confidence = fmin(out->confidence, sure);
	if (isnan(answer->coverage) || isnan(out->coverage))
		out->coverage = NAN;
	else
		out->coverage = fmin(out->coverage, answer->coverage);
}

bool
qc_verdict_each(QcVerdict *const *answer, int n, QcVerdict *out)
{
	double	   *yes = calloc((size_t) n, sizeof(double));

	memset(out, 0, sizeof(*out));
	if (yes == NULL)
		return false;
	out->label = -1;
	out->nlabels = n;
	out->posterior = yes;
	out->confidence = out->coverage = 1;
	out->source = answer[0]->source;
	out->verbal = NAN;
	for (int i = 0; i < n; i++)
	{
		double		p = probability_of_yes(answer[i]);

		take_weakest(out, answer[i], p);
		yes[i] = isnan(p) ? answer[i]->label == QC_YES : p;
	}
	out->lo = out->hi = out->confidence;
	return true;
}

bool
qc_verdict_reorder(QcVerdict *verdict, const int *at)
{
	double	   *posterior;

	if (verdict->label >= 0)
		verdict->label = at[verdict->label];
	for (int i = 0; i < verdict->nsubtrees; i++)
		for (int k = 0; k < verdict->subtree[i].n; k++)
			verdict->subtree[i].member[k] = at[verdict->subtree[i].member[k]];
	if (verdict->posterior == NULL)
		return true;
	posterior = calloc((size_t) verdict->nlabels, sizeof(double));
	if (posterior == NULL)
		return false;
	for (int i = 0; i < verdict->nlabels; i++)
		posterior[at[i]] = verdict->posterior[i];
	free(verdict->posterior);
	verdict->posterior = posterior;
	return true;
}

bool
qc_verdict_of_order(QcVerdict *verdict, const QcLabels *labels, int order)
{
	int		   *at = calloc((size_t) labels->n, sizeof(int));
	bool		good = at != NULL;

	for (int i = 0; good && i < labels->n; i++)
		at[i] = qc_order_at(labels, order, i);
	good = good && qc_verdict_reorder(verdict, at);
	free(at);
	return good;
}

/* ---- a text that gives orders ---- */

/* False where one of them is not known. */
static bool
fell(double before, double after)
{
	return fabs(before - after) > MOST_FALL;
}

/* A third of whole's probabilities, two thirds of rest's; what was unsettled is shared. */
static void
mix(const QcVerdict *whole, QcVerdict *out)
{
	if (whole->posterior == NULL || out->posterior == NULL)
		return;
	for (int i = 0; i < out->nlabels; i++)
		out->posterior[i] = (whole->posterior[i] + 2 * out->posterior[i]) / 3;
	qc_subtree_clear(out);
	out->confidence = out->lo = out->hi = out->posterior[out->label];
}

void
qc_verdict_guard(QcVerdict *whole, QcVerdict *rest, QcVerdict *out)
{
	bool		suspect = whole->label != rest->label || fell(whole->coverage, rest->coverage);
	QcVerdict  *source = suspect ? rest : whole;

	*out = *source;
	memset(source, 0, sizeof(*source));
	out->suspect = suspect;
	if (suspect)
		mix(whole, out);
}

/* ---- parts of a text ---- */

/* How probable a part finds a label; without a posterior by what it says. */
static double
log_share(const QcVerdict *part, int label)
{
	double		share;

	if (part->posterior != NULL)
		share = part->posterior[label];
	else
	{
		double		own = isnan(part->confidence) ? UNSAID : part->confidence;

		own = fmax(own, 1.0 / part->nlabels);
		share = label == part->label ? own : (1 - own) / (part->nlabels - 1);
	}
	return log(fmax(share, LEAST_SHARE));
}

/* By how much a part prefers a label to all others. */
static double
margin(const QcShare *part, int label)
{
	double		other = -INFINITY;

	for (int i = 0; i < part->verdict->nlabels; i++)
		if (i != label)
			other = fmax(other, log_share(part->verdict, i));
	return part->weight * (log_share(part->verdict, label) - other);
}

/* Average the logarithms, then make them shares. */
static void
average(const QcShare *part, int n, double *share, int nlabels)
{
	double		weight = 0;
	double		most = -INFINITY;
	double		sum = 0;

	for (int i = 0; i < n; i++)
		weight += part[i].weight;
	for (int k = 0; k < nlabels; k++)
	{
		for (int i = 0; i < n; i++)
			share[k] += part[i].weight / weight * log_share(part[i].verdict, k);
		most = fmax(most, share[k]);
	}
	for (int k = 0; k < nlabels; k++)
		sum += share[k] = exp(share[k] - most);
	for (int k = 0; k < nlabels; k++)
		share[k] /= sum;
}

/* The least exact of them. */
static QcSource
common_source(const QcShare *part, int n)
{
	QcSource	source = QC_SOURCE_MASKED;

	for (int i = 0; i < n; i++)
		if (part[i].verdict->posterior == NULL)
			return QC_SOURCE_NONE;
		else if (part[i].verdict->source > source)
			source = part[i].verdict->source;
	return source;
}

/* The mean by weight of a number that some parts have; NaN: none has. */
static double
mean(const QcShare *part, int n, double (*number) (const QcVerdict *verdict, int label), int label)
{
	double		sum = 0;
	double		weight = 0;

	for (int i = 0; i < n; i++)
	{
		double		x = number(part[i].verdict, label);

		if (isnan(x))
			continue;
		sum += part[i].weight * x;
		weight += part[i].weight;
	}
	return weight > 0 ? sum / weight : NAN;
}

static double
coverage_of(const QcVerdict *verdict, int label)
{
	(void) label;
	return verdict->coverage;
}

/* What the model says of the label itself. */
static double
verbal_of(const QcVerdict *verdict, int label)
{
	if (verdict->label != label)
		return NAN;
	if (verdict->source == QC_SOURCE_VOTE)
		return verdict->verbal;
	return verdict->source == QC_SOURCE_VERBAL ? verdict->confidence : NAN;
}

static void
take_decisive_reason(const QcShare *part, int n, QcVerdict *out)
{
	const QcShare *best = NULL;

	for (int i = 0; i < n; i++)
		if (part[i].verdict->label == out->label && part[i].verdict->reason != NULL &&
			(best == NULL || margin(&part[i], out->label) > margin(best, out->label)))
			best = &part[i];
	if (best == NULL)
		return;
	out->reason = best->verdict->reason;
	best->verdict->reason = NULL;
}

bool
qc_verdict_join(const QcShare *part, int n, QcVerdict *out)
{
	int			nlabels = part[0].verdict->nlabels;
	double	   *share = calloc((size_t) nlabels, sizeof(double));

	memset(out, 0, sizeof(*out));
	if (share == NULL)
		return false;
	average(part, n, share, nlabels);
	out->label = largest(share, nlabels);
	out->nlabels = nlabels;
	out->source = common_source(part, n);
	out->coverage = mean(part, n, coverage_of, out->label);
	out->verbal = mean(part, n, verbal_of, out->label);
	take_decisive_reason(part, n, out);
	if (out->source != QC_SOURCE_NONE)
	{
		out->posterior = share;
		out->confidence = share[out->label];
	}
	else
	{
		free(share);
		out->confidence = out->verbal;
		if (!isnan(out->confidence))
			out->source = QC_SOURCE_VERBAL;
	}
	out->lo = out->hi = out->confidence;
	return true;
}
