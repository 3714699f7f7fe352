/*-------------------------------------------------------------------------
 *
 * answer.c
 *	  qwen.correct and qwen.agree: what a person says of one row.
 *
 * The row is locked and looked at, then written as its owner, with what the
 * triggers give a person's label: confidence 1 and a signature.  The annotation
 * is noted here and not by the triggers: it is the caller's, and stands for a
 * label that did not change as well.  A label of the worker's that is on its way
 * finds another confidence than it read, and is dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "common/statement.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "queue/note.h"
#include "queue/own.h"
#include "queue/write_rows.h"
#include "task/several.h"
#include "trust/certify.h"
#include "trust/reviews.h"

/* As many of one statement are judgements; qwen.annotation takes more for a bulk edit. */
#define MOST_ANSWERS	100

typedef struct QcAnswer
{
	const QcTask *task;
	const QcTarget *target;
	QcItem		item;
	bool		undecided;		/* the machine found that no label fits */
	char	   *label;			/* the person's; empty: agrees that none does */
	char	   *machine;		/* what had been said of a row that was drawn; or NULL */
} QcAnswer;

/* ---- the row ---- */

static char *
update_sql(const QcTarget *t)
{
	static const char *const more[] = {"label", "reason"};
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s AS s SET ", qc_table_sql(t));
	qc_rows_append_set(&sql, t, "1");
	appendStringInfo(&sql, " FROM %s WHERE %s RETURNING %s, s.%s::pg_catalog.text",
					 qc_batch_sql(t, more, lengthof(more)), t->join_sql, t->hash_sql, t->label_sql);
	return sql.data;
}

static int
run(const char *sql, QcArgs *args, int expected)
{
	int			rc = SPI_execute_plan(qc_plan(sql, args), args->value, NULL, false, 0);

	if (rc != expected)
		elog(ERROR, "could not run a statement over a task's table: %s", SPI_result_code_string(rc));
	return (int) SPI_processed;
}

/* The first row's hash and label. */
static void
read_row(int64 *hash, char **label, MemoryContext cxt)
{
	bool		isnull;

	*hash = qc_own_int8_at(0, 1, &isnull);
	*label = qc_own_text_at(0, 2, cxt);
}

/* The row, locked: what follows is decided on what stands there now. */
static void
lock_row(QcAnswer *answer)
{
	const QcTarget *t = answer->target;
	MemoryContext cxt = CurrentMemoryContext;
	QcItem	   *item = &answer->item;
	QcAsOwner	saved;
	QcArgs		args = {0};

	qc_as_role(&saved, t->owner);
	SPI_connect();
	qc_args_keys(&args, t, &item, 1);
	item->found = run(psprintf("SELECT %s, s.%s::pg_catalog.text FROM %s JOIN %s AS s ON %s "
							   "FOR NO KEY UPDATE OF s", t->hash_sql, t->label_sql,
							   qc_batch_sql(t, NULL, 0), qc_table_sql(t), t->join_sql),
					  &args, SPI_OK_SELECT) > 0;
	if (item->found)
		read_row(&item->hash, &item->old_label, cxt);
	SPI_finish();
	qc_as_before(&saved);
}

/* The owner's triggers run; ours leave it to us, who has decided and who notes it. */
static void
run_as_answer(const char *sql, QcArgs *args, int *n)
{
	qc_writing_back = true;
	PG_TRY();
	{
		*n = run(sql, args, SPI_OK_UPDATE_RETURNING);
	}
	PG_FINALLY();
	{
		qc_writing_back = false;
	}
	PG_END_TRY();
}

static void
write_row(QcAnswer *answer, char *signature)
{
	const QcTarget *t = answer->target;
	MemoryContext cxt = CurrentMemoryContext;
	QcItem	   *item = &answer->item;
	QcAsOwner	saved;
	QcArgs		args = {0};
	int64		hash = 0;
	char	   *label = NULL;
	int			n;

	qc_as_role(&saved, t->owner);
	SPI_connect();
	qc_args_keys(&args, t, &item, 1);
	qc_args_text(&args, &answer->label, 1);
	qc_args_text(&args, &signature, 1);
	run_as_answer(update_sql(t), &args, &n);
	if (n > 0)
		read_row(&hash, &label, cxt);
	SPI_finish();
	qc_as_before(&saved);
	if (n == 0 || hash != item->hash || label == NULL || strcmp(label, answer->label) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("a trigger of table %s %s", t->rel_sql,
						n == 0 ? "suppressed the update" : "changed the row as its label was written"),
				 errhint("Ask the table's owner which of its triggers does that: \\d %s", t->rel_sql)));
}

/* ---- the review ---- */

/* The row as it was drawn: of a text that stands there no more nobody can judge. */
static void
look_at_draw(QcAnswer *answer, const char *key)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcItem	   *item = &answer->item;
	bool		changed = false;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, answer->task->id);
	qc_own_keys(&own, &item, 1);
	qc_own_run(&own, "SELECT v.text_hash, v.label, v.human FROM qwen.review_row AS v "
			   "JOIN unnest($2, $3, $4) AS r(i, k, kx) ON v.task = $1 AND v.k = r.k AND v.kx = r.kx",
			   SPI_OK_SELECT);
	if (SPI_processed > 0)
	{
		int64		hash;

		read_row(&hash, &answer->machine, cxt);
		if (hash != item->hash)
		{
			answer->machine = NULL;
			changed = qc_own_text_at(0, 3, cxt) == NULL;
		}
	}
	qc_own_end(&own);
	if (changed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the text of row %s of task \"%s\" changed since it was shown", key, answer->task->name),
				 errhint("Look at it anew: SELECT * FROM qwen.review(%s).",
						 quote_literal_cstr(answer->task->name))));
}

/* A row without a label: is it because the machine found that none fits its text? */
static void
look_if_undecided(QcAnswer *answer)
{
	QcItem	   *item = &answer->item;
	QcOwn		own;

	if (!item->found || item->old_label != NULL)
		return;
	qc_own_begin(&own);
	qc_own_int4(&own, answer->task->id);
	qc_own_keys(&own, &item, 1);
	qc_own_int8(&own, item->hash);
	qc_own_run(&own, "SELECT FROM qwen.result AS v JOIN unnest($2, $3, $4) AS r(i, k, kx) "
			   "ON v.task = $1 AND v.k = r.k AND v.kx = r.kx "
			   "WHERE v.text_hash = $5 AND v.state = 'undecided'", SPI_OK_SELECT);
	answer->undecided = SPI_processed > 0;
	qc_own_end(&own);
}

static void
answer_draw(QcAnswer *answer)
{
	const char *role = qc_reviews_role();
	QcItem	   *item = &answer->item;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, answer->task->id);
	qc_own_keys(&own, &item, 1);
	qc_own_int8(&own, item->hash);
	qc_own_text(&own, answer->label);
	qc_own_text(&own, role);
	qc_own_run(&own, "UPDATE qwen.review_row AS v SET human = $6, reviewer = $7, reviewed_at = pg_catalog.now() "
			   "FROM unnest($2, $3, $4) AS r(i, k, kx) "
			   "WHERE v.task = $1 AND v.k = r.k AND v.kx = r.kx AND v.text_hash = $5", SPI_OK_UPDATE);
	qc_own_end(&own);
}

/* ---- the functions ---- */

static void
count_answer(const QcTask *task)
{
	static uint64 statement = 0;
	static int	n = 0;

	if (statement != qc_statement_serial())
		n = 0;
	statement = qc_statement_serial();
	if (n++ < MOST_ANSWERS)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("more than %d answers in one statement are a bulk edit, not a review", MOST_ANSWERS),
			 errhint("Answer at most %d a statement. A bulk edit is an UPDATE of the label of task \"%s\"; nothing is learned from it.",
					 MOST_ANSWERS, task->name)));
}

static void
check_label(const QcTask *task, const QcNames *of, const char *label)
{
	QcNames		labels = *of;
	StringInfoData hint;

	if (qc_names_find(&labels, label) >= 0)
		return;
	initStringInfo(&hint);
	for (int i = 0; i < labels.n && i < 30; i++)
		appendStringInfo(&hint, "%s%s", i ? ", " : "", labels.name[i]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is not a label of task \"%s\"", label, task->name),
			 errhint("Its labels: %s%s.", hint.data, labels.n > 30 ? ", ..." : "")));
}

/* Several labels: each must be one, and they are written in the task's order. */
static char *
several_labels(const QcTask *task, const QcNames *labels, const char *text)
{
	int			n;
	char	  **name = qc_several_names(text, &n);
	bool	   *has = palloc0(sizeof(bool) * labels->n);
	const char **in_order = palloc(sizeof(char *) * labels->n);
	int			m = 0;

	for (int i = 0; i < n; i++)
	{
		check_label(task, labels, name[i]);
		has[qc_names_find(labels, name[i])] = true;
	}
	for (int i = 0; i < labels->n; i++)
		if (has[i])
			in_order[m++] = labels->name[i];
	return qc_several_text(in_order, m);
}

/* What a person gave, as it is to be written. */
static char *
checked(const QcTask *task, char *label)
{
	QcNames		labels;

	qc_names_read(task, &labels);
	if (task->multi)
		return several_labels(task, &labels, label);
	check_label(task, &labels, label);
	return label;
}

static void
check_row(const QcAnswer *answer, const char *key)
{
	const char *name = quote_literal_cstr(answer->task->name);

	if (!answer->item.found)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("task \"%s\" has no row %s", answer->task->name, key),
				 errhint("SELECT key FROM qwen.review(%s); shows keys.", name)));
	if (answer->item.old_label == NULL && !answer->undecided)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("row %s of task \"%s\" has no label", key, answer->task->name),
				 errdetail("Its text is new or changed, or it could not be labelled: SELECT * FROM qwen.history(%s, %s).",
						   name, quote_literal_cstr(key)),
				 errhint("Wait for its label: CALL qwen.wait(%s). Or set it: UPDATE %s SET %s = ....",
						 name, answer->target->rel_sql, answer->target->label_sql)));
}

static const char *
shown(const char *label)
{
	return label[0] != '\0' ? label : "none of the labels";
}

/* What stands there; of an undecided row that none fits. */
static char *
standing(const QcAnswer *answer)
{
	return answer->item.old_label ? answer->item.old_label : pstrdup("");
}

/* "refund, not bug" */
static Datum
said(const QcAnswer *answer)
{
	const char *before = answer->machine ? answer->machine : standing(answer);

	if (strcmp(before, answer->label) == 0)
		return CStringGetTextDatum(psprintf("%s: agreed", shown(answer->label)));
	return CStringGetTextDatum(psprintf("%s, not %s", shown(answer->label), shown(before)));
}

/* To agree that no label fits writes none, and is nobody's label. */
static void
write_answer(QcAnswer *answer, bool is_set)
{
	const QcItem *item = &answer->item;

	if (answer->label[0] == '\0')
		return;
	write_row(answer, psprintf("%s by %s", is_set ? "set" : "agreed", qc_reviews_role()));
	qc_note_label(answer->task->id, item->k, item->kx, QC_AUTHOR_PERSON, answer->label, item->hash);
}

/* label NULL: the one that stands. */
static Datum
answer_row(FunctionCallInfo fcinfo, char *label)
{
	QcTask	   *task = qc_task_argument(fcinfo, 0);
	QcTarget   *target = qc_target_of(task);
	QcAnswer	answer = {.task = task, .target = target, .label = label};
	char	   *key;

	qc_reviews_check_reviewer(task, target);
	if (qc_task_lock(task->id, AccessShareLock) != task->version)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("task \"%s\" was changed by another session", task->name),
				 errhint("Answer again.")));
	if (label != NULL)
		answer.label = label = checked(task, label);
	qc_reviews_key(fcinfo, 1, task, target, &answer.item);
	key = qc_key_text(answer.item.k, answer.item.kx);
	count_answer(task);

	lock_row(&answer);
	look_if_undecided(&answer);
	check_row(&answer, key);
	look_at_draw(&answer, key);
	if (answer.label == NULL)
		answer.label = standing(&answer);
	write_answer(&answer, label != NULL && strcmp(label, standing(&answer)) != 0);
	answer_draw(&answer);
	qc_certificate_watch(task);
	return said(&answer);
}

static void
refuse_null(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("label must not be NULL"),
				 errhint("To have a row labelled anew, set its label to NULL with UPDATE.")));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_correct);

Datum
qwen_classify_correct(PG_FUNCTION_ARGS)
{
	refuse_null(fcinfo);
	return answer_row(fcinfo, text_to_cstring(PG_GETARG_TEXT_PP(2)));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_correct_array);

Datum
qwen_classify_correct_array(PG_FUNCTION_ARGS)
{
	const QcTask *task = qc_task_argument(fcinfo, 0);

	refuse_null(fcinfo);
	if (!task->multi)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("task \"%s\" gives a text one label, not several", task->name),
				 errhint("Type: SELECT qwen.correct(%s, ..., 'label').", quote_literal_cstr(task->name))));
	return answer_row(fcinfo, OidOutputFunctionCall(F_ARRAY_OUT, PG_GETARG_DATUM(2)));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_agree);

Datum
qwen_classify_agree(PG_FUNCTION_ARGS)
{
	return answer_row(fcinfo, NULL);
}
