/*-------------------------------------------------------------------------
 *
 * bound.c
 *	  Where a text may be cut: between characters that stand by themselves.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/bound.h"

#include <stdbool.h>
#include <utf8proc.h>

#include "prompt/text.h"

/*
 * A cut moves this many characters at most to keep a base and its marks
 * together; longer stacks are no language.
 */
#define MAX_MARKS 16

size_t
qc_skip_chars(const char *s, size_t len, size_t at, size_t chars)
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

size_t
qc_bound_before(const char *s, size_t len, size_t at)
{
	size_t		end = at;
	int			i;

	for (i = 0; i < MAX_MARKS && splits(s, len, end); i++)
		end = back_one(s, end);
	return splits(s, len, end) ? at : end;
}

size_t
qc_bound_after(const char *s, size_t len, size_t at)
{
	size_t		start = at;
	int			i;

	for (i = 0; i < MAX_MARKS && splits(s, len, start); i++)
		start = qc_skip_chars(s, len, start, 1);
	return splits(s, len, start) ? at : start;
}
