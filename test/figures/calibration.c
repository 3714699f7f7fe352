/*-------------------------------------------------------------------------
 *
 * calibration.c
 *	  Log-loss on rows that were held out, after so many reviews.
 *
 * Each resample shuffles the rows, gives the first to qc_model_choose as audits
 * and scores the rest.  Where two thirds of the rows are not enough, reviews
 * are drawn from these with replacement; beyond half as many again as there
 * are the figure is left out: it would be about copies.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "trust/stats/choose.h"
#include "trust/stats/random.h"
#include "trust/stats/reliability.h"

#include "figures.h"

#define RESAMPLES 200
#define NMETHODS (QC_MAP_BETA + 1)

/* Held-out mean log-loss of one resample. */
typedef struct Losses
{
	double		raw;
	double		prior;
	double		fitted;
	double		method[NMETHODS];	/* had it been taken whatever the number of reviews */
} Losses;

/* What was chosen, in how many resamples. */
typedef struct Taken
{
	int			map[QC_MAP_METHODS];
	int			extra[QC_EXTRAS];
} Taken;

static int
by_value(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* The quantile of an array, which it sorts. */
static double
quantile(double *value, int n, double q)
{
	qsort(value, n, sizeof(double), by_value);
	return value[(int) floor(q * (n - 1) + 0.5)];
}

/* The rows drawn as audits; room is used again for each resample. */
static QcReviews
reviews_of(const Rows *rows, const int *row, int n)
{
	static double *p;
	static bool *right;
	static bool *audit;
	static int *label;
	static int *human;
	static const float **top;
	static int	size;

	if (n > size)
	{
		size = n;
		p = room((size_t) n, sizeof(double));
		right = room((size_t) n, sizeof(bool));
		audit = room((size_t) n, sizeof(bool));
		label = room((size_t) n, sizeof(int));
		human = room((size_t) n, sizeof(int));
		top = room((size_t) n, sizeof(float *));
	}
	for (int i = 0; i < n; i++)
	{
		p[i] = rows->p[row[i]];
		right[i] = rows->right[row[i]];
		label[i] = rows->label[row[i]];
		human[i] = rows->truth[row[i]];
		top[i] = rows->top + (size_t) row[i] * rows->labels;
		audit[i] = true;
	}
	return (QcReviews) {.n = n, .p = p, .right = right, .label = label, .human = human, .audit = audit, .top = top,
		.nlabels = rows->labels, .mean_log = rows->mean_log, .mean = rows->mean};
}

/* Mean log-loss of what a model says; without one of the raw number. */
static double
loss_of(const Rows *rows, const int *row, int n, const QcModel *model)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
	{
		int			r = row[i];
		QcSaid		said = {rows->p[r], NAN, rows->label[r], rows->top + (size_t) r * rows->labels, NAN};

		sum += qc_log_loss(model ? qc_model_apply(model, &said) : said.p, rows->right[r]);
	}
	return sum / n;
}

static double
loss_of_map(const Rows *rows, const int *row, int n, const QcReviews *reviews, QcMethod method)
{
	QcRecipe	recipe = {.method = method};
	QcModel		model;
	double		loss;

	check(qc_model_fit(&recipe, reviews, &model), "map");
	loss = loss_of(rows, row, n, &model);
	qc_model_free(&model);
	return loss;
}

static Losses
held_out(const Rows *rows, const QcReviews *reviews, const int *row, int n, uint64_t seed, Taken *taken)
{
	QcReviews	none = {0};
	QcChoice	choice;
	QcModel		model;
	Losses		l = {.raw = loss_of(rows, row, n, NULL), .prior = loss_of_map(rows, row, n, &none, QC_MAP_TEMP)};

	check(qc_model_choose(reviews, seed, &model, &choice), "choice of a model");
	l.fitted = loss_of(rows, row, n, &model);
	qc_model_free(&model);
	taken->map[choice.recipe.method]++;
	for (int x = 0; x < QC_EXTRAS; x++)
		taken->extra[x] += choice.trial[x].taken;
	for (int m = 0; m < NMETHODS; m++)
		l.method[m] = loss_of_map(rows, row, n, reviews, (QcMethod) m);
	return l;
}

/* Shuffles the rows and draws n reviews from their start; how many rows these may be. */
static int
draw(const Rows *rows, QcRandom *random, int *order, int *drawn, int n)
{
	int			pool = rows->n * 2 / 3;

	for (int i = 0; i < rows->n; i++)
		order[i] = i;
	qc_random_shuffle(random, order, rows->n);
	for (int i = 0; i < n; i++)
		drawn[i] = order[n <= pool ? i : (int) qc_random_below(random, (uint32_t) pool)];
	return n <= pool ? n : pool;
}

static void
print_line(int n, bool copies, int left, const Losses *mean, double *difference, int better, const Taken *taken)
{
	static const char *const names[] = {"temp", "platt", "beta", "isotonic", "pair"};
	static const char *const extras[] = {"mix", "coverage", "shifts", "slopes"};

	printf("%8d%s %8d  %8.3f %8.3f %8.3f   %+.3f (%+.3f to %+.3f)  %3d of %d   ", n, copies ? "*" : " ", left,
		   mean->raw, mean->prior, mean->fitted, mean->fitted - mean->raw, quantile(difference, RESAMPLES, 0.025),
		   quantile(difference, RESAMPLES, 0.975), better, RESAMPLES);
	for (int m = 0; m < NMETHODS; m++)
		printf(" %.3f", mean->method[m]);
	printf("  ");
	for (int m = 0; m < QC_MAP_METHODS; m++)
		if (taken->map[m] > 0)
			printf(" %s %d", names[m], taken->map[m]);
	for (int x = 0; x < QC_EXTRAS; x++)
		if (taken->extra[x] > 0)
			printf(" %s %d", extras[x], taken->extra[x]);
	putchar('\n');
}

static void
print_reviews(const Rows *rows, int n)
{
	int		   *order = room((size_t) rows->n, sizeof(int));
	int		   *drawn = room((size_t) n, sizeof(int));
	double		difference[RESAMPLES];
	Taken		taken = {0};
	int			better = 0;
	int			from = 0;
	Losses		mean = {0};
	QcRandom	random;

	qc_random_seed(&random, (uint64_t) n);
	for (int r = 0; r < RESAMPLES; r++)
	{
		QcReviews	reviews;
		Losses		l;

		from = draw(rows, &random, order, drawn, n);
		reviews = reviews_of(rows, drawn, n);
		l = held_out(rows, &reviews, order + from, rows->n - from, (uint64_t) r, &taken);
		mean.raw += l.raw / RESAMPLES;
		mean.prior += l.prior / RESAMPLES;
		mean.fitted += l.fitted / RESAMPLES;
		for (int m = 0; m < NMETHODS; m++)
			mean.method[m] += l.method[m] / RESAMPLES;
		difference[r] = l.fitted - l.raw;
		better += l.fitted < l.raw;
	}
	print_line(n, from < n, rows->n - from, &mean, difference, better, &taken);
	free(order);
	free(drawn);
}

void
figure_calibration(const Rows *rows)
{
	static const int reviews[] = {20, 50, 200, 1000};
	double		ece;
	double		floor_mean;
	double		floor_sd;

	check(qc_reliability_ece(rows->p, rows->right, rows->n, QC_BINS, &ece), "ECE");
	check(qc_reliability_floor(rows->p, rows->n, QC_BINS, 1000, 1, &floor_mean, &floor_sd), "its floor");
	printf("ECE of the raw number %.3f, floor %.3f +- %.3f: %s\n", ece, floor_mean, floor_sd,
		   ece > floor_mean + 0.03 ? "off by more than 0.03" : "not off by more than 0.03");
	puts(" reviews  held out       raw    prior   fitted   fitted - raw              better       temp  platt beta    chosen, of 200");
	for (int i = 0; i < (int) (sizeof(reviews) / sizeof(reviews[0])); i++)
		if (reviews[i] <= rows->n)
			print_reviews(rows, reviews[i]);
		else
			printf("%8d  left out: %d rows\n", reviews[i], rows->n);
}
