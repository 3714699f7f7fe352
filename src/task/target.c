/*-------------------------------------------------------------------------
 *
 * target.c
 *	  The table that a task labels: its key, input and columns.
 *
 * Everything is looked up anew from the catalogs, by OID and attribute
 * number.  What is wrong is no error here: the caller stops the task and shows
 * the message, which ends in what to type.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/compat.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "nodes/bitmapset.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "task/expression.h"
#include "task/target.h"

/* NULL, with the reason in *why. */
static void *
fault(char **why, const char *fmt,...) pg_attribute_printf(2, 3);

static void *
fault(char **why, const char *fmt,...)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&buf, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&buf, needed);
	}
	*why = buf.data;
	return NULL;
}

static char *
role_name(Oid roleid)
{
	char	   *name = GetUserNameFromId(roleid, true);

	return name ? name : psprintf("%u", roleid);
}

/* The equality of a key column in the index's operator family, to be typed in SQL. */
static char *
equality_sql(Oid opfamily, Oid opcintype)
{
	Oid			operator = get_opfamily_member(opfamily, opcintype, opcintype,
											   BTEqualStrategyNumber);
	char	   *name;
	HeapTuple	tuple;
	char	   *sql;

	if (!OidIsValid(operator))
		return NULL;
	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	if (!HeapTupleIsValid(tuple))
		return NULL;
	name = NameStr(((Form_pg_operator) GETSTRUCT(tuple))->oprname);
	sql = psprintf("OPERATOR(%s.%s)",
				   quote_identifier(get_namespace_name(((Form_pg_operator) GETSTRUCT(tuple))->oprnamespace)),
				   name);
	ReleaseSysCache(tuple);
	return sql;
}

static const char *
column_sql(Relation rel, AttrNumber attno)
{
	return quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(rel), attno - 1)->attname));
}

/* The row type of the key's columns, blessed so that a text can be read as it. */
static TupleDesc
make_key_desc(Relation rel, const QcTarget *target)
{
	TupleDesc	desc = CreateTemplateTupleDesc(target->nkeys);

	for (int i = 0; i < target->nkeys; i++)
		TupleDescCopyEntry(desc, i + 1, RelationGetDescr(rel), target->key[i]);
	return BlessTupleDesc(desc);
}

/* Columns, types and the join of the primary key; false: there is none, or why. */
static bool
read_key(QcTarget *target, Relation rel, char **why)
{
	Oid			index = qc_primary_key_index(rel);
	Relation	idx;
	StringInfoData join;

	if (!OidIsValid(index))
		return fault(why, "table %s has no primary key any more; type: ALTER TABLE %s ADD PRIMARY KEY (...)",
					 target->rel_sql, target->rel_sql) != NULL;
	idx = index_open(index, AccessShareLock);
	if (idx->rd_rel->relam != BTREE_AM_OID)
	{
		index_close(idx, AccessShareLock);
		return fault(why, "the primary key of table %s is not one of equality; use a key without WITHOUT OVERLAPS",
					 target->rel_sql) != NULL;
	}
	target->nkeys = IndexRelationGetNumberOfKeyAttributes(idx);
	initStringInfo(&join);
	for (int i = 0; i < target->nkeys; i++)
	{
		const char *column;
		char	   *equality = equality_sql(idx->rd_opfamily[i], idx->rd_opcintype[i]);

		target->key[i] = idx->rd_index->indkey.values[i];
		target->key_type[i] = TupleDescAttr(RelationGetDescr(rel), target->key[i] - 1)->atttypid;
		column = column_sql(rel, target->key[i]);
		appendStringInfo(&join, "%ss.%s %s r.k%d", i ? " AND " : "", column,
						 equality ? equality : "OPERATOR(pg_catalog.=)", i + 1);
	}
	index_close(idx, AccessShareLock);
	target->join_sql = join.data;
	target->int_key = target->nkeys == 1 &&
		(target->key_type[0] == INT2OID || target->key_type[0] == INT4OID ||
		 target->key_type[0] == INT8OID);
	target->key_desc = make_key_desc(rel, target);
	return true;
}

/* ---- the columns that a task writes ---- */

static bool
is_text(Oid base)
{
	return base == TEXTOID || base == VARCHAROID || base == BPCHAROID;
}

bool
qc_column_fits(QcColumnUse use, Oid type)
{
	Oid			base = getBaseType(type);

	switch (use)
	{
		case QC_COLUMN_LABEL:
			return is_text(base) || type_is_enum(base);
		case QC_COLUMN_CONFIDENCE:
			return base == FLOAT4OID || base == FLOAT8OID || base == NUMERICOID;
		case QC_COLUMN_REASON:
			return is_text(base);
		case QC_COLUMN_LABELS:
			return base == TEXTARRAYOID;
	}
	return false;				/* keep the compiler quiet */
}

const char *
qc_column_types(QcColumnUse use)
{
	return use == QC_COLUMN_LABEL ? "text, varchar or an enum" : use == QC_COLUMN_LABELS ? "text[]" :
		use == QC_COLUMN_CONFIDENCE ? "real, double precision or numeric" : "text or varchar";
}

/* A column that a task writes: it must still be there, and of a type that takes it. */
static bool
read_column(const QcTask *task, Relation rel, AttrNumber attno, QcColumnUse use,
			AttrNumber *out, char **name_sql, char **type_sql, char **why)
{
	static const char *const names[] = {"label", "confidence", "reason", "label"};
	const char *what = names[use];
	Form_pg_attribute attr;

	*out = attno;
	if (attno == 0 && use != QC_COLUMN_LABEL && use != QC_COLUMN_LABELS)
		return true;
	if (attno <= 0 || attno > RelationGetNumberOfAttributes(rel) ||
		TupleDescAttr(RelationGetDescr(rel), attno - 1)->attisdropped)
		return fault(why, "the %s column of table %s was dropped; type: SELECT qwen.detach('%s'), then attach it anew",
					 what, RelationGetRelationName(rel), task->name) != NULL;
	attr = TupleDescAttr(RelationGetDescr(rel), attno - 1);
	if (!qc_column_fits(use, attr->atttypid))
		return fault(why, "column \"%s\" of table %s has type %s, which takes no %s; it must be %s: ALTER TABLE ... ALTER COLUMN %s TYPE ...",
					 NameStr(attr->attname), RelationGetRelationName(rel),
					 format_type_be(attr->atttypid), what, qc_column_types(use),
					 quote_identifier(NameStr(attr->attname))) != NULL;
	*name_sql = pstrdup(quote_identifier(NameStr(attr->attname)));
	*type_sql = format_type_extended(attr->atttypid, -1,
									 FORMAT_TYPE_FORCE_QUALIFY);
	return true;
}

static bool
read_columns(QcTarget *target, const QcTask *task, Relation rel, char **why)
{
	return read_column(task, rel, task->label_column, task->multi ? QC_COLUMN_LABELS : QC_COLUMN_LABEL, &target->label,
					   &target->label_sql, &target->label_type_sql, why) &&
		read_column(task, rel, task->confidence_column, QC_COLUMN_CONFIDENCE, &target->confidence,
					&target->confidence_sql, &target->confidence_type_sql, why) &&
		read_column(task, rel, task->reason_column, QC_COLUMN_REASON, &target->reason,
					&target->reason_sql, &target->reason_type_sql, why);
}

static void
read_hash_sql(QcTarget *target, Relation rel)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "qwen.input_hash(");
	for (int i = 0; i < target->nreads; i++)
		appendStringInfo(&sql, "%ss.%s", i ? ", " : "", column_sql(rel, target->reads[i]));
	appendStringInfoChar(&sql, ')');
	target->hash_sql = sql.data;
}

/* Analysing may run the input functions of types: the owner's code, too. */
static bool
read_as_owner(QcTarget *target, const QcTask *task, Relation rel, char **why)
{
	QcAsOwner	saved;
	bool		good;

	qc_as_role(&saved, target->owner);
	good = qc_expression_read(rel, task->input, &target->input_sql,
							  &target->reads, &target->nreads, why);
	qc_as_before(&saved);
	return good;
}

/*
 * A rename has made the expression unreadable: the columns that it read are
 * known by number, so that triggers go on noting what waits for its mending.
 */
static bool
read_noted_columns(QcTarget *target, const QcTask *task, Relation rel)
{
	const char *s = task->input_reads;
	char	   *end;

	if (s == NULL)
		return false;
	target->reads = palloc(sizeof(AttrNumber) * strlen(s));
	for (target->nreads = 0; *s != '\0'; s = end)
	{
		long		attno = strtol(s, &end, 10);

		if (end == s || attno <= 0 || attno > RelationGetNumberOfAttributes(rel))
			return false;
		target->reads[target->nreads++] = (AttrNumber) attno;
	}
	return target->nreads > 0;
}

/* The column or the expression, and which columns it reads. */
static bool
read_input(QcTarget *target, const QcTask *task, Relation rel, bool to_work, char **why)
{
	AttrNumber	attno = task->input_column;

	if (attno != 0)
	{
		if (attno < 0 || attno > RelationGetNumberOfAttributes(rel) ||
			TupleDescAttr(RelationGetDescr(rel), attno - 1)->attisdropped)
			return fault(why, "the input column of table %s was dropped; type: SELECT qwen.detach('%s'), then attach it anew",
						 target->rel_sql, task->name) != NULL;
		target->nreads = 1;
		target->reads = palloc(sizeof(AttrNumber));
		target->reads[0] = attno;
		target->input_sql = psprintf("(s.%s)", column_sql(rel, attno));
	}
	else if (task->input == NULL)
		return fault(why, "task \"%s\" has no input; type: SELECT qwen.detach('%s'), then attach it anew",
					 task->name, task->name) != NULL;
	else if (!read_as_owner(target, task, rel, why) &&
			 (to_work || !read_noted_columns(target, task, rel)))
	{
		*why = psprintf("the input of task \"%s\" does not fit table %s any more: %s; type: SELECT qwen.detach('%s'), then attach it with the new input",
						task->name, target->rel_sql, *why, task->name);
		return false;
	}
	read_hash_sql(target, rel);
	return true;
}

static bool
check_owners(const QcTask *task, const QcTarget *target, Relation rel, char **why)
{
	if (target->owner != task->owner)
		return fault(why, "task \"%s\" belongs to %s and table %s to %s; one role must own both: ALTER TABLE %s OWNER TO %s",
					 task->name, role_name(task->owner), target->rel_sql, role_name(target->owner),
					 target->rel_sql, quote_identifier(role_name(task->owner))) != NULL;
	if (check_enable_rls(RelationGetRelid(rel), target->owner, true) == RLS_ENABLED)
		return fault(why, "row-level security of table %s is forced on its owner too, who would not see all rows; type: ALTER TABLE %s NO FORCE ROW LEVEL SECURITY",
					 target->rel_sql, target->rel_sql) != NULL;
	return true;
}

static QcTarget *
resolve(const QcTask *task, bool to_work, char **why)
{
	Relation	rel;
	QcTarget   *target;
	bool		good;

	*why = NULL;
	if (!OidIsValid(task->source))
		return fault(why, "task \"%s\" is not attached to a table", task->name);
	rel = try_relation_open(task->source, AccessShareLock);
	if (rel == NULL)
		return fault(why, "the table of task \"%s\" was dropped; type: SELECT qwen.detach('%s')",
					 task->name, task->name);

	target = palloc0(sizeof(QcTarget));
	target->relid = task->source;
	target->owner = rel->rd_rel->relowner;
	target->rel_sql = psprintf("%s.%s",
							   quote_identifier(get_namespace_name(RelationGetNamespace(rel))),
							   quote_identifier(RelationGetRelationName(rel)));
	good = (!to_work || check_owners(task, target, rel, why)) &&
		read_key(target, rel, why) &&
		read_columns(target, task, rel, why) &&
		read_input(target, task, rel, to_work, why);

	/* tables that inherit from it have no triggers of ours and keys of their own */
	if (good && rel->rd_rel->relkind == RELKIND_RELATION && rel->rd_rel->relhassubclass)
		target->rel_sql = psprintf("ONLY %s", target->rel_sql);
	relation_close(rel, AccessShareLock);
	return good ? target : NULL;
}

QcTarget *
qc_target_resolve(const QcTask *task, char **why)
{
	return resolve(task, true, why);
}

void
qc_task_check_attached(const QcTask *task)
{
	if (!OidIsValid(task->source))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("task \"%s\" is not attached to a table", task->name),
				 errhint("Type: SELECT qwen.attach(%s, 'schema.table', input => 'column').",
						 quote_literal_cstr(task->name))));
}

QcTarget *
qc_target_of(const QcTask *task)
{
	char	   *why;
	QcTarget   *target;

	qc_task_check_attached(task);
	target = qc_target_resolve(task, &why);
	if (target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s", why)));
	return target;
}

/* Rows are noted also while the task may not work on them: they wait. */
QcTarget *
qc_target_to_note(const QcTask *task, char **why)
{
	return resolve(task, false, why);
}

char *
qc_target_wanted(const QcTarget *target, const QcTask *task, bool relabel)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "true");
	if (!relabel)
		appendStringInfo(&sql, " AND s.%s IS NULL", target->label_sql);
	if (task->input_column != 0)
		appendStringInfo(&sql, " AND %s IS NOT NULL", target->input_sql);
	return sql.data;
}

/* Is it a row trigger of ours for this task? */
static bool
is_ours(const Trigger *trigger, int32 task, const char *function)
{
	char	   *name = trigger->tgnargs == 1 ? get_func_name(trigger->tgfoid) : NULL;

	return name != NULL && strcmp(name, function) == 0 &&
		get_func_namespace(trigger->tgfoid) == get_namespace_oid("qwen", true) &&
		strtol(trigger->tgargs[0], NULL, 10) == task;
}

/*
 * Without its triggers a table is not ready: a restore loads the queue and
 * the tables in any order and creates the triggers last, and what a
 * subscriber gets of our tables is not its work.
 */
bool
qc_target_has_triggers(const QcTask *task, char **why)
{
	Relation	rel = try_relation_open(task->source, AccessShareLock);
	bool		before = false;
	bool		after = false;

	for (int i = 0; rel != NULL && rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		before |= is_ours(&rel->trigdesc->triggers[i], task->id, "before_update");
		after |= is_ours(&rel->trigdesc->triggers[i], task->id, "after_change");
	}
	if (rel != NULL)
		relation_close(rel, AccessShareLock);
	if (!before || !after)
		*why = psprintf("the table of task \"%s\" does not have the task's triggers (during a restore they come last); if they were dropped, type: SELECT qwen.detach('%s'), then attach it anew",
						task->name, task->name);
	return before && after;
}
