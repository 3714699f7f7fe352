/*-------------------------------------------------------------------------
 *
 * work.c
 *	  What an owner tells the worker: backfill, relabel, retry, pause, resume.
 *
 * Each is a change of our own tables, and the worker is told at commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "common/board.h"
#include "queue/note.h"
#include "queue/own.h"
#include "queue/read.h"
#include "task/expression.h"

PG_FUNCTION_INFO_V1(qwen_classify_backfill);
PG_FUNCTION_INFO_V1(qwen_classify_relabel);
PG_FUNCTION_INFO_V1(qwen_classify_retry);
PG_FUNCTION_INFO_V1(qwen_classify_pause);
PG_FUNCTION_INFO_V1(qwen_classify_resume);

/* The task of an argument, which the caller owns. */
static QcTask *
own_task(FunctionCallInfo fcinfo)
{
	QcTask	   *task = qc_task_argument(fcinfo, 0);

	qc_task_check_owner(task);
	return task;
}

/* A filter as it will run, with everything qualified; NULL: none. */
static char *
filter_sql(FunctionCallInfo fcinfo, int arg, const QcTarget *target)
{
	Relation	rel;
	char	   *why;
	char	   *sql;

	if (PG_NARGS() <= arg || PG_ARGISNULL(arg))
		return NULL;
	rel = relation_open(target->relid, AccessShareLock);
	sql = qc_condition_read(rel, text_to_cstring(PG_GETARG_TEXT_PP(arg)), &why);
	relation_close(rel, AccessShareLock);
	if (sql == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("filter is not a condition over table %s", target->rel_sql),
				 errdetail("%s", why),
				 errhint("Write it as after WHERE: filter => $$created_at > '2026-01-01'$$.")));
	return sql;
}

/* One at a time for a task; a finished one makes room. */
static void
open_backfill(const QcTask *task, const char *mode, const char *where_sql, int64 max_rows)
{
	QcOwn		own;

	if (qc_backfill_open(task->id) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("task \"%s\" has a backfill or relabel under way", task->name),
				 errdetail("SELECT * FROM qwen.progress; shows how far it is."),
				 errhint("Wait for it, or end it: SELECT qwen.backfill('%s', max_rows => 0).", task->name)));
	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_text(&own, mode);
	qc_own_text(&own, where_sql);
	qc_own_int8(&own, max_rows);
	qc_own_run(&own, "INSERT INTO qwen.backfill_state AS t (task, mode, where_sql, max_rows) "
			   "VALUES ($1, $2, $3, NULLIF($4, -1)) ON CONFLICT (task) DO UPDATE SET "
			   "mode = excluded.mode, where_sql = excluded.where_sql, max_rows = excluded.max_rows, "
			   "cursor = NULL, rows_done = 0, started_at = pg_catalog.now(), finished_at = NULL, message = NULL",
			   SPI_OK_INSERT);
	qc_own_end(&own);
	qc_board_config_changes();
}

static void
end_backfill(const QcTask *task)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_run(&own, "UPDATE qwen.backfill_state SET finished_at = pg_catalog.now(), message = 'ended by hand' "
			   "WHERE task = $1 AND finished_at IS NULL", SPI_OK_UPDATE);
	qc_own_end(&own);
	qc_board_config_changes();
}

/* Rows of the table as ANALYZE counted them; -1: nobody knows. */
static double
rows_about(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	double		rows = rel->rd_rel->reltuples;

	relation_close(rel, AccessShareLock);
	return rows;
}

/* What happens now, in a sentence. */
static Datum
begun(const QcTask *task, const QcTarget *target, const char *what, bool whole)
{
	StringInfoData s;
	double		rows = rows_about(target->relid);

	if (qc_board == NULL)
		ereport(NOTICE,
				(errmsg("there is no worker: the library is not preloaded"),
				 errhint("Add qwen_classify to shared_preload_libraries in postgresql.conf and restart the server.")));
	initStringInfo(&s);
	appendStringInfo(&s, "%s of %s begins", what, target->rel_sql);
	if (whole && rows >= 0)
		appendStringInfo(&s, ", in a table of about %.0f rows", rows);
	if (task->paused)
		appendStringInfo(&s, ", when the task goes on: SELECT qwen.resume(%s)",
						 quote_literal_cstr(task->name));
	return CStringGetTextDatum(s.data);
}

/* qwen.backfill(task, max_rows, filter) */
Datum
qwen_classify_backfill(PG_FUNCTION_ARGS)
{
	QcTask	   *task = own_task(fcinfo);
	QcTarget   *target = qc_target_of(task);
	int64		max_rows = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT64(1);

	if (max_rows == 0)
	{
		end_backfill(task);
		return CStringGetTextDatum("no rows are backfilled any more");
	}
	if (max_rows < -1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_rows must not be negative"),
				 errhint("NULL means all rows; 0 ends a backfill that is under way.")));
	open_backfill(task, "label", filter_sql(fcinfo, 2, target), max_rows);
	return begun(task, target, "backfill", max_rows < 0 && PG_ARGISNULL(2));
}

/* qwen.relabel(task, filter) */
Datum
qwen_classify_relabel(PG_FUNCTION_ARGS)
{
	QcTask	   *task = own_task(fcinfo);
	QcTarget   *target = qc_target_of(task);

	if (!task->keep)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("task \"%s\" keeps no results", task->name),
				 errdetail("Without them nobody knows which labels are the model's and which are somebody's."),
				 errhint("Type: SELECT qwen.alter_task('%s', keep => true), or set the labels to NULL that are to be made anew.",
						 task->name)));
	open_backfill(task, "relabel", filter_sql(fcinfo, 1, target), -1);
	return begun(task, target, "relabel", PG_ARGISNULL(1));
}

/* Dead and waiting rows, all of them, into the queue. */
/* Failed relabels: a queue row would stand for a row without a label. */
static int64
relabel_failed(const QcTask *task)
{
	QcOwn		own;
	int64		n;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_run(&own, "WITH d AS (DELETE FROM qwen.dead WHERE task = $1 AND relabel RETURNING *), "
			   "r AS (SELECT k, kx, error_class, last_error, first_enq FROM d UNION ALL "
			   "SELECT k, kx, error_class, last_error, first_enq FROM qwen.retry WHERE task = $1 AND relabel) "
			   "INSERT INTO qwen.retry (task, k, kx, attempts, next_at, error_class, last_error, first_enq, relabel) "
			   "SELECT $1, k, kx, 0, pg_catalog.now(), error_class, last_error, first_enq, true FROM r "
			   "ON CONFLICT (task, k, kx) DO UPDATE SET attempts = 0, next_at = pg_catalog.now()",
			   SPI_OK_INSERT);
	n = (int64) SPI_processed;
	qc_own_end(&own);
	return n;
}

static int64
queue_failed(const QcTask *task)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;
	int64	   *k;
	char	  **kx;
	int			n;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_run(&own, "WITH d AS (DELETE FROM qwen.dead WHERE task = $1 AND NOT relabel RETURNING k, kx), "
			   "r AS (DELETE FROM qwen.retry WHERE task = $1 AND NOT relabel RETURNING k, kx) "
			   "SELECT k, kx FROM d UNION SELECT k, kx FROM r", SPI_OK_SELECT);
	n = (int) SPI_processed;
	k = MemoryContextAllocHuge(cxt, sizeof(int64) * Max(n, 1));
	kx = MemoryContextAllocHuge(cxt, sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		k[i] = qc_own_int8_at(i, 1, &isnull);
		kx[i] = qc_own_text_at(i, 2, cxt);
		if (kx[i] != NULL && kx[i][0] == '\0')
			kx[i] = NULL;
	}
	qc_own_end(&own);
	if (n > 0)
		qc_queue_insert(task->id, k, kx, n);
	return n;
}

/* qwen.retry(task): how many rows are tried again */
Datum
qwen_classify_retry(PG_FUNCTION_ARGS)
{
	QcTask	   *task = own_task(fcinfo);
	int64		n;

	(void) qc_target_of(task);
	n = queue_failed(task) + relabel_failed(task);
	qc_board_config_changes();
	PG_RETURN_INT64(n);
}

static void
set_paused(const QcTask *task, bool paused)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, paused ? 1 : 0);
	qc_own_run(&own, "UPDATE qwen.task SET paused = ($2 = 1), state_since = pg_catalog.now() "
			   "WHERE id = $1 AND paused <> ($2 = 1)", SPI_OK_UPDATE);
	qc_own_end(&own);
	qc_board_config_changes();
}

Datum
qwen_classify_pause(PG_FUNCTION_ARGS)
{
	set_paused(own_task(fcinfo), true);
	PG_RETURN_VOID();
}

Datum
qwen_classify_resume(PG_FUNCTION_ARGS)
{
	set_paused(own_task(fcinfo), false);
	PG_RETURN_VOID();
}
