/*-------------------------------------------------------------------------
 *
 * rewrite.h
 *	  Calibrated confidences for rows that are there, some at a time.
 *
 * In the order of the keys in qwen.result.  A row is locked, then it is looked
 * whether its label is somebody's, then it is written if text and label are
 * still what the model answered.  Nobody is waited for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_REWRITE_H
#define QC_REWRITE_H

#include "postgres.h"

#include "queue/write_rows.h"
#include "trust/calibration.h"

/* Most rows of one transaction. */
#define QC_REWRITE_ROWS	1000

typedef struct QcRewrite
{
	MemoryContext cxt;			/* what outlives a batch */
	MemoryContext batch_cxt;
	int32		task;
	int32		version;
	const QcCalibration *calibration;
	int			rows;			/* of one transaction, at most QC_REWRITE_ROWS */
	int64		k;				/* after this key */
	char	   *kx;				/* NULL: from the beginning */
	QcItem	   *held;			/* locked by somebody */
	int			nheld;
	int			room;
	int64		written;
	int64		left;			/* were locked twice */
} QcRewrite;

/* The next rows, in the batch's context; how many. */
extern int	qc_rewrite_read(const QcRewrite *rw, QcItem *items);
extern int	qc_rewrite_read_held(const QcRewrite *rw, QcItem **held, int nheld, QcItem *items);

/*
 * Write them.  What somebody has locked is held for a second turn, or (again)
 * counted as left.
 */
extern void qc_rewrite_rows(QcRewrite *rw, const QcTarget *target, QcItem *items, int n, bool again);

/* An error where there is nothing to write them by, or into. */
extern void qc_rewrite_check(const QcTask *task, const QcCalibration *calibration);

#endif							/* QC_REWRITE_H */
