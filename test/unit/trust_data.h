/*-------------------------------------------------------------------------
 *
 * trust_data.h
 *	  Rows, expectations and comparisons that the tests of src/trust/stats/ share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_DATA_H
#define QC_TRUST_DATA_H

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "tap.h"
#include "trust/stats/map.h"

#define N(x) ((int) (sizeof(x) / sizeof((x)[0])))
#define MAX_ROWS 2000

/* Not every test uses each table. */
#pragma GCC diagnostic ignored "-Wunused-const-variable"
#pragma GCC diagnostic ignored "-Wunused-function"
#include "trust_reference.inc"

static double data_p[MAX_ROWS];
static double data_second[MAX_ROWS];
static bool data_right[MAX_ROWS];
static double data_weight[MAX_ROWS];

/* The same rows as reviews() of trust_reference.py. */
static void
make_rows(int n, int kind)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		double		p = 0.02 + 0.97 * (((i * 7919L + 13) % 1009) / 1009.0);
		double		chance = ((i * 104729L + 7) % 1013) / 1013.0;

		data_p[i] = p;
		data_second[i] = (1 + (i * 31) % 7) / 8.0;
		data_right[i] = chance < (kind == 0 ? 0.45 + 0.5 * p : kind == 1 ? 0.95 - 0.3 * p : 0.1 + 0.85 * p * p);
		data_weight[i] = 1 + (i % 4) * 1.5;
	}
}

#define LABELS 4

static int	data_label[MAX_ROWS];
static int	data_human[MAX_ROWS];
static bool data_audit[MAX_ROWS];
static float data_all[MAX_ROWS][LABELS];
static const float *data_top[MAX_ROWS];
static double data_coverage[MAX_ROWS];
static double data_mean_log[LABELS];
static double data_mean[LABELS];

/* What the machine said of row i: its label, and what the others have of the rest. */
static void
make_details(int i)
{
	double		share[LABELS] = {0.5, 0.25, 0.15, 0.1};
	int			label = i % 20 == 0 ? 3 : i % 3;
	int			l;

	data_label[i] = label;
	data_human[i] = data_right[i] ? label : (label + 1 + i % 3) % LABELS;
	data_audit[i] = i % 5 != 0;
	data_coverage[i] = 0.4 + 0.6 * ((i * 37) % 101) / 100.0;
	data_top[i] = data_all[i];
	for (l = 0; l < LABELS; l++)
	{
		double		p = l == label ? data_p[i] : (1 - data_p[i]) * share[l] / (1 - share[label]);

		data_all[i][l] = (float) p;
		data_mean_log[l] += log(fmax(p, exp(-9)));
		data_mean[l] += p;
	}
}

/* The same rows as details() of trust_reference.py. */
static inline QcReviews
detailed_rows(int n, int kind, bool weighted)
{
	int			i;

	make_rows(n, kind);
	for (i = 0; i < LABELS; i++)
		data_mean_log[i] = data_mean[i] = 0;
	for (i = 0; i < n; i++)
		make_details(i);
	for (i = 0; i < LABELS; i++)
	{
		data_mean_log[i] /= n;
		data_mean[i] /= n;
	}
	return (QcReviews) {n, data_p, NULL, data_right, weighted ? data_weight : NULL, data_label, data_human,
		data_audit, data_top, data_coverage, LABELS, data_mean_log, data_mean};
}

/* Relative difference, absolute below 1e-290. */
static double
apart(double a, double b)
{
	if (a == b)
		return 0;
	return fabs(b) < 1e-290 ? fabs(a - b) : fabs(a - b) / fabs(b);
}

/* One line of TAP for the result of one row. */
static void
same(const char *what, int row, double got, double expected, double tolerance)
{
	char		name[120];

	snprintf(name, sizeof(name), "%s, row %d", what, row);
	tap_ok(apart(got, expected) <= tolerance, name, "%.17g instead of %.17g", got, expected);
}

#endif							/* QC_TRUST_DATA_H */
