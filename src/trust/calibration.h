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

#include "task/shown.h"
#include "task/task.h"
#include "trust/names.h"
#include "trust/stats/model.h"

typedef struct QcCalibration
{
	MemoryContext cxt;			/* holds all of it */
	char	   *stale;			/* why it is not applied; NULL: it is */
	int32		version;
	char	   *server;			/* as qc_calibration_server */
	char	   *source;			/* qc_source_name */
	char	   *method;			/* as stored; prior: TEMP without a review */
	QcModel		model;
	QcNames		labels;			/* of the task; none if the confidence alone counts */
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
 * The confidence that is shown: the raw one if there is no calibration, if it
 * is stale, or for another source; NaN for NaN.
 */
extern double qc_calibrated(const QcCalibration *calibration, const QcRawAnswer *raw);

/* Does more than the source and the raw confidence count? */
extern bool qc_calibration_is_rich(const QcCalibration *calibration);

/* SQL for that of a row of qwen.result under an alias; for the extension's owner. */
#define QC_SHOWN_SQL(r) \
	"qwen.shown_confidence(" r ".task, " r ".source, " r ".label, " r ".confidence, " r ".top, " r ".coverage, " r ".verbal)"

/* The server that the task's owner uses, with its option model; "" if that is not one. */
extern char *qc_calibration_server(const QcTask *task);

/* It says nothing of the rows that come now: why, or NULL. */
extern char *qc_calibration_outdated(const QcTask *task, const QcCalibration *calibration);

/* In a word or two: none, stale, shipped prior, calibrated. */
extern const char *qc_calibration_state(const QcTask *task);

/* What a recipe is stored as: "platt+mix+labels"; palloc'ed. */
extern char *qc_calibration_method(const QcRecipe *recipe, bool calibrated);

/* From _PG_init: queries show what the worker shows. */
extern void qc_calibration_init(void);

#endif							/* QC_CALIBRATION_H */
