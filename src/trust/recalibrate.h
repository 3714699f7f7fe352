/*-------------------------------------------------------------------------
 *
 * recalibrate.h
 *	  What the worker does of qwen.recalibrate.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_RECALIBRATE_H
#define QC_RECALIBRATE_H

#include "postgres.h"

#include "task/target.h"
#include "task/task.h"

/* How far it is; a row of qwen.recalibration. */
typedef struct QcRecalibration
{
	int64		k;				/* after this key */
	char	   *kx;				/* NULL: from the beginning */
	int			pass;
	int64		seen;			/* in this pass */
	int64		done;			/* written, in all passes */
	int64		skipped;		/* locked by somebody, in this pass */
	bool		waits;			/* for a transaction that asks for it anew */
} QcRecalibration;

/* False: none is under way. */
extern bool qc_recalibration_read(int32 task, QcRecalibration *recalibration);

/*
 * Within the caller's transaction: at most so many rows, and the cursor past
 * them.  False: it ended, or there is none.
 */
extern bool qc_recalibration_step(const QcTask *task, const QcTarget *target, int rows,
								  QcRecalibration *recalibration);

#endif							/* QC_RECALIBRATE_H */
