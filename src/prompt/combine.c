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
