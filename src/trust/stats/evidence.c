/*-------------------------------------------------------------------------
 *
 * evidence.c
 *	  Evidence that errors are rare, from two counts.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/evidence.h"

#include <math.h>
#include <stdbool.h>

#include "trust/stats/exact.h"

/* The alternatives, as shares of e: from "nearly none" to "just below". */
static const double share[] = {0.05, 0.25, 0.5, 0.7};

#define SHARES 4
#define HORIZON INT64_C(1000000000)

double
qc_evidence_log(double k, double n, double e)
{
	double		term[SHARES];
	double		most = -INFINITY;
	double		sum = 0;
	int			j;

	if (!(k >= 0 && k <= n && e > 0 && e < 1))
		return NAN;
	for (j = 0; j < SHARES; j++)
	{
		term[j] = k * log(share[j]) + (n - k) * (log1p(-share[j] * e) - log1p(-e));
		most = fmax(most, term[j]);
	}
	for (j = 0; j < SHARES; j++)
		sum += exp(term[j] - most);
	return most + log(sum / SHARES);
}

/*
 * In the number of further reviews, the logarithm is convex (it is one of a sum
 * of exponentials): once it has risen to the goal it stays above, and if it is
 * below at the horizon it never was there before.
 */
int64_t
qc_evidence_to_go(int64_t k, int64_t n, double rate, double e, double d)
{
	double		goal = -log(d);
	int64_t		below = 0;
	int64_t		there = HORIZON;

	if (k < 0 || k > n || !(rate >= 0 && rate <= 1 && e > 0 && e < 1 && d > 0 && d < 1))
		return QC_EVIDENCE_NEVER;
	if (qc_evidence_log((double) k, (double) n, e) >= goal)
		return 0;
	if (qc_evidence_log((double) k + rate * (double) there, (double) (n + there), e) < goal)
		return QC_EVIDENCE_NEVER;
	while (there - below > 1)
	{
		int64_t		middle = below + (there - below) / 2;

		if (qc_evidence_log((double) k + rate * (double) middle, (double) (n + middle), e) >= goal)
			there = middle;
		else
			below = middle;
	}
	return there;
}

double
qc_evidence_once(int64_t k, int64_t n, int64_t total, double e)
{
	int64_t		too_many;

	if (k < 0 || k > n || !(e > 0 && e < 1))
		return NAN;
	if (total <= 0)
		return qc_binomial_lower(k, n, e);

	/* e * total may be a whole number that rounding has made a little less */
	too_many = (int64_t) floor(e * (double) total * (1 + 1e-12)) + 1;
	return qc_hypergeometric_lower(k, total, too_many, n);
}
