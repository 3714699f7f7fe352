/*-------------------------------------------------------------------------
 *
 * harm.c
 *	  Whether a certified error rate has become worse.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/harm.h"

#include <math.h>

/* The rates it looks for, as multiples of the certified one. */
static const double times[QC_HARM_RATES] = {1.5, 2, 3, 5};

/* Stored numbers stay finite; every alarm is far below. */
#define MOST 1e100

/* A multiple that is no probability gives way to the middle between e0 and 1. */
static double
rate(double e0, int j)
{
	return fmin(times[j] * e0, (1 + e0) / 2);
}

double
qc_harm_step(QcHarm *harm, double e0, bool bad)
{
	int			j;

	if (!(e0 > 0 && e0 < 1))
		return NAN;
	for (j = 0; j < QC_HARM_RATES; j++)
	{
		double		likelier = bad ? rate(e0, j) / e0 : (1 - rate(e0, j)) / (1 - e0);

		harm->m[j] = fmin(likelier * (1 + harm->m[j]), MOST);
	}
	return qc_harm_mean(harm);
}

double
qc_harm_mean(const QcHarm *harm)
{
	double		sum = 0;
	int			j;

	for (j = 0; j < QC_HARM_RATES; j++)
		sum += harm->m[j];
	return sum / QC_HARM_RATES;
}
