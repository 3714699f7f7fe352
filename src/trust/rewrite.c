/*-------------------------------------------------------------------------
 *
 * rewrite.c
 *	  Calibrated confidences for rows that are there, some at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/compat.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "queue/own.h"
#include "task/attach.h"
#include "trust/rewrite.h"

/* More rows that somebody holds are left; they are told. */
#define MOST_HELD	100000

/* ---- our tables ---- */

#define COLUMNS	"t.k, t.kx, t.text_hash, t.label, " QC_SHOWN_SQL("t")

/* Of these. */
static void
fill(const QcRewrite *rw, QcItem *item, uint64 row)
{
	bool		isnull;
	char	   *kx = qc_own_text_at(row, 2, rw->batch_cxt);

	item->k = qc_own_int8_at(row, 1, &isnull);
	item->kx = kx != NULL && kx[0] != '\0' ? kx : NULL;
	item->hash = qc_own_int8_at(row, 3, &isnull);
	item->label = qc_own_text_at(row, 4, rw->batch_cxt);
	item->shown = qc_own_float8_at(row, 5);
}

int
qc_rewrite_read(const QcRewrite *rw, QcItem *items)
{
	QcOwn		own;
	int			n;

	qc_own_begin(&own);
	qc_own_int4(&own, rw->task);
	qc_own_int4(&own, rw->version);
	qc_own_text(&own, rw->calibration->source);
	qc_own_int8(&own, rw->k);
	qc_own_text(&own, rw->kx);
	qc_own_int8(&own, rw->rows);
	qc_own_run(&own, psprintf("SELECT " COLUMNS " FROM qwen.result AS t "
							  "WHERE t.task = $1 AND t.version = $2 AND t.state = 'labelled' AND t.source = $3 AND t.confidence IS NOT NULL%s "
							  "ORDER BY t.k, t.kx LIMIT $6", rw->kx ? " AND (t.k, t.kx) > ($4, $5)" : ""), SPI_OK_SELECT);
	n = (int) SPI_processed;
	for (int i = 0; i < n; i++)
		fill(rw, &items[i], i);
	qc_own_end(&own);
	return n;
}

/* The same of rows that were locked: their result may have changed since. */
int
qc_rewrite_read_held(const QcRewrite *rw, QcItem **held, int nheld, QcItem *items)
{
	QcOwn		own;
	int			n;

	qc_own_begin(&own);
	qc_own_int4(&own, rw->task);
	qc_own_keys(&own, held, nheld);
	qc_own_int4(&own, rw->version);
	qc_own_text(&own, rw->calibration->source);
	qc_own_run(&own, "SELECT " COLUMNS " FROM qwen.result AS t "
			   "JOIN unnest($2, $3, $4) AS r(i, k, kx) ON t.k = r.k AND t.kx = r.kx "
			   "WHERE t.task = $1 AND t.version = $5 AND t.state = 'labelled' AND t.source = $6 AND t.confidence IS NOT NULL "
			   "ORDER BY t.k, t.kx", SPI_OK_SELECT);
	n = (int) SPI_processed;
	for (int i = 0; i < n; i++)
		fill(rw, &items[i], i);
	qc_own_end(&own);
	return n;
}

/*
 * Whose label is it?  Asked under the rows' locks: an annotation is written by
 * the transaction that changes the row.
 */
static void
drop_annotated(int32 task, QcItem **items, int n)
{
	QcOwn		own;
	int64	   *hash = palloc(sizeof(int64) * n);

	for (int i = 0; i < n; i++)
		hash[i] = items[i]->hash;
	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_keys(&own, items, n);
	qc_own_int8s(&own, hash, n);
	qc_own_run(&own, "SELECT r.i FROM unnest($2, $3, $4, $5) AS r(i, k, kx, h) "
			   "JOIN qwen.annotation AS a ON a.task = $1 AND a.k = r.k AND a.kx = r.kx AND a.text_hash = r.h",
			   SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
		items[qc_own_ordinal(row)]->outcome = QC_DROPPED;
	qc_own_end(&own);
}

/* ---- the task's table ---- */

/* With its digits, so that what is there already is not written again. */
static const char *
confidence_type(const QcTarget *t)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(t->relid, t->confidence, &type, &typmod, &collation);
	type = getBaseTypeAndTypmod(type, &typmod);
	return format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

static char *
update_sql(const QcTarget *t)
{
	static const char *const more[] = {"h", "label", "conf"};
	const char *type = confidence_type(t);

	return psprintf("UPDATE %s AS s SET %s = r.conf::%s FROM %s WHERE %s AND %s = r.h "
					"AND s.%s::pg_catalog.text COLLATE pg_catalog.\"C\" = r.label "
					"AND s.%s::pg_catalog.float8 IS DISTINCT FROM r.conf::%s::pg_catalog.float8 "
					"RETURNING r.i",
					qc_table_sql(t), t->confidence_sql, type, qc_batch_sql(t, more, lengthof(more)),
					t->join_sql, t->hash_sql, t->label_sql, t->confidence_sql, type);
}

/* The flag is down again whatever the owner's triggers throw. */
static int
run_update(const char *sql, QcArgs *args)
{
	int			rc;

	qc_writing_back = true;
	PG_TRY();
	{
		rc = SPI_execute_plan(qc_plan(sql, args), args->value, NULL, false, 0);
	}
	PG_FINALLY();
	{
		qc_writing_back = false;
	}
	PG_END_TRY();
	if (rc != SPI_OK_UPDATE_RETURNING)
		elog(ERROR, "could not rewrite confidences: %s", SPI_result_code_string(rc));
	return (int) SPI_processed;
}

static int
update(const QcTarget *target, QcItem **items, int n)
{
	int64	   *hash = palloc(sizeof(int64) * n);
	char	  **label = palloc(sizeof(char *) * n);
	double	   *shown = palloc(sizeof(double) * n);
	QcAsOwner	saved;
	QcArgs		args = {0};
	int			written;

	if (n == 0)
		return 0;
	for (int i = 0; i < n; i++)
	{
		hash[i] = items[i]->hash;
		label[i] = items[i]->label;
		shown[i] = items[i]->shown;
	}
	qc_as_table_owner(&saved, target);
	SPI_connect();
	qc_args_keys(&args, target, items, n);
	qc_args_int8(&args, hash, n);
	qc_args_text(&args, label, n);
	qc_args_float8(&args, shown, n);
	written = run_update(update_sql(target), &args);
	SPI_finish();
	qc_as_before(&saved);
	return written;
}

static int
still_open(QcItem **items, int n, QcItem **open)
{
	int			nopen = 0;

	for (int i = 0; i < n; i++)
		if (items[i]->outcome == QC_NOT_WRITTEN)
			open[nopen++] = items[i];
	return nopen;
}

static void
hold(QcRewrite *rw, const QcItem *item)
{
	if (rw->nheld == MOST_HELD)
	{
		rw->left++;
		return;
	}
	if (rw->nheld == rw->room)
	{
		rw->room = Max(rw->room * 2, 256);
		rw->held = rw->held ? repalloc(rw->held, sizeof(QcItem) * rw->room) :
			MemoryContextAlloc(rw->cxt, sizeof(QcItem) * rw->room);
	}
	rw->held[rw->nheld] = (QcItem) {.k = item->k};
	rw->held[rw->nheld++].kx = item->kx ? MemoryContextStrdup(rw->cxt, item->kx) : NULL;
}

void
qc_rewrite_rows(QcRewrite *rw, const QcTarget *target, QcItem *items, int n, bool again)
{
	QcItem	  **ref = palloc(sizeof(QcItem *) * (n + 1));
	QcItem	  **open = palloc(sizeof(QcItem *) * (n + 1));
	int			nopen;

	for (int i = 0; i < n; i++)
		ref[i] = &items[i];
	qc_rows_skip_locked(target, ref, n);
	for (int i = 0; i < n; i++)
		if (items[i].outcome == QC_BLOCKED && again)
			rw->left++;
		else if (items[i].outcome == QC_BLOCKED)
			hold(rw, &items[i]);
	nopen = still_open(ref, n, open);
	if (nopen == 0)
		return;
	drop_annotated(rw->task, open, nopen);
	rw->written += update(target, open, still_open(open, nopen, open));
}

/* ---- what it takes ---- */

static void
check_calibration(const QcTask *task, const QcCalibration *c)
{
	char	   *hint = psprintf("Type: SELECT * FROM qwen.calibrate(%s).", quote_literal_cstr(task->name));

	if (c == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("task \"%s\" is not calibrated", task->name), errhint("%s", hint)));
	if (c->stale != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the calibration of task \"%s\" is stale: %s", task->name, c->stale),
				 errhint("%s", hint)));
}

static void
check_table(const QcTask *task)
{
	qc_task_check_attached(task);
	if (task->confidence_column == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the table of task \"%s\" has no column for the confidence", task->name),
				 errhint("Detach it, and attach it with confidence => 'column'.")));
}

void
qc_rewrite_check(const QcTask *task, const QcCalibration *calibration)
{
	check_table(task);
	check_calibration(task, calibration);
}
