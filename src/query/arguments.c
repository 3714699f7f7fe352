/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  The arguments that all labelling functions share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "common/statement.h"
#include "query/arguments.h"

/* An optional argument, detoasted; with a full header where the type needs one. */
static struct varlena *
optional(FunctionCallInfo fcinfo, int arg, bool packed)
{
	if (PG_ARGISNULL(arg))
		return NULL;
	return packed ? PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(arg)) :
		PG_DETOAST_DATUM(PG_GETARG_DATUM(arg));
}

/* The task is looked up once a statement, not once a row. */
struct QcSiteTask
{
	MemoryContext cxt;			/* holds all of it */
	QcTask	   *task;
	QcPromptArgs args;

	/* read when there is an answer to show */
	struct QcCalibration *calibration;
	MemoryContext calibration_cxt;
	Oid			calibration_of; /* which server's answers; InvalidOid: not read */

	/* what it was looked up for and when */
	text	   *name;
	Oid			userid;
	uint64		statement;
	TimestampTz transaction;
	CommandId	command;
};

static bool
is_current(const QcSiteTask *site, const text *name)
{
	return site->statement == qc_statement_serial() &&
		site->transaction == GetCurrentTransactionStartTimestamp() &&
		site->command == GetCurrentCommandId(false) &&
		site->userid == GetUserId() &&
		VARSIZE_ANY_EXHDR(site->name) == VARSIZE_ANY_EXHDR(name) &&
		memcmp(VARDATA_ANY(site->name), VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) == 0;
}

/* What its owner types to let the user ask by it. */
static char *
how_to_see(const QcTask *task)
{
	char	   *table = OidIsValid(task->source) ? get_rel_name(task->source) : NULL;

	if (table == NULL)
		return "Make a task of your own with SELECT qwen.create_task(...), or ask its owner for its labels.";
	return psprintf("Its owner types: GRANT SELECT ON %s TO %s.",
					quote_qualified_identifier(get_namespace_name(get_rel_namespace(task->source)), table),
					quote_identifier(GetUserNameFromId(GetUserId(), false)));
}

static void
check_visible(const QcTask *task)
{
	if (!qc_task_visible(task))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for task \"%s\"", task->name),
				 errdetail("A task is for its owner and for those who may read the table that it labels."),
				 errhint("%s", how_to_see(task))));
}

static QcSiteTask *
look_up(MemoryContext parent, const text *name)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "qwen_classify task of a call",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	QcSiteTask *site = (QcSiteTask *) palloc0(sizeof(QcSiteTask));
	char	   *words = text_to_cstring(name);

	site->cxt = cxt;
	site->name = cstring_to_text(words);
	site->userid = GetUserId();
	site->statement = qc_statement_serial();
	site->transaction = GetCurrentTransactionStartTimestamp();
	site->command = GetCurrentCommandId(false);
	site->task = qc_task_by_name(words, false);
	check_visible(site->task);
	qc_task_prompt_args(site->task, &site->args);
	MemoryContextSwitchTo(old);
	return site;
}

static const QcSiteTask *
task_of_site(QcSiteTask **site, MemoryContext parent, const text *name)
{
	if (*site && is_current(*site, name))
		return *site;
	if (*site)
		MemoryContextDelete((*site)->cxt);
	*site = NULL;
	*site = look_up(parent, name);
	return *site;
}

/* The task says it already: to say it again differently is no small matter. */
static void
refuse_with_task(const char *argument, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s cannot be given together with a task", argument),
			 errhint("Leave out %s, or leave out the task; to change the task, type: "
					 "SELECT qwen.alter_task(%s, %s => ...).",
					 argument, quote_literal_cstr(name), argument)));
}

static void
question_by_task(const QcSiteTask *site, QcQuestion *question, bool reason_given,
				 bool long_text_given, bool of_tree)
{
	int16		long_text = question->prompt.how.long_text;

	if (question->prompt.how.abstain)
		refuse_with_task("abstain", site->task->name);
	if (question->prompt.labels)
		refuse_with_task("labels", site->task->name);
	if (question->prompt.instructions)
		refuse_with_task("instructions", site->task->name);
	if (question->prompt.examples)
		refuse_with_task("examples", site->task->name);
	if (of_tree)
		refuse_with_task("tree, separator and min_confidence", site->task->name);
	question->prompt = site->args;
	if (long_text_given)
		question->prompt.how.long_text = long_text;
	if (!reason_given)
		question->with_reason = question->with_reason && site->task->with_reason;
	question->as_task = question->with_reason == site->task->with_reason &&
		question->prompt.how.long_text == site->args.how.long_text;
	if (question->server == NULL)
		question->server = site->task->server;
}

/* How a tree is asked about, from argument arg on; false: nothing is given. */
static bool
tree_arguments(FunctionCallInfo fcinfo, int arg, QcHow *how)
{
	bool		given;

	if (PG_NARGS() <= arg + 2)
		return false;
	given = !PG_ARGISNULL(arg) || !PG_ARGISNULL(arg + 1) || !PG_ARGISNULL(arg + 2);

	if (!PG_ARGISNULL(arg))
		how->tree = qc_tree_way(text_to_cstring(PG_GETARG_TEXT_PP(arg)));
	if (!PG_ARGISNULL(arg + 1))
	{
		char	   *separator = text_to_cstring(PG_GETARG_TEXT_PP(arg + 1));

		qc_check_separator(separator);
		qc_set_separator(how, separator);
	}
	if (!PG_ARGISNULL(arg + 2))
		how->min_confidence = PG_GETARG_FLOAT8(arg + 2);
	qc_check_min_confidence(how->min_confidence);
	return given;
}

/* A task that gives several labels has none to give alone. */
static void
refuse_several(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("task \"%s\" gives a text several labels", name),
			 errhint("Type: qwen_labels(..., task => %s); qwen_scores gives the probability of each.",
					 quote_literal_cstr(name))));
}

/* What else the call itself says of how to ask; true: of a tree. */
static bool
read_how(FunctionCallInfo fcinfo, QcAskFor what, int long_text, int abstain, QcHow *how)
{
	memset(how, 0, sizeof(QcHow));
	if (!PG_ARGISNULL(long_text))
		how->long_text = qc_long_text(PG_GETARG_TEXT_PP(long_text));
	if (what == QC_FOR_LABELS)
		how->multi = 1;
	/* a database that was made by an older script lacks the last arguments */
	else if (PG_NARGS() > abstain && !PG_ARGISNULL(abstain))
		how->abstain = PG_GETARG_BOOL(abstain);
	return what != QC_FOR_LABELS && tree_arguments(fcinfo, abstain + 1, how);
}

/* A task of one label may be asked for several, label by label. */
static void
ask_for(QcAskFor what, const char *name, QcQuestion *question)
{
	QcHow	   *how = &question->prompt.how;

	if (how->multi && (what == QC_FOR_ROW || what == QC_FOR_ANSWER || what == QC_FOR_LABEL))
		refuse_several(name);
	if (what == QC_FOR_LABELS)
	{
		how->multi = 1;
		how->abstain = how->orders = 0;
	}
}

/* qwen.answer(input, task) */
static void
question_of_answer(FunctionCallInfo fcinfo, QcSiteTask **task, MemoryContext parent, QcQuestion *question)
{
	const QcSiteTask *site;

	if (PG_ARGISNULL(1))
		(void) qc_task_argument(fcinfo, 1);
	site = task_of_site(task, parent, PG_GETARG_TEXT_PP(1));
	memset(question, 0, sizeof(QcQuestion));
	question->input = (text *) optional(fcinfo, 0, true);
	question->with_reason = true;
	question_by_task(site, question, false, false, false);
	ask_for(QC_FOR_ANSWER, site->task->name, question);
}

void
qc_question_of(FunctionCallInfo fcinfo, QcLabelForm form, QcAskFor what,
			   QcSiteTask **task, MemoryContext parent, QcQuestion *question)
{
	bool		has_reason = what == QC_FOR_ROW || what == QC_FOR_PREVIEW;
	int			server = has_reason || what == QC_FOR_LABELS ? 5 : 4;
	bool		reason_given = has_reason && !PG_ARGISNULL(4);
	int			named = server + 2;	/* a task, in the one form that can name it */
	const QcSiteTask *site;
	bool		of_tree;

	if (what == QC_FOR_ANSWER)
	{
		question_of_answer(fcinfo, task, parent, question);
		return;
	}
	memset(question, 0, sizeof(QcQuestion));
	question->input = (text *) optional(fcinfo, 0, true);
	question->prompt.form = form;
	question->prompt.labels = optional(fcinfo, 1, form == QC_LABELS_TEXT);
	question->prompt.instructions = optional(fcinfo, 2, true);
	question->prompt.examples = optional(fcinfo, 3, false);
	question->with_reason = has_reason && (!reason_given || PG_GETARG_BOOL(4));
	question->server = PG_ARGISNULL(server) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(server));
	of_tree = read_how(fcinfo, what, server + 1, named + (form == QC_LABELS_TEXT ? 1 : 0),
					   &question->prompt.how);

	/* the same of the task */
	if (form == QC_LABELS_TEXT && !PG_ARGISNULL(named))
	{
		site = task_of_site(task, parent, PG_GETARG_TEXT_PP(named));
		question_by_task(site, question, reason_given, !PG_ARGISNULL(server + 1), of_tree);
		ask_for(what, site->task->name, question);
	}
	else if (question->prompt.labels == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("labels must not be NULL"),
				 errhint("Give the labels as ARRAY['refund', 'bug'] or as JSON: '{\"refund\": \"wants money back\", \"bug\": null}'; or the name of a task: task => 'tickets'.")));
}

/* Of another server's answers it is another: a call may name one. */
const struct QcCalibration *
qc_question_calibration(QcSiteTask *task, const QcQuestion *question)
{
	Oid			serverid = question->endpoint->serverid;

	if (task == NULL || !question->as_task)
		return NULL;
	if (task->calibration_of == serverid)
		return task->calibration;
	if (task->calibration_cxt == NULL)
		task->calibration_cxt = AllocSetContextCreate(task->cxt, "qwen_classify calibration of a call",
													  ALLOCSET_SMALL_SIZES);
	task->calibration_of = InvalidOid;
	MemoryContextReset(task->calibration_cxt);
	task->calibration = qc_showing.read(task->task, serverid, task->calibration_cxt);
	task->calibration_of = serverid;
	return task->calibration;
}

double
qc_threshold_of(FunctionCallInfo fcinfo)
{
	double		threshold = PG_ARGISNULL(4) ? 0.5 : PG_GETARG_FLOAT8(4);

	/* so written, NaN is refused too */
	if (!(threshold >= 0 && threshold <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("threshold must be from 0 to 1"),
				 errhint("It is how probable a label must be to be given, for instance 0.5.")));
	return threshold;
}
