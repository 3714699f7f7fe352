/*-------------------------------------------------------------------------
 *
 * clean_space.c
 *	  Runs of one sign, and white space.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/clean_stage.h"

#include <string.h>

#include <utf8proc.h>

#include "prompt/text.h"

#define MOST 3					/* of one sign in a row: "!!!" says as much as more of them */

/* Punctuation and signs of all scripts, emoji among them. */
static bool
is_sign(uint32_t c)
{
	utf8proc_category_t category;

	if (c < 0x80)
		return c > 0x20 && c < 0x7F && !((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'));
	category = utf8proc_category((utf8proc_int32_t) c);
	return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_SO;
}

bool
qc_clean_punctuation(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out)
{
	bool		changed = false;
	uint32_t	last = 0;
	size_t		run = 0;
	size_t		from = 0;
	size_t		at = 0;

	(void) options;
	while (at < len)
	{
		uint32_t	c = 0;
		size_t		n = 1;

		if ((unsigned char) s[at] < 0x80)
			c = (unsigned char) s[at];
		else
			n = qc_utf8_char(s + at, len - at, &c);
		run = c == last ? run + 1 : 1;
		last = c;
		if (run > MOST && is_sign(c))
		{
			changed = true;
			if (at > from)
				qc_buf_add(out, s + from, at - from);
			from = at + n;
		}
		at += n > 0 ? n : 1;
	}
	qc_buf_add(out, s + from, len - from);
	return changed;
}

/* Characters without a width are the controls stage's. */
static bool
is_seen_space(uint32_t c)
{
	return qc_is_space(c) && c != 0x200B && c != 0xFEFF;
}

/* Bytes of what is no white space at s; *c and *n: the character that it ends at. */
static size_t
word_length(const char *s, size_t len, uint32_t *c, size_t *n)
{
	size_t		at = 0;

	for (; at < len; at += *n)
	{
		*c = (unsigned char) s[at];
		*n = *c > ' ' && *c < 0x80 ? 1 : qc_utf8_char(s + at, len - at, c);
		if (*n == 0 || is_seen_space(*c))
			break;
	}
	return at;
}

bool
qc_clean_space(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out)
{
	bool		space = false;
	int			newlines = 0;
	size_t		at = 0;

	(void) options;
	while (at < len)
	{
		size_t		from = at;
		uint32_t	c = 0;
		size_t		n = 0;

		at += word_length(s + at, len - at, &c, &n);
		if (at > from)
		{
			if (out->len > 0 && newlines > 0)
				qc_buf_add(out, "\n\n", newlines > 1 ? 2 : 1);
			else if (out->len > 0 && space)
				qc_buf_add(out, " ", 1);
			qc_buf_add(out, s + from, at - from);
			space = false;
			newlines = 0;
		}
		if (at < len)
		{
			space = true;
			newlines += c == '\n';
			at += n > 0 ? n : 1;
		}
	}
	return out->len != len || (len > 0 && memcmp(out->data, s, len) != 0);
}
