/*-------------------------------------------------------------------------
 *
 * shares.c
 *	  qwen.shares: how many rows have a label, put right by audits.
 *
 * What the machine said of all rows is precise and wrong in its own way; what
 * people said of the audits is right and few.  Both together give each label's share
 * with an interval (stats/share.h).  Audits count by their text, whatever version
 * the machine was at when they were drawn.
 *
 * A column's values are read as the table's owner, a chunk at a time, and
 * joined with ours as the extension's: nothing of a user's runs as that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "queue/own.h"
#include "queue/rows.h"
#include "task/several.h"
#include "trust/reviews.h"
#include "trust/stats/share.h"

enum
{
	ARG_TASK, ARG_SINCE, ARG_BY
};

#define QC_SHARES_COLUMNS 7
#define CHUNK		5000		/* rows of the table */
#define LEVEL		0.95

/* How many rows have the same bucket, machine's label and, if it was audited, person's. */
typedef struct QcCell
{
	char	   *bucket;			/* NULL: a NULL */
	char	   *machine;
	char	   *person;			/* NULL: no answered audit */
	int64		n;
} QcCell;

typedef struct QcCells
{
	MemoryContext cxt;
	int			n;
	int			room;
	QcCell	   *cell;
} QcCells;

typedef enum QcBy
{
	QC_BY_NOTHING,
	QC_BY_DAY,
	QC_BY_WEEK,
	QC_BY_COLUMN
} QcBy;

/* ---- gathering ---- */

/* Rows (bucket, machine, person, n) of what just ran. */
static void
gather(QcCells *cells)
{
	MemoryContext old = MemoryContextSwitchTo(cells->cxt);

	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;

		if (cells->n == cells->room)
		{
			cells->room = Max(cells->room * 2, 64);
			cells->cell = cells->cell == NULL ? palloc(sizeof(QcCell) * cells->room) :
				repalloc_huge(cells->cell, sizeof(QcCell) * cells->room);
		}
		cells->cell[cells->n++] = (QcCell)
		{
			qc_own_text_at(row, 1, cells->cxt), qc_own_text_at(row, 2, cells->cxt),
				qc_own_text_at(row, 3, cells->cxt), qc_own_int8_at(row, 4, &isnull)
		};
	}
	MemoryContextSwitchTo(old);
}

static void
gather_by_time(QcCells *cells, const QcTask *task, TimestampTz since, QcBy by)
{
	const char *bucket = by == QC_BY_DAY ? "pg_catalog.date_trunc('day', r.at)::pg_catalog.date::pg_catalog.text" :
		by == QC_BY_WEEK ? "pg_catalog.date_trunc('week', r.at)::pg_catalog.date::pg_catalog.text" : "NULL::pg_catalog.text";
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_time(&own, since);
	qc_own_run_once(&own, psprintf("SELECT %s, r.label, v.human, count(*) FROM qwen.result AS r "
							  "LEFT JOIN qwen.review_row AS v ON v.task = $1 AND v.k = r.k AND v.kx = r.kx "
							  "AND v.text_hash = r.text_hash AND v.role = 'audit' AND v.human IS NOT NULL "
							  "WHERE r.task = $1 AND r.state = 'labelled' AND r.at >= $2 GROUP BY 1, 2, 3", bucket), SPI_OK_SELECT);
	gather(cells);
	qc_own_end(&own);
}

/* ---- by a column ---- */

typedef struct QcChunkRows
{
	int			n;
	QcItem	   *item;			/* key and hash */
	char	  **bucket;
} QcChunkRows;

static void
gather_chunk(QcCells *cells, const QcTask *task, TimestampTz since, const QcChunkRows *chunk)
{
	QcItem	  **ref = palloc(sizeof(QcItem *) * chunk->n);
	int64	   *hash = palloc(sizeof(int64) * chunk->n);
	QcOwn		own;

	for (int i = 0; i < chunk->n; i++)
	{
		ref[i] = &chunk->item[i];
		hash[i] = chunk->item[i].hash;
	}
	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_time(&own, since);
	qc_own_keys(&own, ref, chunk->n);
	qc_own_int8s(&own, hash, chunk->n);
	qc_own_texts(&own, chunk->bucket, chunk->n);
	qc_own_run_once(&own, "SELECT x.bucket, r.label, v.human, count(*) "
			   "FROM unnest($3, $4, $5, $6, $7) AS x(i, k, kx, h, bucket) "
			   "JOIN qwen.result AS r ON r.task = $1 AND r.k = x.k AND r.kx = x.kx AND r.text_hash = x.h "
			   "LEFT JOIN qwen.review_row AS v ON v.task = $1 AND v.k = x.k AND v.kx = x.kx "
			   "AND v.text_hash = x.h AND v.role = 'audit' AND v.human IS NOT NULL "
			   "WHERE r.state = 'labelled' AND r.at >= $2 GROUP BY 1, 2, 3", SPI_OK_SELECT);
	gather(cells);
	qc_own_end(&own);
}

/* Key, hash and bucket of each row, the key as a row of its columns. */
static char *
column_sql(const QcTarget *target, AttrNumber column)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < target->nkeys; i++)
		appendStringInfo(&sql, target->int_key ? "s.%s::pg_catalog.int8" : i ? ", s.%s" : "ROW(s.%s",
						 quote_identifier(get_attname(target->relid, target->key[i], false)));
	appendStringInfo(&sql, "%s, %s, s.%s::pg_catalog.text FROM %s AS s",
					 target->int_key ? "" : ")::pg_catalog.text", target->hash_sql,
					 quote_identifier(get_attname(target->relid, column, false)), qc_table_sql(target));
	return sql.data;
}

static void
read_chunk(const QcTarget *target, QcChunkRows *chunk, MemoryContext cxt)
{
	chunk->n = (int) SPI_processed;
	chunk->item = MemoryContextAllocZero(cxt, sizeof(QcItem) * Max(chunk->n, 1));
	chunk->bucket = MemoryContextAlloc(cxt, sizeof(char *) * Max(chunk->n, 1));
	for (int i = 0; i < chunk->n; i++)
	{
		QcItem	   *item = &chunk->item[i];
		bool		isnull;

		if (target->int_key)
			item->k = qc_own_int8_at(i, 1, &isnull);
		else
		{
			item->kx = qc_own_text_at(i, 1, cxt);
			item->k = qc_key_hash(item->kx);
		}
		item->hash = qc_own_int8_at(i, 2, &isnull);
		chunk->bucket[i] = qc_own_text_at(i, 3, cxt);
	}
}

/*
 * The cursor belongs to this connection and is read as the owner; in between
 * our own tables are read within another.
 */
static void
gather_by_column(QcCells *cells, const QcTask *task, const QcTarget *target, TimestampTz since,
				 AttrNumber column)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "qwen_classify shares",
											  ALLOCSET_DEFAULT_SIZES);
	QcChunkRows chunk;
	QcAsOwner	saved;
	Portal		cursor;
	char	   *sql;

	qc_as_table_owner(&saved, target);
	sql = column_sql(target, column);
	SPI_connect();
	cursor = SPI_cursor_open_with_args(NULL, sql, 0, NULL, NULL, NULL, true, 0);
	qc_as_before(&saved);
	do
	{
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		qc_as_table_owner(&saved, target);
		SPI_cursor_fetch(cursor, true, CHUNK);
		read_chunk(target, &chunk, cxt);
		SPI_freetuptable(SPI_tuptable);
		qc_as_before(&saved);
		old = MemoryContextSwitchTo(cxt);
		if (chunk.n > 0)
			gather_chunk(cells, task, since, &chunk);
		MemoryContextSwitchTo(old);
		MemoryContextReset(cxt);
	} while (chunk.n == CHUNK);
	SPI_cursor_close(cursor);
	SPI_finish();
	MemoryContextDelete(cxt);
}

/* ---- adding up ---- */

static int
compare_texts(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a == NULL) - (b == NULL);
	return strcmp(a, b);
}

static int
by_bucket(const void *a, const void *b)
{
	return compare_texts(((const QcCell *) a)->bucket, ((const QcCell *) b)->bucket);
}

static void
count_label(const QcCell *cell, int n, const char *label, QcShareCounts *counts)
{
	memset(counts, 0, sizeof(*counts));
	for (int i = 0; i < n; i++)
	{
		bool		machine = strcmp(cell[i].machine, label) == 0;
		bool		person = cell[i].person != NULL && strcmp(cell[i].person, label) == 0;

		if (cell[i].person == NULL)
		{
			counts->rows += cell[i].n;
			counts->labelled += machine ? cell[i].n : 0;
		}
		else if (machine)
			*(person ? &counts->both : &counts->machine) += cell[i].n;
		else
			*(person ? &counts->person : &counts->neither) += cell[i].n;
	}
}

/* More digits would say nothing, and make a wide table. */
static Datum
rounded(double share)
{
	return Float8GetDatum(rint(share * 1e4) / 1e4);
}

static void
put_label(QcRows *rows, const char *bucket, const char *label, const QcShareCounts *c)
{
	Datum		value[QC_SHARES_COLUMNS] = {0};
	bool		null[QC_SHARES_COLUMNS] = {false};
	int64		audits = c->both + c->machine + c->person + c->neither;
	int64		labelled = c->labelled + c->both + c->machine;
	QcMeasure	share;
	bool		known = qc_share(c, LEVEL, &share, NULL) == QC_STAT_OK;

	null[0] = bucket == NULL;
	value[0] = bucket ? CStringGetTextDatum(bucket) : (Datum) 0;
	value[1] = CStringGetTextDatum(label);
	value[2] = rounded(known ? share.value : (double) labelled / (double) (c->rows + audits));
	value[3] = rounded(known ? share.lo : 0);
	value[4] = rounded(known ? share.hi : 0);
	null[3] = null[4] = !known;
	value[5] = Int64GetDatum(labelled);
	value[6] = Int64GetDatum(audits);
	tuplestore_putvalues(rows->store, rows->desc, value, null);
}

/* The labels of one bucket, the task's first, in its order; then those that it had. */
static int64
put_bucket(QcRows *rows, const QcNames *labels, const QcCell *cell, int n)
{
	QcShareCounts counts;
	int64		audits = 0;
	List	   *others = NIL;
	ListCell   *other;

	for (int i = 0; i < labels->n; i++)
	{
		count_label(cell, n, labels->name[i], &counts);
		put_label(rows, cell[0].bucket, labels->name[i], &counts);
		audits = counts.both + counts.machine + counts.person + counts.neither;
	}
	for (int i = 0; i < 2 * n; i++)
	{
		char	   *name = i % 2 ? cell[i / 2].person : cell[i / 2].machine;
		bool		known = name == NULL || qc_names_find(labels, name) >= 0;

		foreach(other, others)
			known = known || strcmp(lfirst(other), name) == 0;
		if (!known)
			others = lappend(others, name);
	}
	foreach(other, others)
	{
		count_label(cell, n, lfirst(other), &counts);
		put_label(rows, cell[0].bucket, lfirst(other), &counts);
	}
	return audits;
}

static void
put_all(QcRows *rows, const QcTask *task, QcCells *cells)
{
	QcNames		labels;
	int64		audits = 0;
	int			from = 0;

	qc_names_read(task, &labels);
	qsort(cells->cell, cells->n, sizeof(QcCell), by_bucket);
	for (int i = 1; i <= cells->n; i++)
		if (i == cells->n || by_bucket(&cells->cell[from], &cells->cell[i]) != 0)
		{
			audits += put_bucket(rows, &labels, &cells->cell[from], i - from);
			from = i;
		}
	if (audits == 0)
		ereport(NOTICE,
				(errmsg("no audit of task \"%s\" is answered, so these are the machine's shares as they are", task->name),
				 errhint("Type: SELECT * FROM qwen.audit(%s, 50), and answer.", quote_literal_cstr(task->name))));
}

/* ---- qwen.shares ---- */

/* A column is read with the rights of whoever asks. */
static AttrNumber
column_of(const QcTask *task, const QcTarget *target, const char *name)
{
	AttrNumber	column = get_attnum(target->relid, name);

	if (column <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table %s has no column \"%s\" to count by", target->rel_sql, name),
				 errhint("by is 'day', 'week', or the name of a column of the table.")));
	if (!has_privs_of_role(GetUserId(), task->owner) &&
		pg_class_aclcheck(target->relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck(target->relid, column, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to read column \"%s\" of table %s", name, target->rel_sql)));
	return column;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_shares);

Datum
qwen_classify_shares(PG_FUNCTION_ARGS)
{
	QcTask	   *task = qc_task_argument(fcinfo, ARG_TASK);
	TimestampTz since = PG_ARGISNULL(ARG_SINCE) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(ARG_SINCE);
	char	   *by = PG_ARGISNULL(ARG_BY) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(ARG_BY));
	QcTarget   *target = qc_target_of(task);
	QcCells		cells = {.cxt = CurrentMemoryContext};
	QcRows		rows;

	qc_several_refuse(task, "qwen.shares", "Count them: SELECT l, count(*) FROM ..., unnest(label) AS l GROUP BY 1.");
	qc_reviews_check_reader(task, target);
	qc_reviews_check_kept(task);
	if (!XactReadOnly)
		qc_reviews_settle(task);
	if (by == NULL)
		gather_by_time(&cells, task, since, QC_BY_NOTHING);
	else if (strcmp(by, "day") == 0)
		gather_by_time(&cells, task, since, QC_BY_DAY);
	else if (strcmp(by, "week") == 0)
		gather_by_time(&cells, task, since, QC_BY_WEEK);
	else
		gather_by_column(&cells, task, target, since, column_of(task, target, by));
	qc_rows_begin(&rows, fcinfo);
	if (cells.n > 0)
		put_all(&rows, task, &cells);
	return (Datum) 0;
}
