/*-------------------------------------------------------------------------
 *
 * paired.c
 *	  Two ways to ask about the same rows, compared row by row.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/paired.h"

#include <math.h>
#include <string.h>

#include "trust/stats/choose.h"
#include "trust/stats/exact.h"

#define LEVEL		0.05
#define ERRORS		2			/* standard errors of the gain */
#define FEW			20			/* rows below which a standard error says little */

/* NaN, or a probability. */
static bool
is_possible(double p)
{
	return isnan(p) || (p >= 0 && p <= 1);
}

static bool
has_losses(const QcPair *pair)
{
	return !isnan(pair->old_p) && !isnan(pair->new_p);
}

static double
gain_of(const QcPair *pair)
{
	return qc_log_loss(pair->old_p, true) - qc_log_loss(pair->new_p, true);
}

static void
count_labels(const QcPair *pair, int n, QcPaired *out)
{
	for (int i = 0; i < n; i++)
	{
		out->old_right += pair[i].old_right;
		out->new_right += pair[i].new_right;
		out->only_old += pair[i].old_right && !pair[i].new_right;
		out->only_new += pair[i].new_right && !pair[i].old_right;
	}
	out->p = qc_mcnemar(out->only_old, out->only_new);
}

static void
compare_losses(const QcPair *pair, int n, QcPaired *out)
{
	double		old_sum = 0;
	double		new_sum = 0;
	double		squares = 0;

	for (int i = 0; i < n; i++)
	{
		if (!has_losses(&pair[i]))
			continue;
		out->nlosses++;
		old_sum += qc_log_loss(pair[i].old_p, true);
		new_sum += qc_log_loss(pair[i].new_p, true);
	}
	out->old_loss = out->nlosses > 0 ? old_sum / out->nlosses : NAN;
	out->new_loss = out->nlosses > 0 ? new_sum / out->nlosses : NAN;
	out->gain = out->se = NAN;
	if (out->nlosses < 2)
		return;
	out->gain = out->old_loss - out->new_loss;
	for (int i = 0; i < n; i++)
		if (has_losses(&pair[i]))
			squares += (gain_of(&pair[i]) - out->gain) * (gain_of(&pair[i]) - out->gain);
	out->se = sqrt(squares / (out->nlosses - 1) / out->nlosses);
}

static QcBetter
decide(const QcPaired *c)
{
	if (c->p < LEVEL)
		return c->only_new > c->only_old ? QC_BETTER_LABELS : QC_BETTER_WORSE;
	return c->nlosses >= FEW && c->gain > 0 && c->gain > ERRORS * c->se ? QC_BETTER_LOSS : QC_BETTER_NOT;
}

QcStat
qc_paired(const QcPair *pair, int n, QcPaired *out)
{
	memset(out, 0, sizeof(*out));
	if (n < 1)
		return QC_STAT_TOO_FEW;
	for (int i = 0; i < n; i++)
		if (!is_possible(pair[i].old_p) || !is_possible(pair[i].new_p))
			return QC_STAT_INPUT;
	out->n = n;
	count_labels(pair, n, out);
	compare_losses(pair, n, out);
	out->better = decide(out);
	return QC_STAT_OK;
}
