/*-------------------------------------------------------------------------
 *
 * share.h
 *	  How many rows people would give a label, from labels and audits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_SHARE_H
#define QC_TRUST_STATS_SHARE_H

#include <stdint.h>

#include "trust/stats/status.h"

/* What is known of one label. */
typedef struct QcShareCounts
{
	int64_t		rows;			/* labelled rows that were not audited */
	int64_t		labelled;		/* of these, with this label */
	int64_t		both;			/* audits: machine and person say it */
	int64_t		machine;		/* the machine alone */
	int64_t		person;			/* the person alone */
	int64_t		neither;
} QcShareCounts;

/*
 * Prediction-powered share with the PPI++ weight (Angelopoulos, Duchi and
 * Zrnic 2023):
 *
 *	mean(person) + lambda (mean over rows(machine) - mean over audits(machine))
 *	lambda = cov(person, machine) / ((1 + n / rows) var(machine))
 *
 * lambda kept in 0 .. 1, and its normal interval at the level, the variance
 * being var(person - lambda machine) / n + lambda^2 var(machine) / rows.  For
 * the variances and lambda half a row is added to each kind of audit: n audits
 * without a disagreement do not make one impossible.  All numbers are kept in
 * 0 .. 1.  lambda may be NULL.
 *
 * QC_STAT_TOO_FEW without audits, QC_STAT_INPUT for counts that cannot be.
 */
extern QcStat qc_share(const QcShareCounts *counts, double level, QcMeasure *out, double *lambda);

#endif							/* QC_TRUST_STATS_SHARE_H */
