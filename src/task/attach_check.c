/*-------------------------------------------------------------------------
 *
 * attach_check.c
 *	  What a table must be for a task to label it.
 *
 * Each refusal says what to type.  Nothing here changes anything.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/compat.h"
#include "mb/pg_wchar.h"
#include "rewrite/prs2lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "net/endpoint.h"
#include "task/attach.h"
#include "task/expression.h"
#include "task/prompts.h"
#include "task/several.h"
#include "task/target.h"

/* ---- the kind of table ---- */

static void
check_kind(const QcAttach *a, Relation rel)
{
	const char *what = NULL;

	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
			break;
		case RELKIND_VIEW:
			what = "a view";
			break;
		case RELKIND_MATVIEW:
			what = "a materialized view";
			break;
		case RELKIND_FOREIGN_TABLE:
			what = "a foreign table";
			break;
		default:
			what = "not a table";
	}
	if (what)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is %s", RelationGetRelationName(rel), what),
				 errhint("Attach the task to the table that holds the rows.")));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a temporary table", RelationGetRelationName(rel)),
				 errdetail("The worker is another session and cannot see it."),
				 errhint("Use an ordinary or an unlogged table.")));
	if (a->relid < FirstNormalObjectId || RelationGetNamespace(rel) == get_namespace_oid("qwen", true))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table %s belongs to the system", a->rel_sql),
				 errhint("Attach the task to a table of your own.")));
	if (rel->rd_rel->relispartition)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table %s is a partition", a->rel_sql),
				 errhint("Attach the task to the partitioned table; its partitions follow.")));
}

static void
check_owner(const QcAttach *a, Relation rel)
{
	if (!has_privs_of_role(GetUserId(), rel->rd_rel->relowner))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, RelationGetRelationName(rel));
	if (rel->rd_rel->relowner != a->task->owner)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("task \"%s\" and table %s have different owners", a->task->name, a->rel_sql),
				 errdetail("The task is owned by \"%s\", the table by \"%s\".",
						   GetUserNameFromId(a->task->owner, false),
						   GetUserNameFromId(rel->rd_rel->relowner, false)),
				 errhint("One role must own both: create the task as the owner of the table (SET ROLE %s).",
						 quote_identifier(GetUserNameFromId(rel->rd_rel->relowner, false)))));
	if (check_enable_rls(a->relid, rel->rd_rel->relowner, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("row-level security of table %s is forced on its owner", a->rel_sql),
				 errdetail("Rows that the owner does not see would never be labelled."),
				 errhint("Type: ALTER TABLE %s NO FORCE ROW LEVEL SECURITY.", a->rel_sql)));
}

static void
check_key(const QcAttach *a, Relation rel)
{
	Oid			index = qc_primary_key_index(rel);
	Relation	idx;

	if (!OidIsValid(index))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s has no primary key", a->rel_sql),
				 errdetail("A label is written by the key of its row; one that is DEFERRABLE does not do."),
				 errhint("Type: ALTER TABLE %s ADD PRIMARY KEY (...), or ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY.",
						 a->rel_sql)));
	idx = index_open(index, AccessShareLock);
	if (idx->rd_rel->relam != BTREE_AM_OID)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the primary key of table %s is not one of equality", a->rel_sql),
				 errhint("Use a key without WITHOUT OVERLAPS.")));
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(idx); i++)
	{
		Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(rel), idx->rd_index->indkey.values[i] - 1);

		if (!OidIsValid(get_array_type(attr->atttypid)))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("key column \"%s\" has type %s, which has no array type",
							NameStr(attr->attname), format_type_be(attr->atttypid)),
					 errhint("Use a key of another type.")));
	}
	index_close(idx, AccessShareLock);
}

/* ---- what an UPDATE of the three columns sets off ---- */

static bool
is_ours(const QcAttach *a, AttrNumber attno, Oid relid)
{
	const char *names[] = {a->label, a->confidence, a->reason};

	for (size_t i = 0; i < lengthof(names); i++)
		if (names[i] && attno > 0 && get_attnum(relid, names[i]) == attno)
			return true;
	return false;
}

bool
qc_attach_fires(const QcAttach *a, Oid relid, const Trigger *trigger)
{
	if (trigger->tgisinternal || trigger->tgenabled == TRIGGER_DISABLED ||
		!TRIGGER_FOR_UPDATE(trigger->tgtype) || strncmp(trigger->tgname, "zz_qwen_", 8) == 0)
		return false;
	for (int i = 0; i < trigger->tgnattr; i++)
		if (is_ours(a, trigger->tgattr[i], relid))
			return true;
	return trigger->tgnattr == 0;
}

/* The write-back is security-restricted, where a deferred trigger cannot fire. */
static void
check_triggers(const QcAttach *a, Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (trigger->tginitdeferred && qc_attach_fires(a, RelationGetRelid(rel), trigger))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("trigger \"%s\" of table %s is deferred", trigger->tgname,
							quote_identifier(RelationGetRelationName(rel))),
					 errdetail("Labels are written in a security-restricted operation, where deferred triggers cannot fire."),
					 errhint("Create it anew without INITIALLY DEFERRED.")));
	}
}

/* So is a constraint over a column that is written. */
static bool
constrains_ours(const QcAttach *a, Relation constraints, HeapTuple tuple)
{
	bool		isnull;
	Datum		keys = heap_getattr(tuple, Anum_pg_constraint_conkey,
									RelationGetDescr(constraints), &isnull);
	ArrayType  *array;

	if (isnull)
		return false;
	array = DatumGetArrayTypeP(keys);
	for (int i = 0; i < ARR_DIMS(array)[0]; i++)
		if (is_ours(a, ((int16 *) ARR_DATA_PTR(array))[i], a->relid))
			return true;
	return false;
}

static void
check_constraints(const QcAttach *a)
{
	Relation	constraints = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(a->relid));
	scan = systable_beginscan(constraints, ConstraintRelidTypidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);

		if (form->condeferred && constrains_ours(a, constraints, tuple))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("constraint \"%s\" of table %s is deferred", NameStr(form->conname), a->rel_sql),
					 errdetail("Labels are written in a security-restricted operation, where deferred constraints cannot be checked."),
					 form->contype == CONSTRAINT_FOREIGN ?
					 errhint("Type: ALTER TABLE %s ALTER CONSTRAINT %s INITIALLY IMMEDIATE.",
							 a->rel_sql, quote_identifier(NameStr(form->conname))) :
					 errhint("Create it anew without INITIALLY DEFERRED.")));
	}
	systable_endscan(scan);
	table_close(constraints, AccessShareLock);
}

static void
check_rules(const QcAttach *a, Relation rel)
{
	for (int i = 0; rel->rd_rules && i < rel->rd_rules->numLocks; i++)
		if (rel->rd_rules->rules[i]->event == CMD_UPDATE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("table %s has a rule ON UPDATE", a->rel_sql),
					 errdetail("Nobody can say whether a label would be written."),
					 errhint("Use a trigger instead of the rule.")));
}

/* Those of partitions fire too. */
static void
check_effects(const QcAttach *a, Relation rel)
{
	List	   *partitions;
	ListCell   *cell;

	check_rules(a, rel);
	check_constraints(a);
	check_triggers(a, rel);
	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return;
	partitions = find_all_inheritors(a->relid, AccessShareLock, NULL);
	foreach(cell, partitions)
	{
		Relation	partition = relation_open(lfirst_oid(cell), NoLock);

		check_triggers(a, partition);
		relation_close(partition, NoLock);
	}
}

/* ---- the columns ---- */

/* NOT NULL, of the column or of a domain that it has. */
static bool
refuses_null(Form_pg_attribute attr)
{
	Oid			type = attr->atttypid;
	bool		refuses = attr->attnotnull;

	while (!refuses && get_typtype(type) == TYPTYPE_DOMAIN)
	{
		HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));

		if (!HeapTupleIsValid(tuple))
			break;
		refuses = ((Form_pg_type) GETSTRUCT(tuple))->typnotnull;
		type = ((Form_pg_type) GETSTRUCT(tuple))->typbasetype;
		ReleaseSysCache(tuple);
	}
	return refuses;
}

static bool
is_key(Relation rel, AttrNumber attno)
{
	Bitmapset  *key = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY);

	return bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, key);
}

/* A column that is there: may a label, or NULL, be written into it? */
static void
check_writable(const QcAttach *a, Relation rel, AttrNumber attno, QcColumnUse use)
{
	Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(rel), attno - 1);
	const char *name = NameStr(attr->attname);

	if (attr->attgenerated || attr->attidentity)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("column \"%s\" of table %s is generated", name, a->rel_sql),
				 errhint("Name another column, or let add_columns => true make one.")));
	if (!qc_column_fits(use, attr->atttypid))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table %s has type %s", name, a->rel_sql,
						format_type_be(attr->atttypid)),
				 errhint("It must be %s.", qc_column_types(use))));
	if (is_key(rel, attno))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("column \"%s\" of table %s is part of the primary key", name, a->rel_sql),
				 errdetail("A label is written by the key of its row."),
				 errhint("Name another column, or let add_columns => true make one.")));
	if (refuses_null(attr))
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("column \"%s\" of table %s takes no NULL", name, a->rel_sql),
				 errdetail("NULL means that a row is to be labelled."),
				 attr->attnotnull ?
				 errhint("Type: ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL.", a->rel_sql, quote_identifier(name)) :
				 errhint("Give it a type without NOT NULL.")));
}

static void
check_column(QcAttach *a, Relation rel, const char *name, QcColumnUse use,
			 const char *add_type, StringInfo missing)
{
	AttrNumber	attno;

	if (name == NULL)
		return;
	attno = get_attnum(RelationGetRelid(rel), name);
	if (attno < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("\"%s\" is a system column", name),
				 errhint("Name another column.")));
	if (attno > 0)
		check_writable(a, rel, attno, use);
	else
		appendStringInfo(missing, "%sADD COLUMN %s %s", missing->len ? ", " : "",
						 quote_identifier(name), add_type);
}

static bool
same_name(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static void
check_columns(QcAttach *a, Relation rel)
{
	StringInfoData missing;

	if (same_name(a->label, a->confidence) || same_name(a->label, a->reason) ||
		same_name(a->confidence, a->reason))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("label, confidence and reason must be different columns"),
				 errhint("confidence => NULL or reason => NULL leaves one out.")));
	initStringInfo(&missing);
	check_column(a, rel, a->label, a->task->multi ? QC_COLUMN_LABELS : QC_COLUMN_LABEL,
				 a->task->multi ? "text[]" : "text", &missing);
	check_column(a, rel, a->confidence, QC_COLUMN_CONFIDENCE, "real", &missing);
	check_column(a, rel, a->reason, QC_COLUMN_REASON, "text", &missing);
	if (missing.len == 0)
		return;
	if (!a->add_columns)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table %s lacks columns for the labels", a->rel_sql),
				 errhint("Type: ALTER TABLE %s %s; or let attach do it: add_columns => true.",
						 a->rel_sql, missing.data)));
	a->missing = missing.data;
}

/* ---- the labels ---- */

static void
label_too_long(const char *label, int most)
{
	ereport(ERROR,
			(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
			 errmsg("label \"%s\" does not fit the label column", label),
			 errdetail("The column holds at most %d characters.", most),
			 errhint("Give the column the type text, or shorten the label.")));
}

static void
label_not_in_enum(const char *label, Oid type)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("label \"%s\" is no value of type %s", label, format_type_be(type)),
			 errhint("Type: ALTER TYPE %s ADD VALUE %s.", format_type_be(type), quote_literal_cstr(label))));
}

static void
check_label_fits(const char *label, Oid type, int32 typmod)
{
	Oid			base = getBaseTypeAndTypmod(type, &typmod);

	if (type_is_enum(base))
	{
		if (!SearchSysCacheExists2(ENUMTYPOIDNAME, ObjectIdGetDatum(base), CStringGetDatum(label)))
			label_not_in_enum(label, base);
	}
	else if (typmod >= (int32) VARHDRSZ && pg_mbstrlen(label) > typmod - (int32) VARHDRSZ)
		label_too_long(label, typmod - (int32) VARHDRSZ);
}

/* The domain's own error becomes a detail of ours. */
static void
say_domain(const char *label, Oid type, MemoryContext cxt)
{
	ErrorData  *error;

	MemoryContextSwitchTo(cxt);
	error = CopyErrorData();
	if (error->sqlerrcode != ERRCODE_CHECK_VIOLATION)
		PG_RE_THROW();
	FlushErrorState();
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("label \"%s\" does not fit the label column", label),
			 errdetail("%s", error->message),
			 errhint("Let type %s take it, or give the column the type text.", format_type_be(type))));
}

/* The CHECK constraints of a domain are its owner's code: they run as the table's owner. */
static void
check_domain(const QcTask *task, const char *label, Oid type)
{
	MemoryContext cxt = CurrentMemoryContext;
	Oid			input;
	Oid			ioparam;
	QcAsOwner	saved;

	getTypeInputInfo(type, &input, &ioparam);
	qc_as_role(&saved, task->owner);
	PG_TRY();
	{
		(void) OidInputFunctionCall(input, pstrdup(label), ioparam, -1);
	}
	PG_CATCH();
	{
		say_domain(label, type, cxt);
	}
	PG_END_TRY();
	qc_as_before(&saved);
}

void
qc_check_labels_fit(const QcTask *task, Oid relid, AttrNumber label)
{
	QcSitePrompt *site = NULL;
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(relid, label, &type, &typmod, &collation);
	(void) qc_task_prompt(&site, CurrentMemoryContext, task, false);
	for (int i = 0; i < qc_labels_own(site->prompt->labels); i++)
	{
		const char *name = text_to_cstring(site->label[i]);

		if (task->multi)
			name = qc_several_text(&name, 1);
		/* a longer name is no enum value, and the cache takes none */
		if (strlen(name) >= NAMEDATALEN && type_is_enum(getBaseType(type)))
			label_not_in_enum(name, type);
		check_label_fits(name, type, typmod);
		if (get_typtype(type) == TYPTYPE_DOMAIN)
			check_domain(task, name, type);
	}
	MemoryContextDelete(site->cxt);
}

/* ---- the input ---- */

static void
check_reads(const QcAttach *a, Relation rel)
{
	const char *own[] = {a->label, a->confidence, a->reason};

	for (int i = 0; i < a->nreads; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(rel), a->reads[i] - 1);

		for (size_t j = 0; j < lengthof(own); j++)
			if (own[j] && strcmp(own[j], NameStr(attr->attname)) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("input reads column \"%s\", which the task writes", own[j]),
						 errhint("Name the columns that hold the text.")));
		if (attr->attgenerated)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("input reads the generated column \"%s\"", NameStr(attr->attname)),
					 errdetail("A trigger cannot see yet what it will hold."),
					 errhint("Write its expression into the input instead.")));
	}
}

static void
check_input(QcAttach *a, Relation rel)
{
	char	   *why;

	if (!qc_input_read(rel, a->input, &a->input_sql, &a->input_column,
					   &a->reads, &a->nreads, &why))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("input is neither a column of table %s nor an expression over its row", a->rel_sql),
				 errdetail("%s", why),
				 errhint("Write input => 'body', or input => $$subject || E'\\n' || body$$.")));
	check_reads(a, rel);
}

/* ---- others ---- */

/* Several tasks may label a table, each into columns of its own. */
static void
check_other_tasks(const QcAttach *a)
{
	ListCell   *cell;

	foreach(cell, qc_task_all())
	{
		QcTask	   *other = lfirst(cell);
		const char *names[] = {a->label, a->confidence, a->reason};
		int16		theirs[] = {other->label_column, other->confidence_column, other->reason_column};

		if (other->source != a->relid || other->id == a->task->id)
			continue;
		for (size_t i = 0; i < lengthof(names); i++)
			for (size_t j = 0; j < lengthof(theirs); j++)
				if (names[i] && theirs[j] && get_attnum(a->relid, names[i]) == theirs[j])
					ereport(ERROR,
							(errcode(ERRCODE_OBJECT_IN_USE),
							 errmsg("column \"%s\" of table %s is written by task \"%s\"",
									names[i], a->rel_sql, other->name),
							 errhint("Give this task columns of its own: label => '%s_label', confidence => ..., reason => ...",
									 a->task->name)));
	}
}

/* As the owner, since the worker will ask in that role's name. */
static void
check_server(const QcAttach *a)
{
	QcAsOwner	saved;

	qc_as_role(&saved, a->task->owner);
	(void) qc_endpoint_resolve(a->task->server);
	qc_as_before(&saved);
}

void
qc_attach_check_table(const QcAttach *a, Relation rel)
{
	check_kind(a, rel);
	check_owner(a, rel);
}

void
qc_attach_check(QcAttach *a, Relation rel)
{
	qc_attach_check_table(a, rel);
	check_key(a, rel);
	check_columns(a, rel);
	check_effects(a, rel);
	check_input(a, rel);
	check_other_tasks(a);
	if (get_attnum(a->relid, a->label) != InvalidAttrNumber)
		qc_check_labels_fit(a->task, a->relid, get_attnum(a->relid, a->label));
	check_server(a);
}
