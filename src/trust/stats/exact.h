/*-------------------------------------------------------------------------
 *
 * exact.h
 *	  Exact tails, tests and intervals of counts.
 *
 * Counts outside their range give NaN.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_EXACT_H
#define QC_TRUST_STATS_EXACT_H

#include <stdint.h>

/* P(X <= k) and P(X >= k) of a binomial, by the incomplete beta function. */
extern double qc_binomial_lower(int64_t k, int64_t n, double p);
extern double qc_binomial_upper(int64_t k, int64_t n, double p);

/*
 * Clopper and Pearson's interval (1934) of a share, k of n, at a level such as
 * 0.95.  Nothing seen (n = 0) gives 0 and 1, arguments out of range NaN.
 */
extern void qc_clopper_pearson(int64_t k, int64_t n, double level, double *lo, double *hi);

/* The upper bound alone: the share exceeds it with a risk of at most risk. */
extern double qc_clopper_pearson_upper(int64_t k, int64_t n, double risk);

/*
 * P(X <= k) and P(X >= k) of the marked among the drawn, when marked of total
 * are so and drawn are taken without replacement.  Summed from k outwards.
 */
extern double qc_hypergeometric_lower(int64_t k, int64_t total, int64_t marked, int64_t drawn);
extern double qc_hypergeometric_upper(int64_t k, int64_t total, int64_t marked, int64_t drawn);

/*
 * Fisher's exact test, two-sided, of the table (a b / c d): the probability of
 * all tables with its margins that are at most as likely.  As R's fisher.test,
 * what exceeds by less than a part in 10^7 counts as equal.
 */
extern double qc_fisher(int64_t a, int64_t b, int64_t c, int64_t d);

/*
 * McNemar's test in its exact form, two-sided: b rows that one alone had right,
 * c that the other had.
 */
extern double qc_mcnemar(int64_t b, int64_t c);

#endif							/* QC_TRUST_STATS_EXACT_H */
