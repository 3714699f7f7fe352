/*-------------------------------------------------------------------------
 *
 * drift.c
 *	  Whether a task's labels are mixed as they were.
 *
 * Three mixes are compared: the labels, their confidences and how much of the
 * probability fell on labels at all.  The level is such that one false alarm a
 * year is expected, however often one looks: a look after a day gets a 365th of it.
 *
 * Confidence and coverage are counted by their logits to a tenth, which keeps
 * the rows apart where most of them are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "queue/own.h"
#include "trust/alert.h"
#include "trust/certify.h"
#include "trust/drift.h"
#include "trust/reviews.h"
#include "trust/stats/drift.h"
#include "trust/stats/logistic.h"

#define DAY				INT64CONST(86400000000)
#define YEAR			(365 * DAY)
#define LEAST_IN_A_DAY	50		/* labels: fewer are no window, nor a day of the reference */
#define KEPT			400		/* windows */
#define ENOUGH			50000	/* values of one side of a test */

/* ---- what is stored ---- */

QcDriftWindow *
qc_drift_windows(int32 task, int max, int *n)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcDriftWindow *windows;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_int4(&own, max);
	qc_own_run(&own, "SELECT win::pg_catalog.int8, reference::pg_catalog.int8, version::pg_catalog.int8, source, "
			   "from_at, to_at, checked_at, rows, phi, psi FROM qwen.drift_window WHERE task = $1 "
			   "ORDER BY win DESC LIMIT $2", SPI_OK_SELECT);
	*n = (int) SPI_processed;
	windows = MemoryContextAllocZero(cxt, sizeof(QcDriftWindow) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		QcDriftWindow *w = &windows[i];
		bool		isnull;

		w->win = (int32) qc_own_int8_at(i, 1, &isnull);
		w->reference = (int32) qc_own_int8_at(i, 2, &isnull);
		w->version = (int32) qc_own_int8_at(i, 3, &isnull);
		w->source = qc_own_text_at(i, 4, cxt);
		w->from_at = qc_own_int8_at(i, 5, &isnull);
		w->to_at = qc_own_int8_at(i, 6, &isnull);
		w->checked_at = qc_own_int8_at(i, 7, &isnull);
		w->rows = qc_own_int8_at(i, 8, &isnull);
		w->phi = qc_own_float8_at(i, 9);
		w->psi = qc_own_float8_at(i, 10);
	}
	qc_own_end(&own);
	return windows;
}

void
qc_drift_counts(int32 task, const char *kind, int32 reference, int32 win, QcDriftCounts *counts)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_text(&own, kind);
	qc_own_int4(&own, reference);
	qc_own_int4(&own, win);
	qc_own_run_once(&own, "SELECT bucket, coalesce(sum(n) FILTER (WHERE win = $3), 0)::pg_catalog.int8, "
			   "coalesce(sum(n) FILTER (WHERE win = $4), 0)::pg_catalog.int8 FROM qwen.drift_count "
			   "WHERE task = $1 AND kind = $2 AND win IN ($3, $4) GROUP BY bucket ORDER BY 2 DESC, 1", SPI_OK_SELECT);
	counts->n = (int) SPI_processed;
	counts->bucket = MemoryContextAlloc(cxt, sizeof(char *) * Max(counts->n, 1));
	counts->before = MemoryContextAlloc(cxt, sizeof(int64) * Max(counts->n, 1));
	counts->now = MemoryContextAlloc(cxt, sizeof(int64) * Max(counts->n, 1));
	for (int i = 0; i < counts->n; i++)
	{
		bool		isnull;

		counts->bucket[i] = qc_own_text_at(i, 1, cxt);
		counts->before[i] = qc_own_int8_at(i, 2, &isnull);
		counts->now[i] = qc_own_int8_at(i, 3, &isnull);
	}
	qc_own_end(&own);
}

static void
write_window(const QcTask *task, const QcDriftWindow *w)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, w->win);
	qc_own_int4(&own, w->reference);
	qc_own_int4(&own, w->version);
	qc_own_text(&own, w->source);
	qc_own_time(&own, w->from_at);
	qc_own_time(&own, w->to_at);
	qc_own_time(&own, w->checked_at);
	qc_own_int8(&own, w->rows);
	qc_own_float8s(&own, (double[]) {w->phi, w->psi}, 2);
	qc_own_run(&own, "INSERT INTO qwen.drift_window (task, win, reference, version, source, from_at, to_at, "
			   "checked_at, rows, phi, psi) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10[1], $10[2])",
			   SPI_OK_INSERT);
	qc_own_end(&own);
}

#define LOGIT(x) "pg_catalog.round(10 * pg_catalog.ln(" x " / (1 - " x ")))::pg_catalog.int4::pg_catalog.text"
#define CLIPPED(x) "least(greatest(" x "::pg_catalog.float8, 1e-4), 1 - 1e-4)"

/* Count the results after the window before, up to this one's end. */
static void
write_counts(const QcTask *task, const QcDriftWindow *w, TimestampTz after)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, w->win);
	qc_own_int4(&own, w->version);
	qc_own_text(&own, w->source);
	qc_own_time(&own, after);
	qc_own_time(&own, w->to_at);
	qc_own_run_once(&own, "INSERT INTO qwen.drift_count (task, win, version, source, day, kind, bucket, n) "
			   "SELECT $1, $2, $3, $4, (r.at AT TIME ZONE 'UTC')::pg_catalog.date, b.kind, b.bucket, count(*) "
			   "FROM qwen.result AS r, LATERAL (VALUES ('label', r.label), "
			   "('confidence', " LOGIT(CLIPPED("r.confidence")) "), ('coverage', " LOGIT(CLIPPED("r.coverage")) ")) "
			   "AS b(kind, bucket) WHERE r.task = $1 AND r.version = $3 AND r.source = $4 AND r.at > $5 AND r.at <= $6 "
			   "AND b.bucket IS NOT NULL GROUP BY 5, 6, 7", SPI_OK_INSERT);
	qc_own_end(&own);
}

static void
delete_where(const QcTask *task, const char *sql, int32 win, int32 reference)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, win);
	qc_own_int4(&own, reference);
	qc_own_run(&own, sql, SPI_OK_DELETE);
	qc_own_end(&own);
}

/* Windows are kept for the chart: labels alone, and not for ever. */
static void
trim(const QcTask *task, const QcDriftWindow *w)
{
	delete_where(task, "DELETE FROM qwen.drift_count WHERE task = $1 AND win < $2 AND win <> $3 "
				 "AND kind <> 'label'", w->win, w->reference);
	delete_where(task, "DELETE FROM qwen.drift_count WHERE task = $1 AND win < $2 AND win <> $3",
				 w->win - KEPT, w->reference);
	delete_where(task, "DELETE FROM qwen.drift_window WHERE task = $1 AND win < $2 AND win <> $3",
				 w->win - KEPT, w->reference);
}

/* ---- what came ---- */

typedef struct QcCame
{
	char	   *source;			/* NULL: nothing came */
	int64		rows;
	TimestampTz from_at;
	TimestampTz to_at;
} QcCame;

/* Results after a time by one source; without a name by that of the most. */
static QcCame
came_since(const QcTask *task, TimestampTz after, const char *source)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcCame		came = {0};
	QcOwn		own;
	bool		isnull;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, task->version);
	qc_own_time(&own, after);
	qc_own_text(&own, source);
	qc_own_run_once(&own, "SELECT source, count(*), pg_catalog.min(at), pg_catalog.max(at) FROM qwen.result "
			   "WHERE task = $1 AND version = $2 AND at > $3 AND ($4 IS NULL OR source = $4) "
			   "GROUP BY source ORDER BY count(*) DESC, source LIMIT 1", SPI_OK_SELECT);
	if (SPI_processed > 0)
	{
		came.source = qc_own_text_at(0, 1, cxt);
		came.rows = qc_own_int8_at(0, 2, &isnull);
		came.from_at = qc_own_int8_at(0, 3, &isnull);
		came.to_at = qc_own_int8_at(0, 4, &isnull);
	}
	qc_own_end(&own);
	return came;
}

/* ---- the reference ---- */

/* Days x labels of a window, and its overdispersion. */
static double
read_phi(const QcTask *task, int32 win)
{
	QcOwn		own;
	int64	   *counts;
	int			days;
	int			k = 0;
	double		phi;
	bool		isnull;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, win);
	qc_own_int4(&own, LEAST_IN_A_DAY);
	qc_own_run_once(&own, "WITH c AS (SELECT day, bucket, n, sum(n) OVER (PARTITION BY day) AS of_day FROM qwen.drift_count "
			   "WHERE task = $1 AND win = $2 AND kind = 'label') "
			   "SELECT coalesce(c.n, 0)::pg_catalog.int8, (SELECT count(DISTINCT day) FROM c WHERE of_day >= $3) "
			   "FROM (SELECT DISTINCT day FROM c WHERE of_day >= $3) AS d CROSS JOIN (SELECT DISTINCT bucket FROM c) AS b "
			   "LEFT JOIN c ON c.day = d.day AND c.bucket = b.bucket ORDER BY d.day, b.bucket", SPI_OK_SELECT);
	counts = palloc(sizeof(int64) * Max(SPI_processed, 1));
	days = SPI_processed > 0 ? (int) qc_own_int8_at(0, 2, &isnull) : 0;
	for (uint64 i = 0; i < SPI_processed; i++)
		counts[i] = qc_own_int8_at(i, 1, &isnull);
	k = days > 0 ? (int) (SPI_processed / days) : 0;
	phi = days > 1 ? qc_drift_phi(counts, days, k) : 1;
	qc_own_end(&own);
	return phi;
}

static void
make_reference(const QcTask *task, const QcCame *came, int32 win, TimestampTz after)
{
	QcDriftWindow w = {.win = win, .reference = win, .version = task->version, .source = came->source,
		.from_at = came->from_at, .to_at = came->to_at, .checked_at = GetCurrentTimestamp(),
	.rows = came->rows, .psi = 0};

	write_counts(task, &w, after);
	w.phi = read_phi(task, win);
	write_window(task, &w);
	trim(task, &w);
}

/* ---- the tests ---- */

typedef struct QcMoved
{
	const QcTask *task;
	const QcDriftWindow *window;
	const QcDriftWindow *reference;
	double		level;			/* of each kind */
} QcMoved;

/* Has it been said lately?  A change that lasts is one alarm a week. */
static bool
said_lately(const QcTask *task, const char *kind, const char *bucket)
{
	QcOwn		own;
	bool		said;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_text(&own, kind);
	qc_own_text(&own, bucket);
	qc_own_run(&own, "SELECT FROM qwen.alert WHERE task = $1 AND kind = $2 AND at > pg_catalog.now() - '7 days'::pg_catalog.interval "
			   "AND detail ->> 'version' = (SELECT t.version::pg_catalog.text FROM qwen.task AS t WHERE t.id = $1) "
			   "AND ($3 IS NULL OR detail ->> 'label' = $3) LIMIT 1", SPI_OK_SELECT);
	said = SPI_processed > 0;
	qc_own_end(&own);
	return said;
}

static char *
hint_of(const QcTask *task)
{
	char	   *name = quote_literal_cstr(task->name);

	return psprintf("SELECT * FROM qwen.drift(%s); shows how they moved. Whether the labels are still right people "
					"tell: SELECT * FROM qwen.audit(%s, 50). If this is how it is to be from now on: "
					"SELECT * FROM qwen.drift(%s, anew => true).", name, name, name);
}

static void
say(const QcMoved *m, const char *kind, const char *message, double p, const char *more)
{
	qc_alert(m->task, kind, message, hint_of(m->task),
			 psprintf("{\"version\": %d, \"p\": %.6g, \"level\": %.6g, \"phi\": %.6g, \"reference\": " INT64_FORMAT
					  ", \"rows\": " INT64_FORMAT "%s}", m->task->version, p, m->level, m->window->phi,
					  m->reference->rows, m->window->rows, more));
}

static void
test_labels(const QcMoved *m, const QcDriftCounts *c)
{
	QcDrift		found;
	const char *label;

	if (qc_drift_labels(c->before, c->now, c->n, m->window->phi, NULL, &found) != QC_STAT_OK ||
		found.p >= m->level)
		return;
	label = c->bucket[found.index];
	if (said_lately(m->task, "labels", label))
		return;
	say(m, "labels",
		psprintf(label[0] == '\0' ?
				 "rows that no label fits%s went from %.1f %% of the first " INT64_FORMAT " to %.1f %% of the last " INT64_FORMAT :
				 "label \"%s\" went from %.1f %% of the first " INT64_FORMAT " labels to %.1f %% of the last " INT64_FORMAT,
				 label, found.before * 100, m->reference->rows, found.now * 100, m->window->rows),
		found.p, psprintf(", \"label\": %s, \"before\": %.6g, \"now\": %.6g", qc_alert_json(label),
						  found.before, found.now));
}

/*
 * Counts by logit as so many values.  A side with more than enough is thinned:
 * that costs the test nothing, and the worker waits for it.
 */
static double *
values_of(const QcDriftCounts *c, const int64 *count, int *n)
{
	double		total = 0;
	double		share;
	double	   *value;

	for (int i = 0; i < c->n; i++)
		total += (double) count[i];
	share = Min(1, ENOUGH / Max(total, 1));
	value = palloc(sizeof(double) * (ENOUGH + c->n));
	*n = 0;
	for (int i = 0; i < c->n; i++)
		for (int64 left = (int64) rint((double) count[i] * share); left > 0; left--)
			value[(*n)++] = qc_sigmoid(atof(c->bucket[i]) / 10);
	return value;
}

static double
median_of(const QcDriftCounts *c, const int64 *count)
{
	int		   *order = palloc(sizeof(int) * c->n);
	int64		total = 0;
	int64		sum = 0;
	int			at = 0;

	for (int i = 0; i < c->n; i++)
	{
		int			j = i;

		for (; j > 0 && atoi(c->bucket[order[j - 1]]) > atoi(c->bucket[i]); j--)
			order[j] = order[j - 1];
		order[j] = i;
		total += count[i];
	}
	while (at + 1 < c->n && (sum += count[order[at]]) * 2 < total)
		at++;
	return qc_sigmoid(atof(c->bucket[order[at]]) / 10);
}

static void
test_deciles(const QcMoved *m, const char *kind, const QcDriftCounts *c)
{
	QcDrift		found;
	int			nbefore;
	int			nnow;
	double	   *before = values_of(c, c->before, &nbefore);
	double	   *now = values_of(c, c->now, &nnow);
	QcStat		status = qc_drift_deciles(before, nbefore, now, nnow, m->window->phi, &found);

	pfree(before);
	pfree(now);
	if (status != QC_STAT_OK || found.p >= m->level || said_lately(m->task, kind, NULL))
		return;
	say(m, kind,
		psprintf("the %s moved: its median was %.3f in the first " INT64_FORMAT " labels and is %.3f in the last " INT64_FORMAT,
				 strcmp(kind, "coverage") == 0 ? "probability that falls on labels" : "confidence",
				 median_of(c, c->before), m->reference->rows, median_of(c, c->now), m->window->rows),
		found.p, psprintf(", \"before\": %.6g, \"now\": %.6g", found.before, found.now));
}

/* The three mixes share the level. */
static void
test_window(const QcTask *task, const QcDriftWindow *w, const QcDriftWindow *reference,
			const QcDriftCounts *labels, TimestampTz last)
{
	TimestampTz passed = Min(Max(w->checked_at - last, 1), 7 * DAY);
	QcMoved		m = {task, w, reference, qc_drift_level(1, (double) YEAR / (double) passed) / 3};
	QcDriftCounts c;

	test_labels(&m, labels);
	qc_drift_counts(task->id, "confidence", w->reference, w->win, &c);
	if (c.n > 0)
		test_deciles(&m, "confidence", &c);
	qc_drift_counts(task->id, "coverage", w->reference, w->win, &c);
	if (c.n > 0)
		test_deciles(&m, "coverage", &c);
}

static QcDriftWindow *
window_by_number(int32 task, int32 win)
{
	int			n;
	QcDriftWindow *all = qc_drift_windows(task, KEPT * 2, &n);

	for (int i = 0; i < n; i++)
		if (all[i].win == win)
			return &all[i];
	return NULL;
}

static void
make_window(const QcTask *task, const QcCame *came, const QcDriftWindow *last)
{
	QcDriftWindow *reference = window_by_number(task->id, last->reference);
	QcDriftWindow w = {.win = last->win + 1, .reference = last->reference, .version = task->version,
		.source = came->source, .from_at = came->from_at, .to_at = came->to_at,
	.checked_at = GetCurrentTimestamp(), .rows = came->rows, .phi = last->phi};
	QcDriftCounts labels;

	if (reference == NULL)
		elog(ERROR, "window %d of task %d has no reference", last->win, task->id);
	write_counts(task, &w, last->to_at);
	qc_drift_counts(task->id, "label", w.reference, w.win, &labels);
	w.psi = qc_drift_psi(labels.before, labels.now, labels.n);
	write_window(task, &w);
	test_window(task, &w, reference, &labels, last->checked_at);
	trim(task, &w);
}

/* ---- looking ---- */

/* Is there enough to look at? */
static bool
enough(const QcTask *task, const QcCame *came, const QcDriftWindow *last, bool at_once)
{
	if (came->source == NULL)
		return false;
	return at_once || came->rows >= task->drift_every ||
		(came->rows >= LEAST_IN_A_DAY && GetCurrentTimestamp() - last->checked_at >= DAY);
}

void
qc_drift_look(const QcTask *task, bool at_once)
{
	int			n;
	QcDriftWindow *last = qc_drift_windows(task->id, 1, &n);
	bool		begun = n > 0 && last->version == task->version && last->rows > 0;
	TimestampTz after = n > 0 && last->version == task->version ? last->to_at : DT_NOBEGIN;
	QcCame		came = came_since(task, after, NULL);

	/* another source's numbers are another mix, once there are enough of them */
	if (begun && came.source != NULL && strcmp(came.source, last->source) != 0 && came.rows < QC_REFERENCE)
		came = came_since(task, after, last->source);
	if (begun && came.source != NULL && strcmp(came.source, last->source) == 0)
	{
		if (enough(task, &came, last, at_once))
			make_window(task, &came, last);
	}
	else if (came.source != NULL && came.rows >= QC_REFERENCE)
		make_reference(task, &came, n > 0 ? last->win + 1 : 0, after);
}

/* An empty window stands for the time from which on the next reference is made. */
void
qc_drift_forget(const QcTask *task)
{
	int			n;
	QcDriftWindow *last = qc_drift_windows(task->id, 1, &n);
	TimestampTz now = GetCurrentTimestamp();
	QcDriftWindow w = {.win = n > 0 ? last->win + 1 : 0, .version = task->version, .source = "none",
	.from_at = now, .to_at = now, .checked_at = now, .phi = 1};

	w.reference = w.win;
	write_window(task, &w);
}

static void
check_in_transaction(const QcTask *task)
{
	Oid			extension;
	QcTask	   *now;

	(void) set_config_option("lock_timeout", QC_LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (qc_extension_present(&extension) && qc_task_lock(task->id, ShareUpdateExclusiveLock) > 0)
	{
		now = qc_task_by_id(task->id);
		if (now != NULL && now->keep)
		{
			qc_drift_look(now, false);
			qc_reviews_settle(now);
			qc_certificate_watch(now);
		}
	}
	PopActiveSnapshot();
}

void
qc_drift_check(const QcTask *task)
{
	MemoryContext caller = CurrentMemoryContext;

	qc_plans_trim();
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	check_in_transaction(task);
	CommitTransactionCommand();
	pgstat_report_stat(false);
	MemoryContextSwitchTo(caller);
}
