/*-------------------------------------------------------------------------
 *
 * drift.c
 *	  Whether the labels of a new window are mixed as those of a reference.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/drift.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "trust/stats/exact.h"

typedef struct Value
{
	double		value;
	bool		reference;
} Value;

/* The sum of counts, -1 if one is negative. */
static int64_t
total(const int64_t *count, int k)
{
	int64_t		sum = 0;
	int			i;

	for (i = 0; i < k; i++)
	{
		if (count[i] < 0)
			return -1;
		sum += count[i];
	}
	return sum;
}

static int64_t
thinned(int64_t count, double phi)
{
	return phi > 1 ? (int64_t) floor((double) count / phi + 0.5) : count;
}

QcStat
qc_drift_labels(const int64_t *reference, const int64_t *window, int k, double phi, double *p, QcDrift *out)
{
	int64_t		before = total(reference, k);
	int64_t		now = total(window, k);
	int			i;

	*out = (QcDrift) {.index = -1, .p = 1};
	if (before < 0 || now < 0 || k < 1 || isnan(phi))
		return QC_STAT_INPUT;
	if (before == 0 || now == 0)
		return QC_STAT_TOO_FEW;
	for (i = 0; i < k; i++)
	{
		double		here = qc_fisher(thinned(reference[i], phi), thinned(before - reference[i], phi),
									 thinned(window[i], phi), thinned(now - window[i], phi));

		if (p != NULL)
			p[i] = here;
		if (out->index >= 0 && here >= out->p)
			continue;
		*out = (QcDrift) {i, here, (double) reference[i] / (double) before, (double) window[i] / (double) now};
	}

	/* of two labels both tests are one */
	out->p = fmin(out->p * (k == 2 ? 1 : k), 1);
	return QC_STAT_OK;
}

/* Pearson's terms of one label; false if it never occurs. */
static bool
pearson(const int64_t *counts, int days, int k, int label, double all, double *sum)
{
	double		column = 0;
	int			day;

	for (day = 0; day < days; day++)
		column += (double) counts[(size_t) day * k + label];
	if (column == 0)
		return false;
	for (day = 0; day < days; day++)
	{
		double		expected = (double) total(counts + (size_t) day * k, k) * column / all;
		double		off = (double) counts[(size_t) day * k + label] - expected;

		if (expected > 0)
			*sum += off * off / expected;
	}
	return true;
}

double
qc_drift_phi(const int64_t *counts, int days, int k)
{
	double		all = 0;
	double		sum = 0;
	int			rows = 0;
	int			columns = 0;
	int			i;

	for (i = 0; i < days; i++)
	{
		int64_t		day = total(counts + (size_t) i * k, k);

		all += (double) day;
		rows += day > 0;
	}
	for (i = 0; i < k && all > 0; i++)
		columns += pearson(counts, days, k, i, all, &sum);
	if (rows < 2 || columns < 2)
		return 1;
	return sum / ((double) (rows - 1) * (columns - 1));
}

double
qc_drift_level(double alarms_a_year, double checks_a_year)
{
	return fmin(alarms_a_year / checks_a_year, 1);
}

double
qc_drift_psi(const int64_t *reference, const int64_t *window, int k)
{
	double		before = (double) total(reference, k) + 0.5 * k;
	double		now = (double) total(window, k) + 0.5 * k;
	double		sum = 0;
	int			i;

	for (i = 0; i < k; i++)
	{
		double		p = ((double) reference[i] + 0.5) / before;
		double		q = ((double) window[i] + 0.5) / now;

		sum += (q - p) * log(q / p);
	}
	return sum;
}

static int
by_value(const void *a, const void *b)
{
	double		x = ((const Value *) a)->value;
	double		y = ((const Value *) b)->value;

	return (x > y) - (x < y);
}

/* Count both sides in the tenths of all; how many tenths equal values leave. */
static int
count_tenths(const Value *value, long n, int64_t *reference, int64_t *window)
{
	int			used = 0;
	int			tenth = 0;
	long		start;
	long		end;

	for (start = 0; start < n; start = end, used++)
	{
		end = start;
		while (end <= start)
			end = n * ++tenth / QC_DECILES;
		while (end < n && value[end].value == value[end - 1].value)
			end++;
		reference[used] = window[used] = 0;
		for (; start < end; start++)
			(value[start].reference ? reference : window)[used]++;
	}
	return used;
}

static bool
gather(Value *value, const double *from, int n, bool reference)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		if (isnan(from[i]))
			return false;
		value[i] = (Value) {from[i], reference};
	}
	return true;
}

QcStat
qc_drift_deciles(const double *reference, int nreference, const double *window, int nwindow,
				 double phi, QcDrift *out)
{
	int64_t		before[QC_DECILES];
	int64_t		now[QC_DECILES];
	long		n = (long) nreference + nwindow;
	Value	   *value;
	QcStat		status = QC_STAT_INPUT;

	*out = (QcDrift) {.index = -1, .p = 1};
	if (nreference <= 0 || nwindow <= 0)
		return nreference < 0 || nwindow < 0 ? QC_STAT_INPUT : QC_STAT_TOO_FEW;
	value = malloc(sizeof(Value) * n);
	if (value == NULL)
		return QC_STAT_NO_MEMORY;
	if (gather(value, reference, nreference, true) && gather(value + nreference, window, nwindow, false))
	{
		qsort(value, n, sizeof(Value), by_value);
		status = qc_drift_labels(before, now, count_tenths(value, n, before, now), phi, NULL, out);
	}
	free(value);
	return status;
}
