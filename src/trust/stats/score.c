/*-------------------------------------------------------------------------
 *
 * score.c
 *	  How good the labels and their confidences are, against what people said.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/score.h"

#include <math.h>
#include <stdlib.h>

#include "trust/stats/choose.h"
#include "trust/stats/exact.h"
#include "trust/stats/logistic.h"
#include "trust/stats/normal.h"
#include "trust/stats/random.h"

typedef struct Scored
{
	double		p;
	bool		right;
} Scored;

static QcStat
check(const double *p, int n, double level)
{
	int			i;

	if (!(level > 0 && level < 1) || n < 0)
		return QC_STAT_INPUT;
	for (i = 0; i < n && p != NULL; i++)
		if (!(p[i] >= 0 && p[i] <= 1))
			return QC_STAT_INPUT;
	return n == 0 ? QC_STAT_TOO_FEW : QC_STAT_OK;
}

static int
count(const bool *right, int n)
{
	int			sum = 0;
	int			i;

	for (i = 0; i < n; i++)
		sum += right[i];
	return sum;
}

static int
by_value(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static int
by_p(const void *a, const void *b)
{
	return by_value(&((const Scored *) a)->p, &((const Scored *) b)->p);
}

static double
mean(const double *x, int n)
{
	double		sum = 0;
	int			i;

	for (i = 0; i < n; i++)
		sum += x[i];
	return sum / n;
}

/* The value below which a share of the n sorted ones lies, between neighbours straight. */
static double
quantile(const double *sorted, int n, double share)
{
	double		at = share * (n - 1);
	int			i = (int) at;

	if (i >= n - 1)
		return sorted[n - 1];
	return sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]);
}

/* The mean of the losses and its bootstrap interval. */
static void
bootstrap(const double *loss, int n, double level, uint64_t seed, QcMeasure *out)
{
	double		means[QC_DRAWS];
	QcRandom	random;
	int			draw;
	int			i;

	qc_random_seed(&random, seed);
	for (draw = 0; draw < QC_DRAWS; draw++)
	{
		double		sum = 0;

		for (i = 0; i < n; i++)
			sum += loss[qc_random_below(&random, (uint32_t) n)];
		means[draw] = sum / n;
	}
	qsort(means, QC_DRAWS, sizeof(double), by_value);
	out->value = mean(loss, n);
	out->lo = quantile(means, QC_DRAWS, (1 - level) / 2);
	out->hi = quantile(means, QC_DRAWS, (1 + level) / 2);
	out->se = 0;
}

static double
square_loss(double p, bool right)
{
	double		off = p - (right ? 1 : 0);

	return off * off;
}

static QcStat
score_loss(const double *p, const bool *right, int n, double level, uint64_t seed,
		   double (*loss_of) (double, bool), QcMeasure *out)
{
	QcStat		status = check(p, n, level);
	double	   *loss;
	int			i;

	if (status != QC_STAT_OK)
		return status;
	loss = malloc(sizeof(double) * n);
	if (loss == NULL)
		return QC_STAT_NO_MEMORY;
	for (i = 0; i < n; i++)
		loss[i] = loss_of(p[i], right[i]);
	bootstrap(loss, n, level, seed, out);
	free(loss);
	return QC_STAT_OK;
}

QcStat
qc_score_accuracy(const bool *right, int n, double level, QcMeasure *out)
{
	QcStat		status = check(NULL, n, level);
	int			k;

	if (status != QC_STAT_OK)
		return status;
	k = count(right, n);
	*out = (QcMeasure) {.value = (double) k / n};
	qc_clopper_pearson(k, n, level, &out->lo, &out->hi);
	return QC_STAT_OK;
}

QcStat
qc_score_brier(const double *p, const bool *right, int n, double level, uint64_t seed, QcMeasure *out)
{
	return score_loss(p, right, n, level, seed, square_loss, out);
}

QcStat
qc_score_log_loss(const double *p, const bool *right, int n, double level, uint64_t seed, QcMeasure *out)
{
	return score_loss(p, right, n, level, seed, qc_log_loss, out);
}

/* Pairs of a right and a wrong row in which the right one is higher; rows sorted by p. */
static double
pairs_won(const Scored *row, int n)
{
	double		won = 0;
	double		wrong_below = 0;
	int			i;
	int			end;

	for (i = 0; i < n; i = end)
	{
		double		right_here = 0;

		for (end = i; end < n && row[end].p == row[i].p; end++)
			right_here += row[end].right;
		won += right_here * (wrong_below + (end - i - right_here) / 2);
		wrong_below += end - i - right_here;
	}
	return won;
}

/* The normal interval of an estimate from its standard error. */
static void
normal_interval(QcMeasure *out, double level)
{
	double		z = qc_normal_quantile((1 + level) / 2);

	out->lo = out->value - z * out->se;
	out->hi = out->value + z * out->se;
}

QcStat
qc_score_auroc(const double *p, const bool *right, int n, double level, QcMeasure *out)
{
	QcStat		status = check(p, n, level);
	Scored	   *row;
	double		good;
	double		bad;
	double		a;
	double		q1;
	double		q2;
	int			i;

	if (status != QC_STAT_OK)
		return status;
	good = count(right, n);
	bad = n - good;
	if (good == 0 || bad == 0)
		return QC_STAT_TOO_FEW;
	row = malloc(sizeof(Scored) * n);
	if (row == NULL)
		return QC_STAT_NO_MEMORY;
	for (i = 0; i < n; i++)
		row[i] = (Scored) {p[i], right[i]};
	qsort(row, n, sizeof(Scored), by_p);
	a = pairs_won(row, n) / (good * bad);
	free(row);
	q1 = a / (2 - a);
	q2 = 2 * a * a / (1 + a);
	out->value = a;
	out->se = sqrt(fmax(a * (1 - a) + (good - 1) * (q1 - a * a) + (bad - 1) * (q2 - a * a), 0) / (good * bad));
	normal_interval(out, level);
	out->lo = fmax(out->lo, 0);
	out->hi = fmin(out->hi, 1);
	return QC_STAT_OK;
}

/* Whether there is something to compare: two kinds of rows, two confidences. */
static bool
tells_apart(const double *p, const bool *right, int n)
{
	int			good = count(right, n);
	int			i;

	for (i = 1; i < n && qc_logit(p[i]) == qc_logit(p[0]); i++)
		continue;
	return good > 0 && good < n && i < n;
}

QcStat
qc_score_slope(const double *p, const bool *right, int n, double level,
			   QcMeasure *slope, QcMeasure *intercept)
{
	static const QcPrior flat[] = {{1, 0, -INFINITY}, {0, 0, -INFINITY}};
	QcStat		status = check(p, n, level);
	double	   *x;
	double		w[2];
	double		se[2];
	int			i;

	if (status != QC_STAT_OK)
		return status;
	if (!tells_apart(p, right, n))
		return QC_STAT_TOO_FEW;
	x = malloc(sizeof(double) * 2 * n);
	if (x == NULL)
		return QC_STAT_NO_MEMORY;
	for (i = 0; i < n; i++)
	{
		x[2 * i] = qc_logit(p[i]);
		x[2 * i + 1] = 1;
	}
	status = qc_logistic_fit(x, right, NULL, NULL, n, 2, flat, w, se);
	free(x);
	if (status != QC_STAT_OK)
		return status;
	*slope = (QcMeasure) {.value = w[0], .se = se[0]};
	*intercept = (QcMeasure) {.value = w[1], .se = se[1]};
	normal_interval(slope, level);
	normal_interval(intercept, level);
	return QC_STAT_OK;
}
