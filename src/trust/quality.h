/*-------------------------------------------------------------------------
 *
 * quality.h
 *	  Labels by people beside labels by the machine, as qwen.quality compares them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_QUALITY_H
#define QC_QUALITY_H

#include "postgres.h"

#include "queue/rows.h"
#include "trust/calibration.h"
#include "trust/reviews.h"

/* One row of a gold set, or an audit. */
typedef struct QcGoldRow
{
	QcItem		item;			/* its key, its text */
	int			human;			/* of the task's labels */
	int			machine;		/* -1: no answer */
	double		raw;			/* confidence; NaN: none */
	double		shown;			/* calibrated */
} QcGoldRow;

typedef struct QcGold
{
	const QcTask *task;
	QcNames		labels;
	const QcCalibration *calibration;	/* NULL: none that is applied */
	bool		audits;			/* of the reviews: nothing was sent */
	int			n;
	QcGoldRow  *row;
	int			nmissing;		/* no such row, or no text */
	int64		requests;
	double		seconds;
} QcGold;

/* The schema that the labelling functions stand in, quoted. */
extern char *qc_our_schema(void);

/*
 * The settings of a query that asks about rows: a failure is a row without an
 * answer, to be counted and told.  AtEOXact_GUC(false, what this returns) ends them.
 */
extern int	qc_set_for_asking(void);

extern void qc_quality_show(QcRows *rows, const QcGold *gold);

#endif							/* QC_QUALITY_H */
