/*-------------------------------------------------------------------------
 *
 * score.h
 *	  How good the labels and their confidences are, against what people said.
 *
 * All take n rows: the confidence p in the label given, and whether it was
 * right.  The rows must be a fair sample of those the number is about, audits
 * or a gold set; of rows picked for review it says nothing.  Common errors:
 * QC_STAT_TOO_FEW without rows, QC_STAT_INPUT for a p outside 0 .. 1, a NaN or
 * a level outside 0 .. 1, QC_STAT_NO_MEMORY.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_SCORE_H
#define QC_TRUST_STATS_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "trust/stats/status.h"

/* Draws of a bootstrap or of a simulated floor. */
#define QC_DRAWS 1000

/* Share of right labels, with Clopper and Pearson's interval. */
extern QcStat qc_score_accuracy(const bool *right, int n, double level, QcMeasure *out);

/*
 * Mean of (p - right)^2, and mean of -ln(probability of what happened), p
 * clipped as in qc_log_loss; with the percentile interval of QC_DRAWS seeded
 * bootstrap draws (Efron 1979).
 */
extern QcStat qc_score_brier(const double *p, const bool *right, int n, double level,
							 uint64_t seed, QcMeasure *out);
extern QcStat qc_score_log_loss(const double *p, const bool *right, int n, double level,
								uint64_t seed, QcMeasure *out);

/*
 * The probability that a right label has a higher p than a wrong one, ties
 * counting half, with Hanley and McNeil's standard error (1982) and the normal
 * interval from it, kept in 0 .. 1.  QC_STAT_TOO_FEW if all are right or none.
 */
extern QcStat qc_score_auroc(const double *p, const bool *right, int n, double level, QcMeasure *out);

/*
 * Cox's recalibration (1958): right ~ sigmoid(slope * logit(p) + intercept),
 * without a prior, with standard errors and normal intervals.  1 and 0 when p
 * is calibrated; a slope below 1 is overconfidence.  QC_STAT_TOO_FEW if all are
 * right or none or all p are equal, QC_STAT_SEPARATED if p tells them apart
 * without an error.
 */
extern QcStat qc_score_slope(const double *p, const bool *right, int n, double level,
							 QcMeasure *slope, QcMeasure *intercept);

#endif							/* QC_TRUST_STATS_SCORE_H */
