/*-------------------------------------------------------------------------
 *
 * choose.c
 *	  Which calibration so many reviews can carry.
 *
 * The standard error is that of the difference row by row: two maps err on the
 * same rows, so that the error of either mean says little about which of them
 * is better.
 *
 * TEMP is the prior and no candidate: a slope alone cannot help a model that is
 * not sure enough of itself, and the shift's own prior holds it where reviews are few.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/choose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trust/stats/logistic.h"
#include "trust/stats/random.h"

#define FOLDS 10

#define PAIR_FROM 100
#define BETA_FROM 200
#define ISOTONIC_FROM 1000

#define MIX_FROM 50
#define FITTED_MIX_FROM 200
#define COVERAGE_FROM 200
#define SHIFT_FROM 200
#define SLOPE_FROM 1000

/* Room for one fold's rows and for what each map says about the rows left out. */
typedef struct Folds
{
	const QcReviews *reviews;
	int		   *order;			/* row i of it is in fold i % FOLDS */
	double	   *p;
	double	   *second;
	bool	   *right;
	double	   *weight;
	int		   *label;
	int		   *human;
	bool	   *audit;
	const float **top;
	double	   *coverage;
	double	   *told[QC_MAP_METHODS];	/* probability, by row */
	double	   *with;			/* the same with one more thing */
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
	free(folds->label);
	free(folds->human);
	free(folds->audit);
	free(folds->top);
	free(folds->coverage);
	free(folds->with);
	for (m = 0; m < QC_MAP_METHODS; m++)
		free(folds->told[m]);
}

static bool
folds_allocate(Folds *folds, size_t n)
{
	bool		made = true;
	int			i;

	folds->order = malloc(sizeof(int) * n);
	folds->p = malloc(sizeof(double) * n);
	folds->second = malloc(sizeof(double) * n);
	folds->right = malloc(n);
	folds->weight = malloc(sizeof(double) * n);
	folds->label = malloc(sizeof(int) * n);
	folds->human = malloc(sizeof(int) * n);
	folds->audit = malloc(n);
	folds->top = malloc(sizeof(float *) * n);
	folds->coverage = malloc(sizeof(double) * n);
	folds->with = malloc(sizeof(double) * n);
	for (i = 0; i < QC_MAP_METHODS; i++)
	{
		folds->told[i] = malloc(sizeof(double) * n);
		made = made && folds->told[i] != NULL;
	}
	return made && folds->order && folds->p && folds->second && folds->right && folds->weight &&
		folds->label && folds->human && folds->audit && folds->top && folds->coverage && folds->with;
}

static bool
folds_make(Folds *folds, const QcReviews *reviews, uint64_t seed)
{
	QcRandom	random;
	int			i;

	*folds = (Folds) {.reviews = reviews};
	if (!folds_allocate(folds, (size_t) reviews->n + 1))
		return false;
	for (i = 0; i < reviews->n; i++)
		folds->order[i] = i;
	qc_random_seed(&random, seed);
	qc_random_shuffle(&random, folds->order, reviews->n);
	return true;
}

static void
copy_row(const Folds *folds, int row, int to)
{
	const QcReviews *all = folds->reviews;

	folds->p[to] = all->p[row];
	folds->right[to] = all->right[row];
	folds->weight[to] = weight_of(all, row);
	if (all->second != NULL)
		folds->second[to] = all->second[row];
	if (all->label != NULL)
		folds->label[to] = all->label[row];
	if (all->human != NULL)
		folds->human[to] = all->human[row];
	if (all->audit != NULL)
		folds->audit[to] = all->audit[row];
	if (all->top != NULL)
		folds->top[to] = all->top[row];
	if (all->coverage != NULL)
		folds->coverage[to] = all->coverage[row];
}

/* All rows but those of one fold. */
static QcReviews
rows_without(const Folds *folds, int fold)
{
	QcReviews	part = *folds->reviews;
	int			i;

	part.p = folds->p;
	part.second = part.second == NULL ? NULL : folds->second;
	part.right = folds->right;
	part.weight = folds->weight;
	part.label = part.label == NULL ? NULL : folds->label;
	part.human = part.human == NULL ? NULL : folds->human;
	part.audit = part.audit == NULL ? NULL : folds->audit;
	part.top = part.top == NULL ? NULL : folds->top;
	part.coverage = part.coverage == NULL ? NULL : folds->coverage;
	part.n = 0;
	for (i = 0; i < folds->reviews->n; i++)
		if (i % FOLDS != fold)
			copy_row(folds, folds->order[i], part.n++);
	return part;
}

/* What the recipe says about each row when it was not shown it. */
static QcStat
tell_out_of_fold(Folds *folds, const QcRecipe *recipe, double *told)
{
	int			fold;
	int			i;

	for (fold = 0; fold < FOLDS; fold++)
	{
		QcReviews	part = rows_without(folds, fold);
		QcModel		model;
		QcStat		status = qc_model_fit(recipe, &part, &model);

		if (status != QC_STAT_OK)
			return status;
		for (i = fold; i < folds->reviews->n; i += FOLDS)
		{
			QcSaid		said = qc_reviews_said(folds->reviews, folds->order[i]);

			told[folds->order[i]] = qc_model_apply(&model, &said);
		}
		qc_model_free(&model);
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

/* By how much the first is worse than the second in log-loss, and the error of that. */
static double
excess_of(const QcReviews *all, const double *told, const double *than, double *error)
{
	double		excess = mean_loss(all, told, NULL) - mean_loss(all, than, NULL);
	double		squares = 0;
	double		weights = 0;
	int			i;

	for (i = 0; i < all->n; i++)
	{
		double		off = qc_log_loss(told[i], all->right[i]) - qc_log_loss(than[i], all->right[i]) - excess;

		weights += weight_of(all, i);
		squares += weight_of(all, i) * off * weight_of(all, i) * off;
	}
	*error = sqrt(squares) / weights;
	return excess;
}

/* ---- the map ---- */

/* The candidates, the simplest first. */
static int
candidates(const QcReviews *reviews, QcMethod *method)
{
	if (reviews->second != NULL && reviews->n >= PAIR_FROM)
	{
		method[0] = QC_MAP_PAIR;
		return 1;
	}
	method[0] = QC_MAP_PLATT;
	method[1] = QC_MAP_BETA;
	method[2] = QC_MAP_ISOTONIC;
	return reviews->n < BETA_FROM ? 1 : reviews->n < ISOTONIC_FROM ? 2 : 3;
}

static QcStat
choose_map(Folds *folds, QcChoice *choice)
{
	QcMethod	method[QC_MAP_METHODS];
	int			n = candidates(folds->reviews, method);
	QcMethod	best = method[0];
	double		error;
	int			i;

	for (i = 0; i < n; i++)
	{
		QcRecipe	recipe = {.method = method[i]};
		QcStat		status = tell_out_of_fold(folds, &recipe, folds->told[method[i]]);

		if (status != QC_STAT_OK)
			return status;
		choice->log_loss[method[i]] = mean_loss(folds->reviews, folds->told[method[i]], NULL);
		if (choice->log_loss[method[i]] < choice->log_loss[best])
			best = method[i];
	}
	for (i = 0; method[i] != best; i++)
		if (excess_of(folds->reviews, folds->told[method[i]], folds->told[best], &error) <= error)
			break;
	choice->recipe = (QcRecipe) {.method = method[i]};
	return QC_STAT_OK;
}

/* ---- what is added ---- */

static bool
tells_mix(const QcReviews *r)
{
	int			i;
	bool		audits = false;

	if (r->nlabels < 2 || !r->label || !r->human || !r->audit || !r->top || !r->mean_log || !r->mean)
		return false;
	for (i = 0; i < r->n; i++)
	{
		if (r->top[i] == NULL)
			return false;
		audits = audits || (r->audit[i] && r->human[i] >= 0);
	}
	return audits;
}

static bool
tells_coverage(const QcReviews *r)
{
	bool		differs = false;
	int			i;

	if (r->coverage == NULL)
		return false;
	for (i = 0; i < r->n; i++)
	{
		if (isnan(r->coverage[i]))
			return false;
		differs = differs || r->coverage[i] != r->coverage[0];
	}
	return differs;
}

/* Are there enough reviews for it, and do they say what it takes? */
static bool
may_try(const QcReviews *r, QcExtra extra)
{
	bool		labels = r->nlabels > 1 && r->label != NULL;

	switch (extra)
	{
		case QC_EXTRA_MIX:
			return r->n >= MIX_FROM && tells_mix(r);
		case QC_EXTRA_COVERAGE:
			return r->n >= COVERAGE_FROM && tells_coverage(r);
		case QC_EXTRA_SHIFT:
			return r->n >= SHIFT_FROM && labels;
		case QC_EXTRA_SLOPE:
			return r->n >= SLOPE_FROM && labels;
	}
	return false;
}

int
qc_reviews_next(const QcReviews *reviews)
{
	int			n = reviews->n;

	if (n < QC_CALIBRATE_FROM)
		return QC_CALIBRATE_FROM;
	if (n < MIX_FROM && tells_mix(reviews))
		return MIX_FROM;
	if (n < PAIR_FROM && reviews->second != NULL)
		return PAIR_FROM;
	return n < BETA_FROM ? BETA_FROM : n < ISOTONIC_FROM ? ISOTONIC_FROM : 0;
}

static QcRecipe
recipe_with(QcRecipe recipe, QcExtra extra, int n)
{
	if (extra == QC_EXTRA_MIX)
		recipe.mix = n < FITTED_MIX_FROM ? QC_MIX_FIXED : QC_MIX_FITTED;
	else if (extra == QC_EXTRA_COVERAGE)
		recipe.coverage = true;
	else
		recipe.labels = extra == QC_EXTRA_SHIFT ? QC_PER_LABEL_SHIFT : QC_PER_LABEL_SLOPE;
	return recipe;
}

static QcStat
try_extra(Folds *folds, QcExtra extra, QcChoice *choice)
{
	const QcReviews *all = folds->reviews;
	double	   *so_far = folds->told[choice->recipe.method];
	QcRecipe	recipe = recipe_with(choice->recipe, extra, all->n);
	QcTrial    *trial = &choice->trial[extra];
	QcStat		status;

	if (!may_try(all, extra))
		return QC_STAT_OK;
	status = tell_out_of_fold(folds, &recipe, folds->with);
	if (status == QC_STAT_TOO_FEW)
		return QC_STAT_OK;		/* a fold without an audit */
	if (status != QC_STAT_OK)
		return status;
	trial->tried = true;
	trial->gain = excess_of(all, so_far, folds->with, &trial->error);
	trial->taken = trial->gain > trial->error;
	if (trial->taken)
	{
		choice->recipe = recipe;
		memcpy(so_far, folds->with, sizeof(double) * all->n);
	}
	return QC_STAT_OK;
}

static QcStat
compare(Folds *folds, QcChoice *choice)
{
	QcStat		status = choose_map(folds, choice);
	int			extra;

	for (extra = 0; status == QC_STAT_OK && extra < QC_EXTRAS; extra++)
		status = try_extra(folds, (QcExtra) extra, choice);
	if (status != QC_STAT_OK)
		return status;
	choice->told_log_loss = mean_loss(folds->reviews, folds->told[choice->recipe.method], &choice->brier);
	choice->raw_log_loss = mean_loss(folds->reviews, folds->reviews->p, NULL);
	return QC_STAT_OK;
}

QcStat
qc_model_choose(const QcReviews *reviews, uint64_t seed, QcModel *model, QcChoice *choice)
{
	QcReviews	none = {0};
	Folds		folds;
	QcStat		status;
	int			i;

	*model = (QcModel) {.map = {.method = QC_MAP_TEMP}};
	*choice = (QcChoice) {.raw_log_loss = NAN, .told_log_loss = NAN, .brier = NAN};
	for (i = 0; i < QC_MAP_METHODS; i++)
		choice->log_loss[i] = NAN;
	if (reviews->n < QC_CALIBRATE_FROM)
		return qc_model_fit(&choice->recipe, &none, model);
	choice->calibrated = true;
	status = folds_make(&folds, reviews, seed) ? compare(&folds, choice) : QC_STAT_NO_MEMORY;
	folds_free(&folds);
	return status == QC_STAT_OK ? qc_model_fit(&choice->recipe, reviews, model) : status;
}

QcStat
qc_model_out_of_fold(const QcRecipe *recipe, const QcReviews *reviews, uint64_t seed, double *told)
{
	Folds		folds;
	QcStat		status;

	if (reviews->n < 0 || (unsigned) recipe->method >= QC_MAP_METHODS)
		return QC_STAT_INPUT;
	status = folds_make(&folds, reviews, seed) ? tell_out_of_fold(&folds, recipe, told) : QC_STAT_NO_MEMORY;
	folds_free(&folds);
	return status;
}
