/*-------------------------------------------------------------------------
 *
 * test_trust_model.c
 *	  What is added to a map: against scipy, against known truths, and stored.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/choose.h"
#include "trust/stats/logistic.h"
#include "trust/stats/model.h"
#include "trust/stats/random.h"

#include "trust_data.h"

static double
number_or_0(const double *number, int i)
{
	return number == NULL ? 0 : number[i];
}

static void
test_fits(void)
{
	static const int rows[] = {0, 7, 11};
	int			i;
	int			j;

	for (i = 0; i < N(ref_model); i++)
	{
		const double *r = ref_model[i];
		const double *expected = r + 7;
		QcRecipe	recipe = {(QcMethod) r[0], (QcMix) r[1], r[2] != 0, (QcPerLabel) r[3]};
		QcReviews	reviews = detailed_rows((int) r[4], (int) r[5], r[6] != 0);
		QcModel		model;
		QcStat		status = qc_model_fit(&recipe, &reviews, &model);
		double		worst = fabs(model.strength - expected[0]);

		tap_ok(status == QC_STAT_OK, "a model is fitted", "row %d: status %d", i, status);
		for (j = 0; j < LABELS; j++)
		{
			worst = fmax(worst, fabs(number_or_0(model.bias, j) - expected[1 + j]));
			worst = fmax(worst, fabs(number_or_0(model.slope, j) - expected[8 + j]));
			worst = fmax(worst, fabs(number_or_0(model.shift, j) - expected[12 + j]));
		}
		for (j = 0; j < QC_COVERAGE_PARAMS; j++)
			worst = fmax(worst, fabs(number_or_0(model.coverage, j) - expected[5 + j]));
		tap_ok(worst < 1e-6, "its numbers are scipy's", "row %d: off by %g", i, worst);
		for (j = 0; j < N(rows); j++)
		{
			QcSaid		said = qc_reviews_said(&reviews, rows[j]);

			tap_ok(fabs(qc_model_apply(&model, &said) - expected[16 + j]) < 1e-6, "and what it tells", "row %d, %d: %.9g instead of %.9g",
				   i, j, qc_model_apply(&model, &said), expected[16 + j]);
		}
		qc_model_free(&model);
	}
}

/* ---- stored ---- */

static void
test_stored(void)
{
	static const QcRecipe recipes[] = {
		{QC_MAP_PLATT, QC_MIX_NONE, false, QC_PER_LABEL_NONE}, {QC_MAP_ISOTONIC, QC_MIX_FITTED, true, QC_PER_LABEL_SLOPE},
		{QC_MAP_BETA, QC_MIX_NONE, true, QC_PER_LABEL_NONE}, {QC_MAP_PLATT, QC_MIX_FIXED, false, QC_PER_LABEL_SHIFT}};
	QcReviews	reviews = detailed_rows(400, 0, true);
	int			i;
	int			j;

	for (i = 0; i < N(recipes); i++)
	{
		QcModel		model;
		QcModel		again;
		double	   *number = NULL;
		int			n = 0;
		bool		same = true;

		if (qc_model_fit(&recipes[i], &reviews, &model) != QC_STAT_OK || qc_model_pack(&model, &number, &n) != QC_STAT_OK ||
			!qc_model_unpack(&recipes[i], number, n, &again))
		{
			tap_ok(false, "a model is stored and read", "recipe %d", i);
			continue;
		}
		for (j = 0; j < reviews.n; j++)
		{
			QcSaid		said = qc_reviews_said(&reviews, j);

			same = same && qc_model_apply(&model, &said) == qc_model_apply(&again, &said);
		}
		tap_ok(same, "a model that was stored is the same", "recipe %d", i);
		tap_ok(i == 1 || !qc_model_unpack(&recipes[i], number, n - 1, &again), "not with a number less", "recipe %d", i);
		number[n - 1] = i == 0 ? NAN : LABELS + 1;
		tap_ok(i == 2 || !qc_model_unpack(&recipes[i], number, n, &again), "nor with another count of labels", "recipe %d", i);
		free(number);
		qc_model_free(&model);
	}
}

static void
test_unpack_refuses(void)
{
	QcRecipe	with_labels = {.method = QC_MAP_TEMP, .labels = QC_PER_LABEL_SLOPE};
	QcRecipe	with_coverage = {.method = QC_MAP_TEMP, .coverage = true};
	double		falls[] = {0.6, 1, -0.5, 0, 0, 2};
	double		rises[] = {0.6, 1, 0.5, 0, 0, 2};
	double		punishes[] = {0.6, 1, -0.1, 0, 0};
	double		huge[] = {0.6, 1, 1, 0, 0, 1e300};
	QcModel		model;

	tap_ok(qc_model_unpack(&with_labels, rises, 6, &model), "slopes that rise are taken", "they are not");
	tap_ok(!qc_model_unpack(&with_labels, falls, 6, &model), "a label's slope that falls is not", "it is");
	tap_ok(!qc_model_unpack(&with_coverage, punishes, 5, &model), "coverage never counts against a label", "it does");
	tap_ok(!qc_model_unpack(&with_labels, huge, 6, &model), "a count beyond the array is refused", "it is not");
	tap_ok(!qc_model_unpack(&with_labels, rises, 0, &model), "and so is no number at all", "it is not");
}

/* ---- what it may do ---- */

static void
test_order(void)
{
	QcRecipe	recipe = {QC_MAP_BETA, QC_MIX_FITTED, true, QC_PER_LABEL_SLOPE};
	QcReviews	reviews = detailed_rows(1000, 1, true);
	bool		rises = true;
	QcModel		model;
	int			l;
	int			i;

	if (qc_model_fit(&recipe, &reviews, &model) != QC_STAT_OK)
	{
		tap_ok(false, "a model of rows that fall", "none");
		return;
	}
	for (l = 0; l < LABELS; l++)
	{
		double		before = 0;

		for (i = 0; i <= 10000; i++)
		{
			double		p = i / 10000.0;
			float		top[LABELS];
			QcSaid		said = {p, 0, l, top, 0.7};
			double		told;
			int			j;

			for (j = 0; j < LABELS; j++)
				top[j] = (float) (j == l ? p : (1 - p) / (LABELS - 1));
			told = qc_model_apply(&model, &said);
			rises = rises && told >= before - 1e-6 && told > 0 && told < 1;
			before = told;
		}
	}
	tap_ok(rises, "within a label more confidence is not less, though its rows fall", "it is");
	qc_model_free(&model);
}

/* Rows that lack something are told without that step, and never NaN. */
static void
test_missing(void)
{
	QcRecipe	recipe = {QC_MAP_PLATT, QC_MIX_FIXED, true, QC_PER_LABEL_SHIFT};
	QcRecipe	bare = {.method = QC_MAP_PLATT};
	QcReviews	reviews = detailed_rows(400, 0, false);
	QcSaid		nothing = {0.8, 0, -1, NULL, NAN};
	QcSaid		none = {NAN, 0, 1, data_top[0], 0.5};
	QcModel		model;
	double		z;

	qc_model_fit(&recipe, &reviews, &model);
	z = model.map.params[0] * qc_logit(0.8) + model.map.params[1];
	tap_ok(fabs(qc_model_apply(&model, &nothing) - qc_sigmoid(z)) < 1e-12, "where nothing else is known there is the map", "%g", z);
	tap_ok(isnan(qc_model_apply(&model, &none)), "no number stays none", "it does not");
	qc_model_free(&model);
	reviews.top = NULL;
	tap_ok(qc_model_fit(&recipe, &reviews, &model) == QC_STAT_INPUT && model.map.params == NULL && model.bias == NULL,
		   "a mix needs all probabilities", "it does not");
	reviews.label = NULL;
	tap_ok(qc_model_fit(&bare, &reviews, &model) == QC_STAT_OK, "a map needs none of it", "it does");
	qc_model_free(&model);
}

/* ---- what is chosen ---- */

typedef enum Truth
{
	NOTHING,					/* a map alone is right */
	SHIFTED,					/* the model says label 0 too often */
	BY_LABEL,					/* one label is easy, one is hard */
	BY_COVERAGE
} Truth;

/*
 * A row: the model's probabilities of the labels, its label, and the person's,
 * who says it by the truth's probabilities.
 */
static void
simulate_row(QcRandom *random, int i, Truth truth)
{
	double		logit[LABELS];
	double		sum = 0;
	double		people = 0;
	double		u = qc_random_unit(random);
	double		right;
	int			best = 0;
	int			l;

	for (l = 0; l < LABELS; l++)
	{
		logit[l] = 4 * (qc_random_unit(random) + qc_random_unit(random) + qc_random_unit(random) - 1.5);
		sum += exp(logit[l] + (truth == SHIFTED && l == 0 ? 2 : 0));
		people += exp(0.6 * logit[l]);
	}
	for (l = 0; l < LABELS; l++)
	{
		data_all[i][l] = (float) (exp(logit[l] + (truth == SHIFTED && l == 0 ? 2 : 0)) / sum);
		if (data_all[i][l] > data_all[i][best])
			best = l;
	}
	data_top[i] = data_all[i];
	data_label[i] = best;
	data_p[i] = data_all[i][best];
	data_coverage[i] = 0.2 + 0.8 * qc_random_unit(random);
	data_audit[i] = true;
	right = exp(0.6 * logit[best]) / people;
	if (truth == BY_LABEL)
		right = qc_sigmoid(qc_logit(right) + (best == 1 ? 1.2 : best == 2 ? -1.2 : 0));
	else if (truth == BY_COVERAGE)
		right = qc_sigmoid(qc_logit(right) + 1.5 * log(data_coverage[i]) + 0.8);
	data_right[i] = u < right;

	/* else one of the others by its share */
	data_human[i] = best;
	for (l = 0, u = (u - right) / (1 - right); !data_right[i] && l < LABELS; l++)
	{
		double		share = l == best ? 0 : exp(0.6 * logit[l]) / (people - exp(0.6 * logit[best]));

		if (l != best && u >= 0)
			data_human[i] = l;
		u -= share;
	}
}

static QcReviews
simulate(QcRandom *random, int n, Truth truth)
{
	int			i;
	int			l;

	for (l = 0; l < LABELS; l++)
		data_mean_log[l] = data_mean[l] = 0;
	for (i = 0; i < n; i++)
	{
		simulate_row(random, i, truth);
		for (l = 0; l < LABELS; l++)
		{
			data_mean_log[l] += log(fmax(data_all[i][l], exp(-9))) / n;
			data_mean[l] += data_all[i][l] / n;
		}
	}
	return (QcReviews) {n, data_p, NULL, data_right, NULL, data_label, data_human, data_audit, data_top,
		data_coverage, LABELS, data_mean_log, data_mean};
}

/* Mean log-loss on the rows from a given one on. */
static double
loss_from(const QcModel *model, const QcReviews *all, int from)
{
	double		sum = 0;
	int			i;

	for (i = from; i < all->n; i++)
	{
		QcSaid		said = qc_reviews_said(all, i);

		sum += qc_log_loss(qc_model_apply(model, &said), all->right[i]);
	}
	return sum / (all->n - from);
}

/* What each truth's remedy gains on rows that it was not fitted to, and how often it is taken. */
static void
try_truth(Truth truth, int n, QcExtra extra, const char *what, int least, int most)
{
	QcRandom	random;
	double		gain = 0;
	int			taken = 0;
	int			i;

	qc_random_seed(&random, 77 + truth + (uint64_t) n);
	for (i = 0; i < 40; i++)
	{
		QcReviews	all = simulate(&random, MAX_ROWS, truth);
		QcReviews	reviews = all;
		QcChoice	choice;
		QcModel		model;
		QcModel		bare;

		reviews.n = n;
		if (qc_model_choose(&reviews, 3, &model, &choice) != QC_STAT_OK ||
			qc_map_fit(choice.recipe.method, &reviews, &bare.map) != QC_STAT_OK)
		{
			tap_ok(false, what, "no model");
			return;
		}
		bare = (QcModel) {.map = bare.map};
		taken += choice.trial[extra].taken;
		gain += (loss_from(&bare, &all, n) - loss_from(&model, &all, n)) / 40;
		qc_map_free(&bare.map);
		qc_model_free(&model);
	}
	printf("# truth %d, %d reviews: taken %d of 40, gain %.4f on other rows\n", (int) truth, n, taken, gain);
	tap_ok(taken >= least && taken <= most, what, "taken %d of 40", taken);
	tap_ok(truth == NOTHING ? gain > -0.003 : gain > 0, "on other rows it helps, or does no harm", "gain %g", gain);
}

static void
test_trials(void)
{
	QcReviews	reviews = detailed_rows(60, 0, false);
	QcChoice	choice;
	QcModel		model;

	qc_model_choose(&reviews, 1, &model, &choice);
	tap_ok(choice.trial[QC_EXTRA_MIX].tried && !choice.trial[QC_EXTRA_COVERAGE].tried && !choice.trial[QC_EXTRA_SHIFT].tried,
		   "60 reviews: the mix alone is tried", "otherwise");
	qc_model_free(&model);
	reviews.n = 49;
	qc_model_choose(&reviews, 1, &model, &choice);
	tap_ok(!choice.trial[QC_EXTRA_MIX].tried, "49: nothing is", "it is");
	qc_model_free(&model);
	reviews = detailed_rows(250, 0, false);
	qc_model_choose(&reviews, 1, &model, &choice);
	tap_ok(choice.trial[QC_EXTRA_MIX].tried && choice.trial[QC_EXTRA_COVERAGE].tried && choice.trial[QC_EXTRA_SHIFT].tried &&
		   !choice.trial[QC_EXTRA_SLOPE].tried, "250: all but the slopes", "otherwise");
	qc_model_free(&model);
	data_top[3] = NULL;
	data_coverage[3] = NAN;
	qc_model_choose(&reviews, 1, &model, &choice);
	tap_ok(!choice.trial[QC_EXTRA_MIX].tried && !choice.trial[QC_EXTRA_COVERAGE].tried,
		   "neither mix nor coverage where a review lacks it", "it is");
	qc_model_free(&model);
	reviews = detailed_rows(1000, 0, false);
	qc_model_choose(&reviews, 1, &model, &choice);
	tap_ok(choice.trial[QC_EXTRA_SLOPE].tried, "1,000: the slopes too", "they are not");
	qc_model_free(&model);
}

int
main(void)
{
	test_fits();
	test_stored();
	test_unpack_refuses();
	test_order();
	test_missing();
	test_trials();
	try_truth(SHIFTED, 60, QC_EXTRA_MIX, "60 reviews of a model with a favourite label: the mix is taken often", 10, 40);
	try_truth(SHIFTED, 400, QC_EXTRA_MIX, "400: nearly always", 34, 40);
	try_truth(BY_LABEL, 400, QC_EXTRA_SHIFT, "labels that are easy and hard: each has its shift", 34, 40);
	try_truth(BY_COVERAGE, 400, QC_EXTRA_COVERAGE, "where coverage matters it is taken", 34, 40);
	try_truth(NOTHING, 60, QC_EXTRA_MIX, "where nothing else matters the mix is left out mostly", 0, 12);
	try_truth(NOTHING, 400, QC_EXTRA_SHIFT, "and so are shifts", 0, 12);
	try_truth(NOTHING, 400, QC_EXTRA_COVERAGE, "and the coverage", 0, 12);
	return tap_end();
}
