/*-------------------------------------------------------------------------
 *
 * fuzz_text.c
 *	  Rows, labels and examples through the making of the messages.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/level.h"
#include "prompt/message.h"
#include "prompt/segment.h"
#include "prompt/suspect.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_message(const char *s, size_t len, size_t max)
{
	bool		cut;
	char	   *message = qc_user_message(s, len, max, &cut);
	size_t		n = strlen(message);

	MUST(qc_utf8_valid(message, n, NULL) == n);
	MUST(strstr(message, "<|im_end|>") == NULL && strstr(message, "<think>") == NULL);
	MUST(n <= len * 2 + 8);
	free(message);
}

/* What is left of a text is text, and of an ordinary one it is all of it. */
static void
try_orders(const char *s, size_t len)
{
	const char *const name[] = {"refund", "card_arrival", "\xE5\xB7\xAE\xE8\xAF\x84"};
	QcFault		fault;
	QcLabels   *labels = qc_labels_from_names(name, 3, &fault);
	char	   *rest = qc_suspect_without(s, len, labels);
	size_t		n = strlen(rest);

	MUST(qc_utf8_valid(rest, n, NULL) == n);
	MUST(qc_suspect(s, len, labels) || (n == len && memcmp(rest, s, n) == 0));
	free(rest);
	qc_labels_free(labels);
}

/* Every level of a tree, as it would be asked. */
static void
try_levels(QcPrompt *prompt)
{
	const QcLabels *labels = prompt->labels;

	for (int i = 0; i < labels->n; i++)
		MUST(labels->label[i].parent < i && labels->label[i].own < strlen(labels->label[i].name));
	for (int i = QC_ROOT; i < labels->n; i++)
	{
		const QcLevel *level = i < 0 || labels->label[i].nchildren > 0 ? qc_prompt_level(prompt, i) : NULL;
		const char *system = level ? qc_prompt_system(level->prompt, QC_MODE_REASON, false) : "";

		MUST(level == NULL || level->prompt->labels->n > 0);
		MUST(qc_utf8_valid(system, strlen(system), NULL) == strlen(system));
		MUST(strstr(system, "<|im_end|>") == NULL);
	}
}

/* Pieces are within the text, in order, valid, not too long. */
static void
try_segments(const char *s, size_t len, size_t max)
{
	size_t		n;
	QcSegment  *segment = qc_segments(s, len, max, &n);

	for (size_t i = 0; i < n; i++)
	{
		size_t		size = segment[i].end - segment[i].start;
		size_t		chars;

		MUST(segment[i].start < segment[i].end && segment[i].end <= len);
		MUST(i == 0 || (segment[i].start > segment[i - 1].start && segment[i].end > segment[i - 1].end));
		MUST(qc_utf8_valid(s + segment[i].start, size, &chars) == size && chars <= max);
	}
	free(segment);
}

static void
try_prompt(const char *s, size_t len)
{
	QcFault		fault = {0};
	QcLabels   *labels = qc_labels_from_json(s, len, "/", &fault);
	QcPrompt   *prompt;
	char	   *copy = malloc(len + 1);
	int			mode;

	memcpy(copy, s, len);
	copy[len] = '\0';
	MUST((labels == NULL) == (fault.status != QC_STATUS_OK));
	MUST(qc_utf8_valid(fault.detail, strlen(fault.detail), NULL) == strlen(fault.detail));
	if (labels == NULL)
	{
		const char *const name[] = {"refund", "bug"};

		labels = qc_labels_from_names(name, 2, &fault);
	}
	else
		MUST(qc_labels_find(labels, labels->label[0].name, strlen(labels->label[0].name)) == 0);
	qc_labels_find(labels, s, len);
	prompt = qc_prompt_create(labels, copy, len % 2 ? copy : NULL, len % 3 == 0, &fault);
	for (mode = 0; prompt != NULL && mode < QC_N_MODES; mode++)
	{
		const char *system = qc_prompt_system(prompt, (QcMode) mode, len % 5 == 0);

		MUST(qc_utf8_valid(system, strlen(system), NULL) == strlen(system));
		MUST(strstr(system, "<|im_end|>") == NULL);
	}
	if (prompt != NULL && prompt->labels->tree)
		try_levels(prompt);
	qc_prompt_free(prompt);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t		len;

	if (size < 1)
		return 0;
	len = qc_utf8_valid((const char *) data + 1, size - 1, NULL);
	if (memchr(data + 1, '\0', len) == NULL)
	{
		try_message((const char *) data + 1, len, data[0]);
		try_orders((const char *) data + 1, len);
		try_segments((const char *) data + 1, len, (size_t) data[0] + 1);
	}
	try_prompt((const char *) data + 1, size - 1);
	return 0;
}
