/*-------------------------------------------------------------------------
 *
 * history.c
 *	  qwen.history: what is known of one row, the newest last.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "queue/own.h"
#include "queue/rows.h"
#include "queue/write_rows.h"
#include "trust/reviews.h"

#define N_OUT	8

/* $4 is the hash of the row's text now; what an audit must not show is not shown. */
#define OF_KEY(x) x ".task = $1 AND " x ".k = $2 AND " x ".kx = $3"
#define OTHER_TEXT(x) "CASE WHEN " x ".text_hash IS DISTINCT FROM $4 THEN 'of another text' END"

static const char history_sql[] =
"SELECT h.at::timestamptz(0), h.what, h.label, "
"pg_catalog.round(h.confidence::pg_catalog.numeric, 3)::pg_catalog.float8, h.version, h.source, h.who, h.note FROM ("
"SELECT r.at, r.state AS what, nullif(r.label, '') AS label, r.confidence, r.version, r.source, NULL AS who, "
OTHER_TEXT("r") " AS note, 1 AS n FROM qwen.result AS r WHERE " OF_KEY("r")
" UNION ALL SELECT v.drawn_at, CASE v.role WHEN 'audit' THEN 'drawn for audit' ELSE 'drawn for review' END, "
"CASE WHEN v.role <> 'audit' OR v.human IS NOT NULL THEN nullif(v.label, '') END, "
"CASE WHEN v.role <> 'audit' OR v.human IS NOT NULL THEN v.confidence END, v.version, v.source, v.shown_to, "
OTHER_TEXT("v") ", 2 FROM qwen.review_row AS v WHERE " OF_KEY("v")
" UNION ALL SELECT v.reviewed_at, 'reviewed', nullif(v.human, ''), NULL, v.version, NULL, v.reviewer, "
"pg_catalog.concat_ws(', ', CASE WHEN v.human = v.label THEN 'agrees' WHEN v.label <> '' THEN 'not ' || v.label ELSE 'not none of the labels' END, "
OTHER_TEXT("v") "), 3 FROM qwen.review_row AS v WHERE v.human IS NOT NULL AND " OF_KEY("v")
" UNION ALL SELECT a.at, CASE a.kind WHEN 'person' THEN 'set by a person' WHEN 'bulk' THEN 'set in bulk' "
"ELSE 'set by a machine' END, a.label, NULL, NULL, NULL, a.author, "
OTHER_TEXT("a") ", 4 FROM qwen.annotation AS a WHERE " OF_KEY("a")
" UNION ALL SELECT x.first_enq, 'failing', NULL, NULL, NULL, NULL, NULL, "
"pg_catalog.format('%s, attempt %s: %s', x.error_class, x.attempts, x.last_error), 5 "
"FROM qwen.retry AS x WHERE " OF_KEY("x")
" UNION ALL SELECT x.dead_at, 'failed', NULL, NULL, x.version, NULL, NULL, "
"pg_catalog.format('%s, attempt %s: %s', x.error_class, x.attempts, x.last_error), 6 "
"FROM qwen.dead AS x WHERE " OF_KEY("x")
") AS h ORDER BY h.at, h.n";

static void
put_rows(QcRows *out)
{
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		Datum		value[N_OUT];
		bool		null[N_OUT];

		heap_deform_tuple(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, value, null);
		tuplestore_putvalues(out->store, out->desc, value, null);
	}
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_history);

Datum
qwen_classify_history(PG_FUNCTION_ARGS)
{
	QcTask	   *task = qc_task_argument(fcinfo, 0);
	QcTarget   *target = qc_target_of(task);
	QcItem		item;
	QcItem	   *items = &item;
	QcRows		out;
	QcOwn		own;
	int64		hash = 0;
	bool		there;
	uint64		n;

	qc_rows_begin(&out, fcinfo);
	qc_reviews_check_reader(task, target);
	qc_reviews_key(fcinfo, 1, task, target, &item);
	qc_reviews_settle(task);
	qc_rows_hash(target, &items, 1, &there, &hash);

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int8(&own, item.k);
	qc_own_text(&own, item.kx ? item.kx : "");
	qc_own_int8(&own, hash);
	qc_own_run(&own, history_sql, SPI_OK_SELECT);
	n = SPI_processed;
	put_rows(&out);
	qc_own_end(&own);
	if (n == 0 && !there)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("task \"%s\" has no row %s", task->name, qc_key_text(item.k, item.kx)),
				 errhint("SELECT key FROM qwen.review(%s); shows keys.", quote_literal_cstr(task->name))));
	return (Datum) 0;
}
