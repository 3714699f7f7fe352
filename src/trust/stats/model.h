/*-------------------------------------------------------------------------
 *
 * model.h
 *	  A map, and what besides the raw confidence bears on a label's being right.
 *
 * In this order, each on top of what comes before it:
 *
 *	mix			the labels' probabilities, each by exp(-s b(l)), then shared out
 *				anew; b(l) is the mean of ln p(l) over recent rows less ln of the
 *				share of l among audits.  What the model says too often counts
 *				less.  s is 0.5, or fitted: s ~ N(0.5, 0.25^2) in 0 .. 1
 *	map			of the confidence in the label given (map.h)
 *	coverage	logit <- a logit + b ln(coverage) + c
 *									a ~ N(1, 0.4^2), b ~ N(0, 0.5^2), b >= 0, c ~ N(0, 1)
 *	labels		logit <- a(l) logit + b(l), l being the label given
 *									a(l) ~ N(1, 0.25^2) or 1, b(l) ~ N(0, 0.5^2)
 *
 * Each is fitted with those before it held.  Invariant: the label stays the
 * one that the model gave, and of two answers with the same label, coverage and
 * odds among the other labels the one with the higher confidence has the
 * higher number (or the same).
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_MODEL_H
#define QC_TRUST_STATS_MODEL_H

#include <stdbool.h>

#include "trust/stats/map.h"
#include "trust/stats/status.h"

typedef enum QcMix
{
	QC_MIX_NONE,
	QC_MIX_FIXED,				/* of strength 0.5 */
	QC_MIX_FITTED
} QcMix;

typedef enum QcPerLabel
{
	QC_PER_LABEL_NONE,
	QC_PER_LABEL_SHIFT,
	QC_PER_LABEL_SLOPE			/* a slope too for labels with enough reviews */
} QcPerLabel;

/* What a model is made of. */
typedef struct QcRecipe
{
	QcMethod	method;
	QcMix		mix;
	bool		coverage;
	QcPerLabel	labels;
} QcRecipe;

#define QC_COVERAGE_PARAMS 3

typedef struct QcModel
{
	QcMap		map;
	int			nlabels;		/* 0: nothing but the map and the coverage */
	double		strength;
	double	   *bias;			/* of each label; NULL: no mix */
	double	   *coverage;		/* a, b, c; or NULL */
	double	   *slope;			/* of each label; NULL: no labels */
	double	   *shift;
} QcModel;

/* What was said of one row. */
typedef struct QcSaid
{
	double		p;				/* raw confidence in the label given */
	double		second;			/* for PAIR */
	int			label;			/* -1: not known */
	const float *top;			/* of all labels, or NULL */
	double		coverage;		/* NaN: not known */
} QcSaid;

/* Labels with fewer reviews have no slope of their own. */
#define QC_SLOPE_FROM 100

/*
 * Fit what the recipe says.  Free it with qc_model_free.
 *
 * QC_STAT_INPUT: as of qc_map_fit, or the reviews lack what the recipe needs.
 * QC_STAT_TOO_FEW: as of qc_map_fit, or a mix without an audit.
 */
extern QcStat qc_model_fit(const QcRecipe *recipe, const QcReviews *reviews, QcModel *model);

/* Row i of reviews. */
extern QcSaid qc_reviews_said(const QcReviews *reviews, int i);

/*
 * The calibrated confidence; NaN for NaN.  A step for which the row lacks what
 * it needs is left out.
 */
extern double qc_model_apply(const QcModel *model, const QcSaid *said);

extern void qc_model_free(QcModel *model);

/* ---- as it is stored ---- */

/*
 * As numbers in one array, made with malloc: the map's, then strength and
 * biases, the coverage's, slopes and shifts, if there are any, and last, if
 * anything is there but the map, nlabels.
 */
extern QcStat qc_model_pack(const QcModel *model, double **number, int *n);

/*
 * The reverse: the model points into the array and is not to be freed.  False:
 * these numbers are no model of such parts.
 */
extern bool qc_model_unpack(const QcRecipe *recipe, double *number, int n, QcModel *model);

#endif							/* QC_TRUST_STATS_MODEL_H */
