/*-------------------------------------------------------------------------
 *
 * special.c
 *	  The functions that the tests and intervals are made of.
 *
 * Probabilities of counts up to a million must keep nine digits.  A log-gamma
 * of a million is 10^7, so that a difference of some has lost them: everything
 * with a factorial goes through the remainder of Stirling's formula and a
 * deviance instead, both small numbers.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/special.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

#define LN_2PI 1.8378770664093454836

/* Below it the series of Stirling's remainder has not enough digits. */
#define STIRLING_FROM 16.0

/* The fraction needs about sqrt(a + b) rounds near the mean. */
#define MAX_ROUNDS 200000

/* lgamma(n + 1) less Stirling's formula, n > 0. */
static double
stirling_rest(double n)
{
	double		nn = n * n;

	if (n < STIRLING_FROM)
		return lgamma(n + 1) - (n + 0.5) * log(n) + n - 0.5 * LN_2PI;
	return (1 / 12.0 - (1 / 360.0 - (1 / 1260.0 - (1 / 1680.0 - 1 / 1188.0 / nn) / nn) / nn) / nn) / n;
}

/* x ln(x / mean) + mean - x, also where the two are close. */
static double
deviance(double x, double mean)
{
	double		v = (x - mean) / (x + mean);
	double		sum = (x - mean) * v;
	double		term = 2 * x * v;
	int			j;

	if (!(fabs(v) < 0.1))
		return x * log(x / mean) + mean - x;
	for (j = 1; j < 1000; j++)
	{
		double		before = sum;

		term *= v * v;
		sum += term / (2 * j + 1);
		if (sum == before)
			break;
	}
	return sum;
}

/* n ln(q), q = 1 - p, with the digits of a small p. */
static double
log_power(double n, double p, double q)
{
	if (n == 0)
		return 0;
	return n * (p < 0.5 ? log1p(-p) : log(q));
}

/* ln of (x + rest over x) p^x q^rest; a small rest keeps digits that x + rest has lost. */
static double
two_powers(double x, double rest, double p, double q)
{
	double		n = x + rest;
	double		sum;

	if (x == 0)
		return log_power(n, p, q);
	if (rest == 0)
		return log_power(n, q, p);
	sum = stirling_rest(n) - stirling_rest(x) - stirling_rest(rest) -
		deviance(x, n * p) - deviance(rest, n * q);
	return sum - 0.5 * (LN_2PI + log(x) + log(rest / n));
}

double
qc_binomial_log(double x, double n, double p, double q)
{
	if (!(x >= 0 && x <= n && p >= 0 && q >= 0))
		return NAN;
	if (p == 0)
		return x == 0 ? 0 : -INFINITY;
	if (q == 0)
		return x == n ? 0 : -INFINITY;
	return two_powers(x, n - x, p, q);
}

double
qc_log_choose(double n, double k)
{
	double		p;

	if (!(k >= 0 && k <= n))
		return NAN;
	k = fmin(k, n - k);
	if (k == 0)
		return 0;
	p = k / n;
	return qc_binomial_log(k, n, p, (n - k) / n) - k * log(p) - log_power(n - k, p, (n - k) / n);
}

/* Numbers that Lentz's method divides by must not be 0. */
static double
not_zero(double x)
{
	return fabs(x) < DBL_MIN * 1e10 ? DBL_MIN * 1e10 : x;
}

/* The continued fraction of I_x(a, b), quick for x below the mean. */
static double
beta_fraction(double a, double b, double x)
{
	double		c = 1;
	double		d = 1 / not_zero(1 - (a + b) * x / (a + 1));
	double		result = d;
	int			m;

	for (m = 1; m < MAX_ROUNDS; m++)
	{
		double		even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double		odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		double		factor;

		d = 1 / not_zero(1 + even * d);
		c = not_zero(1 + even / c);
		result *= d * c;
		d = 1 / not_zero(1 + odd * d);
		c = not_zero(1 + odd / c);
		factor = d * c;
		result *= factor;
		if (fabs(factor - 1) < DBL_EPSILON)
			break;
	}
	return result;
}

/* I_x(a, b) and the rest to 1, each with its own digits; y = 1 - x. */
static void
beta_tails(double a, double b, double x, double y, double *lower, double *upper)
{
	bool		below = x < (a + 1) / (a + b + 2);
	double		power = exp(two_powers(a, b, x, y)) / (a + b);
	double		tail = below ? power * b * beta_fraction(a, b, x) : power * a * beta_fraction(b, a, y);

	tail = fmin(tail, 1);
	*lower = below ? tail : 1 - tail;
	*upper = below ? 1 - tail : tail;
}

double
qc_beta_lower(double a, double b, double x)
{
	double		lower;
	double		upper;

	if (!(a > 0 && b > 0 && x >= 0 && x <= 1))
		return NAN;
	if (x == 0 || x == 1)
		return x;
	beta_tails(a, b, x, 1 - x, &lower, &upper);
	return lower;
}

double
qc_beta_upper(double a, double b, double x)
{
	double		lower;
	double		upper;

	if (!(a > 0 && b > 0 && x >= 0 && x <= 1))
		return NAN;
	if (x == 0 || x == 1)
		return 1 - x;
	beta_tails(a, b, x, 1 - x, &lower, &upper);
	return upper;
}

/* Newton's step leaves the bracket where the tail is flat: then halve it, in logarithm. */
static double
beta_solve(double a, double b, double p, bool upper)
{
	double		lo = 0;
	double		hi = 1;
	double		x = a / (a + b);
	int			i;

	for (i = 0; i < 400 && hi - lo > 2 * DBL_EPSILON * hi; i++)
	{
		double		tail[2];
		double		density = exp(two_powers(a, b, x, 1 - x)) * (a / (a + b) * b) / (x * (1 - x));
		double		step;
		double		next;

		beta_tails(a, b, x, 1 - x, &tail[0], &tail[1]);
		step = (log(tail[upper]) - log(p)) * tail[upper] / density;
		next = upper ? x + step : x - step;
		if (upper ? tail[1] > p : tail[0] < p)
			lo = x;
		else
			hi = x;
		if (fabs(next - x) <= 1e-13 * x && next > 0 && next < 1)
			return next;
		if (!(next > lo && next < hi))
			next = lo > 0 ? sqrt(lo) * sqrt(hi) : hi / 8;
		x = next;
	}
	return x;
}

double
qc_beta_quantile(double a, double b, double p)
{
	if (!(a > 0 && b > 0 && p >= 0 && p <= 1))
		return NAN;
	if (p == 0 || p == 1)
		return p;
	return beta_solve(a, b, p, false);
}

double
qc_beta_quantile_upper(double a, double b, double p)
{
	if (!(a > 0 && b > 0 && p >= 0 && p <= 1))
		return NAN;
	if (p == 0 || p == 1)
		return 1 - p;
	return beta_solve(a, b, p, true);
}

/* x^a exp(-x) / Gamma(a + 1) */
static double
poisson(double a, double x)
{
	return exp(-stirling_rest(a) - deviance(a, x) - 0.5 * (LN_2PI + log(a)));
}

/* The lower part of the incomplete gamma function over poisson(a, x). */
static double
gamma_series(double a, double x)
{
	double		term = 1;
	double		sum = 1;
	int			i;

	for (i = 1; i < MAX_ROUNDS && term > sum * DBL_EPSILON / 4; i++)
	{
		term *= x / (a + i);
		sum += term;
	}
	return sum;
}

/* The upper part over poisson(a, x) * a. */
static double
gamma_fraction(double a, double x)
{
	double		b = x + 1 - a;
	double		c = 1 / DBL_MIN;
	double		d = 1 / not_zero(b);
	double		result = d;
	int			i;

	for (i = 1; i < MAX_ROUNDS; i++)
	{
		double		an = -i * (i - a);
		double		factor;

		b += 2;
		d = 1 / not_zero(an * d + b);
		c = not_zero(b + an / c);
		factor = d * c;
		result *= factor;
		if (fabs(factor - 1) < DBL_EPSILON)
			break;
	}
	return result;
}

double
qc_chi2_upper(double x, double df)
{
	double		a = df / 2;

	x /= 2;
	if (!(x >= 0 && a > 0))
		return NAN;
	if (x == 0)
		return 1;
	if (isinf(x))
		return 0;
	if (x < a + 1)
		return 1 - poisson(a, x) * gamma_series(a, x);
	return poisson(a, x) * a * gamma_fraction(a, x);
}
