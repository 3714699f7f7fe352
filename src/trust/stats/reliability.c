/*-------------------------------------------------------------------------
 *
 * reliability.c
 *	  Confidence against truth, bin by bin, and what of it is noise.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/reliability.h"

#include <math.h>
#include <stdlib.h>

#include "trust/stats/exact.h"
#include "trust/stats/random.h"

typedef struct Scored
{
	double		p;
	bool		right;
} Scored;

static int
by_p(const void *a, const void *b)
{
	double		x = ((const Scored *) a)->p;
	double		y = ((const Scored *) b)->p;

	return (x > y) - (x < y);
}

static QcStat
sorted_rows(const double *p, const bool *right, int n, int nbins, Scored **row)
{
	int			i;

	if (n < 0 || nbins < 1)
		return QC_STAT_INPUT;
	for (i = 0; i < n; i++)
		if (!(p[i] >= 0 && p[i] <= 1))
			return QC_STAT_INPUT;
	if (n == 0)
		return QC_STAT_TOO_FEW;
	*row = malloc(sizeof(Scored) * n);
	if (*row == NULL)
		return QC_STAT_NO_MEMORY;
	for (i = 0; i < n; i++)
		(*row)[i] = (Scored) {p[i], right != NULL && right[i]};
	qsort(*row, n, sizeof(Scored), by_p);
	return QC_STAT_OK;
}

/* Where the bin that starts at a row ends, *number being the bin's and then the next one's. */
static int
bin_end(const Scored *row, int n, int nbins, int start, int *number)
{
	int			end = start;

	/* one bin may take the place of several, when many rows are equal */
	while (end <= start && *number < nbins)
		end = (int) ((long long) n * ++(*number) / nbins);
	while (end > start && end < n && row[end].p == row[end - 1].p)
		end++;
	return end;
}

static double
rows_ece(const Scored *row, int n, int nbins)
{
	double		sum = 0;
	int			number = 0;
	int			start;
	int			end;
	int			i;

	for (start = 0; start < n; start = end)
	{
		double		gap = 0;

		end = bin_end(row, n, nbins, start, &number);
		for (i = start; i < end; i++)
			gap += row[i].p - (row[i].right ? 1 : 0);
		sum += fabs(gap);
	}
	return sum / n;
}

QcStat
qc_reliability_bins(const double *p, const bool *right, int n, int nbins, double level, QcBin *bin, int *used)
{
	Scored	   *row;
	QcStat		status = level > 0 && level < 1 ? sorted_rows(p, right, n, nbins, &row) : QC_STAT_INPUT;
	int			number = 0;
	int			start;
	int			end;

	if (status != QC_STAT_OK)
		return status;
	*used = 0;
	for (start = 0; start < n; start = end)
	{
		QcBin	   *here = &bin[(*used)++];
		int			i;

		end = bin_end(row, n, nbins, start, &number);
		*here = (QcBin) {.from = row[start].p, .to = row[end - 1].p, .n = end - start};
		for (i = start; i < end; i++)
		{
			here->confidence += row[i].p / here->n;
			here->right += row[i].right;
		}
		qc_clopper_pearson(here->right, here->n, level, &here->lo, &here->hi);
	}
	free(row);
	return QC_STAT_OK;
}

QcStat
qc_reliability_ece(const double *p, const bool *right, int n, int nbins, double *ece)
{
	Scored	   *row;
	QcStat		status = sorted_rows(p, right, n, nbins, &row);

	if (status != QC_STAT_OK)
		return status;
	*ece = rows_ece(row, n, nbins);
	free(row);
	return QC_STAT_OK;
}

QcStat
qc_reliability_floor(const double *p, int n, int nbins, int draws, uint64_t seed, double *mean, double *sd)
{
	Scored	   *row;
	QcStat		status = draws >= 2 ? sorted_rows(p, NULL, n, nbins, &row) : QC_STAT_INPUT;
	QcRandom	random;
	double		squares = 0;
	int			draw;
	int			i;

	if (status != QC_STAT_OK)
		return status;
	qc_random_seed(&random, seed);
	*mean = 0;
	for (draw = 0; draw < draws; draw++)
	{
		double		off;
		double		ece;

		for (i = 0; i < n; i++)
			row[i].right = qc_random_unit(&random) < row[i].p;
		ece = rows_ece(row, n, nbins);

		/* Welford's sums */
		off = ece - *mean;
		*mean += off / (draw + 1);
		squares += off * (ece - *mean);
	}
	*sd = sqrt(squares / (draws - 1));
	free(row);
	return QC_STAT_OK;
}
