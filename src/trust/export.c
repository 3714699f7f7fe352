/*-------------------------------------------------------------------------
 *
 * export.c
 *	  qwen.export: rows, predictions and annotations as Label Studio imports them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "queue/own.h"
#include "queue/rows.h"
#include "task/several.h"
#include "trust/reviews.h"

#define SLICE	500

/* What was said of a row, after the columns of QC_ASKED: a person's label, and whose. */
typedef struct QcExported
{
	QcAsked    *asked;
	char	  **human;
	char	  **author;
	int			n;
} QcExported;

static void
append_number(StringInfo json, const char *name, double number)
{
	if (isnan(number))
		appendStringInfo(json, "\"%s\":null", name);
	else
		appendStringInfo(json, "\"%s\":%.6g", name, number);
}

/* A list of one choice, or of several. */
static void
append_choice(StringInfo json, const QcTask *task, const char *label)
{
	int			n = 0;
	char	  **name = task->multi ? qc_several_names(label, &n) : NULL;

	appendStringInfoString(json, "\"result\":[{\"from_name\":\"label\",\"to_name\":\"text\",\"type\":\"choices\",\"value\":{\"choices\":[");
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(json, i > 0 ? "," : "");
		escape_json(json, name[i]);
	}
	/* where none of the labels fits there is none to choose */
	if (!task->multi && label[0] != '\0')
		escape_json(json, label);
	appendStringInfoString(json, "]}}]");
}

static void
append_meta(StringInfo json, const QcAsked *asked, const char *second, double second_score,
			const char *author)
{
	appendStringInfoString(json, ",\"meta\":{\"second\":");
	if (second)
		escape_json(json, second);
	else
		appendStringInfoString(json, "null");
	appendStringInfoChar(json, ',');
	append_number(json, "second_score", second_score);
	appendStringInfoChar(json, ',');
	append_number(json, "coverage", asked->coverage);
	appendStringInfoString(json, ",\"source\":");
	escape_json(json, asked->source);
	if (author)
	{
		appendStringInfoString(json, ",\"annotator\":");
		escape_json(json, author);
	}
	appendStringInfoChar(json, '}');
}

static text *
row_json(const QcTask *task, const QcNames *labels, const QcAsked *asked,
		 const char *human, const char *author)
{
	int			second = qc_asked_second(asked, task, labels);
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"data\":{\"key\":");
	escape_json(&json, qc_key_text(asked->item.k, asked->item.kx));
	appendStringInfoString(&json, ",\"text\":");
	escape_json(&json, asked->item.text);
	appendStringInfoString(&json, "},\"predictions\":[{\"model_version\":");
	escape_json(&json, psprintf("%s v%d", task->name, asked->version));
	appendStringInfoChar(&json, ',');
	append_number(&json, "score", asked->confidence);
	appendStringInfoChar(&json, ',');
	append_choice(&json, task, asked->label);
	appendStringInfoString(&json, "}]");
	if (human)
	{
		appendStringInfoString(&json, ",\"annotations\":[{");
		append_choice(&json, task, human);
		appendStringInfoString(&json, "}]");
	}
	append_meta(&json, asked, second < 0 ? NULL : labels->name[second],
				second < 0 ? (double) NAN : asked->top[second], author);
	appendStringInfoChar(&json, '}');
	return cstring_to_text_with_len(json.data, json.len);
}

static void
read_slice(const QcTask *task, int64 k, const char *kx, QcExported *slice)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int8(&own, k);
	qc_own_text(&own, kx);
	qc_own_int8(&own, SLICE);
	qc_own_run(&own, psprintf("SELECT " QC_ASKED("r", "r", QC_NOT_DRAWN) ", a.label, a.author "
							  "FROM qwen.result AS r LEFT JOIN qwen.annotation AS a ON a.task = r.task AND a.k = r.k "
							  "AND a.kx = r.kx AND a.text_hash = r.text_hash AND a.kind = 'person' "
							  "WHERE r.task = $1%s ORDER BY r.k, r.kx LIMIT $4",
							  kx ? " AND (r.k, r.kx) > ($2, $3)" : ""), SPI_OK_SELECT);
	slice->asked = qc_asked_read(cxt, &slice->n);
	slice->human = MemoryContextAlloc(cxt, sizeof(char *) * SLICE);
	slice->author = MemoryContextAlloc(cxt, sizeof(char *) * SLICE);
	for (int i = 0; i < slice->n; i++)
	{
		slice->human[i] = qc_own_text_at(i, 15, cxt);
		slice->author[i] = qc_own_text_at(i, 16, cxt);
	}
	qc_own_end(&own);
}

/* Rows of this slice; false: it was the last.  The last key is kept in keep. */
static bool
put_slice(const QcTask *task, const QcTarget *target, const QcNames *labels, QcRows *out,
		  int64 *k, char **kx, MemoryContext keep)
{
	QcExported	slice;

	read_slice(task, *k, *kx, &slice);
	qc_asked_look(task, target, slice.asked, slice.n);
	for (int i = 0; i < slice.n; i++)
	{
		const QcAsked *asked = &slice.asked[i];
		Datum		value;
		bool		null = false;

		if (!asked->item.found || asked->item.text == NULL || asked->item.hash != asked->text_hash)
			continue;
		value = PointerGetDatum(row_json(task, labels, asked, slice.human[i], slice.author[i]));
		tuplestore_putvalues(out->store, out->desc, &value, &null);
	}
	if (slice.n > 0)
	{
		const QcItem *last = &slice.asked[slice.n - 1].item;

		*k = last->k;
		*kx = MemoryContextStrdup(keep, last->kx ? last->kx : "");
	}
	return slice.n == SLICE;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_export);

Datum
qwen_classify_export(PG_FUNCTION_ARGS)
{
	QcTask	   *task = qc_task_argument(fcinfo, 0);
	QcTarget   *target = qc_target_of(task);
	MemoryContext keep = CurrentMemoryContext;
	MemoryContext cxt;
	QcNames		labels;
	QcRows		out;
	int64		k = 0;
	char	   *kx = NULL;
	bool		more = true;

	qc_rows_begin(&out, fcinfo);
	qc_reviews_check_kept(task);
	qc_reviews_check_reader(task, target);
	qc_names_read(task, &labels);
	cxt = AllocSetContextCreate(keep, "qwen_classify export", ALLOCSET_DEFAULT_SIZES);
	while (more)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(cxt);
		more = put_slice(task, target, &labels, &out, &k, &kx, keep);
		MemoryContextSwitchTo(keep);
		MemoryContextReset(cxt);
	}
	return (Datum) 0;
}
