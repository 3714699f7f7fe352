/*-------------------------------------------------------------------------
 *
 * outcome.c
 *	  What becomes of items beside the label: result, retry, dead, requeue.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "common/errors.h"
#include "queue/note.h"
#include "queue/outcome.h"
#include "queue/own.h"
#include "queue/write.h"

/* ---- fenced, but not updated ---- */

/*
 * Nothing changed, and yet no row came back: a trigger of the user's dropped
 * the update.  Asking again would be for ever, so the row is charged.
 */
static void
suppressed(QcItem *item)
{
	static char words[] = "a trigger of the table suppressed the update";

	item->failed = QC_FAIL_REJECTED;
	item->sql_error = true;
	item->error = words;
}

/*
 * A fresh queue row stands for one that changed and still waits: its own may
 * have been deleted with the old one's place, which it had got.  A backfill's
 * row had none; the change itself queued it.
 */
static void
judge(QcItem *item, QcRowNow now)
{
	if (now == QC_ROW_SAME)
		suppressed(item);
	else if (now == QC_ROW_WAITS && item->origin != QC_FROM_BACKFILL)
		item->outcome = QC_REQUEUED;
	else
		item->outcome = QC_DROPPED;
}

void
qc_outcome_of_changed(const QcTask *task, QcItem **items, const QcRowNow *now, int n)
{
	int64	   *k = palloc(sizeof(int64) * n);
	char	  **kx = palloc(sizeof(char *) * n);
	int			m = 0;

	for (int i = 0; i < n; i++)
	{
		judge(items[i], now[i]);
		if (items[i]->outcome == QC_REQUEUED)
		{
			k[m] = items[i]->k;
			kx[m++] = items[i]->kx;
		}
	}
	qc_queue_insert(task->id, k, kx, m);
}

/* ---- retry: the fence, and what success makes stale ---- */

static void
delete_keys(const char *table, int32 task, QcItem **items, int n, bool *hit)
{
	QcOwn		own;
	char	   *sql = psprintf("DELETE FROM qwen.%s AS t USING unnest($2, $3, $4) AS r(i, k, kx) "
							   "WHERE t.task = $1 AND t.k = r.k AND t.kx = r.kx RETURNING r.i", table);

	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_keys(&own, items, n);
	qc_own_run(&own, sql, SPI_OK_DELETE_RETURNING);
	for (uint64 row = 0; row < SPI_processed; row++)
		hit[qc_own_ordinal(row)] = true;
	qc_own_end(&own);
}

/* Seldom does anything fail: an empty table costs no statement. */
static bool
is_empty(const char *table)
{
	Relation	rel = table_open(qc_own_table(table), AccessShareLock);
	bool		empty = RelationGetNumberOfBlocks(rel) == 0;

	table_close(rel, AccessShareLock);
	return empty;
}

void
qc_retry_forget(const QcTask *task, QcItem **items, int n)
{
	QcItem	  **of = palloc(sizeof(QcItem *) * Max(n, 1));
	bool	   *hit = palloc0(sizeof(bool) * Max(n, 1));
	int			m = 0;

	for (int i = 0; i < n; i++)
		if (items[i]->outcome == QC_NOT_WRITTEN)
			of[m++] = items[i];
	if (m == 0)
		return;
	if (!is_empty("retry"))
		delete_keys("retry", task->id, of, m, hit);
	for (int i = 0; i < m; i++)
		if (of[i]->origin == QC_FROM_RETRY && !hit[i])
			of[i]->outcome = QC_LOST;
	if (!is_empty("dead"))
		delete_keys("dead", task->id, of, m, hit);
}

/* ---- what was written ---- */

/* real[] of an item's probabilities, as array text: an array of arrays cannot be ragged. */
static char *
top_text(const QcItem *item)
{
	StringInfoData s;

	if (item->top == NULL)
		return NULL;
	initStringInfo(&s);
	appendStringInfoChar(&s, '{');
	for (int i = 0; i < item->ntop; i++)
		appendStringInfo(&s, "%s%.9g", i ? "," : "", item->top[i]);
	appendStringInfoChar(&s, '}');
	return s.data;
}

/* No label is empty: so where none fits. */
static char none[] = "";
static char undecided[] = "undecided";
static char labelled[] = "labelled";

static void
store_results(const QcTask *task, QcItem **items, int n)
{
	QcOwn		own;
	int64	   *hash = palloc(sizeof(int64) * n);
	int64	   *suspect = palloc(sizeof(int64) * n);
	double	   *confidence = palloc(sizeof(double) * n);
	double	   *coverage = palloc(sizeof(double) * n);
	double	   *verbal = palloc(sizeof(double) * n);
	char	  **label = palloc(sizeof(char *) * n);
	char	  **source = palloc(sizeof(char *) * n);
	char	  **top = palloc(sizeof(char *) * n);
	char	  **state = palloc(sizeof(char *) * n);

	for (int i = 0; i < n; i++)
	{
		hash[i] = items[i]->hash;
		confidence[i] = items[i]->confidence;
		coverage[i] = items[i]->coverage;
		verbal[i] = items[i]->verbal;
		label[i] = items[i]->undecided ? none : items[i]->label;
		state[i] = items[i]->undecided ? undecided : labelled;
		suspect[i] = items[i]->suspect;
		source[i] = unconstify(char *, items[i]->source ? items[i]->source : "none");
		top[i] = top_text(items[i]);
	}
	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_keys(&own, items, n);
	qc_own_int8s(&own, hash, n);
	qc_own_texts(&own, label, n);
	qc_own_float8s(&own, confidence, n);
	qc_own_texts(&own, source, n);
	qc_own_texts(&own, top, n);
	qc_own_float8s(&own, coverage, n);
	qc_own_float8s(&own, verbal, n);
	qc_own_texts(&own, state, n);
	qc_own_int8s(&own, suspect, n);
	qc_own_int4(&own, task->version);
	qc_own_run(&own,
			   "INSERT INTO qwen.result AS t (task, k, kx, text_hash, version, label, confidence, source, top, coverage, verbal, state, suspect) "
			   "SELECT $1, r.k, r.kx, r.h, $14, r.label, r.conf, r.source, r.top::pg_catalog.float4[], r.coverage, r.verbal, r.state, "
			   "r.suspect = 1 "
			   "FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
			   "AS r(i, k, kx, h, label, conf, source, top, coverage, verbal, state, suspect) "
			   "ON CONFLICT (task, k, kx) DO UPDATE SET text_hash = excluded.text_hash, "
			   "version = excluded.version, label = excluded.label, confidence = excluded.confidence, "
			   "source = excluded.source, top = excluded.top, coverage = excluded.coverage, "
			   "verbal = excluded.verbal, suspect = excluded.suspect, "
			   "state = excluded.state, at = pg_catalog.now()", SPI_OK_INSERT);
	qc_own_end(&own);
}

/* ---- what failed ---- */

static const char *
error_class(const QcItem *item)
{
	return item->sql_error ? "sql" : qc_failure_word(item->failed);
}

static void
store_failures(const QcTask *task, QcItem **items, int n, bool dead)
{
	QcOwn		own;
	int64	   *hash = palloc(sizeof(int64) * n * 5);
	int64	   *attempts = hash + n;
	int64	   *first = hash + 2 * n;
	int64	   *at = hash + 3 * n;
	int64	   *relabel = hash + 4 * n;
	char	  **class = palloc(sizeof(char *) * n);
	char	  **error = palloc(sizeof(char *) * n);

	for (int i = 0; i < n; i++)
	{
		hash[i] = items[i]->hash;
		attempts[i] = items[i]->attempts;
		first[i] = items[i]->first_enq ? items[i]->first_enq : GetCurrentTimestamp();
		at[i] = items[i]->retry_at;
		relabel[i] = items[i]->relabel;
		class[i] = unconstify(char *, error_class(items[i]));
		error[i] = items[i]->error ? items[i]->error : "";
	}
	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_keys(&own, items, n);
	qc_own_int8s(&own, attempts, n);
	qc_own_texts(&own, class, n);
	qc_own_texts(&own, error, n);
	qc_own_times(&own, first, n);
	qc_own_int8s(&own, relabel, n);
	if (dead)
	{
		qc_own_int8s(&own, hash, n);
		qc_own_int4(&own, task->version);
		qc_own_run(&own,
				   "INSERT INTO qwen.dead (task, k, kx, attempts, error_class, last_error, first_enq, relabel, text_hash, version) "
				   "SELECT $1, r.k, r.kx, r.attempts, r.class, r.error, r.first, r.relabel <> 0, r.h, $11 "
				   "FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10) "
				   "AS r(i, k, kx, attempts, class, error, first, relabel, h) "
				   "ON CONFLICT (task, k, kx) DO UPDATE SET attempts = excluded.attempts, "
				   "error_class = excluded.error_class, last_error = excluded.last_error, relabel = excluded.relabel, "
				   "text_hash = excluded.text_hash, version = excluded.version, dead_at = pg_catalog.now()",
				   SPI_OK_INSERT);
	}
	else
	{
		qc_own_times(&own, at, n);
		qc_own_run(&own,
				   "INSERT INTO qwen.retry (task, k, kx, attempts, error_class, last_error, first_enq, relabel, next_at) "
				   "SELECT $1, r.k, r.kx, r.attempts, r.class, r.error, r.first, r.relabel <> 0, r.at "
				   "FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10) "
				   "AS r(i, k, kx, attempts, class, error, first, relabel, at) "
				   "ON CONFLICT (task, k, kx) DO UPDATE SET attempts = excluded.attempts, "
				   "error_class = excluded.error_class, last_error = excluded.last_error, relabel = excluded.relabel, "
				   "next_at = excluded.next_at", SPI_OK_INSERT);
	}
	qc_own_end(&own);
}

static int
select_items(QcItem **items, int n, int outcome, QcItem **out)
{
	int			m = 0;

	for (int i = 0; i < n; i++)
		if ((int) items[i]->outcome == outcome)
			out[m++] = items[i];
	return m;
}

/* One attempt more for what failed now; where it goes next. */
static void
charge_failures(QcItem **items, int n)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < n; i++)
	{
		QcItem	   *item = items[i];

		if (item->outcome != QC_NOT_WRITTEN || item->failed == QC_FAIL_NONE)
			continue;
		item->attempts++;
		item->outcome = qc_retry_next(item->failed, item->sql_error, item->attempts,
									  now, &item->retry_at) ? QC_RETRYING : QC_DEAD;
	}
}

/* What is not asked about again must be known, whatever is kept. */
static int
keep_undecided(QcItem **items, int n)
{
	int			m = 0;

	for (int i = 0; i < n; i++)
		if (items[i]->undecided)
			items[m++] = items[i];
	return m;
}

void
qc_outcome_store(const QcTask *task, QcItem **items, int n)
{
	QcItem	  **out = palloc(sizeof(QcItem *) * n);
	int			m;

	charge_failures(items, n);
	m = select_items(items, n, QC_WRITTEN, out);
	if (!task->keep)
		m = keep_undecided(out, m);
	if (m > 0)
		store_results(task, out, m);
	m = select_items(items, n, QC_RETRYING, out);
	if (m > 0)
		store_failures(task, out, m, false);
	m = select_items(items, n, QC_DEAD, out);
	if (m > 0)
		store_failures(task, out, m, true);
}
