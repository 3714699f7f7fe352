/*-------------------------------------------------------------------------
 *
 * void.c
 *	  Entries of ours that stand for no row any more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "queue/own.h"
#include "queue/void.h"
#include "queue/write_rows.h"

#define SLICE			500

static const char *
and_void_if(const QcVoidScan *scan)
{
	return scan->void_if ? psprintf(" AND %s", scan->void_if) : "";
}

/* The next keys and the hashes that their entries stand for. */
static int
read_slice(const QcVoidScan *scan, QcItem *items)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;
	int			n;

	qc_own_begin(&own);
	qc_own_int4(&own, scan->task);
	qc_own_int8(&own, scan->k);
	qc_own_text(&own, scan->kx);
	qc_own_int8(&own, SLICE);
	qc_own_run(&own, psprintf("SELECT k, kx, text_hash FROM qwen.%s AS t WHERE task = $1%s%s "
							  "ORDER BY k, kx LIMIT $4", scan->table, and_void_if(scan),
							  scan->kx ? " AND (k, kx) > ($2, $3)" : ""), SPI_OK_SELECT);
	n = (int) SPI_processed;
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		char	   *kx = qc_own_text_at(i, 2, cxt);

		items[i].k = qc_own_int8_at(i, 1, &isnull);
		items[i].kx = kx != NULL && kx[0] != '\0' ? kx : NULL;
		items[i].hash = qc_own_int8_at(i, 3, &isnull);
	}
	qc_own_end(&own);
	return n;
}

/* An entry that was written since has another hash or stands for a row again. */
static void
delete_void(const QcVoidScan *scan, QcItem **items, int n)
{
	QcOwn		own;
	int64	   *hash = palloc(sizeof(int64) * n);

	for (int i = 0; i < n; i++)
		hash[i] = items[i]->hash;
	qc_own_begin(&own);
	qc_own_int4(&own, scan->task);
	qc_own_keys(&own, items, n);
	qc_own_int8s(&own, hash, n);
	qc_own_run(&own, psprintf("DELETE FROM qwen.%s AS t USING unnest($2, $3, $4, $5) AS r(i, k, kx, h) "
							  "WHERE t.task = $1 AND t.k = r.k AND t.kx = r.kx AND t.text_hash = r.h%s",
							  scan->table, and_void_if(scan)), SPI_OK_DELETE);
	qc_own_end(&own);
}

bool
qc_void_slice(const QcTarget *target, QcVoidScan *scan)
{
	QcItem	   *item = palloc0(sizeof(QcItem) * SLICE);
	QcItem	  **ref = palloc(sizeof(QcItem *) * SLICE);
	bool	   *there = palloc(sizeof(bool) * SLICE);
	int64	   *hash = palloc(sizeof(int64) * SLICE);
	int			n = read_slice(scan, item);
	int			nvoid = 0;

	for (int i = 0; i < n; i++)
		ref[i] = &item[i];
	qc_rows_hash(target, ref, n, there, hash);
	for (int i = 0; i < n; i++)
		if (!there[i] || hash[i] != item[i].hash)
			ref[nvoid++] = &item[i];
	if (nvoid > 0)
		delete_void(scan, ref, nvoid);
	if (n > 0)
	{
		scan->k = item[n - 1].k;
		scan->kx = item[n - 1].kx ? item[n - 1].kx : pstrdup("");
	}
	return n == SLICE;
}
