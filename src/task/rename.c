/*-------------------------------------------------------------------------
 *
 * rename.c
 *	  New names for a task's labels, in the rows too and without a request.
 *
 * All of it is one transaction under the task's exclusive lock, so that the
 * worker writes either before with the old names or after with the new ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "common/compat.h"
#include "common/errors.h"
#include "task/define.h"
#include "task/target.h"

#define HINT_RENAME "Write rename as a JSON object of the old name to the new one: '{\"bug\": \"defect\"}'."

static char *
string_of(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static void
raise_shape(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("rename is not a JSON object of label to label"),
			 errhint(HINT_RENAME)));
}

void
qc_rename_read(Jsonb *json, QcRename *rename)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;
	int			max = JB_ROOT_COUNT(json);

	if (!JB_ROOT_IS_OBJECT(json) || max == 0)
		raise_shape();
	rename->n = 0;
	rename->from = (char **) palloc(max * sizeof(char *));
	rename->to = (char **) palloc(max * sizeof(char *));
	it = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			rename->from[rename->n] = string_of(&value);
		else if (token == WJB_VALUE && value.type == jbvString)
			rename->to[rename->n++] = string_of(&value);
		else if (token == WJB_VALUE)
			raise_shape();
	}
}

const char *
qc_rename_of(const QcRename *rename, const char *label)
{
	for (int i = 0; i < rename->n; i++)
		if (strcmp(rename->from[i], label) == 0)
			return rename->to[i];
	return label;
}

/* ---- labels as JSON ---- */

/* A label of a tree, or the list of those right within it. */
typedef struct QcWriter
{
	const QcSitePrompt *site;
	const QcRename *rename;		/* or NULL */
	bool		described;		/* write an object: some label needs a value */
	StringInfoData json;
} QcWriter;

static void write_within(QcWriter *writer, int parent);

/* The last part of a path as it will be. */
static const char *
own_name(const QcWriter *writer, int i)
{
	const QcLabel *label = &writer->site->prompt->labels->label[i];
	char	   *path = text_to_cstring(writer->site->label[i]);
	const char *renamed = writer->rename ? qc_rename_of(writer->rename, path) : path;
	const char *parent;

	if (label->parent < 0)
		return renamed;
	parent = text_to_cstring(writer->site->label[label->parent]);
	if (writer->rename)
		parent = qc_rename_of(writer->rename, parent);
	return renamed + strlen(parent) + strlen(qc_site_separator(writer->site));
}

static void
write_text(QcWriter *writer, const char *utf8)
{
	escape_json(&writer->json, qc_utf8_to_server(utf8));
}

static void
write_label(QcWriter *writer, int i)
{
	const QcLabel *label = &writer->site->prompt->labels->label[i];

	escape_json(&writer->json, own_name(writer, i));
	if (!writer->described)
		return;
	appendStringInfoString(&writer->json, ": ");
	if (label->nchildren > 0)
		write_within(writer, i);
	else if (label->description)
		write_text(writer, label->description);
	else
		appendStringInfoString(&writer->json, "null");
}

static void
write_within(QcWriter *writer, int parent)
{
	const QcLabels *labels = writer->site->prompt->labels;
	const char *gap = "";

	appendStringInfoChar(&writer->json, writer->described ? '{' : '[');
	if (parent >= 0 && labels->label[parent].description)
	{
		appendStringInfoString(&writer->json, "\"\": ");
		write_text(writer, labels->label[parent].description);
		gap = ", ";
	}
	for (int i = 0; i < qc_labels_own(labels); i++)
	{
		if (labels->label[i].parent != parent)
			continue;
		appendStringInfoString(&writer->json, gap);
		write_label(writer, i);
		gap = ", ";
	}
	appendStringInfoChar(&writer->json, writer->described ? '}' : ']');
}

char *
qc_labels_stored(const QcSitePrompt *site, const QcRename *rename)
{
	const QcLabels *labels = site->prompt->labels;
	QcWriter	writer = {0};

	writer.site = site;
	writer.rename = rename;
	writer.described = labels->tree;
	for (int i = 0; i < qc_labels_own(labels); i++)
		writer.described |= (labels->label[i].description != NULL);
	initStringInfo(&writer.json);
	write_within(&writer, -1);
	return writer.json.data;
}

/* ---- new names ---- */

/* A new path must stand where the old one does: only its last part may differ. */
static void
check_in_place(const char *from, const char *to, const char *parent, const char *separator)
{
	size_t		len = parent ? strlen(parent) : 0;
	const char *own = to;

	if (parent && strncmp(to, parent, len) == 0 &&
		strncmp(to + len, separator, strlen(separator)) == 0)
		own = to + len + strlen(separator);
	if ((parent == NULL || own != to) && own[0] != '\0' && strstr(own, separator) == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("label \"%s\" cannot be renamed to \"%s\"", from, to),
			 errdetail("In a tree a new name differs in the last part of the path alone."),
			 errhint("For instance: '{\"finance/stock\": \"finance/shares\"}'; the new name of a label changes the paths within it by itself.")));
}

void
qc_rename_within(QcRename *rename, const QcSitePrompt *site)
{
	const QcLabels *labels = site->prompt->labels;
	const char *separator = qc_site_separator(site);
	char	  **fresh = (char **) palloc(labels->n * sizeof(char *));
	QcRename	all = {0};

	all.from = (char **) palloc((labels->n + rename->n) * sizeof(char *));
	all.to = (char **) palloc((labels->n + rename->n) * sizeof(char *));
	for (int i = 0; i < qc_labels_own(labels); i++)
	{
		char	   *path = text_to_cstring(site->label[i]);
		int			above = labels->label[i].parent;
		char	   *parent = above < 0 ? NULL : text_to_cstring(site->label[above]);
		const char *to = qc_rename_of(rename, path);
		size_t		skip = parent ? strlen(parent) + strlen(separator) : 0;

		if (to != path)
			check_in_place(path, to, parent, separator);
		fresh[i] = parent ? psprintf("%s%s%s", fresh[above], separator, to + skip) : pstrdup(to);
		if (strcmp(path, fresh[i]) == 0)
			continue;
		all.from[all.n] = path;
		all.to[all.n++] = fresh[i];
	}
	for (int i = 0; i < rename->n; i++)
	{
		if (qc_rename_of(&all, rename->from[i]) != rename->from[i])
			continue;
		all.from[all.n] = rename->from[i];	/* no label, which is told later */
		all.to[all.n++] = rename->to[i];
	}
	*rename = all;
}

static bool
is_label(const QcSitePrompt *site, const char *name)
{
	size_t		len = strlen(name);

	for (int i = 0; i < qc_labels_own(site->prompt->labels); i++)
		if (VARSIZE_ANY_EXHDR(site->label[i]) == len &&
			memcmp(VARDATA_ANY(site->label[i]), name, len) == 0)
			return true;
	return false;
}

void
qc_rename_check(const QcRename *rename, const QcSitePrompt *old, const QcSitePrompt *fresh)
{
	for (int i = 0; i < rename->n; i++)
	{
		if (!is_label(old, rename->from[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" is not a label of the task, so it cannot be renamed",
							rename->from[i]),
					 errhint(HINT_RENAME)));
		if (!is_label(fresh, rename->to[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the new name \"%s\" is not one of the labels that are given with it",
							rename->to[i]),
					 errhint("Leave labels out: rename changes them by itself.")));
	}
}

static Datum
text_array(char *const *member, int n)
{
	Datum	   *datum = (Datum *) palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		datum[i] = CStringGetTextDatum(member[i]);
	return PointerGetDatum(construct_array(datum, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* One statement: $1 and $2 are the old and the new names, $3 what it needs besides. */
static void
run(const char *sql, const QcRename *rename, Oid third_type, Datum third)
{
	Oid			types[3] = {TEXTARRAYOID, TEXTARRAYOID, third_type};
	Datum		args[3];
	int			rc;

	args[0] = text_array(rename->from, rename->n);
	args[1] = text_array(rename->to, rename->n);
	args[2] = third;
	rc = SPI_execute_with_args(sql, OidIsValid(third_type) ? 3 : 2, types, args, NULL, false, 0);
	if (rc < 0)
		elog(ERROR, "could not rename labels: %s", SPI_result_code_string(rc));
}

/* What is there of the version before is of this one: only names changed. */
static void
count_up(const char *sql, const QcTask *task, int32 version)
{
	Oid			types[] = {INT4OID, INT4OID, INT4OID};
	Datum		args[3];

	args[0] = Int32GetDatum(task->id);
	args[1] = Int32GetDatum(task->version);
	args[2] = Int32GetDatum(version);
	if (SPI_execute_with_args(sql, 3, types, args, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not count up a version");
}

char *
qc_rename_examples(const QcRename *rename, const char *examples)
{
	MemoryContext caller = CurrentMemoryContext;
	QcAsOwner	saved;
	char	   *renamed;

	qc_as_extension_owner(&saved);
	SPI_connect();
	run("SELECT pg_catalog.jsonb_agg(CASE WHEN r.fresh IS NULL THEN e.value "
		"ELSE pg_catalog.jsonb_set(e.value, '{label}', pg_catalog.to_jsonb(r.fresh)) END ORDER BY e.n)::text "
		"FROM pg_catalog.jsonb_array_elements($3::jsonb) WITH ORDINALITY AS e(value, n) "
		"LEFT JOIN unnest($1, $2) AS r(old, fresh) ON e.value ->> 'label' = r.old",
		rename, TEXTOID, CStringGetTextDatum(examples));
	renamed = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	renamed = renamed ? MemoryContextStrdup(caller, renamed) : NULL;
	SPI_finish();
	qc_as_before(&saved);
	return renamed;
}

/*
 * The table's own rows.  The triggers take the new name for the worker's: it
 * is nobody's decision about a text.
 */
static void
rename_in_table(const QcTask *task, const QcRename *rename)
{
	char	   *why = NULL;
	QcTarget   *target = qc_target_resolve(task, &why);
	QcAsOwner	saved;
	char	   *sql;

	if (target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("labels in the table of task \"%s\" cannot be renamed", task->name),
				 errdetail("%s", why)));
	sql = psprintf("UPDATE %s AS s SET %s = r.fresh::%s FROM unnest($1, $2) AS r(old, fresh) "
				   "WHERE s.%s::text = r.old",
				   target->rel_sql, target->label_sql, target->label_type_sql, target->label_sql);
	qc_as_role(&saved, target->owner);
	SPI_connect();
	qc_writing_back = true;
	PG_TRY();
	{
		run(sql, rename, InvalidOid, (Datum) 0);
	}
	PG_FINALLY();
	{
		qc_writing_back = false;
	}
	PG_END_TRY();
	SPI_finish();
	qc_as_before(&saved);
}

void
qc_rename_rows(const QcTask *task, const QcRename *rename, int32 version, bool only)
{
	QcAsOwner	saved;

	if (OidIsValid(task->source))
		rename_in_table(task, rename);
	qc_as_extension_owner(&saved);
	SPI_connect();
	run("UPDATE qwen.annotation AS a SET label = r.fresh "
		"FROM unnest($1, $2) AS r(old, fresh) WHERE a.task = $3 AND a.label = r.old",
		rename, INT4OID, Int32GetDatum(task->id));
	run("UPDATE qwen.result AS a SET label = r.fresh "
		"FROM unnest($1, $2) AS r(old, fresh) WHERE a.task = $3 AND a.label = r.old",
		rename, INT4OID, Int32GetDatum(task->id));
	run("UPDATE qwen.review_row AS a SET label = r.fresh "
		"FROM unnest($1, $2) AS r(old, fresh) WHERE a.task = $3 AND a.label = r.old",
		rename, INT4OID, Int32GetDatum(task->id));
	run("UPDATE qwen.review_row AS a SET human = r.fresh "
		"FROM unnest($1, $2) AS r(old, fresh) WHERE a.task = $3 AND a.human = r.old",
		rename, INT4OID, Int32GetDatum(task->id));
	run("UPDATE qwen.example AS a SET label = r.fresh "
		"FROM unnest($1, $2) AS r(old, fresh) WHERE a.task = $3 AND a.label = r.old",
		rename, INT4OID, Int32GetDatum(task->id));
	run("WITH old AS (DELETE FROM qwen.drift_count AS a USING unnest($1, $2) AS r(old, fresh) WHERE a.task = $3 "
		"AND a.kind = 'label' AND a.bucket = r.old RETURNING a.*, r.fresh) "
		"INSERT INTO qwen.drift_count (task, win, version, source, day, kind, bucket, n) "
		"SELECT task, win, version, source, day, kind, fresh, n FROM old ORDER BY win",
		rename, INT4OID, Int32GetDatum(task->id));
	if (only)
	{
		count_up("UPDATE qwen.review_row SET version = $3 WHERE task = $1 AND version = $2", task, version);
		count_up("UPDATE qwen.calibration SET version = $3 WHERE task = $1 AND version = $2", task, version);
		count_up("UPDATE qwen.certificate SET version = $3 WHERE task = $1 AND version = $2", task, version);
		count_up("UPDATE qwen.drift_window SET version = $3 WHERE task = $1 AND version = $2", task, version);
		count_up("UPDATE qwen.drift_count SET version = $3 WHERE task = $1 AND version = $2", task, version);
		count_up("UPDATE qwen.result SET version = $3 WHERE task = $1 AND version = $2", task, version);
		count_up("UPDATE qwen.dead SET version = $3 WHERE task = $1 AND version = $2", task, version);
	}
	SPI_finish();
	qc_as_before(&saved);
}
