/*-------------------------------------------------------------------------
 *
 * test_trust_map.c
 *	  Calibration maps and scores against scipy's and scikit-learn's values.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "trust/stats/choose.h"
#include "trust/stats/isotonic.h"
#include "trust/stats/logistic.h"
#include "trust/stats/random.h"
#include "trust/stats/reliability.h"
#include "trust/stats/score.h"

#include "trust_data.h"

#define LEVEL 0.95

static QcReviews
rows_of(int n, int kind, bool weighted)
{
	make_rows(n, kind);
	return (QcReviews) {n, data_p, data_second, data_right, weighted ? data_weight : NULL};
}

static void
test_fits(void)
{
	int			i;
	int			j;

	for (i = 0; i < N(ref_map); i++)
	{
		const double *r = ref_map[i];
		QcReviews	reviews = rows_of((int) r[1], (int) r[2], r[3] != 0);
		QcMap		map;
		QcStat		status = qc_map_fit((QcMethod) r[0], &reviews, &map);

		tap_ok(status == QC_STAT_OK && qc_map_valid(&map), "a map is fitted", "row %d: status %d", i, status);
		for (j = 0; j < map.nparams; j++)
			tap_ok(fabs(map.params[j] - r[4 + j]) <= 1e-7, "its parameter", "row %d, %d: %.12g instead of %.12g",
				   i, j, map.params[j], r[4 + j]);
		qc_map_free(&map);
	}
}

static void
test_prior(void)
{
	QcReviews	none = {0};
	QcMap		map = {0};

	tap_ok(qc_map_fit(QC_MAP_TEMP, &none, &map) == QC_STAT_OK && map.params[0] == 0.6, "no reviews: the prior",
		   "%g", map.params ? map.params[0] : NAN);
	tap_ok(apart(qc_map_apply(&map, 0.9, 0), qc_sigmoid(0.6 * log(9))) < 1e-12, "the prior tempers 0.9",
		   "%g", qc_map_apply(&map, 0.9, 0));
	tap_ok(isnan(qc_map_apply(&map, NAN, 0)), "nothing known stays nothing known", "a number");
	qc_map_free(&map);
	tap_ok(qc_map_fit(QC_MAP_ISOTONIC, &none, &map) == QC_STAT_TOO_FEW && map.params == NULL, "isotonic needs rows", "it does not");
}

static void
test_isotonic(void)
{
	static double x[MAX_ROWS];
	double	   *knots;
	int			nknots;
	int			i;
	int			j;

	for (i = 0; i < N(ref_isotonic); i++)
	{
		const double *r = ref_isotonic[i];
		int			n = (int) r[0];

		make_rows(n, (int) r[1]);
		for (j = 0; j < n; j++)
		{
			double		p = nearbyint(data_p[j] * 100) / 100;

			x[j] = log(p / (1 - p));
		}
		if (qc_isotonic_fit(x, data_right, r[2] != 0 ? data_weight : NULL, n, &knots, &nknots) != QC_STAT_OK)
		{
			tap_ok(false, "isotonic fit", "row %d", i);
			continue;
		}
		tap_ok(fabs(qc_isotonic_at(knots, nknots, r[3]) - r[4]) < 1e-7, "isotonic as scikit-learn's",
			   "row %d: %.12g instead of %.12g", i, qc_isotonic_at(knots, nknots, r[3]), r[4]);
		free(knots);
	}
}

/* Rising, strictly between 0 and 1, from end to end. */
static void
test_monotone(void)
{
	QcMethod	method;

	for (method = QC_MAP_TEMP; method <= QC_MAP_PAIR; method++)
	{
		QcReviews	reviews = rows_of(900, 1, true);
		double		before = 0;
		bool		rises = true;
		QcMap		map;
		int			i;

		if (qc_map_fit(method, &reviews, &map) != QC_STAT_OK)
		{
			tap_ok(false, "a map of rows that fall", "method %d", method);
			continue;
		}
		for (i = 0; i <= 100000; i++)
		{
			double		p = qc_map_apply(&map, i / 100000.0, 0.5);

			rises = rises && p >= before && p > 0 && p < 1;
			before = p;
		}
		tap_ok(rises && qc_map_valid(&map), "a map rises within 0 and 1, though its rows fall", "method %d", method);
		qc_map_free(&map);
	}
}

static void
test_bad_input(void)
{
	double		falling[] = {0, 0.5, 1, 0.4};
	double		one[] = {0.01};
	QcMap		knots = {QC_MAP_ISOTONIC, 4, falling};
	QcMap		slope = {QC_MAP_TEMP, 1, one};
	QcMap		map = {0};
	QcReviews	reviews = rows_of(30, 0, true);

	tap_ok(!qc_map_valid(&knots) && !qc_map_valid(&slope), "a stored map that falls is none", "it is");
	slope.nparams = 2;
	tap_ok(!qc_map_valid(&slope), "nor one with too many numbers", "it is");
	reviews.second = NULL;
	tap_ok(qc_map_fit(QC_MAP_PAIR, &reviews, &map) == QC_STAT_INPUT, "a pair needs two confidences", "it does not");
	data_p[3] = NAN;
	tap_ok(qc_map_fit(QC_MAP_PLATT, &reviews, &map) == QC_STAT_INPUT && map.params == NULL, "NaN is refused", "it is not");
	data_p[3] = 0.5;
	data_weight[4] = -1;
	tap_ok(qc_map_fit(QC_MAP_PLATT, &reviews, &map) == QC_STAT_INPUT, "a negative weight is refused", "it is not");
}

static void
choose(int n, int kind, bool pair, uint64_t seed, QcModel *map, QcChoice *choice)
{
	QcReviews	reviews = rows_of(n, kind, false);
	QcStat		status;

	if (!pair)
		reviews.second = NULL;
	status = qc_model_choose(&reviews, seed, map, choice);
	tap_ok(status == QC_STAT_OK && map->map.method == choice->recipe.method, "a map is chosen", "status %d for n = %d", status, n);
}

static void
test_choice(void)
{
	static const struct
	{
		int			n;
		bool		pair;
		bool		calibrated;
		QcMethod	method;
	}			rows[] = {
		{0, false, false, QC_MAP_TEMP}, {19, false, false, QC_MAP_TEMP}, {20, false, true, QC_MAP_PLATT},
		{99, false, true, QC_MAP_PLATT}, {199, false, true, QC_MAP_PLATT},
		{99, true, true, QC_MAP_PLATT}, {100, true, true, QC_MAP_PAIR}, {600, true, true, QC_MAP_PAIR}};
	QcChoice	choice = {0};
	QcChoice	again = {0};
	QcModel		map = {0};
	int			i;

	for (i = 0; i < N(rows); i++)
	{
		choose(rows[i].n, 0, rows[i].pair, 1, &map, &choice);
		tap_ok(choice.recipe.method == rows[i].method && choice.calibrated == rows[i].calibrated &&
			   isnan(choice.log_loss[QC_MAP_BETA]), "by the number of reviews", "n = %d: method %d", rows[i].n, choice.recipe.method);
		qc_model_free(&map);
	}
	choose(1000, 0, false, 5, &map, &choice);
	tap_ok(choice.log_loss[QC_MAP_PLATT] > 0 && choice.log_loss[QC_MAP_BETA] > 0 && choice.log_loss[QC_MAP_ISOTONIC] > 0 &&
		   isnan(choice.log_loss[QC_MAP_TEMP]), "a thousand reviews: three candidates", "not all were tried");
	tap_ok(choice.told_log_loss < choice.raw_log_loss, "the map chosen is better than none", "%g against %g",
		   choice.told_log_loss, choice.raw_log_loss);
	qc_model_free(&map);
	choose(1000, 0, false, 5, &map, &again);
	tap_ok(again.log_loss[QC_MAP_BETA] == choice.log_loss[QC_MAP_BETA], "the same seed, the same folds", "others");
	qc_model_free(&map);
	choose(1000, 0, false, 6, &map, &again);
	tap_ok(again.log_loss[QC_MAP_BETA] != choice.log_loss[QC_MAP_BETA], "another seed, other folds", "the same");
	qc_model_free(&map);
}

/* What is next of reviews that tell nothing but the number, or a second one beside it. */
static void
test_next(void)
{
	static const struct
	{
		int			n;
		bool		pair;
		int			next;
	}			rows[] = {
		{0, false, 20}, {19, false, 20}, {20, false, 200}, {20, true, 100}, {99, true, 100}, {100, true, 200},
		{199, false, 200}, {200, false, 1000}, {999, true, 1000}, {1000, false, 0}};
	int			i;

	for (i = 0; i < N(rows); i++)
	{
		QcReviews	reviews = rows_of(rows[i].n, 0, false);

		if (!rows[i].pair)
			reviews.second = NULL;
		tap_ok(qc_reviews_next(&reviews) == rows[i].next, "what is next", "n = %d: %d", rows[i].n, qc_reviews_next(&reviews));
	}
}

/* What is told of each row beside the sum of it that the choice was made by. */
static void
test_out_of_fold(void)
{
	QcReviews	reviews = rows_of(300, 0, false);
	QcReviews	none = {0};
	QcRecipe	platt = {.method = QC_MAP_PLATT};
	QcRecipe	isotonic = {.method = QC_MAP_ISOTONIC};
	double		told[300];
	double		first[300];
	double		loss = 0;
	QcChoice	choice;
	QcModel		map;
	int			i;

	reviews.second = NULL;
	tap_ok(qc_model_choose(&reviews, 5, &map, &choice) == QC_STAT_OK &&
		   qc_model_out_of_fold(&platt, &reviews, 5, told) == QC_STAT_OK, "maps out of fold", "none");
	for (i = 0; i < reviews.n; i++)
		loss += qc_log_loss(told[i], reviews.right[i]) / reviews.n;
	tap_ok(fabs(loss - choice.log_loss[QC_MAP_PLATT]) < 1e-12, "their mean log-loss is the choice's", "%.12g instead of %.12g",
		   loss, choice.log_loss[QC_MAP_PLATT]);

	/* a row does not see its own truth: turned round, it alone is told the same */
	for (i = 0; i < reviews.n; i++)
		first[i] = told[i];
	data_right[7] = !data_right[7];
	tap_ok(qc_model_out_of_fold(&platt, &reviews, 5, told) == QC_STAT_OK && told[7] == first[7], "a row's own truth does not matter to it",
		   "%g instead of %g", told[7], first[7]);
	for (i = 0; i < reviews.n && told[i] == first[i]; i++)
		;
	tap_ok(i < reviews.n, "but to others", "it does not");
	tap_ok(qc_model_out_of_fold(&isotonic, &none, 5, told) == QC_STAT_TOO_FEW, "isotonic of nothing is refused", "it is not");
	qc_model_free(&map);
}

/* Rows whose truth is that of a straight line in the logit, and of a step that only isotonic can follow. */
static void
simulate(QcRandom *random, int n, bool step)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		double		p = qc_random_unit(random);
		double		truth = step ? (p < 0.4 ? 0.05 : p < 0.6 ? 0.5 : 0.55) : qc_sigmoid(0.5 * qc_logit(p));

		data_p[i] = p;
		data_right[i] = qc_random_unit(random) < truth;
	}
}

static void
test_one_standard_error(void)
{
	QcRandom	random;
	int			simple = 0;
	int			stepped = 0;
	int			i;

	qc_random_seed(&random, 11);
	for (i = 0; i < 40; i++)
	{
		QcReviews	reviews = {1500, data_p, NULL, data_right, NULL};
		QcChoice	choice;
		QcModel		map;

		simulate(&random, 1500, i % 2 == 1);
		if (qc_model_choose(&reviews, 3, &map, &choice) != QC_STAT_OK)
			continue;
		simple += i % 2 == 0 && choice.recipe.method == QC_MAP_PLATT;
		stepped += i % 2 == 1 && choice.recipe.method == QC_MAP_ISOTONIC;
		qc_model_free(&map);
	}
	tap_ok(simple >= 14, "where Platt's is the truth, it is mostly chosen", "%d of 20", simple);
	tap_ok(stepped >= 18, "where the truth is a step, isotonic is", "%d of 20", stepped);
}

/* Of a model that is not sure enough of itself a slope alone makes too little, the more so the fewer the reviews. */
static void
test_twenty_reviews(void)
{
	static double p[20];
	static bool right[20];
	QcRandom	random;
	double		raw = 0;
	double		told = 0;
	int			draw;
	int			i;

	qc_random_seed(&random, 12);
	for (draw = 0; draw < 100; draw++)
	{
		QcReviews	reviews = {20, p, NULL, right, NULL};
		QcChoice	choice;
		QcModel		map;

		for (i = 0; i < 120; i++)
		{
			data_p[i] = 0.3 + 0.6 * qc_random_unit(&random);
			data_right[i] = qc_random_unit(&random) < qc_sigmoid(0.8 * qc_logit(data_p[i]) + 1.2);
		}
		memcpy(p, data_p, sizeof(p));
		memcpy(right, data_right, sizeof(right));
		if (qc_model_choose(&reviews, 1, &map, &choice) != QC_STAT_OK)
			continue;
		for (i = 20; i < 120; i++)
		{
			QcSaid		said = {data_p[i], NAN, -1, NULL, NAN};

			raw += qc_log_loss(data_p[i], data_right[i]) / 1e4;
			told += qc_log_loss(qc_model_apply(&map, &said), data_right[i]) / 1e4;
		}
		qc_model_free(&map);
	}
	tap_ok(told > 0 && told < raw - 0.05, "20 reviews help a model that is not sure enough", "log-loss %g against %g", told, raw);
}

static void
test_scores(void)
{
	static double coarse[MAX_ROWS];
	int			i;
	int			j;

	for (i = 0; i < N(ref_score); i++)
	{
		const double *r = ref_score[i];
		int			n = (int) r[0];
		QcMeasure	got;
		QcMeasure	slope;
		QcMeasure	intercept;
		double		ece;

		make_rows(n, (int) r[1]);
		for (j = 0; j < n; j++)
			coarse[j] = nearbyint(data_p[j] * 10) / 10;
		tap_ok(qc_score_brier(data_p, data_right, n, LEVEL, 1, &got) == QC_STAT_OK && got.lo < got.value && got.value < got.hi,
			   "Brier score lies in its interval", "%g .. %g .. %g", got.lo, got.value, got.hi);
		same("Brier score", i, got.value, r[2], 1e-12);
		tap_ok(qc_score_log_loss(data_p, data_right, n, LEVEL, 1, &got) == QC_STAT_OK && got.lo < got.value && got.value < got.hi,
			   "log-loss lies in its interval", "%g .. %g .. %g", got.lo, got.value, got.hi);
		same("log-loss", i, got.value, r[3], 1e-12);
		tap_ok(qc_score_auroc(coarse, data_right, n, LEVEL, &got) == QC_STAT_OK, "AUROC is told", "it is not");
		same("AUROC with ties", i, got.value, r[4], 1e-12);
		same("Hanley and McNeil's error", i, got.se, r[5], 1e-12);
		tap_ok(qc_score_slope(data_p, data_right, n, LEVEL, &slope, &intercept) == QC_STAT_OK, "slope is told", "it is not");
		same("slope", i, slope.value, r[6], 1e-7);
		same("intercept", i, intercept.value, r[7], 1e-7);
		same("slope's error", i, slope.se, r[8], 1e-7);
		same("intercept's error", i, intercept.se, r[9], 1e-7);
		tap_ok(qc_reliability_ece(data_p, data_right, n, 10, &ece) == QC_STAT_OK, "ECE is told", "it is not");
		same("ECE", i, ece, r[10], 1e-9);
	}
}

static void
test_too_few(void)
{
	bool		all[4] = {true, true, true, true};
	bool		some[4] = {false, false, true, true};
	double		p[4] = {0.1, 0.2, 0.8, 0.9};
	double		equal[4] = {0.8, 0.8, 0.8, 0.8};
	QcMeasure	a = {0};
	QcMeasure	b = {0};

	tap_ok(qc_score_accuracy(all, 0, LEVEL, &a) == QC_STAT_TOO_FEW, "no rows, no accuracy", "one");
	tap_ok(qc_score_accuracy(all, 4, LEVEL, &a) == QC_STAT_OK && a.value == 1 && a.hi == 1 && fabs(a.lo - pow(0.025, 0.25)) < 1e-12,
		   "four of four have an exact interval", "%g .. %g", a.lo, a.hi);
	tap_ok(qc_score_auroc(p, all, 4, LEVEL, &a) == QC_STAT_TOO_FEW, "all right: no AUROC, and not 1", "%g", a.value);
	tap_ok(qc_score_slope(p, all, 4, LEVEL, &a, &b) == QC_STAT_TOO_FEW, "all right: no slope", "%g", a.value);
	tap_ok(qc_score_slope(equal, some, 4, LEVEL, &a, &b) == QC_STAT_TOO_FEW, "one confidence: no slope", "%g", a.value);
	tap_ok(qc_score_slope(p, some, 4, LEVEL, &a, &b) == QC_STAT_SEPARATED, "told apart without an error: no slope", "%g", a.value);
	tap_ok(qc_score_auroc(p, some, 4, LEVEL, &a) == QC_STAT_OK && a.value == 1 && a.hi == 1, "nor an error in the order", "%g", a.value);
	p[1] = 1.5;
	tap_ok(qc_score_brier(p, some, 4, LEVEL, 1, &a) == QC_STAT_INPUT, "1.5 is no probability", "it is");
}

/* Bootstrap intervals hold what they promise: the truth of this Brier score is known. */
static void
test_bootstrap_coverage(void)
{
	QcRandom	random;
	int			covered = 0;
	int			i;
	int			j;

	qc_random_seed(&random, 21);
	for (i = 0; i < 200; i++)
	{
		QcMeasure	got;

		for (j = 0; j < 200; j++)
		{
			data_p[j] = 0.05 + 0.9 * qc_random_unit(&random);
			data_right[j] = qc_random_unit(&random) < data_p[j];
		}
		/* E p (1 - p) for p uniform in 0.05 .. 0.95 */
		if (qc_score_brier(data_p, data_right, 200, LEVEL, (uint64_t) i, &got) == QC_STAT_OK &&
			got.lo <= 0.25 - 0.81 / 12 && got.hi >= 0.25 - 0.81 / 12)
			covered++;
	}
	tap_ok(covered >= 178 && covered <= 199, "bootstrap intervals cover the truth", "%d of 200", covered);
}

static void
test_reliability(void)
{
	QcBin		bin[QC_BINS] = {{0}};
	double		spoken[] = {0.9, 0.9, 0.5, 0.9, 0.9, 0.5, 0.9, 0.9, 0.9, 0.9, 1, 0.9};
	bool		right[12] = {true, false, true, true, true, false, true, true, true, true, true, true};
	double		mean = 0;
	double		sd = 0;
	double		ece = 0;
	int			used = 0;
	int			rows = 0;
	int			i;

	tap_ok(qc_reliability_bins(spoken, right, 12, QC_BINS, LEVEL, bin, &used) == QC_STAT_OK && used == 3,
		   "three spoken values make three bins", "%d", used);
	tap_ok(bin[0].n == 2 && bin[1].n == 9 && bin[1].right == 8 && fabs(bin[1].confidence - 0.9) < 1e-12 && bin[2].hi == 1,
		   "with their counts", "%d %d %d", bin[0].n, bin[1].n, bin[1].right);
	make_rows(505, 0);
	tap_ok(qc_reliability_bins(data_p, data_right, 505, QC_BINS, LEVEL, bin, &used) == QC_STAT_OK && used == 10, "ten bins", "%d", used);
	for (i = 0; i < used; i++)
		rows += bin[i].n == 50 || bin[i].n == 51 ? bin[i].n : 0;
	tap_ok(rows == 505, "of the same size", "%d", rows);

	/* a calibrated score lies in its floor, one that is 0.2 too sure does not */
	make_rows(500, 0);
	tap_ok(qc_reliability_floor(data_p, 500, QC_BINS, QC_DRAWS, 1, &mean, &sd) == QC_STAT_OK && mean > 0.03 && mean < 0.09 &&
		   sd > 0.005 && sd < 0.03, "the floor of 500 calibrated rows", "%g +- %g", mean, sd);
	for (i = 0; i < 500; i++)
		data_right[i] = ((i * 104729L + 7) % 1013) / 1013.0 < data_p[i];
	qc_reliability_ece(data_p, data_right, 500, QC_BINS, &ece);
	tap_ok(fabs(ece - mean) < 3 * sd, "calibrated rows are within it", "%g", ece);
	for (i = 0; i < 500; i++)
		data_right[i] = ((i * 104729L + 7) % 1013) / 1013.0 < data_p[i] - 0.2;
	qc_reliability_ece(data_p, data_right, 500, QC_BINS, &ece);
	tap_ok(ece > mean + 5 * sd, "rows too sure are not", "%g", ece);
	tap_ok(qc_reliability_floor(data_p, 0, QC_BINS, QC_DRAWS, 1, &mean, &sd) == QC_STAT_TOO_FEW, "no rows, no floor", "one");
}

int
main(void)
{
	test_fits();
	test_prior();
	test_isotonic();
	test_monotone();
	test_bad_input();
	test_choice();
	test_next();
	test_out_of_fold();
	test_one_standard_error();
	test_twenty_reviews();
	test_scores();
	test_too_few();
	test_bootstrap_coverage();
	test_reliability();
	return tap_end();
}
