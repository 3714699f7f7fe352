/*-------------------------------------------------------------------------
 *
 * isotonic.h
 *	  The best rising function through 0 and 1.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_ISOTONIC_H
#define QC_TRUST_STATS_ISOTONIC_H

#include <stdbool.h>

#include "trust/stats/status.h"

/*
 * The non-decreasing function with the least weighted squares over n rows, by
 * pooling adjacent violators (Ayer et al. 1955); equal x count as one.  *knots
 * gets *nknots pairs (x, value), x rising strictly, made with malloc.  weight
 * may be NULL: all 1.
 *
 * QC_STAT_TOO_FEW: no row with a weight.  QC_STAT_INPUT: a number is not
 * finite, or a weight negative.
 */
extern QcStat qc_isotonic_fit(const double *x, const bool *y, const double *weight, int n,
							  double **knots, int *nknots);

/* The function's value at x: straight between the knots, level beyond them. */
extern double qc_isotonic_at(const double *knots, int nknots, double x);

#endif							/* QC_TRUST_STATS_ISOTONIC_H */
