/*-------------------------------------------------------------------------
 *
 * share.c
 *	  How many rows people would give a label, from labels and audits.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/share.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "trust/stats/normal.h"

/* Rows added to each kind of audit for the variances. */
#define ADDED 0.5

/* Variances of what one audit says, of the machine and of the person. */
typedef struct Spread
{
	double		machine;
	double		person;
	double		together;		/* covariance */
} Spread;

static double
within(double x)
{
	return fmax(fmin(x, 1), 0);
}

static bool
possible(const QcShareCounts *c)
{
	return c->rows >= 0 && c->labelled >= 0 && c->labelled <= c->rows &&
		c->both >= 0 && c->machine >= 0 && c->person >= 0 && c->neither >= 0;
}

static Spread
spread_of(const QcShareCounts *c, double n)
{
	double		all = n + 4 * ADDED;
	double		both = ((double) c->both + ADDED) / all;
	double		machine = both + ((double) c->machine + ADDED) / all;
	double		person = both + ((double) c->person + ADDED) / all;

	return (Spread) {machine * (1 - machine), person * (1 - person), both - machine * person};
}

/* How far the machine's labels are to be followed. */
static double
weight(const QcShareCounts *c, const Spread *spread, double n)
{
	if (c->rows == 0)
		return 0;
	return within(spread->together / ((1 + n / (double) c->rows) * spread->machine));
}

QcStat
qc_share(const QcShareCounts *counts, double level, QcMeasure *out, double *lambda)
{
	double		n = (double) counts->both + (double) counts->machine + (double) counts->person +
		(double) counts->neither;
	double		among_rows = counts->rows > 0 ? (double) counts->labelled / (double) counts->rows : 0;
	Spread		spread;
	double		l;
	double		variance;
	double		value;
	double		z;

	if (!possible(counts) || !(level > 0 && level < 1))
		return QC_STAT_INPUT;
	if (n == 0)
		return QC_STAT_TOO_FEW;
	spread = spread_of(counts, n);
	l = weight(counts, &spread, n);
	value = (double) (counts->both + counts->person) / n +
		l * (among_rows - (double) (counts->both + counts->machine) / n);
	variance = (spread.person - 2 * l * spread.together + l * l * spread.machine) / n;
	if (counts->rows > 0)
		variance += l * l * among_rows * (1 - among_rows) / (double) counts->rows;
	z = qc_normal_quantile((1 + level) / 2);
	out->value = within(value);
	out->se = sqrt(variance);
	out->lo = within(value - z * out->se);
	out->hi = within(value + z * out->se);
	if (lambda != NULL)
		*lambda = l;
	return QC_STAT_OK;
}
