/*-------------------------------------------------------------------------
 *
 * drift.h
 *	  Whether the labels of a new window are mixed as those of a reference.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_DRIFT_H
#define QC_TRUST_STATS_DRIFT_H

#include <stdint.h>

#include "trust/stats/status.h"

#define QC_DECILES 10

/* The most striking label (or decile) of a comparison. */
typedef struct QcDrift
{
	int			index;			/* which; -1 if there is none */
	double		p;				/* its p-value times the number of tests, <= 1 */
	double		before;			/* its share in the reference */
	double		now;			/* and in the window */
} QcDrift;

/*
 * Fisher's exact test for each of k labels against all others, reference
 * against window, Bonferroni's correction over the labels (unless one test
 * does for both of two labels).  phi is the overdispersion (qc_drift_phi): above
 * 1 it divides all counts.  p, if not NULL, gets the k p-values, uncorrected.
 * Alarm when out->p is below qc_drift_level.  QC_STAT_INPUT for a negative
 * count or a NaN, QC_STAT_TOO_FEW for an empty side.
 */
extern QcStat qc_drift_labels(const int64_t *reference, const int64_t *window, int k, double phi,
							  double *p, QcDrift *out);

/*
 * How much more than by chance the mix changes from day to day: Pearson's
 * chi-square of the table of days x k counts (day by day) over its degrees of
 * freedom.  1 if there is nothing to tell it from.
 */
extern double qc_drift_phi(const int64_t *counts, int days, int k);

/*
 * The level at which so many checks a year raise at most so many false alarms
 * in the mean, whatever the checks have to do with each other; at most 1.
 */
extern double qc_drift_level(double alarms_a_year, double checks_a_year);

/*
 * Population stability index of the two mixes, with half a row added to each
 * count.  For show: it has no level.
 */
extern double qc_drift_psi(const int64_t *reference, const int64_t *window, int k);

/*
 * The same test on confidences: tenths of both sides taken together, equal ones
 * not parted, so that by chance alone each tenth is a draw without replacement
 * and the test is exact.  Errors as of qc_drift_labels, and QC_STAT_NO_MEMORY.
 */
extern QcStat qc_drift_deciles(const double *reference, int nreference, const double *window, int nwindow,
							   double phi, QcDrift *out);

#endif							/* QC_TRUST_STATS_DRIFT_H */
