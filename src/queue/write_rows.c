/*-------------------------------------------------------------------------
 *
 * write_rows.c
 *	  The rows of a task's table, as the write-back sees and writes them.
 *
 * Labels and confidences are compared as the text that was read: every type
 * has one, not every type has an equality.  A label is cast to the column's
 * base type without its length, so that what does not fit is an error and is
 * never cut; a reason may be cut.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "queue/batch.h"
#include "queue/note.h"
#include "queue/write_rows.h"

QcTarget *
qc_rows_open(const QcTask *task)
{
	char	   *why = NULL;
	QcTarget   *target;

	LockRelationOid(task->source, RowExclusiveLock);
	target = qc_target_resolve(task, &why);
	if (target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_internal("%s", why ? why : "the table cannot be labelled")));
	return target;
}

/* ---- SQL ---- */

/* In the base type: what does not fit is an error, never cut. */
static void
append_set(StringInfo sql, const QcTarget *t, AttrNumber attno, const char *column, const char *value)
{
	appendStringInfo(sql, "%s = %s::%s", column, value,
					 format_type_extended(getBaseType(get_atttype(t->relid, attno)), -1,
										  FORMAT_TYPE_FORCE_QUALIFY));
}

void
qc_rows_append_set(StringInfo sql, const QcTarget *t, const char *confidence)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	append_set(sql, t, t->label, t->label_sql, "r.label");
	if (t->confidence)
	{
		appendStringInfoString(sql, ", ");
		append_set(sql, t, t->confidence, t->confidence_sql, confidence);
	}
	if (!t->reason)
		return;
	get_atttypetypmodcoll(t->relid, t->reason, &type, &typmod, &collation);
	appendStringInfo(sql, ", %s = r.reason::%s", t->reason_sql,
					 format_type_extended(type, typmod,
										  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
}

static void
append_same(StringInfo sql, const char *column, const char *value)
{
	appendStringInfo(sql, " AND s.%s::pg_catalog.text COLLATE pg_catalog.\"C\" "
					 "IS NOT DISTINCT FROM r.%s", column, value);
}

/* text, label and confidence are as they were */
static void
append_unchanged(StringInfo sql, const QcTarget *t)
{
	appendStringInfo(sql, "%s = r.h", t->hash_sql);
	append_same(sql, t->label_sql, "old_label");
	if (t->confidence)
		append_same(sql, t->confidence_sql, "old_conf");
}

static char *
update_sql(const QcTarget *t)
{
	static const char *const more[] = {"h", "old_label", "old_conf", "label", "conf", "reason"};
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s AS s SET ", qc_table_sql(t));
	qc_rows_append_set(&sql, t, "r.conf");
	appendStringInfo(&sql, " FROM %s WHERE %s AND ", qc_batch_sql(t, more, lengthof(more)), t->join_sql);
	append_unchanged(&sql, t);
	appendStringInfoString(&sql, " RETURNING r.i");
	return sql.data;
}

static char *
look_sql(const QcTarget *t)
{
	static const char *const more[] = {"h", "old_label", "old_conf"};
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT r.i, s.%s IS NULL, ", t->label_sql);
	append_unchanged(&sql, t);
	appendStringInfo(&sql, " FROM %s JOIN %s AS s ON %s",
					 qc_batch_sql(t, more, lengthof(more)), qc_table_sql(t), t->join_sql);
	return sql.data;
}

static char *
rows_sql(const QcTarget *t, const char *columns, const char *tail)
{
	return psprintf("SELECT r.i%s FROM %s JOIN %s AS s ON %s%s", columns,
					qc_batch_sql(t, NULL, 0), qc_table_sql(t), t->join_sql, tail);
}

/* ---- arguments ---- */

/* What a row was like when it was read. */
static void
args_as_read(QcArgs *args, const QcTarget *target, QcItem **items, int n)
{
	int64	   *hash = palloc(sizeof(int64) * n);
	char	  **label = palloc(sizeof(char *) * n);
	char	  **confidence = palloc(sizeof(char *) * n);

	for (int i = 0; i < n; i++)
	{
		hash[i] = items[i]->hash;
		label[i] = items[i]->old_label;
		confidence[i] = items[i]->old_confidence;
	}
	qc_args_keys(args, target, items, n);
	qc_args_int8(args, hash, n);
	qc_args_text(args, label, n);
	qc_args_text(args, confidence, n);
}

static void
args_as_answered(QcArgs *args, QcItem **items, int n)
{
	char	  **label = palloc(sizeof(char *) * n);
	double	   *confidence = palloc(sizeof(double) * n);
	char	  **reason = palloc(sizeof(char *) * n);

	for (int i = 0; i < n; i++)
	{
		label[i] = items[i]->label;
		confidence[i] = items[i]->shown;
		reason[i] = items[i]->reason;
	}
	qc_args_text(args, label, n);
	qc_args_float8(args, confidence, n);
	qc_args_text(args, reason, n);
}

/* ---- statements ---- */

static int32
int_at(uint64 row)
{
	bool		isnull;

	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull));
}

static bool
bool_at(uint64 row, int col)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col, &isnull);

	return !isnull && DatumGetBool(value);
}

/* Each statement sees what was committed when it begins, not when the batch did. */
static void
run(const char *sql, QcArgs *args, int expected)
{
	int			rc = SPI_execute_plan(qc_plan(sql, args), args->value, NULL, false, 0);

	if (rc != expected)
		elog(ERROR, "could not run a statement over a task's table: %s", SPI_result_code_string(rc));
}

/* The flag is down again whatever the owner's triggers throw. */
static void
run_update(const char *sql, QcArgs *args)
{
	qc_writing_back = true;
	PG_TRY();
	{
		run(sql, args, SPI_OK_UPDATE_RETURNING);
	}
	PG_FINALLY();
	{
		qc_writing_back = false;
	}
	PG_END_TRY();
}

void
qc_rows_update(const QcTarget *target, QcItem **items, int n)
{
	QcAsOwner	saved;
	QcArgs		args = {0};

	if (n == 0)
		return;
	qc_as_table_owner(&saved, target);
	SPI_connect();
	args_as_read(&args, target, items, n);
	args_as_answered(&args, items, n);
	run_update(update_sql(target), &args);
	for (uint64 row = 0; row < SPI_processed; row++)
		items[int_at(row)]->outcome = QC_WRITTEN;
	SPI_finish();
	qc_as_before(&saved);
}

/* The rows that a SELECT of ordinals finds. */
static void
mark(const char *sql, QcArgs *args, bool *hit)
{
	run(sql, args, SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
		hit[int_at(row)] = true;
}

void
qc_rows_skip_locked(const QcTarget *target, QcItem **items, int n)
{
	bool	   *there = palloc0(sizeof(bool) * n);
	bool	   *ours = palloc0(sizeof(bool) * n);
	QcAsOwner	saved;
	QcArgs		args = {0};

	if (n == 0)
		return;
	qc_as_table_owner(&saved, target);
	SPI_connect();
	qc_args_keys(&args, target, items, n);
	mark(rows_sql(target, "", ""), &args, there);
	mark(rows_sql(target, "", " ORDER BY r.i FOR NO KEY UPDATE OF s SKIP LOCKED"), &args, ours);
	SPI_finish();
	qc_as_before(&saved);
	for (int i = 0; i < n; i++)
		if (there[i] && !ours[i])
			items[i]->outcome = QC_BLOCKED;
}

void
qc_rows_look(const QcTarget *target, QcItem **items, int n, QcRowNow *now)
{
	QcAsOwner	saved;
	QcArgs		args = {0};

	for (int i = 0; i < n; i++)
		now[i] = QC_ROW_GONE;
	if (n == 0)
		return;
	qc_as_table_owner(&saved, target);
	SPI_connect();
	args_as_read(&args, target, items, n);
	run(look_sql(target), &args, SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
		now[int_at(row)] = bool_at(row, 3) ? QC_ROW_SAME :
			bool_at(row, 2) ? QC_ROW_WAITS : QC_ROW_TAKEN;
	SPI_finish();
	qc_as_before(&saved);
}

void
qc_rows_hash(const QcTarget *target, QcItem **items, int n, bool *there, int64 *hash)
{
	QcAsOwner	saved;
	QcArgs		args = {0};

	memset(there, 0, sizeof(bool) * n);
	if (n == 0)
		return;
	qc_as_table_owner(&saved, target);
	SPI_connect();
	qc_args_keys(&args, target, items, n);
	run(rows_sql(target, psprintf(", %s", target->hash_sql), ""), &args, SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;

		there[int_at(row)] = true;
		hash[int_at(row)] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[row],
														SPI_tuptable->tupdesc, 2, &isnull));
	}
	SPI_finish();
	qc_as_before(&saved);
}
