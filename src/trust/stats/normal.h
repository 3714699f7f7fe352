/*-------------------------------------------------------------------------
 *
 * normal.h
 *	  The standard normal's tail and quantile.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_NORMAL_H
#define QC_TRUST_STATS_NORMAL_H

/* P(Z >= z) */
extern double qc_normal_upper(double z);

/*
 * The z with P(Z <= z) = p; NaN for p outside 0 .. 1.  Abramowitz and Stegun
 * 26.2.23 to begin with, then Halley's steps.
 */
extern double qc_normal_quantile(double p);

#endif							/* QC_TRUST_STATS_NORMAL_H */
