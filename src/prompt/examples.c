/*-------------------------------------------------------------------------
 *
 * examples.c
 *	  The examples of a prompt: reading them, and writing them into it.
 *
 * An example's text is shown as a JSON string: whatever is in it, a line
 * "Answer:" of its own cannot be mistaken for ours.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/examples.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/fault.h"
#include "prompt/json.h"

static bool
fault_in(QcFault *fault, QcStatus status, int i, const char *detail)
{
	return qc_fault(fault, status, i, detail, strlen(detail));
}

/* A misspelt key would silently lose what it was to say. */
static bool
check_keys(const cJSON *object, int i, QcFault *fault)
{
	static const char *const known[] = {"input", "label", "confidence", "reason"};
	const cJSON *member;
	size_t		k;

	cJSON_ArrayForEach(member, object)
	{
		for (k = 0; k < 4 && strcmp(member->string, known[k]) != 0; k++)
			continue;
		if (k == 4)
			return fault_in(fault, QC_STATUS_EXAMPLE_KEY, i, member->string);
	}
	return true;
}

/* To the letter: an example teaches how the label is written. */
static int
exact_label(const QcLabels *labels, const char *name)
{
	int			i;

	for (i = 0; name != NULL && i < labels->n; i++)
	{
		if (strcmp(labels->label[i].name, name) == 0)
			return i;
	}
	return -1;
}

static bool
read_confidence(const cJSON *object, QcExample *example, int i, QcFault *fault)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, "confidence");

	example->confidence = NAN;
	if (value == NULL || cJSON_IsNull(value))
		return true;
	if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0 && value->valuedouble <= 1))
		return fault_in(fault, QC_STATUS_EXAMPLE_CONFIDENCE, i, "");
	example->confidence = value->valuedouble;
	return true;
}

static bool
read_reason(const cJSON *object, QcExample *example, int i, QcFault *fault)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, "reason");
	const char *reason = cJSON_GetStringValue(value);

	if (value == NULL || cJSON_IsNull(value) || (reason != NULL && reason[0] == '\0'))
		return true;
	if (reason == NULL)
		return fault_in(fault, QC_STATUS_EXAMPLE_REASON, i, "");
	example->reason = qc_strndup(reason, strlen(reason));
	if (example->reason == NULL)
		return fault_in(fault, QC_STATUS_NO_MEMORY, i, "");
	return true;
}

static bool
read_example(const cJSON *object, const QcLabels *labels, QcExample *example,
			 int i, QcFault *fault)
{
	const char *input = qc_json_string(object, "input");
	const char *label = qc_json_string(object, "label");

	if (!cJSON_IsObject(object))
		return fault_in(fault, QC_STATUS_EXAMPLES_JSON, i, "");
	if (!check_keys(object, i, fault))
		return false;
	if (input == NULL)
		return fault_in(fault, QC_STATUS_EXAMPLE_INPUT, i, "");
	example->label = cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(object, "label")) &&
		labels->abstains ? labels->n - 1 : exact_label(labels, label);
	if (example->label < 0)
		return fault_in(fault, QC_STATUS_EXAMPLE_LABEL, i, label != NULL ? label : "");
	example->input = qc_strndup(input, strlen(input));
	if (example->input == NULL)
		return fault_in(fault, QC_STATUS_NO_MEMORY, i, "");
	return read_confidence(object, example, i, fault) &&
		read_reason(object, example, i, fault);
}

static bool
read_array(QcPrompt *prompt, const cJSON *tree, QcFault *fault)
{
	const cJSON *object;
	int			n = cJSON_GetArraySize(tree);
	int			i = 0;

	if (!cJSON_IsArray(tree))
		return fault_in(fault, QC_STATUS_EXAMPLES_JSON, -1, "");
	if (n == 0)
		return true;
	prompt->example = calloc((size_t) n, sizeof(QcExample));
	if (prompt->example == NULL)
		return fault_in(fault, QC_STATUS_NO_MEMORY, -1, "");
	prompt->nexamples = n;
	cJSON_ArrayForEach(object, tree)
	{
		if (!read_example(object, prompt->labels, &prompt->example[i], i, fault))
			return false;
		i++;
	}
	return true;
}

bool
qc_examples_read(QcPrompt *prompt, const char *json, QcFault *fault)
{
	size_t		len = strlen(json);
	size_t		where = qc_utf8_valid(json, len, NULL);
	cJSON	   *tree;
	bool		good;

	if (where < len)
		return qc_fault_at(fault, QC_STATUS_BAD_UTF8, -1, where);
	if (qc_json_has_nul(json, len))
		return fault_in(fault, QC_STATUS_EXAMPLES_JSON, -1, "\\u0000");
	tree = qc_json_parse(json, len, &where);
	if (tree == NULL)
		return qc_fault_at(fault, QC_STATUS_EXAMPLES_JSON, -1, where);
	good = read_array(prompt, tree, fault);
	cJSON_Delete(tree);
	return good;
}

void
qc_examples_free(QcPrompt *prompt)
{
	int			i;

	for (i = 0; i < prompt->nexamples; i++)
	{
		free(prompt->example[i].input);
		free(prompt->example[i].reason);
	}
	free(prompt->example);
	prompt->example = NULL;
	prompt->nexamples = 0;
}

/*
 * An answer shows what its author gave and nothing more: a confidence or a
 * reason made up here would be learnt.
 */
static void
write_answer(QcBuf *buf, const QcExample *example, const char *label, QcMode mode)
{
	char		percent[32];

	if (mode == QC_MODE_LABEL)
	{
		qc_buf_adds(buf, label);
		return;
	}
	qc_buf_adds(buf, "{\"label\": ");
	qc_buf_add_json(buf, label, strlen(label));
	if (mode != QC_MODE_REASON && !isnan(example->confidence))
	{
		snprintf(percent, sizeof(percent), ", \"confidence\": %d",
				 (int) lround(example->confidence * 100));
		qc_buf_adds(buf, percent);
	}
	if (mode != QC_MODE_VERBAL && example->reason != NULL)
	{
		qc_buf_adds(buf, ", \"reason\": ");
		qc_buf_add_json(buf, example->reason, strlen(example->reason));
	}
	qc_buf_adds(buf, "}");
}

void
qc_example_answer(QcBuf *buf, const QcPrompt *prompt, const QcExample *example, QcMode mode)
{
	char		code[4];

	write_answer(buf, example,
				 prompt->codes ? qc_label_code(example->label, prompt->labels->n, code)
				 : prompt->labels->label[example->label].name, mode);
}

void
qc_example_write(QcBuf *buf, const QcPrompt *prompt, const QcExample *example, QcMode mode)
{
	qc_buf_adds(buf, "Text: ");
	qc_buf_add_json(buf, example->input, strlen(example->input));
	qc_buf_adds(buf, "\nAnswer: ");
	qc_example_answer(buf, prompt, example, mode);
	qc_buf_adds(buf, "\n");
}
