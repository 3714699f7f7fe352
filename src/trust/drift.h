/*-------------------------------------------------------------------------
 *
 * drift.h
 *	  Whether a task's labels are mixed as they were.
 *
 * The first labels of a version and source are the reference; those that came
 * since the last look are a window.  Counts are kept in qwen.drift_count, so
 * that a relabel or a deleted row does not change what was.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_DRIFT_H
#define QC_DRIFT_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "task/task.h"

/* So many labels make a reference. */
#define QC_REFERENCE	2000

/* A row of qwen.drift_window. */
typedef struct QcDriftWindow
{
	int32		win;
	int32		reference;		/* the window that it is compared with; its own: it is one */
	int32		version;
	char	   *source;
	TimestampTz from_at;
	TimestampTz to_at;
	TimestampTz checked_at;
	int64		rows;
	double		phi;			/* of the reference */
	double		psi;
} QcDriftWindow;

/* Counts of one kind (label, confidence, coverage) in two windows. */
typedef struct QcDriftCounts
{
	int			n;
	char	  **bucket;
	int64	   *before;
	int64	   *now;
} QcDriftCounts;

/*
 * For the worker, in a transaction of its own: look if enough labels came, or
 * a day passed, and watch the certificate.  Throws if somebody is in the way.
 */
extern void qc_drift_check(const QcTask *task);

/* The latest windows, the newest first; at most max. */
extern QcDriftWindow *qc_drift_windows(int32 task, int max, int *n);
extern void qc_drift_counts(int32 task, const char *kind, int32 reference, int32 win,
							QcDriftCounts *counts);

/* Look at once, within the caller's transaction, whatever came. */
extern void qc_drift_look(const QcTask *task, bool at_once);

/* The next labels make a new reference. */
extern void qc_drift_forget(const QcTask *task);

#endif							/* QC_DRIFT_H */
