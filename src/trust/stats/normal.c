/*-------------------------------------------------------------------------
 *
 * normal.c
 *	  The standard normal's tail and quantile.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/normal.h"

#include <math.h>

#define LN_2PI 1.8378770664093454836
#define SQRT_HALF 0.70710678118654752440

double
qc_normal_upper(double z)
{
	return 0.5 * erfc(z * SQRT_HALF);
}

double
qc_normal_quantile(double p)
{
	double		tail = fmin(p, 1 - p);
	double		t;
	double		z;
	int			i;

	if (!(p >= 0 && p <= 1))
		return NAN;
	if (tail == 0)
		return p == 0 ? -INFINITY : INFINITY;
	t = sqrt(-2 * log(tail));
	z = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
		(1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
	for (i = 0; i < 4; i++)
	{
		double		step = (qc_normal_upper(z) - tail) * exp(0.5 * (z * z + LN_2PI));

		z += step / (1 - z * step / 2);
	}
	return p < 0.5 ? -z : z;
}
