/*-------------------------------------------------------------------------
 *
 * failed.c
 *	  qwen.failed: rows that could not be labelled, and why.
 *
 * Dead rows wait for a change or for qwen.retry; the others have a time when
 * they are tried again.  Keys and messages may hold a row's data, so only those
 * who may read the table see them; pg_monitor sees that there is a row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "queue/own.h"
#include "queue/rows.h"

#define QC_FAILED_COLUMNS 8

static void
put_failed(QcRows *rows, const QcTask *task, uint64 row, bool visible)
{
	MemoryContext cxt = CurrentMemoryContext;
	Datum		value[QC_FAILED_COLUMNS] = {0};
	bool		null[QC_FAILED_COLUMNS] = {0};
	bool		isnull;
	int64		k = qc_own_int8_at(row, 1, &isnull);
	char	   *kx = qc_own_text_at(row, 2, cxt);

	value[0] = CStringGetTextDatum(task->name);
	value[1] = ObjectIdGetDatum(task->source);
	null[1] = !OidIsValid(task->source);
	null[2] = null[4] = !visible;
	if (visible)
	{
		value[2] = CStringGetTextDatum(qc_key_text(k, kx != NULL && kx[0] != '\0' ? kx : NULL));
		value[4] = CStringGetTextDatum(qc_own_text_at(row, 5, cxt));
	}
	value[3] = CStringGetTextDatum(qc_own_text_at(row, 4, cxt));
	value[5] = Int32GetDatum((int32) qc_own_int8_at(row, 3, &isnull));
	value[6] = TimestampTzGetDatum(qc_own_int8_at(row, 6, &null[6]));
	value[7] = TimestampTzGetDatum(qc_own_int8_at(row, 7, &null[7]));
	tuplestore_putvalues(rows->store, rows->desc, value, null);
}

static void
put_task(QcRows *rows, const QcTask *task, bool visible)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_run(&own, "SELECT k, kx, attempts::pg_catalog.int8, error_class, last_error, dead_at, "
			   "NULL::pg_catalog.timestamptz FROM qwen.dead WHERE task = $1 "
			   "UNION ALL SELECT k, kx, attempts, error_class, last_error, NULL, next_at "
			   "FROM qwen.retry WHERE task = $1", SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
		put_failed(rows, task, row, visible);
	qc_own_end(&own);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_failed);

Datum
qwen_classify_failed(PG_FUNCTION_ARGS)
{
	bool		monitor = has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
	QcRows		rows;
	ListCell   *cell;

	qc_rows_begin(&rows, fcinfo);
	foreach(cell, qc_task_all())
	{
		QcTask	   *task = lfirst(cell);
		bool		visible = qc_task_visible(task);

		if (visible || monitor)
			put_task(&rows, task, visible);
	}
	return (Datum) 0;
}
