/*-------------------------------------------------------------------------
 *
 * evidence.h
 *	  Evidence that errors are rare, from two counts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_EVIDENCE_H
#define QC_TRUST_STATS_EVIDENCE_H

#include <stdint.h>

/* What qc_evidence_to_go gives when more of the same will never do. */
#define QC_EVIDENCE_NEVER INT64_C(-1)

/*
 * ln of the e-value against "the error rate is e or more", after k errors in n
 * reviews: the mean over r = 0.05, 0.25, 0.5, 0.7 of the likelihood ratio of
 * the rate r e to the rate e.  It may be looked at after every review: the
 * probability that it ever reaches ln(1 / d), if the rate is e or more, is at
 * most d (Ville's inequality).  k may be a fraction.  NaN unless 0 <= k <= n
 * and 0 < e < 1.
 */
extern double qc_evidence_log(double k, double n, double e);

/*
 * The fewest further reviews that make it ln(1 / d), if errors come at the
 * given rate; 0 if it is there already, QC_EVIDENCE_NEVER if it never gets there (or not
 * within 10^9 reviews, or for an argument out of range).
 */
extern int64_t qc_evidence_to_go(int64_t k, int64_t n, double rate, double e, double d);

/*
 * The p-value at a single look, planned beforehand, of "the error rate is more
 * than e": P(at most k errors in n), binomial; or, where total > 0 rows are all
 * there are, hypergeometric with one error more than e allows among them.  It
 * is a little more telling than the e-value, and worth nothing at a second
 * look.  NaN for counts out of range.
 */
extern double qc_evidence_once(int64_t k, int64_t n, int64_t total, double e);

#endif							/* QC_TRUST_STATS_EVIDENCE_H */
