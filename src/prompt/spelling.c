/*-------------------------------------------------------------------------
 *
 * spelling.c
 *	  How each label would be spelt at the place where the answer has one.
 *
 * Everything is compared as bytes: one token may hold an opening quote and a
 * label's first letters, or half a character, and no server cuts its tokens
 * where a label begins.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/spelling.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "prompt/buf.h"
#include "prompt/text.h"

#define SPACES " \t\r\n"

/* What may follow a label that stands free; in a string only its quote may. */
#define DELIMITERS SPACES "\"'`,}"

/*
 * White space round a name is left out: a span never has it, whatever the
 * label and the answer have.
 */
char *
qc_label_spelt(const QcAsked *asked, int label, const QcSpan *span)
{
	const char *name = asked->labels->label[label].name;
	size_t		start = 0;
	size_t		end;
	char		code[4];
	QcBuf		buf = {0};

	if (span->by_code)
		name = qc_label_code(label, asked->labels->n, code);
	end = strlen(name);
	qc_trim_space(name, &start, &end);
	if (!span->in_string)
		return qc_strndup(name + start, end - start);
	qc_buf_add_json(&buf, name + start, end - start);
	if (buf.failed)
	{
		free(buf.data);
		return NULL;
	}
	memmove(buf.data, buf.data + 1, buf.len - 2);
	buf.data[buf.len - 2] = '\0';
	return buf.data;
}

static bool
all_space(const char *s, size_t len)
{
	while (len > 0 && strchr(SPACES, s[len - 1]) != NULL)
		len--;
	return len == 0;
}

bool
qc_spelling_create(QcSpelling *spelling, const QcAsked *asked,
				   const QcSpan *span, const char *text, size_t from)
{
	int			i;

	memset(spelling, 0, sizeof(*spelling));
	spelling->before = span->start - from;
	spelling->loose = !span->in_string && all_space(text + from, spelling->before);
	spelling->in_string = span->in_string;
	spelling->any_case = span->any_case;
	spelling->text = calloc((size_t) asked->labels->n, sizeof(char *));
	spelling->len = calloc((size_t) asked->labels->n, sizeof(size_t));
	if (spelling->text == NULL || spelling->len == NULL)
		return false;
	spelling->n = asked->labels->n;
	for (i = 0; i < spelling->n; i++)
	{
		QcBuf		buf = {0};
		char	   *label = qc_label_spelt(asked, i, span);

		qc_buf_add(&buf, text + from, spelling->before);
		if (label != NULL)
			qc_buf_adds(&buf, label);
		buf.failed |= label == NULL;
		free(label);
		spelling->len[i] = buf.len;
		spelling->text[i] = qc_buf_take(&buf);
		if (spelling->text[i] == NULL)
			return false;
	}
	return true;
}

void
qc_spelling_free(QcSpelling *spelling)
{
	int			i;

	for (i = 0; i < spelling->n; i++)
		free(spelling->text[i]);
	free(spelling->text);
	free(spelling->len);
	memset(spelling, 0, sizeof(*spelling));
}

static bool
same(const QcSpelling *spelling, const char *a, const char *b, size_t len)
{
	return spelling->any_case ? strncasecmp(a, b, len) == 0 : memcmp(a, b, len) == 0;
}

static bool
is_delimiter(const QcSpelling *spelling, char c)
{
	return spelling->in_string ? c == '"' : c != '\0' && strchr(DELIMITERS, c) != NULL;
}

/* Labels that begin with the token; the end of the turn fits those that are complete. */
static int
fit_whole(const QcSpelling *spelling, const int *alive, int n, size_t depth,
		  const char *s, size_t len, int *set)
{
	int			found = 0;
	int			i;

	for (i = 0; i < n; i++)
	{
		size_t		rest = spelling->len[alive[i]] - depth;

		if (len == 0 ? rest == 0 : len <= rest &&
			same(spelling, spelling->text[alive[i]] + depth, s, len))
			set[found++] = alive[i];
	}
	return found;
}

/*
 * The label that ends within the token, before a delimiter.  Of several the
 * longest: "a, b" ends it where "a" does not.
 */
static int
fit_closed(const QcSpelling *spelling, const int *alive, int n, size_t depth,
		   const char *s, size_t len, int *set)
{
	size_t		longest = 0;
	int			found = 0;
	int			i;

	for (i = 0; i < n; i++)
	{
		size_t		rest = spelling->len[alive[i]] - depth;

		if (rest >= len || (found > 0 && rest < longest) ||
			!is_delimiter(spelling, s[rest]) ||
			!same(spelling, spelling->text[alive[i]] + depth, s, rest))
			continue;
		if (rest > longest)
			found = 0;
		longest = rest;
		set[found++] = alive[i];
	}
	return found;
}

int
qc_spelling_fit(const QcSpelling *spelling, const int *alive, int n,
				size_t depth, const QcToken *token, int *set, size_t *depth_after)
{
	const char *s = token->bytes;
	size_t		len = (size_t) token->len;
	int			found;

	if (spelling->loose && depth <= spelling->before && len > 0)
	{
		/* " refund" is "refund" to a reader; white space alone is no label. */
		depth = spelling->before;
		for (; len > 0 && *s && strchr(SPACES, *s) != NULL; s++)
			len--;
		if (len == 0)
			return 0;
	}
	*depth_after = depth + len;
	found = fit_whole(spelling, alive, n, depth, s, len, set);
	if (found == 0 && len > 0)
		found = fit_closed(spelling, alive, n, depth, s, len, set);
	return found;
}
