/*-------------------------------------------------------------------------
 *
 * corrections.c
 *	  Rows that people labelled, split into examples and exam.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "queue/own.h"
#include "queue/read.h"
#include "trust/corrections.h"

#define MOST_READ	5000		/* rows of people's that are looked at */
#define SLICE		500
#define HEAD		750			/* characters that are kept of a longer text's beginning ... */
#define TAIL		250			/* ... and of its end */

static const char list_sql[] =
"SELECT a.k, a.kx, a.text_hash, a.label, coalesce(v.role = 'audit', false), "
QC_DRAW_HASH("a") " >= 0 AND v.role IS DISTINCT FROM 'audit', "
"coalesce(CASE WHEN v.text_hash = a.text_hash THEN v.label ELSE r.label END <> a.label, false) "
"FROM qwen.annotation AS a "
"LEFT JOIN qwen.review_row AS v ON v.task = a.task AND v.k = a.k AND v.kx = a.kx "
"LEFT JOIN qwen.result AS r ON r.task = a.task AND r.k = a.k AND r.kx = a.kx AND r.text_hash = a.text_hash "
"WHERE a.task = $1 AND a.kind = 'person' ORDER BY 5 DESC, a.at DESC, a.k, a.kx LIMIT $2";

static bool
bool_at(uint64 row, int col)
{
	bool		isnull;

	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col, &isnull));
}

/* Rows whose label the task does not have any more are left out. */
static void
list(const QcTask *task, const QcNames *labels, QcCorrections *out, int64 **hash)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int8(&own, MOST_READ);
	qc_own_run_once(&own, list_sql, SPI_OK_SELECT);
	out->n = 0;
	out->row = MemoryContextAllocZero(cxt, sizeof(QcCorrection) * (SPI_processed + 1));
	*hash = MemoryContextAlloc(cxt, sizeof(int64) * (SPI_processed + 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		QcCorrection *row = &out->row[out->n];
		char	   *kx = qc_own_text_at(i, 2, cxt);
		bool		isnull;

		row->label = qc_names_find(labels, qc_own_text_at(i, 4, cxt));
		if (row->label < 0)
			continue;
		row->item.k = qc_own_int8_at(i, 1, &isnull);
		row->item.kx = kx != NULL && kx[0] != '\0' ? kx : NULL;
		row->item.relabel = true;
		(*hash)[out->n++] = qc_own_int8_at(i, 3, &isnull);
		row->audit = bool_at(i, 5);
		row->example = bool_at(i, 6);
		row->corrected = bool_at(i, 7);
	}
	qc_own_end(&own);
}

/* As a prompt cuts an example; the rest need not lie in our tables. */
static char *
cut(char *text)
{
	int			len = (int) strlen(text);
	int			head = pg_mbcharcliplen(text, len, HEAD);
	int			chars = pg_mbstrlen_with_len(text + head, len - head);

	if (chars <= TAIL)
		return text;
	return psprintf("%.*s\n[...]\n%s", head, text,
					text + head + pg_mbcharcliplen(text + head, len - head, chars - TAIL));
}

static void
fetch_texts(const QcTask *task, const QcTarget *target, QcCorrections *of)
{
	QcItem	  **items = palloc(sizeof(QcItem *) * SLICE);

	for (int from = 0; from < of->n; from += SLICE)
	{
		int			m = Min(SLICE, of->n - from);

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < m; i++)
			items[i] = &of->row[from + i].item;
		qc_source_fetch(task, target, items, m);
	}
}

void
qc_corrections_read(const QcTask *task, const QcTarget *target, const QcNames *labels,
					QcCorrections *out)
{
	int64	   *hash;
	int			n = 0;

	list(task, labels, out, &hash);
	fetch_texts(task, target, out);
	for (int i = 0; i < out->n; i++)
	{
		QcCorrection *row = &out->row[i];

		if (!row->item.found || row->item.text == NULL || row->item.hash != hash[i])
			continue;
		row->item.text = row->example ? cut(row->item.text) : row->item.text;
		out->row[n++] = *row;
	}
	out->n = n;
}

static void
clear(int32 task)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_run(&own, "DELETE FROM qwen.example WHERE task = $1", SPI_OK_DELETE);
	qc_own_end(&own);
}

void
qc_corrections_freeze(int32 task, const QcNames *labels, const QcCorrection *const *row, int n)
{
	QcItem	  **items = palloc(sizeof(QcItem *) * Max(n, 1));
	char	  **text = palloc(sizeof(char *) * Max(n, 1));
	char	  **label = palloc(sizeof(char *) * Max(n, 1));
	int64	   *corrected = palloc(sizeof(int64) * Max(n, 1));
	QcOwn		own;

	clear(task);
	for (int i = 0; i < n; i++)
	{
		items[i] = unconstify(QcItem *, &row[i]->item);
		text[i] = row[i]->item.text;
		label[i] = labels->name[row[i]->label];
		corrected[i] = row[i]->corrected;
	}
	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_keys(&own, items, n);
	qc_own_texts(&own, text, n);
	qc_own_texts(&own, label, n);
	qc_own_int8s(&own, corrected, n);
	qc_own_run(&own, "INSERT INTO qwen.example (task, nr, k, kx, input, label, corrected) "
			   "SELECT $1, x.i, x.k, x.kx, x.input, x.label, x.c <> 0 "
			   "FROM unnest($2, $3, $4, $5, $6, $7) AS x(i, k, kx, input, label, c)", SPI_OK_INSERT);
	qc_own_end(&own);
}
