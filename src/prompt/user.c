/*-------------------------------------------------------------------------
 *
 * user.c
 *	  The user message: the row's text, cut and defused.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "prompt/buf.h"
#include "prompt/defuse.h"
#include "prompt/message.h"
#include "prompt/text.h"

/*
 * A cut moves this many characters at most to keep a base and its marks
 * together; longer stacks are no language.
 */
#define MAX_MARKS 16

static size_t
skip_chars(const char *s, size_t len, size_t at, size_t chars)
{
	while (chars-- > 0 && at < len)
		at += qc_utf8_char(s + at, len - at, NULL);
	return at;
}

static size_t
back_one(const char *s, size_t at)
{
	do
		at--;
	while (at > 0 && ((unsigned char) s[at] & 0xC0) == 0x80);
	return at;
}

/* Whether the character at s + at only makes sense after the one before it. */
static bool
is_mark(const char *s, size_t len, size_t at)
{
	uint32_t	c = 0;

	qc_utf8_char(s + at, len - at, &c);
	switch (utf8proc_get_property((utf8proc_int32_t) c)->boundclass)
	{
		case UTF8PROC_BOUNDCLASS_EXTEND:
		case UTF8PROC_BOUNDCLASS_ZWJ:
		case UTF8PROC_BOUNDCLASS_SPACINGMARK:
			return true;
		default:
			return false;
	}
}

static bool
splits(const char *s, size_t len, size_t at)
{
	uint32_t	c = 0;
	size_t		before;

	if (at == 0 || at >= len)
		return false;
	before = back_one(s, at);
	qc_utf8_char(s + before, at - before, &c);
	return c == 0x200D || is_mark(s, len, at);
}

/* The end of the head: earlier rather than between a base and its marks. */
static size_t
head_end(const char *s, size_t len, size_t at)
{
	size_t		end = at;
	int			i;

	for (i = 0; i < MAX_MARKS && splits(s, len, end); i++)
		end = back_one(s, end);
	return splits(s, len, end) ? at : end;
}

/* The start of the tail: later, for the same reason. */
static size_t
tail_start(const char *s, size_t len, size_t at)
{
	size_t		start = at;
	int			i;

	for (i = 0; i < MAX_MARKS && splits(s, len, start); i++)
		start = skip_chars(s, len, start, 1);
	return splits(s, len, start) ? at : start;
}

char *
qc_user_message(const char *text, size_t len, size_t max_chars, bool *was_cut)
{
	QcBuf		buf = {0};
	size_t		chars;
	size_t		head;
	size_t		tail;

	len = qc_utf8_valid(text, len, &chars);
	*was_cut = max_chars > 0 && chars > max_chars;
	if (!*was_cut)
	{
		qc_defuse(&buf, text, len);
		return qc_buf_take(&buf);
	}
	tail = max_chars / 4;
	head = skip_chars(text, len, 0, max_chars - tail);
	tail = skip_chars(text, len, head, chars - max_chars);
	head = head_end(text, len, head);
	tail = tail_start(text, len, tail);
	qc_defuse(&buf, text, head);
	qc_buf_adds(&buf, "\n[...]\n");
	qc_defuse(&buf, text + tail, len - tail);
	return qc_buf_take(&buf);
}

/* The text first: up to the question, all questions about it begin alike. */
char *
qc_prompt_user(const QcPrompt *prompt, const char *text, size_t len,
			   size_t max_chars, bool *was_cut)
{
	char	   *message = qc_user_message(text, len, max_chars, was_cut);
	size_t		before;
	char	   *whole;

	if (message == NULL || prompt->question == NULL)
		return message;
	before = strlen(message);
	whole = realloc(message, before + strlen(prompt->question) + 1);
	if (whole == NULL)
		free(message);
	else
		strcpy(whole + before, prompt->question);
	return whole;
}
