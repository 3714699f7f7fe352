/*-------------------------------------------------------------------------
 *
 * logistic.c
 *	  Logistic regression of a few features, weighted, with normal priors.
 *
 * The objective is concave, so the maximum under lower bounds is that of one
 * face of the box: the free one if it obeys, else the best of the faces whose
 * maximum does.  With three coefficients there are at most eight.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/logistic.h"

#include <math.h>
#include <string.h>

#define D QC_LOGISTIC_MAX
#define MAX_STEPS 25
#define MAX_STEP 2.0
#define MAX_HALVINGS 30

/* A step this small changes no probability that anybody sees. */
#define DONE 1e-9

/* Beyond it every probability is 0 or 1: the likelihood has no maximum. */
#define FAR 1e4

/* x is clipped so far out that 1 - p is not told apart from 0 beyond it. */
#define MAX_LOGIT 9.0

/* exp(-30) is well above the double's last digit of 1. */
#define MAX_Z 30.0

typedef struct Fit
{
	const double *x;
	const bool *y;
	const double *weight;
	const double *offset;
	int			n;
	int			d;
	const QcPrior *prior;
	unsigned	held;			/* coefficients that stay at their bound */
	double		w[D];
	double		gradient[D];
	double		hessian[D][D];	/* negative: positive definite */
} Fit;

double
qc_sigmoid(double z)
{
	return 1 / (1 + exp(-fmax(fmin(z, MAX_Z), -MAX_Z)));
}

double
qc_logit(double p)
{
	if (isnan(p))
		return p;
	if (p <= 0 || p >= 1)
		return p <= 0 ? -MAX_LOGIT : MAX_LOGIT;
	return fmax(fmin(log(p) - log1p(-p), MAX_LOGIT), -MAX_LOGIT);
}

static double
linear(const Fit *fit, const double *w, int row)
{
	double		z = fit->offset == NULL ? 0 : fit->offset[row];
	int			j;

	for (j = 0; j < fit->d; j++)
		z += w[j] * fit->x[row * (long) fit->d + j];
	return z;
}

static double
weight_of(const Fit *fit, int row)
{
	return fit->weight == NULL ? 1 : fit->weight[row];
}

static double
precision(const QcPrior *prior)
{
	return prior->sd > 0 ? 1 / (prior->sd * prior->sd) : 0;
}

static double
objective(const Fit *fit, const double *w)
{
	double		sum = 0;
	int			i;

	for (i = 0; i < fit->n; i++)
	{
		double		z = linear(fit, w, i);
		double		against = fit->y[i] ? -z : z;

		/* ln(1 + exp(against)) without overflow */
		sum -= weight_of(fit, i) * (fmax(against, 0) + log1p(exp(-fabs(against))));
	}
	for (i = 0; i < fit->d; i++)
	{
		double		off = w[i] - fit->prior[i].mean;

		sum -= precision(&fit->prior[i]) * off * off / 2;
	}
	return sum;
}

static void
derive(Fit *fit)
{
	int			i;
	int			j;
	int			k;

	memset(fit->hessian, 0, sizeof(fit->hessian));
	for (j = 0; j < fit->d; j++)
	{
		fit->gradient[j] = -precision(&fit->prior[j]) * (fit->w[j] - fit->prior[j].mean);
		fit->hessian[j][j] = precision(&fit->prior[j]);
	}
	for (i = 0; i < fit->n; i++)
	{
		const double *x = &fit->x[i * (long) fit->d];
		double		p = 1 / (1 + exp(-linear(fit, fit->w, i)));
		double		weight = weight_of(fit, i);

		for (j = 0; j < fit->d; j++)
		{
			fit->gradient[j] += weight * ((fit->y[i] ? 1 : 0) - p) * x[j];
			for (k = 0; k < fit->d; k++)
				fit->hessian[j][k] += weight * p * (1 - p) * x[j] * x[k];
		}
	}
}

/* What is held has no step and touches nobody else's. */
static void
hold(Fit *fit)
{
	int			j;
	int			k;

	for (j = 0; j < fit->d; j++)
	{
		if ((fit->held & (1u << j)) == 0)
			continue;
		for (k = 0; k < fit->d; k++)
			fit->hessian[j][k] = fit->hessian[k][j] = 0;
		fit->hessian[j][j] = 1;
		fit->gradient[j] = 0;
	}
}

/* hessian * out = right, by Gauss with the largest pivot; false: singular */
static bool
solve(const Fit *fit, const double *right, double *out)
{
	double		a[D][D + 1];
	int			n = fit->d;
	int			i;
	int			j;
	int			k;

	for (i = 0; i < n; i++)
	{
		memcpy(a[i], fit->hessian[i], sizeof(fit->hessian[i]));
		a[i][D] = right[i];
	}
	for (i = 0; i < n; i++)
	{
		int			pivot = i;

		for (k = i + 1; k < n; k++)
			if (fabs(a[k][i]) > fabs(a[pivot][i]))
				pivot = k;
		if (!(fabs(a[pivot][i]) > 1e-300))
			return false;
		for (j = 0; j <= D; j++)
		{
			double		swap = a[i][j];

			a[i][j] = a[pivot][j];
			a[pivot][j] = swap;
		}
		for (k = 0; k < n; k++)
		{
			double		factor = a[k][i] / a[i][i];

			if (k == i)
				continue;
			for (j = i; j <= D; j++)
				a[k][j] -= factor * a[i][j];
		}
	}
	for (i = 0; i < n; i++)
		out[i] = a[i][D] / a[i][i];
	return true;
}

/* Go by the step, or by a half, a quarter ... of it; how far it went. */
static double
advance(Fit *fit, const double *step)
{
	double		before = objective(fit, fit->w);
	double		largest = 0;
	double		part;
	double		to[D];
	int			i;
	int			j;

	for (j = 0; j < fit->d; j++)
		largest = fmax(largest, fabs(step[j]));
	part = largest > MAX_STEP ? MAX_STEP / largest : 1;
	for (i = 0; i < MAX_HALVINGS; i++, part /= 2)
	{
		for (j = 0; j < fit->d; j++)
			to[j] = fit->w[j] + part * step[j];
		/* near the top, rounding alone may go down */
		if (objective(fit, to) >= before - 1e-12 * (1 + fabs(before)))
			break;
	}
	memcpy(fit->w, to, sizeof(double) * fit->d);
	return part * largest;
}

/* The maximum of one face. */
static QcStat
climb(Fit *fit, unsigned held)
{
	int			i;
	int			j;

	fit->held = held;
	for (j = 0; j < fit->d; j++)
		fit->w[j] = held & (1u << j) ? fit->prior[j].least : fmax(fit->prior[j].mean, fit->prior[j].least);
	for (i = 0; i < MAX_STEPS; i++)
	{
		double		step[D];
		double		went;

		derive(fit);
		hold(fit);
		if (!solve(fit, fit->gradient, step))
			return QC_STAT_SEPARATED;
		went = advance(fit, step);
		if (!(went < FAR))
			return QC_STAT_SEPARATED;
		if (went < DONE)
			return QC_STAT_OK;
	}
	return QC_STAT_SEPARATED;
}

static bool
obeys(const Fit *fit)
{
	int			j;

	for (j = 0; j < fit->d; j++)
		if (fit->w[j] < fit->prior[j].least)
			return false;
	return true;
}

/* The best face that obeys, other than the free one. */
static QcStat
climb_bounded(Fit *fit)
{
	Fit			best = *fit;
	double		height = -INFINITY;
	unsigned	held;
	QcStat		status = QC_STAT_SEPARATED;

	for (held = 1; held < 1u << fit->d; held++)
	{
		unsigned	j;
		bool		bounded = true;

		for (j = 0; j < (unsigned) fit->d; j++)
			if ((held & (1u << j)) != 0 && isinf(fit->prior[j].least))
				bounded = false;
		if (!bounded || climb(fit, held) != QC_STAT_OK || !obeys(fit))
			continue;
		status = QC_STAT_OK;
		if (objective(fit, fit->w) > height)
		{
			height = objective(fit, fit->w);
			best = *fit;
		}
	}
	*fit = best;
	return status;
}

static bool
all_finite(const Fit *fit)
{
	long		i;

	for (i = 0; i < (long) fit->n * fit->d; i++)
		if (!isfinite(fit->x[i]))
			return false;
	for (i = 0; fit->offset != NULL && i < fit->n; i++)
		if (!isfinite(fit->offset[i]))
			return false;
	for (i = 0; fit->weight != NULL && i < fit->n; i++)
		if (!(isfinite(fit->weight[i]) && fit->weight[i] >= 0))
			return false;
	return true;
}

static QcStat
standard_errors(Fit *fit, double *se)
{
	int			j;

	derive(fit);
	for (j = 0; j < fit->d; j++)
	{
		double		unit[D] = {0};
		double		column[D];

		unit[j] = 1;
		if (!solve(fit, unit, column))
			return QC_STAT_SEPARATED;
		se[j] = sqrt(column[j]);
	}
	return QC_STAT_OK;
}

QcStat
qc_logistic_fit(const double *x, const bool *y, const double *weight,
				const double *offset, int n, int d, const QcPrior *prior, double *w, double *se)
{
	Fit			fit = {.x = x, .y = y, .weight = weight, .offset = offset, .n = n, .d = d, .prior = prior};
	QcStat		status;

	if (n < 0 || d < 1 || d > D || !all_finite(&fit))
		return QC_STAT_INPUT;
	status = climb(&fit, 0);
	if (status == QC_STAT_OK && !obeys(&fit))
		status = climb_bounded(&fit);
	if (status == QC_STAT_OK && se != NULL)
		status = standard_errors(&fit, se);
	if (status == QC_STAT_OK)
		memcpy(w, fit.w, sizeof(double) * d);
	return status;
}
