/*-------------------------------------------------------------------------
 *
 * special.h
 *	  The functions that the tests and intervals are made of.
 *
 * Arguments outside the stated range give NaN.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_SPECIAL_H
#define QC_TRUST_STATS_SPECIAL_H

/*
 * ln of the binomial probability of x of n at p, q = 1 - p, for real
 * 0 <= x <= n too.  Loader's saddle-point form ("Fast and accurate computation
 * of binomial probabilities", 2000), which keeps its digits where a difference
 * of log-gammas of large n loses them.
 */
extern double qc_binomial_log(double x, double n, double p, double q);

/* ln of n over k, 0 <= k <= n, in the same form. */
extern double qc_log_choose(double n, double k);

/*
 * The regularised incomplete beta function I_x(a, b), a and b > 0, and what it
 * lacks to 1, each with its own digits: continued fraction (DLMF 8.17.22) by
 * Lentz's method.
 */
extern double qc_beta_lower(double a, double b, double x);
extern double qc_beta_upper(double a, double b, double x);

/*
 * The x at which I_x(a, b) is p, and the one at which 1 - I_x(a, b) is p, so
 * that a small upper tail keeps its digits.  Newton's method on the logarithm
 * within a bracket.
 */
extern double qc_beta_quantile(double a, double b, double p);
extern double qc_beta_quantile_upper(double a, double b, double p);

/*
 * P(X >= x) of a chi-square with df > 0 degrees of freedom: incomplete gamma
 * function by series (DLMF 8.11.4) or continued fraction (8.9.2).
 */
extern double qc_chi2_upper(double x, double df);

#endif							/* QC_TRUST_STATS_SPECIAL_H */
