/*-------------------------------------------------------------------------
 *
 * attach.c
 *	  qwen.attach and qwen.detach.
 *
 * The table is locked as CREATE TRIGGER locks it, for two seconds at most:
 * whoever holds it longer is waited for by the user, not by everybody who
 * queues behind us.  DDL runs as the table's owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "common/board.h"
#include "task/attach.h"
#include "task/prompts.h"
#include "task/target.h"

PG_FUNCTION_INFO_V1(qwen_classify_attach);
PG_FUNCTION_INFO_V1(qwen_classify_detach);

#define LOCK_TIMEOUT_MS 2000

/* Rows that existing => 'people' notes at a time. */
#define ROWS_AT_ONCE 1000

/* ---- SQL as one role or the other ---- */

static void
run_as_owner(Oid owner, const char *sql)
{
	QcAsOwner	saved;

	qc_as_role(&saved, owner);
	SPI_connect();
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not run: %s", sql);
	SPI_finish();
	qc_as_before(&saved);
	CommandCounterIncrement();
}

static void
run_own(const char *sql, int n, Oid *types, Datum *values, const char *nulls)
{
	QcAsOwner	saved;

	qc_as_extension_owner(&saved);
	SPI_connect();
	if (SPI_execute_with_args(sql, n, types, values, nulls, false, 0) < 0)
		elog(ERROR, "could not write a table of qwen");
	SPI_finish();
	qc_as_before(&saved);
	CommandCounterIncrement();
}

/* ---- locks ---- */

/*
 * A statement on a task and a table: whatever it locks (the table, then its
 * partitions, then the table again to add columns) it waits two seconds for.
 */
typedef struct QcLocking
{
	FunctionCallInfo fcinfo;
	Oid			relid;			/* known as soon as a lock is wanted */
	int			limit;			/* ms */
} QcLocking;

/* The server's error for a lock that did not come, with what to do about it. */
static void
relock_error(const QcLocking *locking, MemoryContext cxt)
{
	ErrorData  *error;
	char	   *name;

	MemoryContextSwitchTo(cxt);
	error = CopyErrorData();
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		PG_RE_THROW();
	FlushErrorState();
	name = OidIsValid(locking->relid) ? get_rel_name(locking->relid) : NULL;
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 name ? errmsg("could not lock table \"%s\" within %g s", name, locking->limit / 1000.0) :
			 errmsg("could not lock the task within %g s", locking->limit / 1000.0),
			 errdetail("Another session uses it; nothing was changed."),
			 errhint("Try again; pg_stat_activity and pg_blocking_pids() show who holds it.")));
}

static void
with_lock_timeout(void (*body) (QcLocking *), FunctionCallInfo fcinfo)
{
	QcLocking	locking = {fcinfo, InvalidOid, LockTimeout};
	MemoryContext cxt = CurrentMemoryContext;
	int			level = NewGUCNestLevel();

	if (LockTimeout == 0 || LockTimeout > LOCK_TIMEOUT_MS)
	{
		locking.limit = LOCK_TIMEOUT_MS;
		(void) set_config_option("lock_timeout", CppAsString2(LOCK_TIMEOUT_MS),
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	}
	PG_TRY();
	{
		body(&locking);
	}
	PG_CATCH();
	{
		relock_error(&locking, cxt);
	}
	PG_END_TRY();
	AtEOXact_GUC(false, level);
}

/* Nobody but its owner makes others wait for a table. */
static Relation
lock_own_table(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		owned;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid),
				 errhint("Name the table: 'support.ticket'.")));
	owned = has_privs_of_role(GetUserId(), ((Form_pg_class) GETSTRUCT(tuple))->relowner);
	ReleaseSysCache(tuple);
	if (!owned)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of table %s", get_rel_name(relid)),
				 errhint("One role must own both the task and the table.")));
	return relation_open(relid, ShareRowExclusiveLock);
}

/* ---- attach ---- */

static char *
text_argument(FunctionCallInfo fcinfo, int arg)
{
	return PG_ARGISNULL(arg) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(arg));
}

static void
need(const void *value, const char *name, const char *hint)
{
	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be NULL", name),
				 errhint("%s", hint)));
}

static void
read_arguments(FunctionCallInfo fcinfo, QcAttach *a)
{
	char	   *task = text_argument(fcinfo, 0);

	need(task, "task", "Name the task: SELECT qwen.attach('tickets', 'support.ticket', input => 'body').");
	need(PG_ARGISNULL(1) ? NULL : task, "relation", "Name the table: SELECT qwen.attach('tickets', 'support.ticket', input => 'body').");
	a->task = qc_task_for_change(task);
	a->relid = PG_GETARG_OID(1);
	a->input = text_argument(fcinfo, 2);
	a->label = text_argument(fcinfo, 3);
	a->confidence = text_argument(fcinfo, 4);
	a->reason = text_argument(fcinfo, 5);
	a->add_columns = !PG_ARGISNULL(6) && PG_GETARG_BOOL(6);
	a->existing = PG_ARGISNULL(7) ? "keep" : text_argument(fcinfo, 7);
	need(a->input, "input", "Name the column that holds the text, or write an expression: input => $$subject || E'\\n' || body$$.");
	need(a->label, "label", "Name the column that takes the label: label => 'label'.");
	if (strcmp(a->existing, "keep") != 0 && strcmp(a->existing, "people") != 0 &&
		strcmp(a->existing, "relabel") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("existing must be keep, people or relabel, not \"%s\"", a->existing),
				 errhint("keep: labels that are there stay; people: they are people's; relabel: backfill makes them anew.")));
	if (OidIsValid(a->task->source))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("task \"%s\" is attached to a table already", a->task->name),
				 errhint("Type: SELECT qwen.detach(%s), or make another task.", quote_literal_cstr(a->task->name))));
}

/* Rows that wait for a label, of this table or of one before it. */
static void
forget_waiting(int32 task)
{
	static const char *const waiting[] = {"queue", "retry", "dead", "backfill_state", "recalibration"};
	Oid			type = INT4OID;
	Datum		id = Int32GetDatum(task);

	for (size_t i = 0; i < lengthof(waiting); i++)
		run_own(psprintf("DELETE FROM qwen.%s WHERE task = $1", waiting[i]), 1, &type, &id, NULL);
}

static Datum
names_of_reads(const QcAttach *a)
{
	Datum	   *names = palloc(sizeof(Datum) * a->nreads);

	for (int i = 0; i < a->nreads; i++)
		names[i] = CStringGetTextDatum(get_attname(a->relid, a->reads[i], false));
	return PointerGetDatum(construct_array(names, a->nreads, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Columns first, since the task's row names them by number. */
static void
store(const QcAttach *a)
{
	Oid			types[] = {INT4OID, OIDOID, TEXTOID, TEXTOID, INT2OID, INT2OID, INT2OID, INT2OID, TEXTARRAYOID, INT2VECTOROID, TEXTARRAYOID};
	const char *name[] = {a->input_column ? get_attname(a->relid, a->input_column, false) : NULL,
	a->label, a->confidence, a->reason};
	Datum		values[11];
	Datum		names[4];
	bool		none[4];
	char		nulls[] = "           ";
	int			dims[] = {4};
	int			lower[] = {1};

	for (int i = 0; i < 4; i++)
	{
		AttrNumber	attno = name[i] ? get_attnum(a->relid, name[i]) : InvalidAttrNumber;

		none[i] = name[i] == NULL;
		names[i] = name[i] ? CStringGetTextDatum(name[i]) : (Datum) 0;
		values[4 + i] = Int16GetDatum(attno);
		if (name[i] == NULL)
			nulls[4 + i] = 'n';
	}
	values[0] = Int32GetDatum(a->task->id);
	values[1] = ObjectIdGetDatum(a->relid);
	values[2] = CStringGetTextDatum(a->existing);
	values[3] = a->input_column ? (Datum) 0 : CStringGetTextDatum(a->input_sql);
	if (a->input_column)
		nulls[3] = 'n';
	values[8] = PointerGetDatum(construct_md_array(names, none, 1, dims, lower, TEXTOID, -1, false, TYPALIGN_INT));
	values[9] = PointerGetDatum(buildint2vector(a->reads, a->nreads));
	values[10] = names_of_reads(a);
	run_own("UPDATE qwen.task SET source = $2::pg_catalog.regclass, source_oid = $2, existing = $3, "
			"input = $4, input_column = $5, label_column = $6, confidence_column = $7, "
			"reason_column = $8, column_names = $9, input_reads = $10, read_names = $11, attached_at = pg_catalog.now(), "
			"state_since = pg_catalog.now() WHERE id = $1",
			lengthof(types), types, values, nulls);
}

/* One that is there: of ours at a detach, of an earlier life of the table at an attach. */
static void
drop_trigger(Oid relid, Oid owner, const char *name, const char *rel_sql)
{
	if (OidIsValid(get_trigger_oid(relid, name, true)))
		run_as_owner(owner, psprintf("DROP TRIGGER %s ON %s", name, rel_sql));
}

static char *
trigger_name(const QcTask *task, const char *when)
{
	return psprintf("zz_qwen_%s_%d", when, task->id);
}

static void
make_trigger(const QcAttach *a, const char *name, const char *events, const char *function)
{
	drop_trigger(a->relid, a->task->owner, name, a->rel_sql);
	run_as_owner(a->task->owner,
				 psprintf("CREATE TRIGGER %s %s ON %s FOR EACH ROW EXECUTE FUNCTION qwen.%s('%d')",
						  name, events, a->rel_sql, function, a->task->id));
}

static void
make_triggers(const QcAttach *a)
{
	make_trigger(a, trigger_name(a->task, "before"), "BEFORE UPDATE", "before_update");
	make_trigger(a, trigger_name(a->task, "after"), "AFTER INSERT OR UPDATE", "after_change");
}

/* ---- existing => 'people' ---- */

/* Labels that are there, into qwen.annotation: a page of a cursor. */
static void
annotate_page(const QcTask *task, const QcTarget *target, MemoryContext page)
{
	int			n = (int) SPI_processed;
	MemoryContext old = MemoryContextSwitchTo(page);
	Datum	   *k = palloc(sizeof(Datum) * n);
	Datum	   *kx = palloc(sizeof(Datum) * n);
	Datum	   *label = palloc(sizeof(Datum) * n);
	Datum	   *hash = palloc(sizeof(Datum) * n);
	QcTarget	of_row = *target;
	Oid			types[] = {INT4OID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID};
	Datum		values[5];

	for (int i = 0; i < target->nkeys; i++)
		of_row.key[i] = i + 3;
	for (int i = 0; i < n; i++)
	{
		int64		key;
		char	   *text;
		bool		isnull;

		label[i] = CStringGetTextDatum(SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
		hash[i] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull);
		qc_key_of_tuple(&of_row, SPI_tuptable->vals[i], SPI_tuptable->tupdesc, NULL, &key, &text);
		k[i] = Int64GetDatum(key);
		kx[i] = CStringGetTextDatum(text ? text : "");
	}
	values[0] = Int32GetDatum(task->id);
	values[1] = PointerGetDatum(construct_array(k, n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[2] = PointerGetDatum(construct_array(kx, n, TEXTOID, -1, false, TYPALIGN_INT));
	values[3] = PointerGetDatum(construct_array(label, n, TEXTOID, -1, false, TYPALIGN_INT));
	values[4] = PointerGetDatum(construct_array(hash, n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	run_own("INSERT INTO qwen.annotation (task, k, kx, kind, label, author, text_hash) "
			"SELECT $1, k, kx, 'person', label, session_user, h "
			"FROM unnest($2, $3, $4, $5) AS r(k, kx, label, h) ON CONFLICT (task, k, kx) DO UPDATE "
			"SET kind = excluded.kind, label = excluded.label, author = excluded.author, "
			"text_hash = excluded.text_hash, at = excluded.at",
			lengthof(types), types, values, NULL);
	MemoryContextSwitchTo(old);
}

static char *
labelled_sql(const QcTarget *target, Relation rel)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT s.%s::pg_catalog.text, %s", target->label_sql, target->hash_sql);
	for (int i = 0; i < target->nkeys; i++)
		appendStringInfo(&sql, ", s.%s",
						 quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(rel), target->key[i] - 1)->attname)));
	appendStringInfo(&sql, " FROM %s AS s WHERE s.%s IS NOT NULL", target->rel_sql, target->label_sql);
	return sql.data;
}

/* The table is read as its owner, our own is written as the extension's. */
static void
annotate_existing(const QcTask *task, const QcTarget *target)
{
	Relation	rel = relation_open(target->relid, NoLock);
	char	   *sql = labelled_sql(target, rel);
	MemoryContext page = AllocSetContextCreate(CurrentMemoryContext, "qwen_classify page",
											   ALLOCSET_DEFAULT_SIZES);
	QcAsOwner	saved;
	Portal		portal;

	relation_close(rel, NoLock);
	SPI_connect();
	qc_as_role(&saved, target->owner);
	portal = SPI_cursor_parse_open(NULL, sql, &(SPIParseOpenOptions) {.read_only = true});
	for (;;)
	{
		SPI_cursor_fetch(portal, true, ROWS_AT_ONCE);
		qc_as_before(&saved);
		if (SPI_processed == 0)
			break;
		annotate_page(task, target, page);
		SPI_freetuptable(SPI_tuptable);
		MemoryContextReset(page);
		qc_as_role(&saved, target->owner);
	}
	SPI_cursor_close(portal);
	SPI_finish();
}

/* The task with its row as it was just written, and its table as the worker will see it. */
static QcTarget *
attached(const QcAttach *a, QcTask **task)
{
	QcTarget   *target;
	char	   *why;

	PushActiveSnapshot(GetTransactionSnapshot());
	*task = qc_task_by_id(a->task->id);
	PopActiveSnapshot();
	target = qc_target_resolve(*task, &why);
	if (target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s", why)));
	return target;
}

static char *
quoted_table(Relation rel)
{
	return pstrdup(quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
											  RelationGetRelationName(rel)));
}

/* The relation is closed, its lock kept, before DDL may look for users of it. */
static void
check_and_close(QcAttach *a)
{
	Relation	rel = lock_own_table(a->relid);

	a->rel_sql = quoted_table(rel);
	qc_attach_check(a, rel);
	relation_close(rel, NoLock);
}

static void
add_columns(const QcAttach *a)
{
	if (a->missing == NULL)
		return;
	run_as_owner(a->task->owner, psprintf("ALTER TABLE %s %s", a->rel_sql, a->missing));
	qc_check_labels_fit(a->task, a->relid, get_attnum(a->relid, a->label));
}

static void
attach(QcLocking *locking)
{
	QcAttach	a = {0};
	QcTask	   *task;
	QcTarget   *target;

	read_arguments(locking->fcinfo, &a);
	locking->relid = a.relid;
	check_and_close(&a);
	add_columns(&a);
	forget_waiting(a.task->id);
	store(&a);
	make_triggers(&a);
	target = attached(&a, &task);
	if (strcmp(a.existing, "people") == 0)
		annotate_existing(task, target);
	qc_board_config_changes();
	qc_attach_tell(&a, task, target);
}

Datum
qwen_classify_attach(PG_FUNCTION_ARGS)
{
	with_lock_timeout(attach, fcinfo);
	PG_RETURN_VOID();
}

/* ---- detach ---- */

static void
drop_triggers(const QcTask *task)
{
	Relation	rel = try_relation_open(task->source, ShareRowExclusiveLock);
	char	   *rel_sql;
	Oid			owner;

	if (rel == NULL)
		return;
	rel_sql = quoted_table(rel);
	owner = rel->rd_rel->relowner;
	relation_close(rel, NoLock);
	drop_trigger(task->source, owner, trigger_name(task, "before"), rel_sql);
	drop_trigger(task->source, owner, trigger_name(task, "after"), rel_sql);
}

/*
 * What was said of rows, by people above all, stays: it is keyed by row and by
 * text, so that it is void for any other, and drop_task deletes it.  The
 * version moves so that what the worker has in flight is not written.
 */
void
qc_detach(const QcTask *task)
{
	Oid			type = INT4OID;
	Datum		id = Int32GetDatum(task->id);

	if (!OidIsValid(task->source))
		return;
	drop_triggers(task);
	forget_waiting(task->id);
	run_own("UPDATE qwen.task SET source = NULL, source_oid = NULL, existing = NULL, input = NULL, "
			"input_column = NULL, label_column = NULL, confidence_column = NULL, reason_column = NULL, "
			"column_names = NULL, input_reads = NULL, read_names = NULL, attached_at = NULL, version = version + 1, "
			"state_since = pg_catalog.now() WHERE id = $1", 1, &type, &id, NULL);
	qc_board_config_changes();
}

static void
detach(QcLocking *locking)
{
	FunctionCallInfo fcinfo = locking->fcinfo;
	char	   *name = text_argument(fcinfo, 0);
	QcTask	   *task;

	need(name, "task", "Name the task: SELECT qwen.detach('tickets').");
	task = qc_task_for_change(name);
	qc_task_check_attached(task);
	locking->relid = task->source;
	qc_detach(task);
}

Datum
qwen_classify_detach(PG_FUNCTION_ARGS)
{
	with_lock_timeout(detach, fcinfo);
	PG_RETURN_VOID();
}
