/*-------------------------------------------------------------------------
 *
 * choose.h
 *	  Which calibration map so many reviews can carry.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_CHOOSE_H
#define QC_TRUST_STATS_CHOOSE_H

#include <stdint.h>

#include "trust/stats/map.h"

/* Fewer reviews than this leave the prior alone. */
#define QC_CALIBRATE_FROM 20

typedef struct QcChoice
{
	QcMethod	method;
	bool		calibrated;		/* false: the map is the prior */

	/*
	 * Mean log-loss out of fold, weighted; NaN for methods that were no
	 * candidates, and for all of them below QC_CALIBRATE_FROM.
	 */
	double		log_loss[QC_MAP_METHODS];
	double		raw_log_loss;	/* of the raw confidence, likewise */
	double		brier;			/* out of fold, of the method chosen */
} QcChoice;

/*
 * -ln of the probability that p gave to what happened; p is clipped to the
 * same range as a logit.
 */
extern double qc_log_loss(double p, bool right);

/*
 * Choose by the number of reviews and fit on all of them: below 20 the prior
 * of TEMP, from 20 TEMP, from 50 PLATT, from 200 PLATT or BETA, from 1,000
 * ISOTONIC too; with a second confidence, from 100 on, PAIR.  Of several
 * candidates the simplest is taken whose log-loss over ten seeded folds is not
 * worse than the best one's by more than a standard error of the difference.
 *
 * Errors as of qc_map_fit.  Free the map with qc_map_free.
 */
extern QcStat qc_map_choose(const QcReviews *reviews, uint64_t seed, QcMap *map, QcChoice *choice);

/*
 * What the method says of each row, told[n], when it was fitted without it: the
 * same ten folds as qc_map_choose has for the seed.  Errors as of qc_map_fit.
 */
extern QcStat qc_map_out_of_fold(QcMethod method, const QcReviews *reviews, uint64_t seed, double *told);

#endif							/* QC_TRUST_STATS_CHOOSE_H */
