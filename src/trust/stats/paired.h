/*-------------------------------------------------------------------------
 *
 * paired.h
 *	  Two ways to ask about the same rows, compared row by row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_PAIRED_H
#define QC_TRUST_STATS_PAIRED_H

#include <stdbool.h>

#include "trust/stats/status.h"

/* One row: was its label right, and what probability had the right label (NaN: not known)? */
typedef struct QcPair
{
	bool		old_right;
	bool		new_right;
	double		old_p;
	double		new_p;
} QcPair;

typedef enum QcBetter
{
	QC_BETTER_NOT,				/* not shown to be */
	QC_BETTER_WORSE,			/* fewer labels right, and that not by chance */
	QC_BETTER_LABELS,
	QC_BETTER_LOSS
} QcBetter;

typedef struct QcPaired
{
	int			n;
	int			old_right;
	int			new_right;
	int			only_old;		/* rows that one alone has right */
	int			only_new;
	double		p;				/* McNemar's exact test of these, two-sided */
	int			nlosses;		/* rows with both probabilities */
	double		old_loss;		/* mean of -ln p; NaN without a row */
	double		new_loss;
	double		gain;			/* by which it falls, with its standard error; NaN below two rows */
	double		se;
	QcBetter	better;
} QcPaired;

/*
 * Better: McNemar's p < 0.05 in favour of the new, or a log-loss that falls by
 * more than two standard errors while the labels are not shown to be worse.
 * Either is met by chance alone about once in forty comparisons.
 */
extern QcStat qc_paired(const QcPair *pair, int n, QcPaired *out);

#endif							/* QC_TRUST_STATS_PAIRED_H */
