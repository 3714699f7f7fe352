/*-------------------------------------------------------------------------
 *
 * map.h
 *	  From a raw confidence to the probability that a person agrees.
 *
 * A map is its method and an array of numbers, so that it can be stored as
 * float8[].  All rise (or stay level) with the raw confidence and give numbers
 * strictly between 0 and 1.
 *
 * x is the raw confidence's logit, clipped to -9 .. 9:
 *
 *	TEMP		sigmoid(a x)			a ~ N(0.6, 0.4^2)
 *	PLATT		sigmoid(a x + b)		b ~ N(0, 1)
 *	BETA		sigmoid(a ln p - b ln(1 - p) + c)
 *										a ~ N(0.6, 0.6^2), b ~ N(0.6, 0.4^2), c ~ N(0, 1)
 *	ISOTONIC	knots (x, value)
 *	PAIR		sigmoid(a x1 + b x2 + c)	of two confidences, the share of
 *				votes and the one told:	a, b ~ N(0.3, 0.4^2), c ~ N(0, 1)
 *
 * The prior's slope of 0.6 says that chat models are too sure of themselves,
 * and it is the map as long as there are no reviews.  Slopes are at least 0.02,
 * which keeps the order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_MAP_H
#define QC_TRUST_STATS_MAP_H

#include <stdbool.h>

#include "trust/stats/status.h"

typedef enum QcMethod
{
	QC_MAP_TEMP,
	QC_MAP_PLATT,
	QC_MAP_BETA,
	QC_MAP_ISOTONIC,
	QC_MAP_PAIR
} QcMethod;

#define QC_MAP_METHODS (QC_MAP_PAIR + 1)

typedef struct QcMap
{
	QcMethod	method;
	int			nparams;
	double	   *params;
} QcMap;

/* What people said of n rows. */
typedef struct QcReviews
{
	int			n;
	const double *p;			/* raw confidence in the label given */
	const double *second;		/* the other confidence, for PAIR; or NULL */
	const bool *right;			/* the person agreed with the label */
	const double *weight;		/* 1 / probability of being reviewed; or NULL */

	/* what model.h needs beyond the map; each may be NULL */
	const int  *label;			/* given, of nlabels; -1: not known */
	const int  *human;			/* what the person said; likewise */
	const bool *audit;			/* drawn without regard to any score */
	const float *const *top;	/* a row's raw probabilities of all labels; may be NULL */
	const double *coverage;		/* NaN: not known */

	/* of the labels, over recent rows whether or not they were reviewed */
	int			nlabels;
	const double *mean_log;		/* mean of ln p, p not below exp(-9) */
	const double *mean;			/* mean of p */
} QcReviews;

/*
 * Kish's effective number of rows, (sum of w)^2 / (sum of w^2), or n without
 * weights.
 */
extern double qc_reviews_size(const QcReviews *reviews);

/* The weights, scaled to sum up to it, made with malloc; NULL: no memory. */
extern double *qc_reviews_weights(const QcReviews *reviews);

/*
 * Fit a map; with no reviews TEMP, PLATT, BETA and PAIR are their priors.  The
 * weights are scaled to sum up to the effective number of rows, so that the
 * prior counts as much against n rows drawn at 1 % as against n of all.  Free
 * it with qc_map_free.
 *
 * QC_STAT_INPUT: a NaN, a negative weight, no second confidence for PAIR.
 * QC_STAT_TOO_FEW: ISOTONIC without a row.
 */
extern QcStat qc_map_fit(QcMethod method, const QcReviews *reviews, QcMap *map);

/* The calibrated confidence; NaN for NaN.  second is for PAIR alone. */
extern double qc_map_apply(const QcMap *map, double p, double second);

/* -ln of the prior's density at the map's numbers, but for a constant; 0 for ISOTONIC. */
extern double qc_map_unlikely(const QcMap *map);

/*
 * Whether a map that was read from somewhere is one: as many numbers as its
 * method has, finite, rising.
 */
extern bool qc_map_valid(const QcMap *map);

extern void qc_map_free(QcMap *map);

#endif							/* QC_TRUST_STATS_MAP_H */
