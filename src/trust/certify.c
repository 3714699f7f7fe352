/*-------------------------------------------------------------------------
 *
 * certify.c
 *	  qwen.certify: begin a certificate, look at it, apply it.
 *
 * The first sequence of a version takes in the audits that were drawn before:
 * its thresholds come from confidences alone, so what people answered has no
 * part in them.  A sequence that follows for any other reason begins with
 * new audits, since what was asked for may have been chosen because of the old
 * ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/board.h"
#include "queue/own.h"
#include "queue/rows.h"
#include "trust/certify.h"
#include "trust/certify_tell.h"
#include "trust/reviews.h"

enum
{
	ARG_TASK, ARG_MAX_ERROR, ARG_RISK, ARG_TARGET, ARG_APPLY, ARG_AGAIN
};

/* More scores than this are taken as that many quantiles. */
#define MOST_SCORES		10000

/* Audits that somebody who asks for "accepted" is expected to do. */
#define PLANNED			500

/* ---- what is asked for ---- */

typedef struct QcAsk
{
	bool		given_error;
	bool		given_risk;
	bool		given_target;
	double		max_error;
	double		risk;
	QcErrorTarget target;
	bool		apply;
	bool		again;
} QcAsk;

static double
share_argument(FunctionCallInfo fcinfo, int arg, const char *name, bool *given)
{
	double		value;

	*given = !PG_ARGISNULL(arg);
	value = *given ? PG_GETARG_FLOAT8(arg) : 0.05;
	if (!(value > 0 && value < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between 0 and 1", name),
				 errhint("It is a share, for instance 0.05 for 5 %%.")));
	return value;
}

static QcErrorTarget
target_argument(FunctionCallInfo fcinfo, bool *given)
{
	char	   *name;

	*given = !PG_ARGISNULL(ARG_TARGET);
	if (!*given)
		return QC_TARGET_TABLE;
	name = text_to_cstring(PG_GETARG_TEXT_PP(ARG_TARGET));
	if (strcmp(name, "table") == 0)
		return QC_TARGET_TABLE;
	if (strcmp(name, "accepted") == 0)
		return QC_TARGET_ACCEPTED;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("target must be table or accepted, not \"%s\"", name),
			 errhint("'table' counts errors among all rows, people labelling those below the threshold; "
					 "'accepted' counts them among the rows that the machine keeps.")));
	return QC_TARGET_TABLE;		/* keep the compiler quiet */
}

/* What is not given is as in the certificate that stands: a look must not end it. */
static void
read_ask(FunctionCallInfo fcinfo, QcAsk *ask)
{
	ask->max_error = share_argument(fcinfo, ARG_MAX_ERROR, "max_error", &ask->given_error);
	ask->risk = share_argument(fcinfo, ARG_RISK, "risk", &ask->given_risk);
	ask->target = target_argument(fcinfo, &ask->given_target);
	ask->apply = !PG_ARGISNULL(ARG_APPLY) && PG_GETARG_BOOL(ARG_APPLY);
	ask->again = !PG_ARGISNULL(ARG_AGAIN) && PG_GETARG_BOOL(ARG_AGAIN);
}

static void
complete_ask(QcAsk *ask, const QcPromise *stands)
{
	if (stands == NULL)
		return;
	if (!ask->given_error)
		ask->max_error = stands->max_error;
	if (!ask->given_risk)
		ask->risk = stands->risk;
	if (!ask->given_target)
		ask->target = stands->target;
}

/* ---- the machine's results ---- */

/* The source of most confidences of the task's version; NULL: there are none. */
static char *
source_of(const QcTask *task)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;
	char	   *source;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, task->version);
	qc_own_run_once(&own, "SELECT source FROM qwen.result WHERE task = $1 AND version = $2 "
			   "AND state = 'labelled' AND confidence IS NOT NULL GROUP BY source ORDER BY count(*) DESC, source LIMIT 1", SPI_OK_SELECT);
	source = SPI_processed > 0 ? qc_own_text_at(0, 1, cxt) : NULL;
	qc_own_end(&own);
	return source;
}

static void
raise_no_results(const QcTask *task)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("version %d of task \"%s\" has no labels with a confidence yet", task->version, task->name),
			 errhint("SELECT * FROM qwen.progress; shows what it is doing; SELECT qwen.backfill(%s) labels the "
					 "rows that are there already, SELECT qwen.relabel(%s) those of older versions.",
					 quote_literal_cstr(task->name), quote_literal_cstr(task->name))));
}

/* Confidences that stand for all: each, or as many quantiles. */
static double *
read_scores(const QcTask *task, const char *source, int *n)
{
	MemoryContext cxt = CurrentMemoryContext;
	double	   *score;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, task->version);
	qc_own_text(&own, source);
	qc_own_int4(&own, MOST_SCORES);
	qc_own_run_once(&own, "WITH r AS MATERIALIZED (SELECT confidence AS c FROM qwen.result WHERE task = $1 AND version = $2 "
			   "AND state = 'labelled' AND source = $3 AND confidence IS NOT NULL), m AS (SELECT count(*) AS n FROM r) "
			   "SELECT r.c FROM r, m WHERE m.n <= $4 UNION ALL "
			   "SELECT q.c FROM m, LATERAL unnest((SELECT pg_catalog.percentile_disc((SELECT pg_catalog.array_agg((i - 0.5) / $4) "
			   "FROM pg_catalog.generate_series(1, $4) AS i)) WITHIN GROUP (ORDER BY r.c) FROM r)) AS q(c) "
			   "WHERE m.n > $4", SPI_OK_SELECT);
	*n = (int) SPI_processed;
	score = MemoryContextAlloc(cxt, sizeof(double) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		score[i] = qc_own_float8_at(i, 1);
	qc_own_end(&own);
	return score;
}

/* ---- a new sequence ---- */

/* When the version's first audit was drawn; now, if there is none. */
static TimestampTz
first_audit(const QcTask *task)
{
	QcOwn		own;
	TimestampTz at;
	bool		isnull;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, task->version);
	qc_own_run(&own, "SELECT coalesce(pg_catalog.min(drawn_at), pg_catalog.now()) FROM qwen.review_row "
			   "WHERE task = $1 AND version = $2 AND role = 'audit'", SPI_OK_SELECT);
	at = qc_own_int8_at(0, 1, &isnull);
	qc_own_end(&own);
	return at;
}

/* The steps that are tested: under "accepted" the first ones expect too few audits. */
static void
freeze(const QcTask *task, QcPromise *promise)
{
	QcCertificate certificate;
	int			n;
	double	   *score = read_scores(task, promise->source, &n);
	int64		planned = PLANNED;
	QcStat		status;

	do
	{
		status = qc_certificate_begin(&certificate, promise->target, promise->max_error,
									  qc_certificate_risk(promise->risk, promise->sequence),
									  score, n, planned);
		planned *= 2;
	} while (status == QC_STAT_OK && certificate.start >= certificate.nsteps);
	if (status != QC_STAT_OK)
		elog(ERROR, "could not begin a certificate: %d", status);
	promise->thresholds = palloc(sizeof(double) * certificate.nsteps);
	for (int i = certificate.start; i < certificate.nsteps; i++)
		promise->thresholds[promise->n++] = certificate.step[i].threshold;
}

static void
tell_new(const QcTask *task, const QcPromise *promise, const char *why)
{
	ereport(NOTICE,
			(errmsg("certificate %d of task \"%s\" begins: %s", promise->sequence, task->name, why),
			 errdetail("So that all its certificates together keep to the risk of %g %%, this one is tested at %.3g %%.",
					   promise->risk * 100, qc_certificate_risk(promise->risk, promise->sequence) * 100)));
}

/* Why the certificate that stands cannot go on; NULL: it does. */
static const char *
why_new(const QcTask *task, const QcAsk *ask, const QcPromise *stands, const char *source)
{
	if (ask->again)
		return "it was asked for; audits from now on count";
	if (stands->version != task->version)
		return psprintf("the task is at version %d, the last was of version %d", task->version, stands->version);
	if (strcmp(stands->source, source) != 0)
		return psprintf("the source of the confidence is \"%s\", it was \"%s\"; audits from now on count",
						source, stands->source);
	if (stands->target != ask->target || stands->max_error != ask->max_error || stands->risk != ask->risk)
		return "it promises something else than the last; audits from now on count";
	return NULL;
}

/*
 * One that nobody has answered an audit for promised nothing and showed
 * nothing: the next takes its place, with its audits and its share of the risk.
 */
static QcPromise *
begin(const QcTask *task, const QcAsk *ask, const QcPromise *stands, const char *source, bool unseen)
{
	QcPromise  *promise = palloc0(sizeof(QcPromise));
	bool		fresh = stands == NULL || stands->version != task->version;

	promise->version = task->version;
	promise->source = pstrdup(source);
	promise->target = ask->target;
	promise->max_error = ask->max_error;
	promise->risk = ask->risk;
	promise->sequence = stands == NULL ? 1 : unseen ? stands->sequence : stands->sequence + 1;
	promise->threshold = get_float8_nan();
	promise->started_at = fresh && !ask->again ? first_audit(task) :
		unseen && !ask->again ? stands->started_at : GetCurrentTimestamp();
	promise->changed_at = GetCurrentTimestamp();
	freeze(task, promise);
	return promise;
}

/* ---- looking ---- */

/* What the walk certifies now; a step once certified stays. */
static bool
take_steps(QcPromise *promise, const QcCertificate *walk)
{
	int			certified = qc_certificate_step(walk) + 1;

	if (promise->state == QC_SUSPENDED || certified <= promise->certified)
		return false;
	promise->certified = certified;
	promise->threshold = promise->thresholds[certified - 1];
	promise->changed_at = GetCurrentTimestamp();
	if (promise->state == QC_COLLECTING)
		promise->certified_at = promise->changed_at;
	promise->state = QC_CERTIFIED;
	return true;
}

/* ---- applying ---- */

static void
write_accept_above(const QcTask *task)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_run(&own, "UPDATE qwen.task SET accept_above = NULL WHERE id = $1", SPI_OK_UPDATE);
	qc_own_end(&own);
	qc_board_config_changes();
}

static void
apply(QcTask *task, const QcPromise *promise)
{
	bool		already = qc_task_accepts_certified(task);

	if (promise->state != QC_CERTIFIED)
		ereport(NOTICE,
				(errmsg("accept_above of task \"%s\" stays at %s: no threshold is certified",
						task->name, already ? "'certified'" : psprintf("%g", task->accept_above))));
	if (promise->state != QC_CERTIFIED || already)
		return;
	write_accept_above(task);
	ereport(NOTICE,
			(errmsg("accept_above of task \"%s\" is 'certified' now, it was %g", task->name, task->accept_above)));
	task->accept_above = NAN;
}

/* ---- qwen.certify ---- */

/* The certificate that stands if it is what is asked for; else a new one. */
static QcPromise *
stands_or_begins(const QcTask *task, QcAsk *ask)
{
	QcPromise  *stands = qc_promise_read(task, false);
	QcPromise  *promise;
	QcAudits	audits = {0};
	char	   *source = source_of(task);
	const char *why;

	complete_ask(ask, stands);
	if (source == NULL)
		raise_no_results(task);
	if (stands == NULL)
		return begin(task, ask, NULL, source, false);
	why = why_new(task, ask, stands, source);
	if (why == NULL)
		return stands;
	qc_promise_audits(task, stands, &audits);
	promise = begin(task, ask, stands, source, audits.used == 0);
	if (promise->sequence != stands->sequence)
		tell_new(task, promise, why);
	return promise;
}

/* The task under a lock that keeps other certificates out, and with apply all. */
static QcTask *
lock_task(FunctionCallInfo fcinfo, bool for_apply)
{
	QcTask	   *task = qc_task_argument(fcinfo, ARG_TASK);

	qc_task_check_owner(task);
	if (for_apply)
		return qc_task_for_change(task->name);
	if (qc_task_lock(task->id, ShareUpdateExclusiveLock) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("task \"%s\" was dropped by another session", task->name)));
	PushActiveSnapshot(GetTransactionSnapshot());
	task = qc_task_by_id(task->id);
	PopActiveSnapshot();
	qc_task_check_owner(task);
	return task;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_certify);

Datum
qwen_classify_certify(PG_FUNCTION_ARGS)
{
	QcAsk		ask;
	QcRows		rows;
	QcTask	   *task;
	QcPromise  *promise;
	QcAudits	audits;
	QcCertificate walk;
	QcCalibration *calibration;

	read_ask(fcinfo, &ask);
	task = lock_task(fcinfo, ask.apply);
	qc_reviews_check_kept(task);
	qc_reviews_settle(task);
	promise = stands_or_begins(task, &ask);
	qc_promise_audits(task, promise, &audits);
	qc_promise_walk(promise, &audits, &walk);
	(void) qc_promise_harm(task, promise, &audits);
	(void) take_steps(promise, &walk);
	qc_promise_write(task, promise);

	calibration = qc_calibration_read(task, CurrentMemoryContext);
	if (ask.apply)
		apply(task, promise);
	qc_rows_begin(&rows, fcinfo);
	qc_certify_tell(&rows, task, promise, &audits, &walk, calibration);
	return (Datum) 0;
}
