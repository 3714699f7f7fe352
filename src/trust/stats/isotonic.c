/*-------------------------------------------------------------------------
 *
 * isotonic.c
 *	  The best rising function through 0 and 1.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/isotonic.h"

#include <math.h>
#include <stdlib.h>

/* Rows with x from .. to, pooled. */
typedef struct Block
{
	double		from;
	double		to;
	double		weight;
	double		sum;
} Block;

static int
by_x(const void *a, const void *b)
{
	double		x = ((const Block *) a)->from;
	double		y = ((const Block *) b)->from;

	return (x > y) - (x < y);
}

static double
level(const Block *block)
{
	return block->sum / block->weight;
}

static void
merge(Block *into, const Block *next)
{
	into->to = next->to;
	into->weight += next->weight;
	into->sum += next->sum;
}

/* The rows that count, as blocks of one; -1 if a number is not finite. */
static int
gather(Block *block, const double *x, const bool *y, const double *weight, int n)
{
	int			found = 0;
	int			i;

	for (i = 0; i < n; i++)
	{
		double		w = weight == NULL ? 1 : weight[i];

		if (!isfinite(x[i]) || !isfinite(w) || w < 0)
			return -1;
		if (w > 0)
			block[found++] = (Block) {x[i], x[i], w, y[i] ? w : 0};
	}
	return found;
}

/* Equal x first, then whatever falls, until nothing does; how many are left. */
static int
pool(Block *block, int n)
{
	int			last = 0;
	int			i;

	for (i = 1; i < n; i++)
	{
		if (block[i].from == block[last].to)
			merge(&block[last], &block[i]);
		else
			block[++last] = block[i];
	}
	n = last + 1;
	last = 0;
	for (i = 1; i < n; i++)
	{
		block[++last] = block[i];
		while (last > 0 && level(&block[last - 1]) >= level(&block[last]))
		{
			merge(&block[last - 1], &block[last]);
			last--;
		}
	}
	return last + 1;
}

QcStat
qc_isotonic_fit(const double *x, const bool *y, const double *weight, int n,
				double **knots, int *nknots)
{
	Block	   *block;
	int			used;
	int			i;

	if (n <= 0)
		return n < 0 ? QC_STAT_INPUT : QC_STAT_TOO_FEW;
	block = malloc(sizeof(Block) * n);
	if (block == NULL)
		return QC_STAT_NO_MEMORY;
	used = gather(block, x, y, weight, n);
	if (used <= 0)
	{
		free(block);
		return used < 0 ? QC_STAT_INPUT : QC_STAT_TOO_FEW;
	}
	qsort(block, used, sizeof(Block), by_x);
	used = pool(block, used);
	*knots = malloc(sizeof(double) * 4 * used);
	*nknots = 0;
	for (i = 0; i < used && *knots != NULL; i++)
	{
		double	   *knot = *knots + 2 * *nknots;

		knot[0] = block[i].from;
		knot[1] = level(&block[i]);
		(*nknots)++;
		if (block[i].to == block[i].from)
			continue;
		knot[2] = block[i].to;
		knot[3] = knot[1];
		(*nknots)++;
	}
	free(block);
	return *knots == NULL ? QC_STAT_NO_MEMORY : QC_STAT_OK;
}

double
qc_isotonic_at(const double *knots, int nknots, double x)
{
	int			lo = 0;
	int			hi = nknots - 1;
	double		part;

	if (isnan(x))
		return x;
	if (x <= knots[0])
		return knots[1];
	if (x >= knots[2 * hi])
		return knots[2 * hi + 1];
	while (hi - lo > 1)
	{
		int			middle = (lo + hi) / 2;

		if (knots[2 * middle] <= x)
			lo = middle;
		else
			hi = middle;
	}
	part = (x - knots[2 * lo]) / (knots[2 * hi] - knots[2 * lo]);

	/* written so that rounding cannot step over the next knot */
	return fmin(knots[2 * lo + 1] + part * (knots[2 * hi + 1] - knots[2 * lo + 1]), knots[2 * hi + 1]);
}
