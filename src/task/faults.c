/*-------------------------------------------------------------------------
 *
 * faults.c
 *	  What is wrong with labels or examples, as an error that helps.
 *
 * One row for each QcStatus; the check in qc_fault_raise keeps table and enum
 * in step.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "common/errors.h"
#include "task/prompts.h"

#define HINT_LABELS "Write the labels as ARRAY['refund', 'bug'] or as JSON: '{\"refund\": \"wants money back\", \"bug\": \"something is broken\"}'."
#define HINT_TREE "Write labels within a label as its value: '{\"finance\": {\"stocks\": null, \"loans\": \"credit and mortgages\"}, \"sport\": null}'."
#define HINT_EXAMPLES "Write examples as a JSON array: '[{\"input\": \"I want my money back\", \"label\": \"refund\"}]'; confidence (0 to 1) and reason may be added."

#define MAX_WORDS 60			/* bytes of a label that a message repeats */

typedef struct QcFaultRow
{
	QcStatus	status;
	int			sqlstate;
	const char *message;
	const char *detail;			/* with %s: the fault's detail; may be NULL */
	const char *hint;
} QcFaultRow;

static const QcFaultRow fault_rows[] = {
	{QC_STATUS_NO_MEMORY, ERRCODE_OUT_OF_MEMORY,
		"out of memory", NULL, NULL},
	{QC_STATUS_BAD_UTF8, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
		"labels, instructions or examples are not valid UTF-8", "%s", NULL},
	{QC_STATUS_LABELS_EMPTY, ERRCODE_INVALID_PARAMETER_VALUE,
		"there are no labels", NULL, HINT_LABELS},
	{QC_STATUS_LABELS_TOO_MANY, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		"too many labels", "At most 1000 labels are possible in one call.", NULL},
	{QC_STATUS_LABELS_JSON, ERRCODE_INVALID_TEXT_REPRESENTATION,
		"labels are neither JSON nor an array", "They cannot be read from %s on.", HINT_LABELS},
	{QC_STATUS_LABELS_NESTED, ERRCODE_INVALID_PARAMETER_VALUE,
		"a member of an array of labels must be a string", NULL, HINT_TREE},
	{QC_STATUS_LABELS_DEEP, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		"labels are within each other too deeply", "The label is \"%s\"; at most 8 levels are possible.", NULL},
	{QC_STATUS_LABEL_CHILDLESS, ERRCODE_INVALID_PARAMETER_VALUE,
		"a label has an empty list of labels within it", "The label is \"%s\".",
	"Give it a description or null instead."},
	{QC_STATUS_LABEL_SEPARATOR, ERRCODE_INVALID_PARAMETER_VALUE,
		"a label in a tree holds the separator of paths", "The label is \"%s\".",
	"Choose another separator, for instance separator => ' > '."},
	{QC_STATUS_LABELS_DESCRIPTION, ERRCODE_INVALID_PARAMETER_VALUE,
		"a label's description must be a string or null", "The label is \"%s\".", HINT_LABELS},
	{QC_STATUS_LABEL_NULL, ERRCODE_NULL_VALUE_NOT_ALLOWED,
		"labels must not contain NULL", NULL,
	"Leave it out, for instance with array_remove(labels, NULL)."},
	{QC_STATUS_LABEL_BLANK, ERRCODE_INVALID_PARAMETER_VALUE,
		"a label is empty", NULL, HINT_LABELS},
	{QC_STATUS_LABEL_TOO_LONG, ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
		"a label is too long", "The label begins with \"%s\"; at most 200 characters are possible.",
	"Use a short label and say the rest in its description."},
	{QC_STATUS_LABEL_CONTROL, ERRCODE_INVALID_PARAMETER_VALUE,
		"a label holds a control character or a control token of the model", "The label is \"%s\".", NULL},
	{QC_STATUS_LABEL_DUPLICATE, ERRCODE_INVALID_PARAMETER_VALUE,
		"the same label is there twice", "The label is \"%s\".", NULL},
	{QC_STATUS_EXAMPLES_JSON, ERRCODE_INVALID_PARAMETER_VALUE,
		"examples are not a JSON array of objects", NULL, HINT_EXAMPLES},
	{QC_STATUS_EXAMPLE_INPUT, ERRCODE_INVALID_PARAMETER_VALUE,
		"an example has no text \"input\"", NULL, HINT_EXAMPLES},
	{QC_STATUS_EXAMPLE_LABEL, ERRCODE_INVALID_PARAMETER_VALUE,
		"an example's \"label\" is not one of the labels", "The label is \"%s\".", HINT_EXAMPLES},
	{QC_STATUS_EXAMPLE_CONFIDENCE, ERRCODE_INVALID_PARAMETER_VALUE,
		"an example's \"confidence\" is not a number from 0 to 1", NULL, HINT_EXAMPLES},
	{QC_STATUS_EXAMPLE_REASON, ERRCODE_INVALID_PARAMETER_VALUE,
		"an example's \"reason\" is not a text", NULL, HINT_EXAMPLES},
	{QC_STATUS_EXAMPLE_KEY, ERRCODE_INVALID_PARAMETER_VALUE,
		"an example has a key that means nothing", "The key is \"%s\".", HINT_EXAMPLES},
};

/* JSON all right, but a member of the array is a number, say. */
static const QcFaultRow not_a_string = {
	QC_STATUS_LABELS_JSON, ERRCODE_INVALID_PARAMETER_VALUE,
	"a label is not a string", NULL, HINT_LABELS
};

/* A member of the list is named shortly: the first characters are enough. */
static char *
short_words(const char *detail)
{
	char	   *words = qc_utf8_to_server(detail);
	int			len = (int) strlen(words);

	if (len <= MAX_WORDS)
		return words;
	return psprintf("%.*s...", pg_mbcliplen(words, len, MAX_WORDS), words);
}

/* The row's detail with what the fault knows: its own words, its position. */
static char *
fault_detail(const QcFaultRow *row, const QcFault *fault)
{
	StringInfoData buf;
	char	   *words = short_words(fault->detail);

	initStringInfo(&buf);
	if (row->detail && strstr(row->detail, "%s") == NULL)
		appendStringInfoString(&buf, row->detail);
	else if (row->detail && words[0] != '\0')
	{
		const char *gap = strstr(row->detail, "%s");

		appendBinaryStringInfo(&buf, row->detail, (int) (gap - row->detail));
		appendStringInfo(&buf, "%s%s", words, gap + 2);
	}
	if (fault->index >= 0)
		appendStringInfo(&buf, "%sIt is number %d of the list.",
						 buf.len > 0 ? " " : "", fault->index + 1);
	return buf.len > 0 ? buf.data : NULL;
}

void
qc_fault_raise(const QcFault *fault)
{
	for (size_t i = 0; i < lengthof(fault_rows); i++)
	{
		const QcFaultRow *row = &fault_rows[i];
		char	   *detail;

		if (row->status != fault->status)
			continue;
		if (fault->status == QC_STATUS_LABELS_JSON && fault->index >= 0)
			row = &not_a_string;
		detail = fault_detail(row, fault);
		ereport(ERROR,
				(errcode(row->sqlstate),
				 errmsg("%s", row->message),
				 detail ? errdetail("%s", detail) : 0,
				 row->hint ? errhint("%s", row->hint) : 0));
	}
	elog(ERROR, "unexpected status %d of a prompt", (int) fault->status);
}

/* Who writes the name of a task meant the task. */
void
qc_fault_raise_word(const char *word)
{
	QcTask	   *task = qc_task_by_name(word, true);

	if (task && !qc_task_visible(task))
		task = NULL;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("labels are neither JSON nor an array"),
			 task ? errdetail("There is a task of this name.") : 0,
			 task ? errhint("Type: task => %s.", quote_literal_cstr(word)) :
			 errhint("%s For the labels of a task, type: task => '...'.", HINT_LABELS)));
}
