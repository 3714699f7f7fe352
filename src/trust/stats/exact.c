/*-------------------------------------------------------------------------
 *
 * exact.c
 *	  Exact tails, tests and intervals of counts.
 *
 * Sums of hypergeometric probabilities start at the largest of their tail and
 * go outwards by the ratio of neighbours, so that they end soon and a tiny
 * tail keeps its digits.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/exact.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

#include "trust/stats/special.h"

/* As fisher.test: what exceeds by less is a tie that rounding broke. */
#define FISHER_TIE 1e-7

/* How many marked ones can be among the drawn. */
typedef struct Draw
{
	int64_t		total;
	int64_t		marked;
	int64_t		drawn;
	int64_t		least;
	int64_t		most;
} Draw;

static bool
draw_of(Draw *draw, int64_t total, int64_t marked, int64_t drawn)
{
	if (total < 0 || marked < 0 || drawn < 0 || marked > total || drawn > total)
		return false;
	draw->total = total;
	draw->marked = marked;
	draw->drawn = drawn;
	draw->least = drawn - (total - marked) > 0 ? drawn - (total - marked) : 0;
	draw->most = drawn < marked ? drawn : marked;
	return true;
}

/* ln P(X = k), as a product of three binomials (Loader). */
static double
draw_log(const Draw *draw, int64_t k)
{
	double		p = (double) draw->drawn / (double) draw->total;
	double		q = (double) (draw->total - draw->drawn) / (double) draw->total;

	if (draw->least == draw->most)
		return 0;
	return qc_binomial_log((double) k, (double) draw->marked, p, q) +
		qc_binomial_log((double) (draw->drawn - k), (double) (draw->total - draw->marked), p, q) -
		qc_binomial_log((double) draw->drawn, (double) draw->total, p, q);
}

/* P(X = k + 1) / P(X = k) */
static double
draw_ratio(const Draw *draw, int64_t k)
{
	return ((double) (draw->marked - k) * (double) (draw->drawn - k)) /
		((double) (k + 1) * (double) (draw->total - draw->marked - draw->drawn + k + 1));
}

/* The probability of k and of all beyond it on the given side. */
static double
draw_tail(const Draw *draw, int64_t k, bool up)
{
	double		term = 1;
	double		sum = 0;
	int64_t		i;

	if (up ? k > draw->most : k < draw->least)
		return 0;
	if (up ? k <= draw->least : k >= draw->most)
		return 1;
	for (i = k; i >= draw->least && i <= draw->most; i += up ? 1 : -1)
	{
		if (i != k)
			term *= up ? draw_ratio(draw, i - 1) : 1 / draw_ratio(draw, i);
		sum += term;

		/* behind the mode the terms fall faster and faster */
		if (term < sum * 1e-18)
			break;
	}
	return fmin(sum * exp(draw_log(draw, k)), 1);
}

/* The most likely number, rounded down. */
static int64_t
draw_mode(const Draw *draw)
{
	double		mode = floor(((double) draw->marked + 1) * ((double) draw->drawn + 1) / ((double) draw->total + 2));

	if (mode < (double) draw->least)
		return draw->least;
	return mode > (double) draw->most ? draw->most : (int64_t) mode;
}

double
qc_binomial_lower(int64_t k, int64_t n, double p)
{
	if (n < 0 || !(p >= 0 && p <= 1))
		return NAN;
	if (k < 0)
		return 0;
	if (k >= n)
		return 1;
	return qc_beta_upper((double) k + 1, (double) (n - k), p);
}

double
qc_binomial_upper(int64_t k, int64_t n, double p)
{
	if (n < 0 || !(p >= 0 && p <= 1))
		return NAN;
	if (k <= 0)
		return 1;
	if (k > n)
		return 0;
	return qc_beta_lower((double) k, (double) (n - k) + 1, p);
}

double
qc_clopper_pearson_upper(int64_t k, int64_t n, double risk)
{
	if (k < 0 || k > n || !(risk > 0 && risk < 1))
		return NAN;
	if (k == n)
		return 1;
	if (k == 0)
		return -expm1(log(risk) / (double) n);
	return qc_beta_quantile_upper((double) k + 1, (double) (n - k), risk);
}

void
qc_clopper_pearson(int64_t k, int64_t n, double level, double *lo, double *hi)
{
	double		risk = (1 - level) / 2;

	*lo = NAN;
	*hi = qc_clopper_pearson_upper(k, n, risk);
	if (isnan(*hi))
		return;
	if (k == 0)
		*lo = 0;
	else if (k == n)
		*lo = exp(log(risk) / (double) n);
	else
		*lo = qc_beta_quantile((double) k, (double) (n - k) + 1, risk);
}

double
qc_hypergeometric_lower(int64_t k, int64_t total, int64_t marked, int64_t drawn)
{
	Draw		draw;

	if (!draw_of(&draw, total, marked, drawn))
		return NAN;
	if (k > draw_mode(&draw))
		return 1 - draw_tail(&draw, k + 1, true);
	return draw_tail(&draw, k, false);
}

double
qc_hypergeometric_upper(int64_t k, int64_t total, int64_t marked, int64_t drawn)
{
	Draw		draw;

	if (!draw_of(&draw, total, marked, drawn))
		return NAN;
	if (k < draw_mode(&draw))
		return 1 - draw_tail(&draw, k - 1, false);
	return draw_tail(&draw, k, true);
}

/*
 * The number nearest to the mode on the other side of it than k that is at
 * most as likely as k; one beyond the support if there is none.
 */
static int64_t
opposite(const Draw *draw, int64_t k, int64_t mode)
{
	double		limit = draw_log(draw, k) + FISHER_TIE;
	bool		up = k < mode;
	int64_t		likely = mode;
	int64_t		beyond = up ? draw->most + 1 : draw->least - 1;

	while (up ? beyond - likely > 1 : likely - beyond > 1)
	{
		int64_t		middle = likely + (beyond - likely) / 2;

		if (draw_log(draw, middle) > limit)
			likely = middle;
		else
			beyond = middle;
	}
	return beyond;
}

double
qc_fisher(int64_t a, int64_t b, int64_t c, int64_t d)
{
	Draw		draw;
	int64_t		mode;

	if (a < 0 || b < 0 || c < 0 || d < 0 || !draw_of(&draw, a + b + c + d, a + b, a + c))
		return NAN;
	mode = draw_mode(&draw);
	if (draw_log(&draw, a) + FISHER_TIE >= draw_log(&draw, mode))
		return 1;
	return fmin(draw_tail(&draw, a, a > mode) + draw_tail(&draw, opposite(&draw, a, mode), a < mode), 1);
}

double
qc_mcnemar(int64_t b, int64_t c)
{
	if (b < 0 || c < 0)
		return NAN;
	return fmin(2 * qc_binomial_lower(b < c ? b : c, b + c, 0.5), 1);
}
