/*-------------------------------------------------------------------------
 *
 * shown.h
 *	  From a task's answer to the confidence that is shown.
 *
 * What people said of a task is read and applied by trust/.  The functions of
 * query/ do not know that; trust/ leaves here what they call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_SHOWN_H
#define QC_SHOWN_H

#include "postgres.h"

#include "task/task.h"

/* An answer as the server's numbers gave it. */
typedef struct QcRawAnswer
{
	const char *source;
	const char *label;
	double		confidence;		/* NaN: none */
	const float4 *top;			/* of every label in the task's order, or NULL */
	int			ntop;
	double		coverage;		/* NaN: not known */
	double		verbal;			/* beside votes; NaN: none */
} QcRawAnswer;

struct QcCalibration;

typedef struct QcShowing
{
	/*
	 * The calibration of a task's answers by a server, all of it below parent;
	 * NULL: there is none, or it is stale.  Reads under the snapshot of the
	 * statement that is running.
	 */
	struct QcCalibration *(*read) (const QcTask *task, Oid serverid, MemoryContext parent);

	/* What the worker would write into the row. */
	double		(*confidence) (const struct QcCalibration *calibration, const QcRawAnswer *raw);
} QcShowing;

/* Filled in by trust/ when the library is loaded. */
extern QcShowing qc_showing;

#endif							/* QC_SHOWN_H */
