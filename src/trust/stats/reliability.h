/*-------------------------------------------------------------------------
 *
 * reliability.h
 *	  Confidence against truth, bin by bin, and what of it is noise.
 *
 * Errors and arguments as in score.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_RELIABILITY_H
#define QC_TRUST_STATS_RELIABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "trust/stats/status.h"

#define QC_BINS 10

typedef struct QcBin
{
	double		from;			/* lowest and highest confidence in it */
	double		to;
	int			n;
	int			right;
	double		confidence;		/* mean */
	double		lo;				/* interval of right / n */
	double		hi;
} QcBin;

/*
 * At most nbins bins of about the same number of rows, by confidence; equal
 * confidences stay together, so that bins do not depend on the rows' order.
 * bin has room for nbins; *used gets how many there are.
 */
extern QcStat qc_reliability_bins(const double *p, const bool *right, int n, int nbins,
								  double level, QcBin *bin, int *used);

/*
 * Expected calibration error: the mean over rows of |mean confidence - share
 * right| of their bin.
 */
extern QcStat qc_reliability_ece(const double *p, const bool *right, int n, int nbins, double *ece);

/*
 * What the ECE of these confidences would be if they were perfectly
 * calibrated: mean and standard deviation over the seeded draws, in which row
 * i is right with probability p[i].  An ECE within it shows nothing.
 */
extern QcStat qc_reliability_floor(const double *p, int n, int nbins, int draws, uint64_t seed,
								   double *mean, double *sd);

#endif							/* QC_TRUST_STATS_RELIABILITY_H */
