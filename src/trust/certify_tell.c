/*-------------------------------------------------------------------------
 *
 * certify_tell.c
 *	  A certificate in words: what it promises, and what it does not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/compat.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "queue/own.h"
#include "trust/alert.h"
#include "trust/certify_tell.h"

/* Values are broken, so that both columns fit in 100. */
#define WIDTH 66

typedef struct QcTelling
{
	QcRows	   *rows;
	const QcTask *task;
	const QcPromise *promise;
	const QcAudits *audits;
	QcCertificate *walk;
	const QcCalibration *calibration;
	int64		total;			/* rows of the version; without a confidence they are below */
	int64		below;			/* the certified threshold */
} QcTelling;

static void put(const QcTelling *t, const char *item, const char *fmt,...) pg_attribute_printf(3, 4);

static void
put(const QcTelling *t, const char *item, const char *fmt,...)
{
	StringInfoData words;
	Datum		value[2];
	bool		null[2] = {false, false};

	initStringInfo(&words);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&words, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&words, needed);
	}
	value[0] = CStringGetTextDatum(item);
	value[1] = CStringGetTextDatum(qc_wrapped(words.data, WIDTH));
	tuplestore_putvalues(t->rows->store, t->rows->desc, value, null);
}

/* ---- the rows that there are ---- */

/* How many rows reach each step, into the walk's coverages. */
static void
count_rows(QcTelling *t)
{
	const QcPromise *promise = t->promise;
	int			n = promise->n;
	double	   *rising = palloc(sizeof(double) * Max(n, 1));
	int64	   *in = palloc0(sizeof(int64) * (n + 1));	/* by how many thresholds a row reaches */
	int64		reached = 0;
	QcOwn		own;
	bool		isnull;

	for (int i = 0; i < n; i++)
		rising[i] = promise->thresholds[n - 1 - i];
	qc_own_begin(&own);
	qc_own_int4(&own, t->task->id);
	qc_own_int4(&own, promise->version);
	qc_own_text(&own, promise->source);
	qc_own_float8s(&own, rising, n);
	qc_own_run_once(&own, "SELECT CASE WHEN source = $3 AND confidence IS NOT NULL "
					"THEN pg_catalog.width_bucket(confidence, $4) ELSE 0 END::pg_catalog.int8, count(*) "
					"FROM qwen.result WHERE task = $1 AND version = $2 AND state = 'labelled' GROUP BY 1", SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int64		rows = qc_own_int8_at(row, 2, &isnull);

		in[Min(qc_own_int8_at(row, 1, &isnull), n)] = rows;
		t->total += rows;
	}
	qc_own_end(&own);
	for (int i = 0; i < n; i++)
	{
		reached += in[n - i];
		t->walk->step[i].coverage = t->total > 0 ? (double) reached / (double) t->total : 0;
		if (i + 1 == promise->certified)
			t->below = t->total - reached;
	}
}

/* ---- the items ---- */

static void
put_state(const QcTelling *t)
{
	put(t, "state", "%s since %s", qc_promise_state_name(t->promise->state),
		timestamptz_to_str(t->promise->state == QC_COLLECTING ? t->promise->started_at :
						   t->promise->state == QC_CERTIFIED ? t->promise->certified_at :
						   t->promise->changed_at));
}

#define WORDS_RISK "this statement is false in at most %g %% of such certificates, however often you look; " \
	"it covers rows like those the audits were drawn from"

static void
put_promise(const QcTelling *t)
{
	const QcPromise *p = t->promise;

	if (p->state == QC_SUSPENDED)
		put(t, "promise", "none any more: audits since then had more errors than promised; \nSELECT * FROM qwen.alerts; says more");
	else if (p->state == QC_COLLECTING)
		put(t, "promise", "none yet: people have not said enough");
	else if (p->target == QC_TARGET_TABLE)
		put(t, "promise", "if the " INT64_FORMAT " rows below the threshold are labelled by people, at most %g %% of the "
			"table's labels are wrong (disagree with the reviewer); " WORDS_RISK,
			t->below, p->max_error * 100, p->risk * 100);
	else
		put(t, "promise", "at most %g %% of the labels at or above the threshold (" INT64_FORMAT " rows) are wrong "
			"(disagree with the reviewer); " WORDS_RISK,
			p->max_error * 100, t->total - t->below, p->risk * 100);
	put(t, "no promise", "that each single label, or each label's rows by themselves, are that good; that "
		"reviewers are right; anything of other texts than the audited kind, or of labels of another version "
		"of the task%s", p->target == QC_TARGET_TABLE ? "; that the labels above the threshold by themselves have "
		"as few errors (target => 'accepted' tests that)" : "; anything of the rows below the threshold");
}

static bool
is_active(const QcCalibration *c)
{
	return c != NULL && c->stale == NULL;
}

static void
put_threshold(const QcTelling *t)
{
	const QcPromise *p = t->promise;
	QcRawAnswer raw = {.source = p->source,.confidence = p->threshold,.coverage = NAN,.verbal = NAN};

	if (p->state != QC_CERTIFIED)
		return;
	if (!is_active(t->calibration))
		put(t, "threshold", "%.4f raw; no calibration is active", p->threshold);
	else if (qc_calibration_is_rich(t->calibration))
		put(t, "threshold", "%.4f raw, as in qwen.result; what a row shows depends on its label, too", p->threshold);
	else
		put(t, "threshold", "%.4f calibrated (raw %.4f)", qc_calibrated(t->calibration, &raw), p->threshold);
	put(t, "rows kept", "%.1f %% (" INT64_FORMAT " of " INT64_FORMAT ") are at or above the threshold",
		100.0 * (double) (t->total - t->below) / (double) Max(t->total, 1), t->total - t->below, t->total);
}

/* Which rows people are spared, whatever is promised. */
static void
put_accept_above(const QcTelling *t)
{
	char	   *name = quote_literal_cstr(t->task->name);

	if (!qc_task_accepts_certified(t->task))
		put(t, "accept_above", "%g now; to leave it to the certificate:\nSELECT qwen.alter_task(%s, accept_above => 'certified');",
			t->task->accept_above, name);
	else if (t->promise->state == QC_CERTIFIED)
		put(t, "accept_above", "certified: qwen.review leaves out the rows at or above the threshold");
	else
		put(t, "accept_above", "certified: nothing is, so no label is accepted by itself and qwen.review shows every row");
}

static void
put_audits(const QcTelling *t)
{
	int			answered = 0;
	int			wrong = 0;
	int			above = 0;
	int			kept = 0;
	int			missing = 0;

	for (int i = 0; i < t->audits->n; i++)
	{
		const QcAuditRow *row = &t->audits->row[i];

		answered += row->answered;
		wrong += row->answered && row->wrong;
		above += row->answered && row->wrong && row->score >= t->promise->threshold;
		kept += row->answered && row->score >= t->promise->threshold;
		missing += !row->answered && i < t->audits->used;
	}
	put(t, "audits answered", "%d of %d drawn", answered, t->audits->n);
	if (answered > 0)
		put(t, "wrong", "%d (%.1f %%)", wrong, 100.0 * wrong / answered);
	if (answered > 0 && t->promise->state != QC_COLLECTING)
		put(t, "wrong, rows kept", "%d of %d at or above the threshold", above, kept);
	if (missing > 0)
		put(t, "counted as wrong", "%d that nobody answered, though a later one was", missing);
}

static void
put_next(const QcTelling *t)
{
	const QcPromise *p = t->promise;
	int64		more;

	if (p->state == QC_SUSPENDED)
		return;
	if (p->certified >= p->n)
	{
		put(t, "next step", "none: all rows are above the threshold");
		return;
	}
	more = qc_certificate_to_go(t->walk);
	if (more == QC_EVIDENCE_NEVER)
		put(t, "next step", "%.0f %% of the rows: too many errors so far for more audits to certify it",
			100 * t->walk->step[p->certified].coverage);
	else
		put(t, "next step", "%.0f %% of the rows: about " INT64_FORMAT " more audits, if people go on as they did",
			100 * t->walk->step[p->certified].coverage, more);
}

static void
put_to_do(const QcTelling *t)
{
	char	   *name = quote_literal_cstr(t->task->name);

	put(t, "asked for", "target %s, max_error %g %%, risk %g %%; certificate %d of the task, version %d, "
		"confidence from %s, tested at %.3g %%", qc_target_name(t->promise->target),
		t->promise->max_error * 100, t->promise->risk * 100, t->promise->sequence, t->promise->version,
		t->promise->source, t->walk->d * 100);
	if (t->promise->state == QC_SUSPENDED)
		put(t, "to do", "to begin anew, with new audits:\nSELECT * FROM qwen.certify(%s, again => true);", name);
	else if (t->audits->n == 0)
		put(t, "to do", "let people label a sample, unseen:\nSELECT * FROM qwen.audit(%s, 50);", name);
	else if (t->audits->used < t->audits->n)
		put(t, "to do", "answer the rest of the audits, which this shows:\nSELECT * FROM qwen.audit(%s, 50);", name);
	else if (t->promise->state == QC_CERTIFIED)
		put(t, "to do", "go on auditing a little, so that the promise is watched:\nSELECT * FROM qwen.audit(%s, 10);", name);
	else
		put(t, "to do", "audit more rows:\nSELECT * FROM qwen.audit(%s, 50);", name);
}

void
qc_certify_tell(QcRows *rows, const QcTask *task, const QcPromise *promise,
				const QcAudits *audits, QcCertificate *walk, const QcCalibration *calibration)
{
	QcTelling	t = {rows, task, promise, audits, walk, calibration, 0, 0};

	count_rows(&t);
	put_state(&t);
	put_promise(&t);
	put_threshold(&t);
	put_accept_above(&t);
	put_audits(&t);
	put_next(&t);
	put_to_do(&t);
}
