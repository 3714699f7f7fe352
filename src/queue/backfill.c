/*-------------------------------------------------------------------------
 *
 * backfill.c
 *	  Existing rows, in key order, from where the cursor stands.
 *
 * No queue rows are written for them.  The cursor moves in the transaction
 * that writes a whole chunk, so a crash repeats at most one chunk's requests.
 * Left out: dead rows, and labels that are a person's or another machine's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "queue/outcome.h"
#include "queue/own.h"
#include "queue/write.h"

QcBackfill *
qc_backfill_open(int32 task)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcBackfill *backfill = NULL;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_run(&own, "SELECT task, mode, where_sql, cursor, max_rows, rows_done, started_at FROM qwen.backfill_state "
			   "WHERE task = $1 AND finished_at IS NULL", SPI_OK_SELECT);
	if (SPI_processed > 0)
	{
		bool		isnull;
		int64		max_rows;

		backfill = MemoryContextAllocZero(cxt, sizeof(QcBackfill));
		backfill->task = task;
		backfill->relabel = strcmp(qc_own_text_at(0, 2, cxt), "relabel") == 0;
		backfill->where_sql = qc_own_text_at(0, 3, cxt);
		backfill->cursor = qc_own_text_at(0, 4, cxt);
		max_rows = qc_own_int8_at(0, 5, &isnull);
		backfill->left = isnull ? -1 : max_rows;
		backfill->done = qc_own_int8_at(0, 6, &isnull);
		backfill->started_at = qc_own_int8_at(0, 7, &isnull);
		if (backfill->left >= 0)
			backfill->left = Max(0, backfill->left - backfill->done);
	}
	qc_own_end(&own);
	return backfill;
}

/* ---- a chunk of keys ---- */

static bool
replaces_labels(const QcTask *task)
{
	return task->existing != NULL && strcmp(task->existing, "relabel") == 0;
}

static const char *
key_column(Relation rel, const QcTarget *target, int i)
{
	return quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(rel), target->key[i] - 1)->attname));
}

/* "s.a, s.b" */
static char *
key_list(Relation rel, const QcTarget *target)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < target->nkeys; i++)
		appendStringInfo(&sql, "%ss.%s", i ? ", " : "", key_column(rel, target, i));
	return sql.data;
}

/* The type's own operator, wherever its schema is; 0: there is none. */
static char *
operator_sql(Oid operator)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char	   *sql;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	sql = psprintf("OPERATOR(%s.%s)",
				   quote_identifier(get_namespace_name(form->oprnamespace)), NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return sql;
}

static char *
greater_sql(const QcTarget *target, int i)
{
	TypeCacheEntry *type = lookup_type_cache(target->key_type[i], TYPECACHE_GT_OPR);

	if (!OidIsValid(type->gt_opr))
		elog(ERROR, "type %u of a primary key has no order", target->key_type[i]);
	return operator_sql(type->gt_opr);
}

/*
 * (s.a, s.b) > ($2, $3) goes by the index if the operators share a name and a
 * schema, which all but types of extensions do.
 */
static char *
after_cursor_sql(Relation rel, const QcTarget *target, const char *keys)
{
	StringInfoData sql;
	const char *greater = greater_sql(target, 0);

	for (int i = 1; i < target->nkeys; i++)
		if (strcmp(greater, greater_sql(target, i)) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("the columns of the primary key of table %s have different orders",
							target->rel_sql),
					 errhint("Set the label of existing rows to NULL to have them labelled.")));
	initStringInfo(&sql);
	if (target->nkeys == 1)
		appendStringInfo(&sql, "s.%s %s $2", key_column(rel, target, 0), greater);
	else
	{
		appendStringInfo(&sql, "ROW(%s) %s ROW(", keys, greater);
		for (int i = 0; i < target->nkeys; i++)
			appendStringInfo(&sql, "%s$%d", i ? ", " : "", i + 2);
		appendStringInfoChar(&sql, ')');
	}
	return sql.data;
}

/* Rows after the cursor that are candidates; what they are exactly is decided below. */
static char *
chunk_sql(const QcTask *task, const QcTarget *target, const QcBackfill *backfill, bool from_start)
{
	Relation	rel = relation_open(target->relid, AccessShareLock);
	char	   *keys = key_list(rel, target);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s FROM %s AS s WHERE true", keys, qc_table_sql(target));
	if (backfill->relabel)
		appendStringInfo(&sql, " AND s.%s IS NOT NULL", target->label_sql);
	else if (!replaces_labels(task))
		appendStringInfo(&sql, " AND s.%s IS NULL", target->label_sql);
	if (backfill->where_sql)
		appendStringInfo(&sql, " AND %s", backfill->where_sql);
	if (!from_start)
		appendStringInfo(&sql, " AND %s", after_cursor_sql(rel, target, keys));
	appendStringInfo(&sql, " ORDER BY %s LIMIT $1", keys);
	relation_close(rel, AccessShareLock);
	return sql.data;
}

/* An integer key's text is its digits. */
static void
cursor_values(const QcTarget *target, const char *cursor, QcArgs *args)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	if (target->int_key)
		qc_key_values(target, strtoll(cursor, NULL, 10), NULL, values, nulls);
	else
		qc_key_values(target, 0, cursor, values, nulls);
	for (int i = 0; i < target->nkeys; i++)
	{
		args->type[args->n] = target->key_type[i];
		args->value[args->n++] = values[i];
	}
}

/* The key of a result row whose columns are the key's. */
static void
fill_key(const QcTarget *target, QcItem *item, HeapTuple tuple, bool relabel, MemoryContext cxt)
{
	QcTarget	of_row = *target;
	char	   *kx;

	for (int i = 0; i < target->nkeys; i++)
		of_row.key[i] = i + 1;
	qc_key_of_tuple(&of_row, tuple, SPI_tuptable->tupdesc, NULL, &item->k, &kx);
	item->kx = kx ? MemoryContextStrdup(cxt, kx) : NULL;
	item->origin = QC_FROM_BACKFILL;
	item->relabel = relabel;
}

static int
read_keys(const QcTask *task, const QcTarget *target, const QcBackfill *backfill,
		  const char *cursor, int max, QcItem **out)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcAsOwner	saved;
	QcArgs		args = {0};
	bool		relabel = backfill->relabel || replaces_labels(task);
	char	   *sql;
	int			n;

	qc_as_table_owner(&saved, target);
	sql = chunk_sql(task, target, backfill, cursor == NULL);
	args.type[args.n] = INT8OID;
	args.value[args.n++] = Int64GetDatum(max);
	if (cursor != NULL)
		cursor_values(target, cursor, &args);
	SPI_connect();
	if (SPI_execute_plan(qc_plan(sql, &args), args.value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read existing rows");
	n = (int) SPI_processed;
	*out = MemoryContextAllocZero(cxt, sizeof(QcItem) * Max(n, 1));
	for (int i = 0; i < n; i++)
		fill_key(target, &(*out)[i], SPI_tuptable->vals[i], relabel, cxt);
	SPI_finish();
	qc_as_before(&saved);
	return n;
}

/* ---- which of them are to be labelled ---- */

/* $1 the task, r the keys with the hashes of their texts; what is found is hit. */
static void
mark_of(const char *sql, const QcTask *task, QcItem **items, int n, bool *hit)
{
	QcOwn		own;
	int64	   *hash = palloc(sizeof(int64) * n);

	for (int i = 0; i < n; i++)
		hash[i] = items[i]->hash;
	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_keys(&own, items, n);
	qc_own_int8s(&own, hash, n);
	qc_own_int4(&own, task->version);
	qc_own_run(&own, sql, SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
		hit[qc_own_ordinal(row)] = true;
	qc_own_end(&own);
}

#define FROM_KEYS_AND(table) \
	"SELECT r.i FROM unnest($2, $3, $4, $5) AS r(i, k, kx, h) JOIN qwen." table " AS t " \
	"ON t.task = $1 AND t.k = r.k AND t.kx = r.kx AND t.text_hash = r.h "

/*
 * Left out are rows that are dead in this version with this text, or undecided
 * unless a filter asks for them; and of
 * rows with a label those that are somebody's, or the model's of this version.
 * A relabel takes the model's labels only; again: those of this version, too.
 */
static void
leave_out(const QcTask *task, bool relabels, bool again, QcItem **items, int n)
{
	bool	   *dead = palloc0(sizeof(bool) * n);
	bool	   *others = palloc0(sizeof(bool) * n);
	bool	   *model = palloc0(sizeof(bool) * n);
	bool	   *fresh = palloc0(sizeof(bool) * n);
	bool	   *undecided = palloc0(sizeof(bool) * n);
	bool		relabel = relabels || replaces_labels(task);

	mark_of(FROM_KEYS_AND("dead") "WHERE t.version = $6", task, items, n, dead);
	if (!again)
		mark_of(FROM_KEYS_AND("result") "WHERE t.version = $6 AND t.state = 'undecided'", task, items, n, undecided);
	if (relabel)
	{
		mark_of(FROM_KEYS_AND("annotation"), task, items, n, others);
		mark_of(FROM_KEYS_AND("result"), task, items, n, model);
		mark_of(FROM_KEYS_AND("result") "WHERE t.version = $6", task, items, n, fresh);
	}
	for (int i = 0; i < n; i++)
	{
		bool		has_label = items[i]->old_label != NULL;

		if (dead[i] || (!has_label && undecided[i]) || (has_label && others[i]) ||
			(has_label && fresh[i] && !(relabels && again)) ||
			(has_label && relabels && !model[i] && !replaces_labels(task)))
			items[i]->wanted = false;
	}
}

int
qc_backfill_read(const QcTask *task, const QcTarget *target, const QcBackfill *backfill,
				 char **cursor, int max, QcItem **rows)
{
	QcItem	  **items;
	int			n;

	if (backfill->left >= 0 && backfill->left < max)
		max = (int) backfill->left;
	if (max == 0)
		return 0;
	n = read_keys(task, target, backfill, *cursor, max, rows);
	if (n == 0)
		return 0;
	items = palloc(sizeof(QcItem *) * n);
	for (int i = 0; i < n; i++)
		items[i] = &(*rows)[i];
	*cursor = qc_key_text(items[n - 1]->k, items[n - 1]->kx);
	qc_source_fetch(task, target, items, n);
	leave_out(task, backfill->relabel, backfill->where_sql != NULL, items, n);
	return n;
}

void
qc_retry_leave_out(const QcTask *task, QcItem **items, int n)
{
	QcItem	  **of = palloc(sizeof(QcItem *) * n);
	int			m = 0;

	for (int i = 0; i < n; i++)
		if (items[i]->relabel && items[i]->wanted && items[i]->old_label != NULL)
			of[m++] = items[i];
	if (m > 0)
		leave_out(task, true, true, of, m);
	pfree(of);
}

/* ---- its state ---- */

typedef struct QcUncounted
{
	int32		task;
	int64		rows;
} QcUncounted;

int64 *
qc_backfill_uncounted(int32 task)
{
	static QcUncounted *of = NULL;
	static int	n = 0;

	for (int i = 0; i < n; i++)
		if (of[i].task == task)
			return &of[i].rows;
	of = of == NULL ? MemoryContextAlloc(TopMemoryContext, sizeof(QcUncounted)) :
		repalloc(of, sizeof(QcUncounted) * (n + 1));
	of[n].task = task;
	of[n].rows = 0;
	return &of[n++].rows;
}

/* rows_done counts what was labelled; max_rows is a limit on these. */
void
qc_backfill_advance(const QcBackfill *backfill, const char *cursor, int64 done)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, backfill->task);
	qc_own_text(&own, cursor);
	qc_own_int8(&own, done);
	qc_own_time(&own, backfill->started_at);
	qc_own_run(&own, "UPDATE qwen.backfill_state SET cursor = $2, rows_done = rows_done + $3 "
			   "WHERE task = $1 AND finished_at IS NULL AND started_at = $4", SPI_OK_UPDATE);
	qc_own_end(&own);
}

void
qc_backfill_restart(int32 task)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_run(&own, "UPDATE qwen.backfill_state SET cursor = NULL "
			   "WHERE task = $1 AND finished_at IS NULL AND mode = 'relabel'", SPI_OK_UPDATE);
	qc_own_end(&own);
}

void
qc_backfill_close(int32 task, const char *message)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_text(&own, message);
	qc_own_run(&own, "UPDATE qwen.backfill_state SET finished_at = pg_catalog.now(), message = $2 "
			   "WHERE task = $1 AND finished_at IS NULL", SPI_OK_UPDATE);
	qc_own_end(&own);
}
