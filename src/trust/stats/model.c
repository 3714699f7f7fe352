/*-------------------------------------------------------------------------
 *
 * model.c
 *	  A map, and what besides the raw confidence bears on a label's being right.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trust/stats/logistic.h"

#define FIXED_STRENGTH 0.5
#define STRENGTH_SD 0.25
#define STRENGTHS 10			/* steps between 0 and 1: finer ones no review tells apart */
#define LEAST_LOG (-9.0)		/* of a label's probability, as logits are clipped */
#define LEAST_COVERAGE 0.01
#define LEAST_SLOPE 0.02

static const QcPrior coverage_prior[QC_COVERAGE_PARAMS] = {{1, 0.4, LEAST_SLOPE}, {0, 0.5, 0}, {0, 1, -INFINITY}};
static const QcPrior shift_prior[1] = {{0, 0.5, -INFINITY}};
static const QcPrior line_prior[2] = {{1, 0.25, LEAST_SLOPE}, {0, 0.5, -INFINITY}};

/* Reviews on the way through the steps. */
typedef struct Fitting
{
	const QcReviews *reviews;
	QcModel    *model;
	double	   *weight;
	double	   *z;				/* log-odds after the steps so far */
	double	   *x;				/* room for the features of a step */
	bool	   *y;
	double	   *part;			/* weights and offsets of one label's rows */
	double	   *offset;
} Fitting;

QcSaid
qc_reviews_said(const QcReviews *r, int i)
{
	return (QcSaid) {r->p[i], r->second == NULL ? 0 : r->second[i], r->label == NULL ? -1 : r->label[i],
		r->top == NULL ? NULL : r->top[i], r->coverage == NULL ? NAN : r->coverage[i]};
}

/* ---- the mix ---- */

/*
 * The confidence under another mix of labels: the odds against all others,
 * each by its factor.  What the row does not tell of all labels stays as it is.
 */
static double
remixed(const QcModel *model, const QcSaid *said)
{
	double		others = 0;
	int			l;

	if (model->bias == NULL || model->strength <= 0 || said->top == NULL ||
		said->label < 0 || said->label >= model->nlabels)
		return said->p;
	for (l = 0; l < model->nlabels; l++)
		if (l != said->label)
			others += said->top[l] * exp(-model->strength * (model->bias[l] - model->bias[said->label]));
	if (!(others > 0 && said->top[said->label] > 0))
		return said->p;
	return qc_sigmoid(log(said->top[said->label]) - log(others));
}

/* Shrunk towards the model's own mix by as many audits as there are labels. */
static QcStat
fit_bias(Fitting *f)
{
	const QcReviews *r = f->reviews;
	double	   *bias;
	int			audits = 0;
	int			i;

	if (r->nlabels < 2 || !r->label || !r->human || !r->audit || !r->top || !r->mean_log || !r->mean)
		return QC_STAT_INPUT;
	bias = f->model->bias = calloc(r->nlabels, sizeof(double));
	if (bias == NULL)
		return QC_STAT_NO_MEMORY;
	for (i = 0; i < r->n; i++)
		if (r->audit[i] && r->human[i] >= 0 && r->human[i] < r->nlabels)
		{
			bias[r->human[i]]++;
			audits++;
		}
	if (audits == 0)
		return QC_STAT_TOO_FEW;
	for (i = 0; i < r->nlabels; i++)
	{
		double		share = (bias[i] + r->nlabels * r->mean[i]) / (audits + r->nlabels);

		bias[i] = fmax(r->mean_log[i], LEAST_LOG) - fmax(log(share), LEAST_LOG);
	}
	return QC_STAT_OK;
}

/* What the fit makes as small as can be. */
static double
badness(const Fitting *f, const QcMap *map, const double *p)
{
	double		off = (f->model->strength - FIXED_STRENGTH) / STRENGTH_SD;
	double		sum = qc_map_unlikely(map) + off * off / 2;
	int			i;

	for (i = 0; i < f->reviews->n; i++)
	{
		double		z = qc_logit(qc_map_apply(map, p[i], f->reviews->second == NULL ? 0 : f->reviews->second[i]));

		sum += f->weight[i] * log1p(exp(f->reviews->right[i] ? -z : z));
	}
	return sum;
}

/* The map at the model's strength; x gets the confidences that it was fitted to. */
static QcStat
fit_map(Fitting *f, QcMethod method, QcMap *map)
{
	QcReviews	reviews = *f->reviews;
	int			i;

	for (i = 0; i < reviews.n; i++)
	{
		QcSaid		said = qc_reviews_said(f->reviews, i);

		f->x[i] = remixed(f->model, &said);
	}
	reviews.p = f->x;
	return qc_map_fit(method, &reviews, map);
}

static QcStat
fit_strength(Fitting *f, QcMethod method)
{
	double		best = INFINITY;
	double		strength = FIXED_STRENGTH;
	int			i;

	for (i = 0; i <= STRENGTHS; i++)
	{
		QcMap		map;
		QcStat		status;
		double		bad;

		f->model->strength = (double) i / STRENGTHS;
		status = fit_map(f, method, &map);
		if (status != QC_STAT_OK)
			return status;
		bad = badness(f, &map, f->x);
		qc_map_free(&map);
		if (bad >= best)
			continue;
		best = bad;
		strength = f->model->strength;
	}
	f->model->strength = strength;
	return QC_STAT_OK;
}

static QcStat
fit_mix_and_map(Fitting *f, const QcRecipe *recipe)
{
	QcStat		status = recipe->mix == QC_MIX_NONE ? QC_STAT_OK : fit_bias(f);
	int			i;

	f->model->strength = recipe->mix == QC_MIX_NONE ? 0 : FIXED_STRENGTH;
	if (status == QC_STAT_OK && recipe->mix == QC_MIX_FITTED)
		status = fit_strength(f, recipe->method);
	if (status == QC_STAT_OK)
		status = fit_map(f, recipe->method, &f->model->map);
	for (i = 0; status == QC_STAT_OK && i < f->reviews->n; i++)
		f->z[i] = qc_logit(qc_map_apply(&f->model->map, f->x[i], f->reviews->second == NULL ? 0 : f->reviews->second[i]));
	return status;
}

/* ---- the coverage ---- */

static double
log_coverage(double coverage)
{
	return log(fmax(fmin(coverage, 1), LEAST_COVERAGE));
}

static double
covered(const QcModel *model, double z, double coverage)
{
	const double *w = model->coverage;

	if (w == NULL || isnan(coverage))
		return z;
	return w[0] * z + w[1] * log_coverage(coverage) + w[2];
}

static QcStat
fit_coverage(Fitting *f)
{
	const QcReviews *r = f->reviews;
	QcStat		status;
	int			i;

	if (r->coverage == NULL)
		return QC_STAT_INPUT;
	f->model->coverage = calloc(QC_COVERAGE_PARAMS, sizeof(double));
	if (f->model->coverage == NULL)
		return QC_STAT_NO_MEMORY;
	for (i = 0; i < r->n; i++)
	{
		f->x[3 * i] = f->z[i];
		f->x[3 * i + 1] = log_coverage(r->coverage[i]);
		f->x[3 * i + 2] = 1;
		if (isnan(r->coverage[i]))
			return QC_STAT_INPUT;
	}
	status = qc_logistic_fit(f->x, r->right, f->weight, NULL, r->n, QC_COVERAGE_PARAMS, coverage_prior, f->model->coverage, NULL);
	for (i = 0; status == QC_STAT_OK && i < r->n; i++)
		f->z[i] = covered(f->model, f->z[i], r->coverage[i]);
	return status;
}

/* ---- the labels ---- */

static double
of_label(const QcModel *model, double z, int label)
{
	if (model->shift == NULL || label < 0 || label >= model->nlabels)
		return z;
	return model->slope[label] * z + model->shift[label];
}

static QcStat
fit_label(Fitting *f, int label, bool may_slope)
{
	const QcReviews *r = f->reviews;
	double		line[2] = {1, 0};
	bool		slope;
	int			n = 0;
	int			i;
	QcStat		status;

	for (i = 0; i < r->n; i++)
		n += r->label[i] == label;
	slope = may_slope && n >= QC_SLOPE_FROM;
	n = 0;
	for (i = 0; i < r->n; i++)
	{
		if (r->label[i] != label)
			continue;
		f->x[slope ? 2 * n : n] = slope ? f->z[i] : 1;
		f->x[slope ? 2 * n + 1 : n] = 1;
		f->offset[n] = slope ? 0 : f->z[i];
		f->part[n] = f->weight[i];
		f->y[n++] = r->right[i];
	}
	status = qc_logistic_fit(f->x, f->y, f->part, f->offset, n, slope ? 2 : 1,
							 slope ? line_prior : shift_prior, slope ? line : line + 1, NULL);
	f->model->slope[label] = line[0];
	f->model->shift[label] = line[1];
	return status;
}

static QcStat
fit_labels(Fitting *f, bool may_slope)
{
	QcStat		status = QC_STAT_OK;
	int			l;

	if (f->reviews->nlabels < 1 || f->reviews->label == NULL)
		return QC_STAT_INPUT;
	f->model->slope = calloc(f->reviews->nlabels, sizeof(double));
	f->model->shift = calloc(f->reviews->nlabels, sizeof(double));
	if (f->model->slope == NULL || f->model->shift == NULL)
		return QC_STAT_NO_MEMORY;
	for (l = 0; status == QC_STAT_OK && l < f->reviews->nlabels; l++)
		status = fit_label(f, l, may_slope);
	return status;
}

/* ---- all of it ---- */

static QcStat
fit_steps(Fitting *f, const QcRecipe *recipe)
{
	QcStat		status = fit_mix_and_map(f, recipe);

	if (status == QC_STAT_OK && recipe->coverage)
		status = fit_coverage(f);
	if (status == QC_STAT_OK && recipe->labels != QC_PER_LABEL_NONE)
		status = fit_labels(f, recipe->labels == QC_PER_LABEL_SLOPE);
	return status;
}

QcStat
qc_model_fit(const QcRecipe *recipe, const QcReviews *reviews, QcModel *model)
{
	size_t		n = reviews->n < 0 ? 1 : (size_t) reviews->n + 1;
	Fitting		f = {.reviews = reviews, .model = model};
	QcStat		status = QC_STAT_NO_MEMORY;

	*model = (QcModel) {.nlabels = reviews->nlabels};
	if (reviews->n < 0)
		return QC_STAT_INPUT;
	f.weight = qc_reviews_weights(reviews);
	f.z = malloc(sizeof(double) * n);
	f.x = malloc(sizeof(double) * n * 3);
	f.y = malloc(n);
	f.part = malloc(sizeof(double) * n);
	f.offset = malloc(sizeof(double) * n);
	if (f.weight && f.z && f.x && f.y && f.part && f.offset)
		status = fit_steps(&f, recipe);
	free(f.weight);
	free(f.z);
	free(f.x);
	free(f.y);
	free(f.part);
	free(f.offset);
	if (status != QC_STAT_OK)
		qc_model_free(model);
	return status;
}

double
qc_model_apply(const QcModel *model, const QcSaid *said)
{
	double		p = qc_map_apply(&model->map, isnan(said->p) ? said->p : remixed(model, said), said->second);

	if (isnan(p) || (model->coverage == NULL && model->shift == NULL))
		return p;
	return qc_sigmoid(of_label(model, covered(model, qc_logit(p), said->coverage), said->label));
}

void
qc_model_free(QcModel *model)
{
	qc_map_free(&model->map);
	free(model->bias);
	free(model->coverage);
	free(model->slope);
	free(model->shift);
	*model = (QcModel) {0};
}

/* ---- as it is stored ---- */

/* How many numbers stand after the map's. */
static int
extra_numbers(const QcRecipe *recipe, int nlabels)
{
	int			n = 0;

	if (recipe->mix != QC_MIX_NONE)
		n += 1 + nlabels;
	if (recipe->coverage)
		n += QC_COVERAGE_PARAMS;
	if (recipe->labels != QC_PER_LABEL_NONE)
		n += 2 * nlabels;
	return n > 0 ? n + 1 : 0;
}

static double *
append(double *to, const double *from, int n)
{
	memcpy(to, from, sizeof(double) * n);
	return to + n;
}

QcStat
qc_model_pack(const QcModel *model, double **number, int *n)
{
	QcRecipe	recipe = {model->map.method, model->bias ? QC_MIX_FITTED : QC_MIX_NONE, model->coverage != NULL,
		model->shift ? QC_PER_LABEL_SLOPE : QC_PER_LABEL_NONE};
	double		nlabels = model->nlabels;
	double	   *to;

	*n = model->map.nparams + extra_numbers(&recipe, model->nlabels);
	*number = to = malloc(sizeof(double) * (*n + 1));
	if (to == NULL)
		return QC_STAT_NO_MEMORY;
	to = append(to, model->map.params, model->map.nparams);
	if (model->bias != NULL)
		to = append(append(to, &model->strength, 1), model->bias, model->nlabels);
	if (model->coverage != NULL)
		to = append(to, model->coverage, QC_COVERAGE_PARAMS);
	if (model->shift != NULL)
		to = append(append(to, model->slope, model->nlabels), model->shift, model->nlabels);
	if (*n > model->map.nparams)
		append(to, &nlabels, 1);
	return QC_STAT_OK;
}

static double *
take(double **from, int n)
{
	double	   *at = *from;

	*from += n;
	return at;
}

/* All numbers are finite, and all slopes rise. */
static bool
extras_valid(const QcModel *model, const double *number, int n)
{
	int			i;

	for (i = 0; i < n; i++)
		if (!isfinite(number[i]))
			return false;
	if (model->bias != NULL && !(model->strength >= 0 && model->strength <= 1))
		return false;
	if (model->coverage != NULL && (model->coverage[0] < LEAST_SLOPE || model->coverage[1] < 0))
		return false;
	for (i = 0; model->slope != NULL && i < model->nlabels; i++)
		if (model->slope[i] < LEAST_SLOPE)
			return false;
	return true;
}

bool
qc_model_unpack(const QcRecipe *recipe, double *number, int n, QcModel *model)
{
	bool		has_extras = extra_numbers(recipe, 1) > 0;
	int			extras;
	double	   *at;

	*model = (QcModel) {.map = {.method = recipe->method}};
	if (n < 1 || (has_extras && !(number[n - 1] >= 0 && number[n - 1] < n && number[n - 1] == floor(number[n - 1]))))
		return false;
	model->nlabels = has_extras ? (int) number[n - 1] : 0;
	extras = extra_numbers(recipe, model->nlabels);
	if (extras >= n)
		return false;
	model->map.params = number;
	model->map.nparams = n - extras;
	at = number + model->map.nparams;
	if (recipe->mix != QC_MIX_NONE)
	{
		model->strength = *take(&at, 1);
		model->bias = take(&at, model->nlabels);
	}
	if (recipe->coverage)
		model->coverage = take(&at, QC_COVERAGE_PARAMS);
	if (recipe->labels != QC_PER_LABEL_NONE)
	{
		model->slope = take(&at, model->nlabels);
		model->shift = take(&at, model->nlabels);
	}
	return qc_map_valid(&model->map) && extras_valid(model, number, n);
}
