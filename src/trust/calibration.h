/*-------------------------------------------------------------------------
 *
 * calibration.h
 *	  From the server's numbers to a confidence that people bear out.
 *
 * A row of qwen.calibration as it is applied.  It was fitted to what people
 * said of one version of a task, on one server with one model, by one source of the
 * numbers; of anything else it says nothing and is stale.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_CALIBRATION_H
#define QC_CALIBRATION_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "task/task.h"
#include "trust/stats/map.h"

typedef struct QcCalibration
{
	MemoryContext cxt;			/* holds all of it */
	char	   *stale;			/* why it is not applied; NULL: it is */
	int32		version;
	char	   *server;			/* as qc_calibration_server */
	char	   *source;			/* qc_source_name */
	char	   *method;			/* as stored; prior: TEMP without a review */
	QcMap		map;
	int			n;				/* reviews */
	TimestampTz fitted_at;
} QcCalibration;

/*
 * A task's calibration in a context of its own below parent; NULL: there is
 * none.  Needs a transaction and a snapshot.
 */
extern QcCalibration *qc_calibration_read(const QcTask *task, MemoryContext parent);
extern void qc_calibration_free(QcCalibration *calibration);	/* or NULL */

/*
 * What is shown for a raw confidence: itself if there is no calibration, if it
 * is stale, or for another source; NaN for NaN.
 */
extern double qc_calibrated(const QcCalibration *calibration, const char *source, double raw);

/* The server that the task's owner uses, with its option model; "" if that is not one. */
extern char *qc_calibration_server(const QcTask *task);

/* The names of methods as they are stored. */
extern const char *qc_calibration_method(QcMethod method, bool calibrated);

#endif							/* QC_CALIBRATION_H */
