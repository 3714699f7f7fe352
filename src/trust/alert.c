/*-------------------------------------------------------------------------
 *
 * alert.c
 *	  Something that a task's owner should know, and the view of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "queue/own.h"
#include "queue/rows.h"
#include "trust/alert.h"

#define QC_ALERT_COLUMNS 5

char *
qc_alert_json(const char *text)
{
	StringInfoData json;

	initStringInfo(&json);
	escape_json(&json, text);
	return json.data;
}

char *
qc_wrapped(const char *words, int width)
{
	char	   *text = pstrdup(words);
	char	   *line = text;
	char	   *blank = NULL;

	for (char *p = text; *p; p++)
	{
		if (*p == '\n')
		{
			line = p + 1;
			blank = NULL;
		}
		else if (*p == ' ')
			blank = p;
		if (p - line >= width && blank != NULL && blank > line)
		{
			*blank = '\n';
			line = blank + 1;
			blank = NULL;
		}
	}
	return text;
}

void
qc_alert(const QcTask *task, const char *kind, const char *message, const char *hint,
		 const char *detail)
{
	QcOwn		own;
	bool		isnull;
	int64		id;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_text(&own, kind);
	qc_own_text(&own, message);
	qc_own_text(&own, hint);
	qc_own_text(&own, detail);
	qc_own_run(&own, "INSERT INTO qwen.alert (task, kind, message, hint, detail) "
			   "VALUES ($1, $2, $3, $4, $5::pg_catalog.jsonb) RETURNING id", SPI_OK_INSERT_RETURNING);
	id = qc_own_int8_at(0, 1, &isnull);
	qc_own_end(&own);
	ereport(LOG,
			(errmsg("task \"%s\": %s", task->name, message),
			 errhint("%s", hint),
			 errhidestmt(true),
			 errhidecontext(true)));
	Async_Notify("qwen_alert", psprintf("%s " INT64_FORMAT, kind, id));
}

/* ---- qwen.alerts ---- */

static void
put_alerts(QcRows *rows, const QcTask *task)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_run(&own, "SELECT at, kind, message, hint FROM qwen.alert WHERE task = $1 ORDER BY id DESC",
			   SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		Datum		value[QC_ALERT_COLUMNS] = {0};
		bool		null[QC_ALERT_COLUMNS] = {0};

		value[0] = CStringGetTextDatum(task->name);
		value[1] = TimestampTzGetDatum(qc_own_int8_at(row, 1, &null[1]));
		for (int i = 2; i < QC_ALERT_COLUMNS; i++)
			value[i] = CStringGetTextDatum(qc_own_text_at(row, i, cxt));
		tuplestore_putvalues(rows->store, rows->desc, value, null);
	}
	qc_own_end(&own);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_alerts);

Datum
qwen_classify_alerts(PG_FUNCTION_ARGS)
{
	QcRows		rows;
	ListCell   *cell;

	qc_rows_begin(&rows, fcinfo);
	foreach(cell, qc_task_all())
	{
		QcTask	   *task = lfirst(cell);

		if (has_privs_of_role(GetUserId(), task->owner))
			put_alerts(&rows, task);
	}
	return (Datum) 0;
}
