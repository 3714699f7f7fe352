/*-------------------------------------------------------------------------
 *
 * create.c
 *	  qwen.create_task, qwen.alter_task, qwen.drop_task.
 *
 * The overloads differ in how the labels are written; after the labels the
 * arguments stand in the same places in all of them.  A task is made up in
 * memory, checked as a call of qwen_classify would be, and only then written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "common/board.h"
#include "common/compat.h"
#include "net/endpoint.h"
#include "task/attach.h"
#include "task/define.h"
#include "task/several.h"

/* The arguments by position. */
enum
{
	ARG_NAME, ARG_LABELS, ARG_INSTRUCTIONS, ARG_EXAMPLES, ARG_SERVER,
	ARG_WITH_REASON, ARG_ACCEPT_ABOVE, ARG_PRIORITY, ARG_KEEP,
	ARG_RENAME					/* of alter_task, where the others stand one further */
};

/* What follows, as counted from where create_task has it. */
enum
{
	ARG_DRIFT_EVERY = ARG_RENAME, ARG_VOTES, ARG_ABSTAIN, ARG_MODE, ARG_ORDERS, ARG_TREE,
	ARG_SEPARATOR, ARG_MIN_CONFIDENCE, ARG_LONG_TEXT,
	ARG_EXAMPLE_CHOICE			/* of alter_task alone */
};

#define MAX_NAME	63			/* bytes: as an identifier's, for names in views and messages */

#define LEAST_DRIFT_EVERY 50	/* labels: fewer show nothing */

#define HINT_LABELS "Give the labels as ARRAY['refund', 'bug'] or as JSON: '{\"refund\": \"wants money back\", \"bug\": null}'."

/* ---- reading the arguments ---- */

static char *
name_argument(FunctionCallInfo fcinfo)
{
	char	   *name = PG_ARGISNULL(ARG_NAME) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(ARG_NAME));

	if (name == NULL || name[strspn(name, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a task's name must not be empty"),
				 errhint("Give it a name, for instance 'tickets'.")));
	return name;
}

/* The labels that are given, as they are stored; *site is their prompt. */
static char *
labels_argument(FunctionCallInfo fcinfo, QcLabelForm form, const QcTask *task, QcSitePrompt **site)
{
	QcPromptArgs args;
	Datum		labels = PG_GETARG_DATUM(ARG_LABELS);

	memset(&args, 0, sizeof(args));
	args.form = form;
	qc_set_separator(&args.how, task->separator);
	args.labels = (form == QC_LABELS_TEXT) ? PG_DETOAST_DATUM_PACKED(labels) :
		PG_DETOAST_DATUM(labels);
	return qc_labels_stored(qc_site_prompt(site, CurrentMemoryContext, &args), NULL);
}

/* A text that is given; an empty one takes away what was there. */
static void
text_argument(FunctionCallInfo fcinfo, int arg, char **value)
{
	char	   *words;

	if (PG_ARGISNULL(arg))
		return;
	words = text_to_cstring(PG_GETARG_TEXT_PP(arg));
	*value = words[0] ? words : NULL;
}

static void
examples_argument(FunctionCallInfo fcinfo, char **value)
{
	Jsonb	   *examples;

	if (PG_ARGISNULL(ARG_EXAMPLES))
		return;
	examples = PG_GETARG_JSONB_P(ARG_EXAMPLES);
	if (JB_ROOT_IS_ARRAY(examples) && !JB_ROOT_IS_SCALAR(examples) &&
		JB_ROOT_COUNT(examples) == 0)
		*value = NULL;
	else
		*value = JsonbToCString(NULL, &examples->root, VARSIZE(examples));
}

/*
 * A number or 'certified': the argument's type is whatever is written, so that
 * 0.8, '0.8', 1 and a variable all do.
 */
static void
accept_argument(FunctionCallInfo fcinfo, double *value)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, ARG_ACCEPT_ABOVE);
	Oid			output;
	bool		varlena;
	char	   *words;
	char	   *end;

	if (PG_ARGISNULL(ARG_ACCEPT_ABOVE))
		return;
	getTypeOutputInfo(type, &output, &varlena);
	words = OidOutputFunctionCall(output, PG_GETARG_DATUM(ARG_ACCEPT_ABOVE));
	if (strcmp(words, "certified") == 0)
	{
		*value = NAN;
		return;
	}
	*value = strtod(words, &end);
	/* so written, NaN is refused too */
	if (end == words || *end != '\0' || !(*value >= 0 && *value <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("accept_above must be from 0 to 1, or 'certified'"),
				 errhint("It is the confidence from which on a label needs no person's look, for instance 0.7; "
						 "'certified' leaves it to the certificate.")));
}

static void
mode_argument(FunctionCallInfo fcinfo, int arg, QcTask *task)
{
	char	   *mode;

	if (PG_ARGISNULL(arg))
		return;
	mode = text_to_cstring(PG_GETARG_TEXT_PP(arg));
	if (strcmp(mode, "single") != 0 && strcmp(mode, "multi") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("mode is neither single nor multi: \"%s\"", mode),
				 errhint("single gives each text one label, multi those that fit, into a column of type text[].")));
	task->multi = strcmp(mode, "multi") == 0;
}

/* How a tree is asked about; of the labels, the separator shapes names. */
static void
tree_arguments(FunctionCallInfo fcinfo, QcTask *task, int shift)
{
	if (!PG_ARGISNULL(ARG_TREE + shift))
		task->tree = qc_tree_way(text_to_cstring(PG_GETARG_TEXT_PP(ARG_TREE + shift)));
	if (!PG_ARGISNULL(ARG_SEPARATOR + shift))
		task->separator = text_to_cstring(PG_GETARG_TEXT_PP(ARG_SEPARATOR + shift));
	if (!PG_ARGISNULL(ARG_MIN_CONFIDENCE + shift))
		task->min_confidence = PG_GETARG_FLOAT8(ARG_MIN_CONFIDENCE + shift);
	qc_check_separator(task->separator);
	qc_check_min_confidence(task->min_confidence);
}

/* What is given besides the name, the labels and their new names. */
static void
other_arguments(FunctionCallInfo fcinfo, QcTask *task, int shift)
{
	text_argument(fcinfo, ARG_INSTRUCTIONS, &task->instructions);
	examples_argument(fcinfo, &task->examples);
	text_argument(fcinfo, ARG_SERVER, &task->server);
	if (!PG_ARGISNULL(ARG_WITH_REASON))
		task->with_reason = PG_GETARG_BOOL(ARG_WITH_REASON);
	accept_argument(fcinfo, &task->accept_above);
	if (!PG_ARGISNULL(ARG_PRIORITY))
		task->priority = PG_GETARG_INT32(ARG_PRIORITY);
	if (!PG_ARGISNULL(ARG_KEEP))
		task->keep = PG_GETARG_BOOL(ARG_KEEP);
	if (!PG_ARGISNULL(ARG_DRIFT_EVERY + shift))
		task->drift_every = PG_GETARG_INT32(ARG_DRIFT_EVERY + shift);
	if (!PG_ARGISNULL(ARG_VOTES + shift))
		task->votes = PG_GETARG_INT32(ARG_VOTES + shift);
	if (!PG_ARGISNULL(ARG_ABSTAIN + shift))
		task->abstain = PG_GETARG_BOOL(ARG_ABSTAIN + shift);
	mode_argument(fcinfo, ARG_MODE + shift, task);
	if (!PG_ARGISNULL(ARG_ORDERS + shift))
		task->orders = PG_GETARG_INT32(ARG_ORDERS + shift);
	if (!PG_ARGISNULL(ARG_LONG_TEXT + shift))
		task->long_text = qc_long_text(PG_GETARG_TEXT_PP(ARG_LONG_TEXT + shift));
	tree_arguments(fcinfo, task, shift);
}

/*
 * Examples that are chosen for each text can be given up here; to take them on
 * is what the paired test is for.
 */
static void
example_choice_argument(FunctionCallInfo fcinfo, QcTask *task)
{
	char	   *choice;

	if (PG_ARGISNULL(ARG_EXAMPLE_CHOICE + 1))
		return;
	choice = text_to_cstring(PG_GETARG_TEXT_PP(ARG_EXAMPLE_CHOICE + 1));
	if (strcmp(choice, "static") == 0)
		task->shots = 0;
	else if (strcmp(choice, "similar") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown choice of examples \"%s\"", choice),
				 errhint("It is 'static' or 'similar'.")));
	else if (task->shots == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("examples are chosen for each text only after they were tried"),
				 errhint("Type: SELECT * FROM qwen.try_examples(%s, adopt => true);", quote_literal_cstr(task->name))));
}

/* ---- checks ---- */

static void
check_numbers(const QcTask *task)
{
	if (task->priority < 1 || task->priority > 100)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("priority must be from 1 to 100"),
				 errhint("It is the task's share of the worker's turns; 10 is usual, 20 is served twice as often.")));
	if (task->drift_every < LEAST_DRIFT_EVERY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("drift_every must be at least %d", LEAST_DRIFT_EVERY),
				 errhint("It is after how many labels the worker looks whether they are mixed as they were; 1000 is usual.")));
	if (task->votes != 0 && (task->votes < QC_LEAST_VOTES || task->votes > QC_MOST_VOTES))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("votes must be 0 or from %d to %d", QC_LEAST_VOTES, QC_MOST_VOTES),
				 errhint("It is how often a server that gives no probabilities is asked about a text; 5 is usual, 0 asks once.")));
}

/* An answer of yes or no has no reason: only who asks for one is told, since true is the default. */
static void
check_reason(FunctionCallInfo fcinfo, const QcTask *task)
{
	if (!task->multi || PG_ARGISNULL(ARG_WITH_REASON) || !PG_GETARG_BOOL(ARG_WITH_REASON))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("with_reason is of no use where a text may have several labels"),
			 errdetail("Each label is a question of yes or no, and no reason is written."),
			 errhint("Leave it out, or give with_reason => false.")));
}

/* Yes or no of each label needs neither a way to say none nor another order. */
static void
check_mode(const QcTask *task)
{
	if (task->orders < 1 || task->orders > QC_MOST_ORDERS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("orders must be from 1 to %d", QC_MOST_ORDERS),
				 errhint("It is in how many orders the labels are shown, each text in one of them; 1 is the order written.")));
	if (task->multi && task->abstain)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("abstain is of no use where a text may have several labels"),
				 errhint("Leave it out: where no label fits, the label column gets an empty array.")));
	if (task->multi && task->orders > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("orders is of no use where a text may have several labels"),
				 errhint("Leave it out: each label is asked about by itself.")));
}

/* The label column has the one type or the other. */
static void
check_mode_change(const QcTask *old, const QcTask *fresh)
{
	if (old->multi == fresh->multi || !OidIsValid(old->source))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the mode of task \"%s\" cannot change while it is attached to a table", old->name),
			 errhint("Type: SELECT qwen.detach(%s), then change it and attach it with a label column of type %s.",
					 quote_literal_cstr(old->name), fresh->multi ? "text[]" : "text")));
}

/* The server is asked as the task's owner, whoever types the command. */
static void
check_server(const QcTask *task)
{
	QcAsOwner	saved;

	qc_as_role(&saved, task->owner);
	(void) qc_endpoint_resolve(task->server);
	qc_as_before(&saved);
}

/* The prompt is made once, as a call would make it: that raises what is wrong. */
static QcSitePrompt *
check_prompt(const QcTask *task)
{
	QcSitePrompt *site = NULL;

	return qc_task_prompt(&site, CurrentMemoryContext, task, false);
}

/* New labels must fit the column that takes them; one that is gone is the worker's to tell. */
static void
check_column(const QcTask *task)
{
	if (OidIsValid(task->source) && OidIsValid(get_atttype(task->source, task->label_column)))
		qc_check_labels_fit(task, task->source, task->label_column);
}

/* ---- writing ---- */

#define NARGS 20

/* Parameters of INSERT and UPDATE: $1 is the name or the id, then as listed. */
static void
task_parameters(const QcTask *task, Oid *types, Datum *args, char *nulls)
{
	const char *words[] = {task->labels, task->instructions, task->examples, task->server};

	for (int i = 0; i < 4; i++)
	{
		types[1 + i] = TEXTOID;
		args[1 + i] = words[i] ? CStringGetTextDatum(words[i]) : (Datum) 0;
		nulls[1 + i] = words[i] ? ' ' : 'n';
	}
	types[5] = BOOLOID;
	args[5] = BoolGetDatum(task->with_reason);
	types[6] = FLOAT8OID;
	args[6] = Float8GetDatum(task->accept_above);
	types[7] = INT4OID;
	args[7] = Int32GetDatum(task->priority);
	types[8] = BOOLOID;
	args[8] = BoolGetDatum(task->keep);
	types[9] = INT4OID;
	args[9] = Int32GetDatum(task->version);
	types[10] = OIDOID;
	args[10] = ObjectIdGetDatum(task->owner);
	types[11] = INT4OID;
	args[11] = Int32GetDatum(task->drift_every);
	types[12] = INT4OID;
	args[12] = Int32GetDatum(task->votes);
	types[13] = BOOLOID;
	args[13] = BoolGetDatum(task->abstain);
	types[14] = TEXTOID;
	args[14] = CStringGetTextDatum(task->multi ? "multi" : "single");
	types[15] = INT4OID;
	args[15] = Int32GetDatum(task->orders);
	types[16] = TEXTOID;
	args[16] = CStringGetTextDatum(qc_tree_word(task->tree));
	types[17] = TEXTOID;
	args[17] = CStringGetTextDatum(task->separator);
	types[18] = FLOAT8OID;
	args[18] = Float8GetDatum(task->min_confidence);
	types[19] = TEXTOID;
	args[19] = CStringGetTextDatum(task->long_text == QC_LONG_SPLIT ? "split" : "head_tail");
	for (int i = 5; i < NARGS; i++)
		nulls[i] = ' ';
	if (qc_task_accepts_certified(task))
		nulls[6] = 'n';
}

/* Returns how many rows it wrote: 0 if the name is taken, or the task gone. */
static uint64
write_task(const char *sql, const QcTask *task, bool by_id)
{
	Oid			types[NARGS];
	Datum		args[NARGS];
	char		nulls[NARGS + 1];
	QcAsOwner	saved;
	uint64		written;

	types[0] = by_id ? INT4OID : TEXTOID;
	args[0] = by_id ? Int32GetDatum(task->id) : CStringGetTextDatum(task->name);
	nulls[0] = ' ';
	nulls[NARGS] = '\0';
	task_parameters(task, types, args, nulls);
	qc_as_extension_owner(&saved);
	SPI_connect();
	if (SPI_execute_with_args(sql, NARGS, types, args, nulls, false, 0) < 0)
		elog(ERROR, "could not write qwen.task");
	written = SPI_processed;
	SPI_finish();
	qc_as_before(&saved);
	qc_board_config_changes();
	return written;
}

/* ---- qwen.create_task ---- */

static void
check_new_name(const char *name)
{
	if (strlen(name) > MAX_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("a task's name is too long"),
				 errdetail("At most %d bytes are possible.", MAX_NAME)));
}

static void
raise_taken(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("task \"%s\" already exists", name),
			 errhint("Change it with SELECT qwen.alter_task(%s, ...), or choose another name.",
					 quote_literal_cstr(name))));
}

static Datum
create(FunctionCallInfo fcinfo, QcLabelForm form)
{
	QcTask		task = {0};
	QcSitePrompt *site = NULL;

	task.name = name_argument(fcinfo);
	check_new_name(task.name);
	task.owner = GetUserId();
	task.version = 1;
	task.with_reason = true;
	task.accept_above = 0.7;
	task.priority = 10;
	task.keep = true;
	task.drift_every = 1000;
	task.orders = 1;
	task.separator = QC_SEPARATOR;
	if (PG_ARGISNULL(ARG_LABELS))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("labels must not be NULL"),
				 errhint(HINT_LABELS)));
	other_arguments(fcinfo, &task, 0);
	task.labels = labels_argument(fcinfo, form, &task, &site);
	check_numbers(&task);
	check_mode(&task);
	check_reason(fcinfo, &task);
	check_prompt(&task);
	if (task.server)
		check_server(&task);
	if (qc_task_by_name(task.name, true) != NULL)
		raise_taken(task.name);

	/* a name that another session takes meanwhile shows as no row written */
	if (write_task("INSERT INTO qwen.task (name, labels, instructions, examples, server, with_reason, "
				   "accept_above, priority, keep, version, owner, drift_every, votes, abstain, mode, orders, "
				   "tree, separator, min_confidence, long_text) "
				   "VALUES ($1, $2::json, $3, $4::jsonb, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
				   "$17, $18, $19, $20) "
				   "ON CONFLICT (name) DO NOTHING", &task, false) == 0)
		raise_taken(task.name);
	PG_RETURN_VOID();
}

/* ---- qwen.alter_task ---- */

/* Apart from words: do both ask in the same way, and take the answers so? */
static bool
same_way(const QcTask *a, const QcTask *b)
{
	return a->with_reason == b->with_reason && a->votes == b->votes &&
		a->abstain == b->abstain && a->multi == b->multi && a->orders == b->orders &&
		a->tree == b->tree && a->min_confidence == b->min_confidence &&
		strcmp(a->separator, b->separator) == 0 && a->long_text == b->long_text &&
		a->shots == b->shots;
}

/* Does anything differ that shapes a request? */
static bool
reshaped(const QcTask *old, const QcTask *fresh)
{
	return !qc_same_text(old->labels, fresh->labels) ||
		!qc_same_text(old->instructions, fresh->instructions) ||
		!qc_same_text(old->examples, fresh->examples) ||
		!qc_same_text(old->server, fresh->server) ||
		!same_way(old, fresh);
}

/*
 * Labels and examples under their new names.  Examples that are given speak
 * of the new names already; so do labels.
 */
static void
apply_rename(FunctionCallInfo fcinfo, const QcTask *old, QcTask *fresh, QcRename *rename)
{
	QcSitePrompt *site = check_prompt(old);
	QcTask		bare;

	qc_rename_read(PG_GETARG_JSONB_P(ARG_RENAME), rename);
	if (site->prompt->labels->tree)
		qc_rename_within(rename, site);
	if (PG_ARGISNULL(ARG_LABELS))
		fresh->labels = qc_labels_stored(site, rename);
	/* the names first: an example's fault would hide what is wrong */
	bare = *fresh;
	bare.examples = NULL;
	qc_rename_check(rename, site, check_prompt(&bare));
	if (PG_ARGISNULL(ARG_EXAMPLES) && old->examples)
		fresh->examples = qc_rename_examples(rename, old->examples);
}

void
qc_task_tell_version(const QcTask *task)
{
	if (OidIsValid(task->source))
		ereport(NOTICE,
				(errmsg("task \"%s\" is at version %d", task->name, task->version),
				 errdetail("New and changed rows are labelled by it; the others keep the labels that they have."),
				 errhint("To label them anew, type: SELECT qwen.relabel(%s).",
						 quote_literal_cstr(task->name))));
}

/* The texts that were copied go, too. */
static void
give_up_pool(const QcTask *task)
{
	Oid			type = INT4OID;
	Datum		arg = Int32GetDatum(task->id);
	QcAsOwner	saved;

	qc_as_extension_owner(&saved);
	SPI_connect();
	if (SPI_execute_with_args("DELETE FROM qwen.example WHERE task = $1", 1, &type, &arg, NULL, false, 0) < 0 ||
		SPI_execute_with_args("UPDATE qwen.task SET example_choice = 'static' WHERE id = $1",
							  1, &type, &arg, NULL, false, 0) < 0)
		elog(ERROR, "could not give up the examples of a task");
	SPI_finish();
	qc_as_before(&saved);
}

static Datum
alter(FunctionCallInfo fcinfo, QcLabelForm form)
{
	QcTask	   *old = qc_task_for_change(name_argument(fcinfo));
	QcTask		fresh = *old;
	QcSitePrompt *site = NULL;
	QcRename	rename = {0};
	bool		only_names;

	other_arguments(fcinfo, &fresh, 1);
	if (!PG_ARGISNULL(ARG_LABELS))
		fresh.labels = labels_argument(fcinfo, form, &fresh, &site);
	example_choice_argument(fcinfo, &fresh);
	check_numbers(&fresh);
	check_mode(&fresh);
	check_reason(fcinfo, &fresh);
	check_mode_change(old, &fresh);
	if (!PG_ARGISNULL(ARG_RENAME) && old->multi)
		qc_several_refuse(old, "rename", "Give labels with the new name, and in the rows: "
						  "UPDATE ... SET label = array_replace(label, 'old', 'new').");
	if (!PG_ARGISNULL(ARG_RENAME))
		apply_rename(fcinfo, old, &fresh, &rename);
	check_prompt(&fresh);
	if (fresh.server && !PG_ARGISNULL(ARG_SERVER))
		check_server(&fresh);
	if (!qc_same_text(old->labels, fresh.labels) || !same_way(old, &fresh))
		check_column(&fresh);
	if (reshaped(old, &fresh))
		fresh.version++;

	if (write_task("UPDATE qwen.task SET labels = $2::json, instructions = $3, examples = $4::jsonb, "
				   "server = $5, with_reason = $6, accept_above = $7, priority = $8, keep = $9, "
				   "version = $10, owner = $11, drift_every = $12, votes = $13, abstain = $14, mode = $15, orders = $16, "
				   "tree = $17, separator = $18, min_confidence = $19, long_text = $20 WHERE id = $1", &fresh, true) != 1)
		elog(ERROR, "task %d is gone", fresh.id);
	if (old->shots > 0 && fresh.shots == 0)
		give_up_pool(&fresh);
	only_names = rename.n > 0 && PG_ARGISNULL(ARG_LABELS) && PG_ARGISNULL(ARG_EXAMPLES) &&
		qc_same_text(old->instructions, fresh.instructions) &&
		qc_same_text(old->server, fresh.server) && same_way(old, &fresh);
	if (rename.n > 0)
		qc_rename_rows(old, &rename, fresh.version, only_names);
	if (fresh.version != old->version && !only_names)
		qc_task_tell_version(&fresh);
	PG_RETURN_VOID();
}

/* ---- qwen.drop_task ---- */

/*
 * Every table of schema qwen with a column task holds rows of tasks: so a
 * table that is added later is not forgotten here.
 */
static void
delete_rows(int32 id)
{
	Oid			type = INT4OID;
	Datum		arg = Int32GetDatum(id);
	SPITupleTable *tables;
	uint64		n;

	if (SPI_execute("SELECT pg_catalog.format('DELETE FROM qwen.%I WHERE task = $1', c.relname) "
					"FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid "
					"WHERE c.relnamespace = 'qwen'::regnamespace AND c.relkind = 'r' "
					"AND a.attname = 'task' AND NOT a.attisdropped AND a.atttypid = 'integer'::regtype",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not list the tables of tasks");
	tables = SPI_tuptable;
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
		if (SPI_execute_with_args(SPI_getvalue(tables->vals[i], tables->tupdesc, 1),
								  1, &type, &arg, NULL, false, 0) != SPI_OK_DELETE)
			elog(ERROR, "could not delete the rows of a task");
	if (SPI_execute_with_args("DELETE FROM qwen.task WHERE id = $1",
							  1, &type, &arg, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not delete a task");
}

/*
 * A worker that is there writes the task's place; it gives it back by itself
 * once this is committed.
 */
static void
forget_on_board(int32 id)
{
	QcBoardDatabase *place = qc_board_database(MyDatabaseId, false);
	bool		worker = false;

	if (place != NULL)
	{
		SpinLockAcquire(&place->mutex);
		worker = (place->worker_pid != 0);
		SpinLockRelease(&place->mutex);
	}
	if (!worker)
		qc_board_task_forget(MyDatabaseId, id);
}

PG_FUNCTION_INFO_V1(qwen_classify_drop_task);
Datum
qwen_classify_drop_task(PG_FUNCTION_ARGS)
{
	QcTask	   *task = qc_task_for_change(name_argument(fcinfo));
	QcAsOwner	saved;

	qc_detach(task);
	qc_as_extension_owner(&saved);
	SPI_connect();
	delete_rows(task->id);
	SPI_finish();
	qc_as_before(&saved);
	forget_on_board(task->id);
	qc_board_config_changes();
	PG_RETURN_VOID();
}

/* ---- the entries: a function, an overload ---- */

QC_LABELS_ENTRY(qwen_classify_create_task_array, create, QC_LABELS_ARRAY)
QC_LABELS_ENTRY(qwen_classify_create_task_jsonb, create, QC_LABELS_JSONB)
QC_LABELS_ENTRY(qwen_classify_create_task_text, create, QC_LABELS_TEXT)
QC_LABELS_ENTRY(qwen_classify_alter_task_array, alter, QC_LABELS_ARRAY)
QC_LABELS_ENTRY(qwen_classify_alter_task_jsonb, alter, QC_LABELS_JSONB)
QC_LABELS_ENTRY(qwen_classify_alter_task_text, alter, QC_LABELS_TEXT)
