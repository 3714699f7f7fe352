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

/* Dirichlet 1/2: what no draw said is unlikely, not impossible. */
#define PRIOR 0.5

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
