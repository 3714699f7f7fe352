/*-------------------------------------------------------------------------
 *
 * find.c
 *	  Which label an answer means.
 *
 * An answer is taken for a label only if they are the same word to a reader:
 * other case, width, quotes or composition.  A label that merely occurs in
 * the answer is never taken: "not spam" contains "spam".
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "prompt/labels.h"
#include "prompt/text.h"

/* Longer answers are no label, whatever folding does to them. */
#define MAX_ANSWER_BYTES (QC_MAX_LABEL_CHARS * 4 * 4)

static int
find_exact(const QcLabels *labels, const char *answer, size_t len)
{
	int			i;

	for (i = 0; i < labels->n; i++)
	{
		if (strncmp(labels->label[i].name, answer, len) == 0 &&
			labels->label[i].name[len] == '\0')
			return i;
	}
	return -1;
}

/* NFKC_Casefold of the text between its quotes, malloc'ed; NULL: impossible. */
static char *
fold(const char *s, size_t len)
{
	utf8proc_uint8_t *folded = NULL;
	size_t		start = 0;

	qc_trim_quotes(s, &start, &len);
	if (len == start)
		return NULL;
	if (utf8proc_map((const utf8proc_uint8_t *) s + start,
					 (utf8proc_ssize_t) (len - start), &folded,
					 UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT |
					 UTF8PROC_CASEFOLD | UTF8PROC_IGNORE) < 0)
		return NULL;
	return (char *) folded;
}

static int
find_folded(const QcLabels *labels, const char *answer, size_t len)
{
	char	   *wanted = fold(answer, len);
	int			found = -1;
	int			i;

	for (i = 0; wanted != NULL && i < labels->n; i++)
	{
		const char *name = labels->label[i].name;
		char	   *folded = fold(name, strlen(name));
		bool		same = folded != NULL && strcmp(folded, wanted) == 0;

		free(folded);
		if (!same)
			continue;
		if (found >= 0)
		{
			found = -1;			/* two labels fold to it: it means neither */
			break;
		}
		found = i;
	}
	free(wanted);
	return found;
}

int
qc_labels_find(const QcLabels *labels, const char *answer, size_t len)
{
	size_t		start = 0;
	size_t		end = len;
	int			found;

	if (len == 0 || len > MAX_ANSWER_BYTES || memchr(answer, '\0', len) != NULL)
		return -1;
	found = find_exact(labels, answer, len);
	if (found >= 0)
		return found;
	qc_trim_space(answer, &start, &end);
	found = find_exact(labels, answer + start, end - start);
	if (found >= 0)
		return found;
	qc_trim_quotes(answer, &start, &end);
	found = find_exact(labels, answer + start, end - start);
	if (found >= 0)
		return found;
	return find_folded(labels, answer, len);
}
