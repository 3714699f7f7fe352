/*-------------------------------------------------------------------------
 *
 * calibration.c
 *	  Log-loss on rows that were held out, after so many reviews.
 *
 * Each resample shuffles the rows, gives the first to qc_model_choose as reviews
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

/* Held-out mean log-loss of one resample. */
typedef struct Losses
{
	double		raw;
	double		prior;
	double		fitted;
} Losses;

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

static QcMap
fit(const Rows *rows, const int *row, int n, uint64_t seed)
{
	double	   *p = room((size_t) n, sizeof(double));
	bool	   *right = room((size_t) n, sizeof(bool));
	QcReviews	reviews = {n, p, NULL, right, NULL};
	QcChoice	choice;
	QcModel		model;

	for (int i = 0; i < n; i++)
	{
		p[i] = rows->p[row[i]];
		right[i] = rows->right[row[i]];
	}
	check(qc_model_choose(&reviews, seed, &model, &choice), "choice of a map");
	free(p);
	free(right);
	return model.map;			/* of the numbers alone there is nothing else */
}

static Losses
held_out(const Rows *rows, const int *row, int n, const QcMap *prior, const QcMap *map)
{
	Losses		l = {0};

	for (int i = 0; i < n; i++)
	{
		double		p = rows->p[row[i]];
		bool		right = rows->right[row[i]];

		l.raw += qc_log_loss(p, right) / n;
		l.prior += qc_log_loss(qc_map_apply(prior, p, 0), right) / n;
		l.fitted += qc_log_loss(qc_map_apply(map, p, 0), right) / n;
	}
	return l;
}

static void
print_reviews(const Rows *rows, int n, const QcMap *prior)
{
	static const char *const names[] = {"temp", "platt", "beta", "isotonic", "pair"};
	int			pool = rows->n * 2 / 3;
	int			reviews = n < pool ? n : pool;
	int		   *order = room((size_t) rows->n, sizeof(int));
	int		   *drawn = room((size_t) n, sizeof(int));
	double		difference[RESAMPLES];
	int			methods[QC_MAP_METHODS] = {0};
	int			better = 0;
	Losses		mean = {0};
	QcRandom	random;

	qc_random_seed(&random, (uint64_t) n);
	for (int r = 0; r < RESAMPLES; r++)
	{
		QcMap		map;
		Losses		l;

		for (int i = 0; i < rows->n; i++)
			order[i] = i;
		qc_random_shuffle(&random, order, rows->n);
		for (int i = 0; i < n; i++)
			drawn[i] = order[n <= pool ? i : (int) qc_random_below(&random, (uint32_t) pool)];
		map = fit(rows, drawn, n, (uint64_t) r);
		l = held_out(rows, order + reviews, rows->n - reviews, prior, &map);
		mean.raw += l.raw / RESAMPLES;
		mean.prior += l.prior / RESAMPLES;
		mean.fitted += l.fitted / RESAMPLES;
		difference[r] = l.fitted - l.raw;
		better += l.fitted < l.raw;
		methods[map.method]++;
		qc_map_free(&map);
	}
	printf("%8d%s %8d  %8.3f %8.3f %8.3f   %+.3f (%+.3f to %+.3f)  %3d of %d  ", n, n > pool ? "*" : " ", rows->n - reviews,
		   mean.raw, mean.prior, mean.fitted, mean.fitted - mean.raw, quantile(difference, RESAMPLES, 0.025),
		   quantile(difference, RESAMPLES, 0.975), better, RESAMPLES);
	for (int m = 0; m < QC_MAP_METHODS; m++)
		if (methods[m] > 0)
			printf(" %s %d", names[m], methods[m]);
	putchar('\n');
	free(order);
	free(drawn);
}

void
figure_calibration(const Rows *rows)
{
	static const int reviews[] = {20, 50, 200, 1000};
	QcReviews	none = {0};
	QcMap		prior;
	double		ece;
	double		floor_mean;
	double		floor_sd;

	check(qc_map_fit(QC_MAP_TEMP, &none, &prior), "prior");
	check(qc_reliability_ece(rows->p, rows->right, rows->n, QC_BINS, &ece), "ECE");
	check(qc_reliability_floor(rows->p, rows->n, QC_BINS, 1000, 1, &floor_mean, &floor_sd), "its floor");
	printf("ECE of the raw number %.3f, floor %.3f +- %.3f: %s\n", ece, floor_mean, floor_sd,
		   ece > floor_mean + 0.03 ? "off by more than 0.03" : "not off by more than 0.03");
	puts(" reviews  held out       raw    prior   fitted   fitted - raw              better      maps chosen");
	for (int i = 0; i < (int) (sizeof(reviews) / sizeof(reviews[0])); i++)
		if (reviews[i] <= rows->n)
			print_reviews(rows, reviews[i], &prior);
		else
			printf("%8d  left out: %d rows\n", reviews[i], rows->n);
	qc_map_free(&prior);
}
