/*-------------------------------------------------------------------------
 *
 * logistic.h
 *	  Logistic regression of a few features, weighted, with normal priors.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_LOGISTIC_H
#define QC_TRUST_STATS_LOGISTIC_H

#include <stdbool.h>

#include "trust/stats/status.h"

#define QC_LOGISTIC_MAX 3

/* The prior of one coefficient. */
typedef struct QcPrior
{
	double		mean;
	double		sd;				/* 0: flat */
	double		least;			/* the coefficient is not below; -INFINITY */
} QcPrior;

/* 1 / (1 + exp(-z)), strictly between 0 and 1 for every finite z. */
extern double qc_sigmoid(double z);

/* ln(p / (1 - p)), clipped to -9 .. 9; NaN stays NaN. */
extern double qc_logit(double p);

/*
 * The w that maximises, over n rows x of d features (row by row, n * d
 * numbers), the sum of weight * ln P(y | sigmoid(w x + offset)) less the sum of
 * (w - mean)^2 / (2 sd^2), with w >= least.  Newton's method with at most 25
 * steps, each clipped to 2 and halved while it leads downhill.  weight may be
 * NULL: all 1; offset too: all 0.  se, if not NULL, gets the square roots of the
 * diagonal of the inverse of the negative Hessian.
 *
 * QC_STAT_INPUT: d is not 1 .. QC_LOGISTIC_MAX, or a number is not finite.
 * QC_STAT_SEPARATED: no maximum was found, as under flat priors when the
 * features tell right from wrong without an error.
 */
extern QcStat qc_logistic_fit(const double *x, const bool *y, const double *weight,
							  const double *offset, int n, int d, const QcPrior *prior,
							  double *w, double *se);

#endif							/* QC_TRUST_STATS_LOGISTIC_H */
