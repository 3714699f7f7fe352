/*-------------------------------------------------------------------------
 *
 * task.c
 *	  A task as it stands in qwen.task.
 *
 * Read by SPI as the extension's owner.  What is returned lies in a memory
 * context of its own below the caller's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "common/board.h"
#include "task/task.h"

/*
 * A column by its number, or, where a restore has made another table of the
 * name, by its name; one that is not there has a number that no table has.
 */
#define QC_COLUMN(number, n) \
	"CASE WHEN source_oid = source::oid OR column_names[" #n "] IS NULL THEN " #number \
	" ELSE coalesce((SELECT a.attnum FROM pg_catalog.pg_attribute a WHERE a.attrelid = source" \
	" AND a.attname = column_names[" #n "] AND a.attnum > 0 AND NOT a.attisdropped), 32767::int2) END"

/* Those that the input reads likewise; NULL if one is not there. */
#define QC_READS \
	"CASE WHEN source_oid = source::oid THEN input_reads::text" \
	" ELSE (SELECT pg_catalog.string_agg(a.attnum::text, ' ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a" \
	" WHERE a.attrelid = source AND a.attname = ANY (read_names) AND a.attnum > 0 AND NOT a.attisdropped" \
	" HAVING count(*) = pg_catalog.cardinality(read_names)) END"

#define QC_TASK_COLUMNS \
	"id, name, owner::oid, version, labels::text, instructions, examples::text, server, " \
	"with_reason, accept_above, priority, keep, paused, source::oid, existing, input, " \
	QC_COLUMN(input_column, 1) ", " QC_COLUMN(label_column, 2) ", " \
	QC_COLUMN(confidence_column, 3) ", " QC_COLUMN(reason_column, 4) ", " \
	QC_READS ", drift_every, votes, abstain, mode = 'multi', orders, " \
	"(tree = 'flat')::pg_catalog.int4, separator, min_confidence, " \
	"CASE WHEN example_choice = 'similar' THEN example_k ELSE 0 END, long_text = 'split'"

/* Columns in the order of QC_TASK_COLUMNS, from 1. */
enum
{
	COL_ID = 1, COL_NAME, COL_OWNER, COL_VERSION, COL_LABELS, COL_INSTRUCTIONS,
	COL_EXAMPLES, COL_SERVER, COL_WITH_REASON, COL_ACCEPT_ABOVE, COL_PRIORITY,
	COL_KEEP, COL_PAUSED, COL_SOURCE, COL_EXISTING, COL_INPUT,
	COL_INPUT_COLUMN, COL_LABEL_COLUMN, COL_CONFIDENCE_COLUMN, COL_REASON_COLUMN,
	COL_INPUT_READS, COL_DRIFT_EVERY, COL_VOTES, COL_ABSTAIN,
	COL_MULTI, COL_ORDERS, COL_TREE, COL_SEPARATOR, COL_MIN_CONFIDENCE, COL_SHOTS,
	COL_SPLIT
};

static Datum
column(HeapTuple tuple, int col, bool *isnull)
{
	return SPI_getbinval(tuple, SPI_tuptable->tupdesc, col, isnull);
}

static char *
text_column(HeapTuple tuple, int col, MemoryContext cxt)
{
	bool		isnull;
	Datum		value = column(tuple, col, &isnull);
	char	   *string;
	char	   *copy;

	if (isnull)
		return NULL;
	string = TextDatumGetCString(value);
	copy = MemoryContextStrdup(cxt, string);
	pfree(string);
	return copy;
}

static int32
int_column(HeapTuple tuple, int col)
{
	bool		isnull;
	Datum		value = column(tuple, col, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

static int16
small_column(HeapTuple tuple, int col)
{
	bool		isnull;
	Datum		value = column(tuple, col, &isnull);

	return isnull ? 0 : DatumGetInt16(value);
}

static Oid
oid_column(HeapTuple tuple, int col)
{
	bool		isnull;
	Datum		value = column(tuple, col, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

static bool
bool_column(HeapTuple tuple, int col)
{
	bool		isnull;
	Datum		value = column(tuple, col, &isnull);

	return !isnull && DatumGetBool(value);
}

static QcTask *
make_task(HeapTuple tuple, MemoryContext parent)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "qwen_classify task",
											  ALLOCSET_SMALL_SIZES);
	QcTask	   *task = MemoryContextAllocZero(cxt, sizeof(QcTask));
	bool		isnull;

	task->cxt = cxt;
	task->id = int_column(tuple, COL_ID);
	task->name = text_column(tuple, COL_NAME, cxt);
	task->owner = oid_column(tuple, COL_OWNER);
	task->version = int_column(tuple, COL_VERSION);
	task->labels = text_column(tuple, COL_LABELS, cxt);
	task->instructions = text_column(tuple, COL_INSTRUCTIONS, cxt);
	task->examples = text_column(tuple, COL_EXAMPLES, cxt);
	task->server = text_column(tuple, COL_SERVER, cxt);
	task->with_reason = bool_column(tuple, COL_WITH_REASON);
	task->accept_above = DatumGetFloat8(column(tuple, COL_ACCEPT_ABOVE, &isnull));
	if (isnull)
		task->accept_above = NAN;
	task->priority = int_column(tuple, COL_PRIORITY);
	task->keep = bool_column(tuple, COL_KEEP);
	task->paused = bool_column(tuple, COL_PAUSED);
	task->source = oid_column(tuple, COL_SOURCE);
	task->existing = text_column(tuple, COL_EXISTING, cxt);
	task->input = text_column(tuple, COL_INPUT, cxt);
	task->input_column = small_column(tuple, COL_INPUT_COLUMN);
	task->label_column = small_column(tuple, COL_LABEL_COLUMN);
	task->confidence_column = small_column(tuple, COL_CONFIDENCE_COLUMN);
	task->reason_column = small_column(tuple, COL_REASON_COLUMN);
	task->input_reads = text_column(tuple, COL_INPUT_READS, cxt);
	task->drift_every = int_column(tuple, COL_DRIFT_EVERY);
	task->votes = int_column(tuple, COL_VOTES);
	task->abstain = bool_column(tuple, COL_ABSTAIN);
	task->multi = bool_column(tuple, COL_MULTI);
	task->orders = int_column(tuple, COL_ORDERS);
	task->tree = int_column(tuple, COL_TREE);
	task->separator = text_column(tuple, COL_SEPARATOR, cxt);
	task->min_confidence = DatumGetFloat8(column(tuple, COL_MIN_CONFIDENCE, &isnull));
	task->shots = int_column(tuple, COL_SHOTS);
	task->long_text = bool_column(tuple, COL_SPLIT) ? QC_LONG_SPLIT : QC_LONG_HEAD_TAIL;
	return task;
}

SPIPlanPtr
qc_plan_once(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types)
{
	SPIPlanPtr	made;

	if (*plan != NULL)
		return *plan;
	made = SPI_prepare_cursor(sql, nargs, unconstify(Oid *, types), CURSOR_OPT_GENERIC_PLAN);
	if (made == NULL || SPI_keepplan(made) != 0)
		elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
	return *plan = made;
}

/* A way to select tasks; each write-back reads its task. */
typedef struct QcTaskQuery
{
	const char *sql;
	Oid			type;			/* of $1; invalid: there is none */
	SPIPlanPtr	plan;
} QcTaskQuery;

#define QC_TASKS_WHERE(condition) \
	"SELECT " QC_TASK_COLUMNS " FROM qwen.task " condition " ORDER BY id"

static QcTaskQuery all_tasks = {QC_TASKS_WHERE(""), InvalidOid, NULL};
static QcTaskQuery task_of_id = {QC_TASKS_WHERE("WHERE id = $1"), INT4OID, NULL};
static QcTaskQuery task_of_name = {QC_TASKS_WHERE("WHERE name = $1"), TEXTOID, NULL};

/* The tasks that a query selects, a List in the caller's context. */
static List *
select_tasks(QcTaskQuery *query, Datum arg)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *tasks = NIL;
	SPIPlanPtr	plan;
	QcAsOwner	saved;
	bool		pushed = false;

	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
	}
	qc_as_extension_owner(&saved);
	SPI_connect();
	plan = qc_plan_once(&query->plan, query->sql, OidIsValid(query->type) ? 1 : 0, &query->type);
	if (SPI_execute_plan(plan, &arg, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read qwen.task");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		QcTask	   *task = make_task(SPI_tuptable->vals[i], caller);
		MemoryContext old = MemoryContextSwitchTo(caller);

		tasks = lappend(tasks, task);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	qc_as_before(&saved);
	if (pushed)
		PopActiveSnapshot();
	return tasks;
}

List *
qc_task_all(void)
{
	return select_tasks(&all_tasks, (Datum) 0);
}

QcTask *
qc_task_by_id(int32 id)
{
	List	   *tasks = select_tasks(&task_of_id, Int32GetDatum(id));

	return tasks == NIL ? NULL : linitial(tasks);
}

text *
qc_task_pool(const QcTask *task)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			type = INT4OID;
	Datum		arg = Int32GetDatum(task->id);
	char	   *json = NULL;
	QcAsOwner	saved;

	if (task->shots == 0)
		return NULL;
	qc_as_extension_owner(&saved);
	SPI_connect();
	if (SPI_execute_with_args("SELECT pg_catalog.json_agg(pg_catalog.json_build_object('input', input, 'label', label, "
							  "'corrected', corrected) ORDER BY nr)::text FROM qwen.example WHERE task = $1",
							  1, &type, &arg, NULL, true, 0) == SPI_OK_SELECT && SPI_processed == 1)
		json = text_column(SPI_tuptable->vals[0], 1, caller);
	SPI_finish();
	qc_as_before(&saved);
	return json ? cstring_to_text(json) : NULL;
}

/* A table that is gone (its OID may be another's soon) gives nobody a right. */
bool
qc_task_visible(const QcTask *task)
{
	if (has_privs_of_role(GetUserId(), task->owner))
		return true;
	return OidIsValid(task->source) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(task->source)) &&
		pg_class_aclcheck(task->source, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

/* "a, b, c" of at most ten tasks that the current user may see. */
static char *
visible_names(void)
{
	StringInfoData names;
	ListCell   *cell;
	int			n = 0;

	initStringInfo(&names);
	foreach(cell, qc_task_all())
	{
		QcTask	   *task = lfirst(cell);

		if (n < 10 && qc_task_visible(task))
			appendStringInfo(&names, "%s%s", n++ ? ", " : "", task->name);
	}
	return names.data;
}

QcTask *
qc_task_by_name(const char *name, bool missing_ok)
{
	List	   *tasks = select_tasks(&task_of_name, CStringGetTextDatum(name));
	char	   *names;

	if (tasks != NIL)
		return linitial(tasks);
	if (missing_ok)
		return NULL;
	names = visible_names();
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("task \"%s\" does not exist", name),
			 names[0] ? errhint("Tasks that you may use: %s.", names) :
			 errhint("Type: SELECT qwen.create_task(%s, labels => ARRAY['refund', 'bug']).",
					 quote_literal_cstr(name))));
	return NULL;				/* keep the compiler quiet */
}

QcTask *
qc_task_argument(FunctionCallInfo fcinfo, int arg)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("task must not be NULL"),
				 errhint("SELECT task FROM qwen.progress; shows the tasks that there are.")));
	return qc_task_by_name(text_to_cstring(PG_GETARG_TEXT_PP(arg)), false);
}

void
qc_task_check_owner(const QcTask *task)
{
	if (has_privs_of_role(GetUserId(), task->owner))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of task \"%s\"", task->name),
			 errdetail("Its owner is \"%s\".", GetUserNameFromId(task->owner, true)),
			 errhint("Type: SET ROLE %s, if you are a member of it.",
					 quote_identifier(GetUserNameFromId(task->owner, true)
									  ? GetUserNameFromId(task->owner, true) : "?"))));
}

void
qc_task_hold(int32 id, LOCKMODE mode)
{
	LockDatabaseObject(qc_own_table("task"), (Oid) id, 0, mode);
}

/* A new snapshot after the lock: what was committed while we waited counts. */
int32
qc_task_lock(int32 id, LOCKMODE mode)
{
	QcAsOwner	saved;
	int32		version = 0;
	Oid			type = INT4OID;
	Datum		arg = Int32GetDatum(id);

	qc_task_hold(id, mode);
	PushActiveSnapshot(GetTransactionSnapshot());
	qc_as_extension_owner(&saved);
	SPI_connect();
	if (SPI_execute_with_args("SELECT version FROM qwen.task WHERE id = $1",
							  1, &type, &arg, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read qwen.task");
	if (SPI_processed > 0)
		version = int_column(SPI_tuptable->vals[0], 1);
	SPI_finish();
	qc_as_before(&saved);
	PopActiveSnapshot();
	return version;
}

/* What was read before the lock decides nothing but which task is meant. */
QcTask *
qc_task_for_change(const char *name)
{
	QcTask	   *task = qc_task_by_name(name, false);

	qc_task_check_owner(task);
	if (qc_task_lock(task->id, AccessExclusiveLock) > 0)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		task = qc_task_by_id(task->id);
		PopActiveSnapshot();
	}
	else
		task = NULL;
	if (task == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("task \"%s\" was dropped by another session", name)));
	qc_task_check_owner(task);
	return task;
}

/*
 * Numbers and names of the columns agree again: after a restore the numbers
 * follow the names, after a rename the names follow the numbers, so that the
 * next restore finds the columns.  For the worker, when it reads its tasks.
 */
void
qc_task_keep_columns(void)
{
	QcAsOwner	saved;

	qc_as_extension_owner(&saved);
	SPI_connect();
	SPI_execute("WITH numbered AS (SELECT id, ARRAY[" QC_COLUMN(input_column, 1) ", " QC_COLUMN(label_column, 2) ", "
				QC_COLUMN(confidence_column, 3) ", " QC_COLUMN(reason_column, 4) "] AS n FROM qwen.task"
				" WHERE source IS NOT NULL),"
				" named AS (SELECT id, n, ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(n) WITH ORDINALITY AS u(num, i)"
				" LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = t.source AND a.attnum = u.num AND NOT a.attisdropped"
				" ORDER BY u.i) AS names FROM numbered JOIN qwen.task AS t USING (id))"
				" UPDATE qwen.task AS t SET source_oid = t.source::oid, column_names = w.names, input_column = w.n[1],"
				" label_column = w.n[2], confidence_column = w.n[3], reason_column = w.n[4],"
				" input_reads = (" QC_READS ")::int2vector"
				" FROM named AS w WHERE w.id = t.id AND NOT coalesce(32767::int2 = ANY (w.n), false)"
				" AND EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = t.source)"
				" AND (t.source_oid <> t.source::oid OR t.column_names IS DISTINCT FROM w.names)",
				false, 0);
	SPI_finish();
	qc_as_before(&saved);
}

bool
qc_task_accepts_certified(const QcTask *task)
{
	return isnan(task->accept_above);
}
