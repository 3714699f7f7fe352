/*-------------------------------------------------------------------------
 *
 * harm.h
 *	  Whether a certified error rate has become worse.
 *
 * The Shiryaev-Roberts e-detector (Shin, Ramdas and Rinaldo 2022) on audits.
 * If the rate stays at most e0, the mean number of audits until qc_harm_step
 * returns A or more is at least A.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_HARM_H
#define QC_TRUST_STATS_HARM_H

#include <stdbool.h>

#define QC_HARM_RATES 4

/* All zero to begin with; that and no more is to be stored. */
typedef struct QcHarm
{
	double		m[QC_HARM_RATES];
} QcHarm;

/*
 * One audit more: whether it was wrong and accepted.  Returns the evidence
 * that it has become worse, the mean of m; NaN unless 0 < e0 < 1.
 */
extern double qc_harm_step(QcHarm *harm, double e0, bool bad);

/* The evidence as it stands. */
extern double qc_harm_mean(const QcHarm *harm);

#endif							/* QC_TRUST_STATS_HARM_H */
