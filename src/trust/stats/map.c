/*-------------------------------------------------------------------------
 *
 * map.c
 *	  From a raw confidence to the probability that a person agrees.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trust/stats/isotonic.h"
#include "trust/stats/logistic.h"

#define LEAST_SLOPE 0.02

/* What a logistic map is made of: how many features, and their priors. */
typedef struct Model
{
	int			d;
	QcPrior		prior[QC_LOGISTIC_MAX];
} Model;

#define SLOPE(mean, sd) {mean, sd, LEAST_SLOPE}
#define INTERCEPT {0, 1, -INFINITY}

static const Model models[] = {
	[QC_MAP_TEMP] = {1, {SLOPE(0.6, 0.4)}},
	[QC_MAP_PLATT] = {2, {SLOPE(0.6, 0.4), INTERCEPT}},
	[QC_MAP_BETA] = {3, {SLOPE(0.6, 0.6), SLOPE(0.6, 0.4), INTERCEPT}},
	[QC_MAP_ISOTONIC] = {0, {{0, 0, 0}}},
	[QC_MAP_PAIR] = {3, {SLOPE(0.3, 0.4), SLOPE(0.3, 0.4), INTERCEPT}},
};

/* The features of one row; d of them are used. */
static void
features(QcMethod method, double p, double second, double *x)
{
	double		logit = qc_logit(p);

	x[0] = logit;
	x[1] = x[2] = 1;
	if (method == QC_MAP_BETA)
	{
		/* ln p and -ln(1 - p) of the clipped p, without the loss of 1 - p */
		x[0] = -log1p(exp(-logit));
		x[1] = log1p(exp(logit));
	}
	else if (method == QC_MAP_PAIR)
		x[1] = qc_logit(second);
}

double
qc_reviews_size(const QcReviews *reviews)
{
	double		sum = 0;
	double		squares = 0;
	int			i;

	if (reviews->weight == NULL)
		return reviews->n;
	for (i = 0; i < reviews->n; i++)
	{
		sum += reviews->weight[i];
		squares += reviews->weight[i] * reviews->weight[i];
	}
	return squares > 0 ? sum * sum / squares : 0;
}

double *
qc_reviews_weights(const QcReviews *reviews)
{
	double	   *weight = malloc(sizeof(double) * (reviews->n + 1));
	double		sum = 0;
	int			i;

	for (i = 0; i < reviews->n; i++)
		sum += reviews->weight == NULL ? 1 : reviews->weight[i];
	for (i = 0; weight != NULL && i < reviews->n; i++)
		weight[i] = reviews->weight == NULL ? 1 :
			reviews->weight[i] * (sum > 0 ? qc_reviews_size(reviews) / sum : 0);
	return weight;
}

static QcStat
fit_logistic(const QcReviews *reviews, const double *weight, QcMap *map)
{
	const Model *model = &models[map->method];
	double	   *x = malloc(sizeof(double) * ((size_t) reviews->n * model->d + 1));
	QcStat		status;
	int			i;

	map->params = malloc(sizeof(double) * model->d);
	map->nparams = model->d;
	if (x == NULL || map->params == NULL)
	{
		free(x);
		return QC_STAT_NO_MEMORY;
	}
	for (i = 0; i < reviews->n; i++)
	{
		double		row[QC_LOGISTIC_MAX];

		features(map->method, reviews->p[i], reviews->second == NULL ? 0 : reviews->second[i], row);
		memcpy(&x[(size_t) i * model->d], row, sizeof(double) * model->d);
	}
	status = qc_logistic_fit(x, reviews->right, weight, NULL, reviews->n, model->d, model->prior, map->params, NULL);
	free(x);
	return status;
}

/*
 * A block without an error does not make an error impossible: the values keep
 * as far from 0 and 1 as Laplace's rule would, had all rows been in it.
 */
static void
keep_inside(QcMap *map, double size)
{
	double		margin = 1 / (size + 2);
	int			i;

	for (i = 1; i < map->nparams; i += 2)
		map->params[i] = fmax(fmin(map->params[i], 1 - margin), margin);
}

static QcStat
fit_isotonic(const QcReviews *reviews, const double *weight, QcMap *map)
{
	double	   *x = malloc(sizeof(double) * (reviews->n + 1));
	QcStat		status;
	int			i;

	if (x == NULL)
		return QC_STAT_NO_MEMORY;
	for (i = 0; i < reviews->n; i++)
		x[i] = qc_logit(reviews->p[i]);
	status = qc_isotonic_fit(x, reviews->right, weight, reviews->n, &map->params, &map->nparams);
	map->nparams *= 2;
	free(x);
	if (status == QC_STAT_OK)
		keep_inside(map, qc_reviews_size(reviews));
	return status;
}

QcStat
qc_map_fit(QcMethod method, const QcReviews *reviews, QcMap *map)
{
	double	   *weight;
	QcStat		status;
	int			i;

	*map = (QcMap) {.method = method};
	if (reviews->n < 0 || (unsigned) method >= QC_MAP_METHODS ||
		(method == QC_MAP_PAIR && reviews->n > 0 && reviews->second == NULL))
		return QC_STAT_INPUT;
	for (i = 0; i < reviews->n; i++)
		if (reviews->weight != NULL && !(isfinite(reviews->weight[i]) && reviews->weight[i] >= 0))
			return QC_STAT_INPUT;
	weight = qc_reviews_weights(reviews);
	if (weight == NULL)
		return QC_STAT_NO_MEMORY;
	status = method == QC_MAP_ISOTONIC ? fit_isotonic(reviews, weight, map) : fit_logistic(reviews, weight, map);
	free(weight);
	if (status != QC_STAT_OK)
		qc_map_free(map);
	return status;
}

double
qc_map_unlikely(const QcMap *map)
{
	double		sum = 0;
	int			j;

	for (j = 0; j < models[map->method].d; j++)
	{
		double		off = (map->params[j] - models[map->method].prior[j].mean) / models[map->method].prior[j].sd;

		sum += off * off / 2;
	}
	return sum;
}

double
qc_map_apply(const QcMap *map, double p, double second)
{
	double		x[QC_LOGISTIC_MAX];
	double		z = 0;
	int			j;

	if (map->method == QC_MAP_ISOTONIC)
		return qc_isotonic_at(map->params, map->nparams / 2, qc_logit(p));
	features(map->method, p, second, x);
	for (j = 0; j < map->nparams; j++)
		z += map->params[j] * x[j];
	return isnan(z) ? z : qc_sigmoid(z);
}

/* The slopes of each method come before its intercept. */
static bool
slopes_rise(const QcMap *map)
{
	int			j;

	for (j = 0; j < map->nparams; j++)
		if (map->params[j] < models[map->method].prior[j].least)
			return false;
	return true;
}

static bool
knots_rise(const QcMap *map)
{
	int			i;

	if (map->nparams < 2 || map->nparams % 2 != 0)
		return false;
	for (i = 0; i < map->nparams; i += 2)
	{
		const double *knot = map->params + i;

		if (!(knot[1] > 0 && knot[1] < 1))
			return false;
		if (i > 0 && (knot[0] <= knot[-2] || knot[1] < knot[-1]))
			return false;
	}
	return true;
}

bool
qc_map_valid(const QcMap *map)
{
	int			i;

	if ((unsigned) map->method >= QC_MAP_METHODS || map->params == NULL)
		return false;
	if (map->method != QC_MAP_ISOTONIC && map->nparams != models[map->method].d)
		return false;
	for (i = 0; i < map->nparams; i++)
		if (!isfinite(map->params[i]))
			return false;
	if (map->method == QC_MAP_ISOTONIC)
		return knots_rise(map);
	return slopes_rise(map);
}

void
qc_map_free(QcMap *map)
{
	free(map->params);
	map->params = NULL;
	map->nparams = 0;
}
