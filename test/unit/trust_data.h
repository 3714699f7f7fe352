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
