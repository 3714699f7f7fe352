/*-------------------------------------------------------------------------
 *
 * choose.h
 *	  Which calibration so many reviews can carry.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_CHOOSE_H
#define QC_TRUST_STATS_CHOOSE_H

#include <stdint.h>

#include "trust/stats/map.h"
#include "trust/stats/model.h"

/* Fewer reviews than this leave the prior alone. */
#define QC_CALIBRATE_FROM 20

/* What may be added to a map, in the order in which it is tried. */
typedef enum QcExtra
{
	QC_EXTRA_MIX,
	QC_EXTRA_COVERAGE,
	QC_EXTRA_SHIFT,
	QC_EXTRA_SLOPE
} QcExtra;

#define QC_EXTRAS (QC_EXTRA_SLOPE + 1)

/* A trial of one. */
typedef struct QcTrial
{
	bool		tried;			/* enough reviews, and they tell what it needs */
	bool		taken;
	double		gain;			/* in log-loss, out of fold, over what was there before it */
	double		error;			/* standard error of the gain */
} QcTrial;

typedef struct QcChoice
{
	QcRecipe	recipe;
	bool		calibrated;		/* false: the map is the prior */

	/*
	 * Mean log-loss out of fold, weighted, of the maps alone; NaN for methods
	 * that were no candidates, and for all of them below QC_CALIBRATE_FROM.
	 */
	double		log_loss[QC_MAP_METHODS];
	QcTrial		trial[QC_EXTRAS];
	double		raw_log_loss;	/* of the raw confidence, likewise */
	double		told_log_loss;	/* out of fold, of what was chosen; NaN */
	double		brier;			/* likewise */
} QcChoice;

/*
 * -ln of the probability that p gave to what happened; p is clipped to the
 * same range as a logit.
 */
extern double qc_log_loss(double p, bool right);

/*
 * Choose by the number of reviews and fit on all of them: below 20 the prior
 * of TEMP, from 20 PLATT, from 200 PLATT or BETA, from 1,000 ISOTONIC too; with
 * a second confidence, from 100 on, PAIR.  Of several candidates the simplest is
 * taken whose log-loss over ten seeded folds is not worse than the best one's by
 * more than a standard error of the difference.
 *
 * Then, one after the other, what the reviews tell enough for: from 50 the mix
 * at a fixed strength, from 200 at a fitted one, the coverage and a shift for
 * each label, from 1,000 a slope for each too.  Each stays if the log-loss over
 * the same folds is lower with it by more than a standard error.
 *
 * Errors as of qc_model_fit.  Free the model with qc_model_free.
 */
extern QcStat qc_model_choose(const QcReviews *reviews, uint64_t seed, QcModel *model, QcChoice *choice);

/* From how many reviews on more is tried, of what these tell; 0: nothing is left. */
extern int	qc_reviews_next(const QcReviews *reviews);

/*
 * What the recipe says of each row, told[n], when it was fitted without it: the
 * same ten folds as qc_model_choose has for the seed.  Errors as of qc_model_fit.
 */
extern QcStat qc_model_out_of_fold(const QcRecipe *recipe, const QcReviews *reviews, uint64_t seed, double *told);

#endif							/* QC_TRUST_STATS_CHOOSE_H */
