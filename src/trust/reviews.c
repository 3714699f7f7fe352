/*-------------------------------------------------------------------------
 *
 * reviews.c
 *	  What people said of rows that they were asked about.
 *
 * An answer may come by qwen.correct, or as any UPDATE of the label: then
 * qwen.annotation alone knows of it until somebody reads the reviews.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "queue/own.h"
#include "queue/void.h"
#include "trust/reviews.h"

#define MOST	1000			/* rows that one call shows */

/* ---- settling ---- */

static void
run_for_task(const QcTask *task, const char *sql, int expected)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_run(&own, sql, expected);
	qc_own_end(&own);
}

/* Several labels, in whatever order a person wrote them: in the task's, each once. */
static void
copy_several(const QcTask *task)
{
	QcNames		labels;
	QcOwn		own;

	qc_names_read(task, &labels);
	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_texts(&own, labels.name, labels.n);
	qc_own_run(&own,
			   "UPDATE qwen.review_row AS v SET human = a.said, reviewer = a.author, reviewed_at = a.at "
			   "FROM (SELECT a.k, a.kx, a.text_hash, a.author, a.at, CASE WHEN a.label::text[] <@ $2 THEN "
			   "(SELECT coalesce(pg_catalog.array_agg(l.x ORDER BY l.o), '{}') FROM unnest($2) WITH ORDINALITY AS l(x, o) "
			   "WHERE l.x = ANY (a.label::text[]))::text ELSE a.label END AS said "
			   "FROM qwen.annotation AS a WHERE a.task = $1 AND a.kind = 'person') AS a "
			   "WHERE v.task = $1 AND a.k = v.k AND a.kx = v.kx AND a.text_hash = v.text_hash "
			   "AND v.human IS DISTINCT FROM a.said", SPI_OK_UPDATE);
	qc_own_end(&own);
}

/* A person who thinks again gives another answer. */
static void
copy_answers(const QcTask *task)
{
	if (task->multi)
	{
		copy_several(task);
		return;
	}
	run_for_task(task,
				 "UPDATE qwen.review_row AS v SET human = a.label, reviewer = a.author, reviewed_at = a.at "
				 "FROM qwen.annotation AS a WHERE v.task = $1 AND a.task = v.task AND a.k = v.k AND a.kx = v.kx "
				 "AND a.kind = 'person' AND a.text_hash = v.text_hash AND v.human IS DISTINCT FROM a.label",
				 SPI_OK_UPDATE);
}

/*
 * The machine said something else since.  An audit stays one and is of the
 * new version; a row that was drawn for its score is to be drawn anew.  A label
 * from elsewhere leaves nothing to review.
 */
static void
follow_machine(const QcTask *task)
{
	run_for_task(task,
				 "UPDATE qwen.review_row AS v SET version = r.version, label = r.label, confidence = r.confidence, "
				 "coverage = r.coverage, source = r.source, top = r.top, verbal = r.verbal, "
				 "drawn_at = CASE WHEN v.version = r.version THEN v.drawn_at ELSE pg_catalog.now() END "
				 "FROM qwen.result AS r WHERE v.task = $1 AND v.role = 'audit' AND v.human IS NULL "
				 "AND r.task = v.task AND r.k = v.k AND r.kx = v.kx AND r.text_hash = v.text_hash "
				 "AND (r.version, r.label, r.source) IS DISTINCT FROM (v.version, v.label, v.source)",
				 SPI_OK_UPDATE);
	run_for_task(task,
				 "DELETE FROM qwen.review_row AS v WHERE v.task = $1 AND v.role <> 'audit' AND v.human IS NULL "
				 "AND (EXISTS (SELECT FROM qwen.result AS r WHERE r.task = v.task AND r.k = v.k AND r.kx = v.kx "
				 "AND (r.version, r.label, r.source) IS DISTINCT FROM (v.version, v.label, v.source)) "
				 "OR EXISTS (SELECT FROM qwen.annotation AS a WHERE a.task = v.task AND a.k = v.k AND a.kx = v.kx "
				 "AND a.text_hash = v.text_hash AND a.kind <> 'person'))",
				 SPI_OK_DELETE);
}

/* Rows that are gone, or have another text. */
static void
drop_void(const QcTask *task, const QcTarget *target)
{
	QcVoidScan	scan = {.task = task->id,.table = "review_row",.void_if = "t.human IS NULL"};

	while (qc_void_slice(target, &scan))
		CHECK_FOR_INTERRUPTS();
}

void
qc_reviews_settle(const QcTask *task)
{
	char	   *why;
	QcTarget   *target;

	/* a standby reads what was settled before */
	if (XactReadOnly)
		return;
	target = OidIsValid(task->source) ? qc_target_resolve(task, &why) : NULL;
	copy_answers(task);
	follow_machine(task);
	if (target != NULL)
		drop_void(task, target);
}

/* ---- a function's task, and who may ---- */

static bool
may(Oid relid, AttrNumber attno, AclMode mode)
{
	return pg_class_aclcheck(relid, GetUserId(), mode) == ACLCHECK_OK ||
		pg_attribute_aclcheck(relid, attno, GetUserId(), mode) == ACLCHECK_OK;
}

static bool
may_read(const QcTarget *target)
{
	for (int i = 0; i < target->nkeys; i++)
		if (!may(target->relid, target->key[i], ACL_SELECT))
			return false;
	for (int i = 0; i < target->nreads; i++)
		if (!may(target->relid, target->reads[i], ACL_SELECT))
			return false;
	return may(target->relid, target->label, ACL_SELECT) &&
		(target->reason == 0 || may(target->relid, target->reason, ACL_SELECT));
}

/* Rows are read as the table's owner, whom its policies do not concern. */
static void
check_policies(const QcTask *task, const QcTarget *target)
{
	if (check_enable_rls(target->relid, GetUserId(), true) != RLS_ENABLED)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("row-level security of table %s hides rows from you", target->rel_sql),
			 errhint("Its owner can ask: SET ROLE %s. An UPDATE of the label by hand counts as well.",
					 quote_identifier(GetUserNameFromId(task->owner, false)))));
}

static void
refuse(const QcTask *task, const QcTarget *target, const char *what, const char *rights)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to %s the rows of task \"%s\"", what, task->name),
			 errhint("Its owner can type: GRANT %s ON %s TO %s.", rights, target->rel_sql,
					 quote_identifier(qc_reviews_role()))));
}

void
qc_reviews_check_reader(const QcTask *task, const QcTarget *target)
{
	if (has_privs_of_role(GetUserId(), task->owner))
		return;
	if (!may_read(target))
		refuse(task, target, "read", "SELECT");
	check_policies(task, target);
}

void
qc_reviews_check_reviewer(const QcTask *task, const QcTarget *target)
{
	if (has_privs_of_role(GetUserId(), task->owner))
		return;
	if (!may_read(target) || !may(target->relid, target->label, ACL_UPDATE))
		refuse(task, target, "review", psprintf("SELECT, UPDATE (%s)", target->label_sql));
	check_policies(task, target);
}

void
qc_reviews_check_kept(const QcTask *task)
{
	if (task->keep)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("task \"%s\" does not keep what the model said", task->name),
			 errhint("Type: SELECT qwen.alter_task(%s, keep => true), then label rows.",
					 quote_literal_cstr(task->name))));
}

void
qc_reviews_begin_draw(const QcTask *task, const char *function)
{
	PreventCommandIfReadOnly(function);
	if (qc_task_lock(task->id, AccessShareLock) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("task \"%s\" was dropped by another session", task->name)));
	LockDatabaseObject(qc_own_table("review_row"), (Oid) task->id, 0, ExclusiveLock);
}

int
qc_reviews_n(FunctionCallInfo fcinfo, int arg)
{
	int32		n = PG_ARGISNULL(arg) ? 20 : PG_GETARG_INT32(arg);

	if (n < 1 || n > MOST)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("n must be from 1 to %d", MOST),
				 errhint("20 rows take a person a few minutes.")));
	return n;
}

const char *
qc_reviews_role(void)
{
	const char *name = GetUserNameFromId(GetUserId(), true);

	return name ? name : "?";
}

/* Types' own functions read a key: the owner's code, and so only as the owner. */
static void
parse_key(const QcTask *task, const QcTarget *target, const char *text, QcItem *item)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcAsOwner	saved;

	qc_as_role(&saved, target->owner);
	PG_TRY();
	{
		qc_key_of_text(target, text, &item->k, &item->kx);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(error->sqlerrcode),
				 errmsg("\"%s\" is not a key of task \"%s\"", text, task->name),
				 errdetail("%s", error->message),
				 errhint("A key is written as qwen.review shows it: 42, or (a,b) for other primary keys.")));
	}
	PG_END_TRY();
	qc_as_before(&saved);
}

void
qc_reviews_key(FunctionCallInfo fcinfo, int arg, const QcTask *task,
			   const QcTarget *target, QcItem *item)
{
	memset(item, 0, sizeof(*item));
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("key must not be NULL"),
				 errhint("SELECT key FROM qwen.review(%s); shows keys.", quote_literal_cstr(task->name))));
	if (get_fn_expr_argtype(fcinfo->flinfo, arg) == INT8OID)
		parse_key(task, target, psprintf(INT64_FORMAT, PG_GETARG_INT64(arg)), item);
	else
		parse_key(task, target, text_to_cstring(PG_GETARG_TEXT_PP(arg)), item);
}
