/*-------------------------------------------------------------------------
 *
 * certify.h
 *	  The promise about a task's labels: its test, and what ends it.
 *
 * A certificate is a sequence: thresholds frozen before its audits were
 * answered, of one version of the task and one source of the confidence, for one
 * promise.  Invariant: the risks of all sequences of a task sum up to at most
 * the risk that was asked for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_CERTIFY_H
#define QC_CERTIFY_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "task/task.h"
#include "trust/stats/certificate.h"
#include "trust/stats/harm.h"

typedef enum QcPromiseState
{
	QC_COLLECTING,
	QC_CERTIFIED,
	QC_SUSPENDED
} QcPromiseState;

/* A row of qwen.certificate. */
typedef struct QcPromise
{
	int32		version;
	char	   *source;
	QcErrorTarget target;
	double		max_error;
	double		risk;
	int32		sequence;
	int			n;
	double	   *thresholds;
	int32		certified;		/* how many of them hold */
	double		threshold;		/* NaN: none */
	QcHarm		harm;
	int32		seen;
	QcPromiseState state;
	TimestampTz started_at;
	TimestampTz certified_at;	/* when the first step was; 0: not yet */
	TimestampTz changed_at;
} QcPromise;

/* What was drawn for it, in the order of the draw. */
typedef struct QcAuditRow
{
	int			drawn;			/* as which */
	double		score;			/* raw; NaN: none, or of another source */
	bool		answered;
	bool		wrong;			/* if answered */
	TimestampTz at;				/* of the answer */
} QcAuditRow;

typedef struct QcAudits
{
	int			n;
	QcAuditRow *row;
	int			used;			/* up to the last that was answered */
} QcAudits;

/* NULL: there is none, or (skip) somebody else has it locked. */
extern QcPromise *qc_promise_read(const QcTask *task, bool skip);
extern void qc_promise_write(const QcTask *task, const QcPromise *promise);

extern void qc_promise_audits(const QcTask *task, const QcPromise *promise, QcAudits *audits);

/* The test over all audits, with the steps that were certified before. */
extern void qc_promise_walk(const QcPromise *promise, const QcAudits *audits, QcCertificate *out);

/*
 * What audits say since it was certified; an alarm suspends it.  The caller
 * settled the reviews and holds the row; true: it changed and is to be written.
 */
extern bool qc_promise_harm(const QcTask *task, QcPromise *promise, const QcAudits *audits);

/*
 * All of that after an answer, and for the worker.  It waits for nobody: whoever
 * has the certificate looks at it, or the next answer does.
 */
extern void qc_certificate_watch(const QcTask *task);

extern const char *qc_target_name(QcErrorTarget target);
extern const char *qc_promise_state_name(QcPromiseState state);

#endif							/* QC_CERTIFY_H */
