/*-------------------------------------------------------------------------
 *
 * choose.c
 *	  Which calibration map so many reviews can carry.
 *
 * The standard error is that of the difference row by row: two maps err on the
 * same rows, so that the error of either mean says little about which of them
 * is better.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/choose.h"

#include <math.h>
#include <stdlib.h>

#include "trust/stats/logistic.h"
#include "trust/stats/random.h"

#define FOLDS 10

#define PLATT_FROM 50
#define PAIR_FROM 100
#define BETA_FROM 200
#define ISOTONIC_FROM 1000

/* Room for one fold's rows and for what each map says about the rows left out. */
typedef struct Folds
{
	const QcReviews *reviews;
	int		   *order;			/* row i of it is in fold i % FOLDS */
	double	   *p;
	double	   *second;
	bool	   *right;
	double	   *weight;
	double	   *told[QC_MAP_METHODS];	/* probability, by row */
} Folds;

double
qc_log_loss(double p, bool right)
{
	double		z = qc_logit(p);

	return log1p(exp(right ? -z : z));
}

static double
weight_of(const QcReviews *reviews, int row)
{
	return reviews->weight == NULL ? 1 : reviews->weight[row];
}

static void
folds_free(Folds *folds)
{
	int			m;

	free(folds->order);
	free(folds->p);
	free(folds->second);
	free(folds->right);
	free(folds->weight);
	for (m = 0; m < QC_MAP_METHODS; m++)
		free(folds->told[m]);
}

static bool
folds_make(Folds *folds, const QcReviews *reviews, uint64_t seed)
{
	size_t		n = (size_t) reviews->n + 1;
	bool		made = true;
	QcRandom	random;
	int			i;

	*folds = (Folds) {.reviews = reviews};
	folds->order = malloc(sizeof(int) * n);
	folds->p = malloc(sizeof(double) * n);
	folds->second = malloc(sizeof(double) * n);
	folds->right = malloc(sizeof(bool) * n);
	folds->weight = malloc(sizeof(double) * n);
	for (i = 0; i < QC_MAP_METHODS; i++)
	{
		folds->told[i] = malloc(sizeof(double) * n);
		made = made && folds->told[i] != NULL;
	}
	if (!made || !folds->order || !folds->p || !folds->second || !folds->right || !folds->weight)
		return false;
	for (i = 0; i < reviews->n; i++)
		folds->order[i] = i;
	qc_random_seed(&random, seed);
	qc_random_shuffle(&random, folds->order, reviews->n);
	return true;
}

/* All rows but those of one fold. */
static QcReviews
rows_without(const Folds *folds, int fold)
{
	const QcReviews *all = folds->reviews;
	QcReviews	part = {0, folds->p, all->second == NULL ? NULL : folds->second, folds->right, folds->weight};
	int			i;

	for (i = 0; i < all->n; i++)
	{
		int			row = folds->order[i];

		if (i % FOLDS == fold)
			continue;
		folds->p[part.n] = all->p[row];
		folds->second[part.n] = all->second == NULL ? 0 : all->second[row];
		folds->right[part.n] = all->right[row];
		folds->weight[part.n] = weight_of(all, row);
		part.n++;
	}
	return part;
}

/* What the method says about each row when it was not shown it. */
static QcStat
tell_out_of_fold(Folds *folds, QcMethod method)
{
	const QcReviews *all = folds->reviews;
	int			fold;
	int			i;

	for (fold = 0; fold < FOLDS; fold++)
	{
		QcReviews	part = rows_without(folds, fold);
		QcMap		map;
		QcStat		status = qc_map_fit(method, &part, &map);

		if (status != QC_STAT_OK)
			return status;
		for (i = fold; i < all->n; i += FOLDS)
		{
			int			row = folds->order[i];

			folds->told[method][row] =
				qc_map_apply(&map, all->p[row], all->second == NULL ? 0 : all->second[row]);
		}
		qc_map_free(&map);
	}
	return QC_STAT_OK;
}

/* Weighted mean log-loss of probabilities, and their Brier score. */
static double
mean_loss(const QcReviews *reviews, const double *told, double *brier)
{
	double		sum = 0;
	double		squares = 0;
	double		weights = 0;
	int			i;

	for (i = 0; i < reviews->n; i++)
	{
		double		off = told[i] - (reviews->right[i] ? 1 : 0);

		weights += weight_of(reviews, i);
		sum += weight_of(reviews, i) * qc_log_loss(told[i], reviews->right[i]);
		squares += weight_of(reviews, i) * off * off;
	}
	if (brier != NULL)
		*brier = squares / weights;
	return sum / weights;
}

/* Whether a map is worse than the best by no more than a standard error of the difference. */
static bool
as_good(const Folds *folds, QcMethod method, QcMethod best, double excess)
{
	const QcReviews *all = folds->reviews;
	double		squares = 0;
	double		weights = 0;
	int			i;

	for (i = 0; i < all->n; i++)
	{
		double		off = qc_log_loss(folds->told[method][i], all->right[i]) -
			qc_log_loss(folds->told[best][i], all->right[i]) - excess;

		weights += weight_of(all, i);
		squares += weight_of(all, i) * off * weight_of(all, i) * off;
	}
	return excess <= sqrt(squares) / weights;
}

/* The candidates, the simplest first. */
static int
candidates(const QcReviews *reviews, QcMethod *method)
{
	if (reviews->second != NULL && reviews->n >= PAIR_FROM)
	{
		method[0] = QC_MAP_PAIR;
		return 1;
	}
	method[0] = reviews->n < PLATT_FROM ? QC_MAP_TEMP : QC_MAP_PLATT;
	method[1] = QC_MAP_BETA;
	method[2] = QC_MAP_ISOTONIC;
	return reviews->n < BETA_FROM ? 1 : reviews->n < ISOTONIC_FROM ? 2 : 3;
}

static QcStat
compare(Folds *folds, const QcMethod *method, int n, QcChoice *choice)
{
	QcMethod	best = method[0];
	int			i;

	for (i = 0; i < n; i++)
	{
		QcStat		status = tell_out_of_fold(folds, method[i]);

		if (status != QC_STAT_OK)
			return status;
		choice->log_loss[method[i]] = mean_loss(folds->reviews, folds->told[method[i]], NULL);
		if (choice->log_loss[method[i]] < choice->log_loss[best])
			best = method[i];
	}
	for (i = 0; method[i] != best; i++)
		if (as_good(folds, method[i], best, choice->log_loss[method[i]] - choice->log_loss[best]))
			break;
	choice->method = method[i];
	mean_loss(folds->reviews, folds->told[choice->method], &choice->brier);
	choice->raw_log_loss = mean_loss(folds->reviews, folds->reviews->p, NULL);
	return QC_STAT_OK;
}

QcStat
qc_map_choose(const QcReviews *reviews, uint64_t seed, QcMap *map, QcChoice *choice)
{
	QcReviews	none = {0};
	QcMethod	method[QC_MAP_METHODS];
	Folds		folds;
	QcStat		status;
	int			i;

	*map = (QcMap) {.method = QC_MAP_TEMP};
	*choice = (QcChoice) {.method = QC_MAP_TEMP, .raw_log_loss = NAN, .brier = NAN};
	for (i = 0; i < QC_MAP_METHODS; i++)
		choice->log_loss[i] = NAN;
	if (reviews->n < QC_CALIBRATE_FROM)
		return qc_map_fit(QC_MAP_TEMP, &none, map);
	choice->calibrated = true;
	status = folds_make(&folds, reviews, seed) ?
		compare(&folds, method, candidates(reviews, method), choice) : QC_STAT_NO_MEMORY;
	folds_free(&folds);
	return status == QC_STAT_OK ? qc_map_fit(choice->method, reviews, map) : status;
}

QcStat
qc_map_out_of_fold(QcMethod method, const QcReviews *reviews, uint64_t seed, double *told)
{
	Folds		folds;
	QcStat		status;
	int			i;

	if (reviews->n < 0 || (unsigned) method >= QC_MAP_METHODS)
		return QC_STAT_INPUT;
	status = folds_make(&folds, reviews, seed) ? tell_out_of_fold(&folds, method) : QC_STAT_NO_MEMORY;
	for (i = 0; i < reviews->n && status == QC_STAT_OK; i++)
		told[i] = folds.told[method][i];
	folds_free(&folds);
	return status;
}
