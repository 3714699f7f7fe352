/*-------------------------------------------------------------------------
 *
 * promise.c
 *	  A certificate as it stands in qwen.certificate, and its audits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/board.h"
#include "queue/own.h"
#include "trust/alert.h"
#include "trust/calibration.h"
#include "trust/certify.h"

/* The mean number of audits until a false alarm, while the promise holds. */
#define QC_HARM_ALARM 10000

const char *
qc_target_name(QcErrorTarget target)
{
	return target == QC_TARGET_TABLE ? "table" : "accepted";
}

const char *
qc_promise_state_name(QcPromiseState state)
{
	static const char *const name[] = {"collecting", "certified", "suspended"};

	return name[state];
}

/* ---- the row ---- */

/* An array of float8 without a NULL, copied to a context. */
static double *
float8s_at(uint64 row, int col, MemoryContext cxt, int *n)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col, &isnull);
	Datum	   *member;
	bool	   *null;
	double	   *number;

	deconstruct_array(DatumGetArrayTypeP(value), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &member, &null, n);
	number = MemoryContextAlloc(cxt, sizeof(double) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		number[i] = null[i] ? 0 : DatumGetFloat8(member[i]);
	return number;
}

static QcPromiseState
state_of(const char *name)
{
	return strcmp(name, "certified") == 0 ? QC_CERTIFIED :
		strcmp(name, "suspended") == 0 ? QC_SUSPENDED : QC_COLLECTING;
}

static QcPromise *
promise_at(MemoryContext cxt)
{
	QcPromise  *promise = MemoryContextAllocZero(cxt, sizeof(QcPromise));
	bool		isnull;
	double	   *harm;
	int			n;

	promise->version = (int32) qc_own_int8_at(0, 1, &isnull);
	promise->source = qc_own_text_at(0, 2, cxt);
	promise->target = strcmp(qc_own_text_at(0, 3, cxt), "table") == 0 ? QC_TARGET_TABLE : QC_TARGET_ACCEPTED;
	promise->max_error = qc_own_float8_at(0, 4);
	promise->risk = qc_own_float8_at(0, 5);
	promise->sequence = (int32) qc_own_int8_at(0, 6, &isnull);
	promise->thresholds = float8s_at(0, 7, cxt, &promise->n);
	promise->n = Min(promise->n, QC_CERTIFICATE_STEPS);
	promise->certified = Min((int32) qc_own_int8_at(0, 8, &isnull), promise->n);
	promise->threshold = qc_own_float8_at(0, 9);
	harm = float8s_at(0, 10, cxt, &n);
	for (int i = 0; i < Min(n, QC_HARM_RATES); i++)
		promise->harm.m[i] = harm[i];
	promise->seen = (int32) qc_own_int8_at(0, 11, &isnull);
	promise->state = state_of(qc_own_text_at(0, 12, cxt));
	promise->started_at = qc_own_int8_at(0, 13, &isnull);
	promise->certified_at = qc_own_int8_at(0, 14, &isnull);
	promise->changed_at = qc_own_int8_at(0, 15, &isnull);
	return promise;
}

QcPromise *
qc_promise_read(const QcTask *task, bool skip)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcPromise  *promise = NULL;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_run(&own, psprintf("SELECT version::pg_catalog.int8, source, target, max_error, risk, "
							  "sequence::pg_catalog.int8, thresholds, certified::pg_catalog.int8, threshold, "
							  "harm, seen::pg_catalog.int8, state, started_at, certified_at, changed_at "
							  "FROM qwen.certificate WHERE task = $1 FOR UPDATE%s", skip ? " SKIP LOCKED" : ""),
			   SPI_OK_SELECT);
	if (SPI_processed > 0)
		promise = promise_at(cxt);
	qc_own_end(&own);
	return promise;
}

/* A time that is not there is 0. */
#define QC_TIME(n) "nullif($12[" #n "], '2000-01-01 00:00:00+00'::pg_catalog.timestamptz)"

/* Does it accept the same rows as what is stored? */
static bool
accepts_as_stored(const QcTask *task, const QcPromise *promise)
{
	QcOwn		own;
	bool		same;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, promise->version);
	qc_own_text(&own, promise->source);
	qc_own_text(&own, qc_promise_state_name(promise->state));
	qc_own_float8(&own, promise->threshold);
	qc_own_run(&own, "SELECT FROM qwen.certificate WHERE task = $1 AND version = $2 AND source = $3 "
			   "AND state = $4 AND threshold IS NOT DISTINCT FROM $5", SPI_OK_SELECT);
	same = SPI_processed > 0;
	qc_own_end(&own);
	return same;
}

void
qc_promise_write(const QcTask *task, const QcPromise *promise)
{
	QcOwn		own;

	if (qc_task_accepts_certified(task) && !accepts_as_stored(task, promise))
		qc_board_config_changes();	/* the worker counts by it */
	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, promise->version);
	qc_own_text(&own, promise->source);
	qc_own_text(&own, qc_target_name(promise->target));
	qc_own_float8s(&own, (double[]) {promise->max_error, promise->risk, promise->threshold}, 3);
	qc_own_int4(&own, promise->sequence);
	qc_own_float8s(&own, promise->thresholds, promise->n);
	qc_own_int4(&own, promise->certified);
	qc_own_float8s(&own, promise->harm.m, QC_HARM_RATES);
	qc_own_int4(&own, promise->seen);
	qc_own_text(&own, qc_promise_state_name(promise->state));
	qc_own_times(&own, (int64[]) {promise->started_at, promise->certified_at, promise->changed_at}, 3);
	qc_own_run(&own, "INSERT INTO qwen.certificate AS c (task, version, source, target, max_error, risk, threshold, "
			   "sequence, thresholds, certified, harm, seen, state, started_at, certified_at, changed_at) "
			   "VALUES ($1, $2, $3, $4, $5[1], $5[2], $5[3], $6, $7, $8, $9, $10, $11, "
			   QC_TIME(1) ", " QC_TIME(2) ", " QC_TIME(3) ") "
			   "ON CONFLICT (task) DO UPDATE SET version = excluded.version, source = excluded.source, "
			   "target = excluded.target, max_error = excluded.max_error, risk = excluded.risk, "
			   "threshold = excluded.threshold, sequence = excluded.sequence, thresholds = excluded.thresholds, "
			   "certified = excluded.certified, harm = excluded.harm, seen = excluded.seen, state = excluded.state, "
			   "started_at = excluded.started_at, certified_at = excluded.certified_at, "
			   "changed_at = excluded.changed_at", SPI_OK_INSERT);
	qc_own_end(&own);
}

/* ---- the audits ---- */

/* In the order of the draw: within one, by the hash that it went by. */
void
qc_promise_audits(const QcTask *task, const QcPromise *promise, QcAudits *audits)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;

	memset(audits, 0, sizeof(*audits));
	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, promise->version);
	qc_own_text(&own, promise->source);
	qc_own_time(&own, promise->started_at);
	qc_own_run_once(&own, "SELECT CASE WHEN v.source = $3 THEN v.confidence END, v.human IS NOT NULL, "
			   "coalesce(v.human <> v.label, false), coalesce(v.reviewed_at, v.drawn_at) "
			   "FROM qwen.review_row AS v JOIN qwen.task AS t ON t.id = v.task "
			   "WHERE v.task = $1 AND v.role = 'audit' AND v.label <> '' AND v.version = $2 AND v.drawn_at >= $4 "
			   "ORDER BY v.drawn_at, pg_catalog.hashtextextended((CASE WHEN v.kx = '' THEN v.k::pg_catalog.text "
			   "ELSE v.kx END) COLLATE pg_catalog.\"C\", t.seed), v.k, v.kx", SPI_OK_SELECT);
	audits->n = (int) SPI_processed;
	audits->row = MemoryContextAllocZero(cxt, sizeof(QcAuditRow) * Max(audits->n, 1));
	for (int i = 0; i < audits->n; i++)
	{
		QcAuditRow *row = &audits->row[i];
		bool		isnull;

		row->drawn = i;
		row->score = qc_own_float8_at(i, 1);
		row->answered = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));
		row->wrong = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &isnull));
		row->at = qc_own_int8_at(i, 4, &isnull);
		if (row->answered)
			audits->used = i + 1;
	}
	qc_own_end(&own);
}

/*
 * From the first audit on, looking after each: what an earlier look certified
 * is found again, unless somebody changed an answer; then it stays.
 */
void
qc_promise_walk(const QcPromise *promise, const QcAudits *audits, QcCertificate *out)
{
	*out = (QcCertificate) {.target = promise->target, .e = promise->max_error,
		.d = qc_certificate_risk(promise->risk, promise->sequence), .nsteps = promise->n};
	for (int i = 0; i < promise->n; i++)
	{
		out->step[i].threshold = promise->thresholds[i];
		out->step[i].crossed = i < promise->certified;
	}
	for (int i = 0; i < audits->used; i++)
	{
		const QcAuditRow *row = &audits->row[i];

		qc_certificate_count(out, row->score, !row->answered || row->wrong);
		(void) qc_certificate_look(out);
	}
}

/* ---- harm ---- */

static int
by_answer(const void *a, const void *b)
{
	const QcAuditRow *x = a;
	const QcAuditRow *y = b;

	return x->at != y->at ? (x->at > y->at) - (x->at < y->at) : x->drawn - y->drawn;
}

static void
suspend(const QcTask *task, QcPromise *promise, int n, int bad)
{
	char	   *name = quote_literal_cstr(task->name);

	promise->state = QC_SUSPENDED;
	promise->changed_at = GetCurrentTimestamp();
	qc_alert(task, "harm",
			 psprintf("of %d audits answered since its labels were certified %d were wrong at or above the "
					  "threshold, more than %g %% promise: the certificate is suspended",
					  n, bad, promise->max_error * 100),
			 psprintf("%s Then begin anew: SELECT * FROM qwen.audit(%s, 50), SELECT * FROM qwen.certify(%s, again => true).",
					  qc_task_accepts_certified(task) ? "qwen.review shows every row now: have people look at them." :
					  psprintf("Have people look at every row: SELECT qwen.alter_task(%s, accept_above => 'certified').", name),
					  name, name),
			 psprintf("{\"audits\": %d, \"wrong\": %d, \"max_error\": %.17g, \"evidence\": %.17g}",
					  n, bad, promise->max_error, qc_harm_mean(&promise->harm)));
}

/*
 * Counted anew each time, in the order of the answers: the state is small, and
 * an answer that was changed counts as it is now.
 */
bool
qc_promise_harm(const QcTask *task, QcPromise *promise, const QcAudits *audits)
{
	QcAuditRow *row = palloc(sizeof(QcAuditRow) * Max(audits->n, 1));
	QcHarm		harm = {{0}};
	int			n = 0;
	int			bad = 0;
	int			seen = 0;

	if (promise->state != QC_CERTIFIED)
		return false;
	for (int i = 0; i < audits->n; i++)
		if (audits->row[i].answered && audits->row[i].at > promise->certified_at)
			row[n++] = audits->row[i];
	qsort(row, n, sizeof(QcAuditRow), by_answer);
	for (int i = 0; i < n && promise->state == QC_CERTIFIED; i++)
	{
		bool		accepted = row[i].score >= promise->threshold;

		if (promise->target == QC_TARGET_ACCEPTED && !accepted)
			continue;
		seen++;
		bad += accepted && row[i].wrong;
		if (qc_harm_step(&harm, promise->max_error, accepted && row[i].wrong) < QC_HARM_ALARM)
			continue;
		promise->harm = harm;
		suspend(task, promise, seen, bad);
	}
	if (seen == promise->seen && memcmp(&harm, &promise->harm, sizeof(harm)) == 0 &&
		promise->state == QC_CERTIFIED)
		return false;
	promise->harm = harm;
	promise->seen = seen;
	return true;
}

void
qc_certificate_watch(const QcTask *task)
{
	QcPromise  *promise = qc_promise_read(task, true);
	QcAudits	audits;

	if (promise == NULL || promise->state != QC_CERTIFIED || promise->version != task->version)
		return;
	qc_promise_audits(task, promise, &audits);
	if (qc_promise_harm(task, promise, &audits))
		qc_promise_write(task, promise);
}
