/*-------------------------------------------------------------------------
 *
 * text.c
 *	  UTF-8: walking, clipping, mending and trimming.
 *
 * Written out rather than taken from utf8proc: half of the input is hostile,
 * and a bad byte must neither stop a walk nor be skipped unseen.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/text.h"

#include <string.h>

#include "prompt/buf.h"
#include "prompt/message.h"

/* Characters that people and models put round a label. */
static const uint32_t quotes[] = {
	'"', '\'', '`', 0xAB, 0xBB, 0x2018, 0x2019, 0x201A, 0x201C, 0x201D, 0x201E,
	0x300C, 0x300D, 0x300E, 0x300F, 0xFF02, 0xFF07
};

/* The length that a lead byte announces, 0 if it can never begin a character. */
static size_t
announced(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xC2 && lead <= 0xDF)
		return 2;
	if (lead >= 0xE0 && lead <= 0xEF)
		return 3;
	if (lead >= 0xF0 && lead <= 0xF4)
		return 4;
	return 0;
}

/* The second byte's range depends on the first: overlong forms, surrogates, the end. */
static bool
second_fits(unsigned char lead, unsigned char second)
{
	switch (lead)
	{
		case 0xE0:
			return second >= 0xA0;
		case 0xED:
			return second <= 0x9F;
		case 0xF0:
			return second >= 0x90;
		case 0xF4:
			return second <= 0x8F;
		default:
			return true;
	}
}

size_t
qc_utf8_char(const char *s, size_t len, uint32_t *c)
{
	static const unsigned char mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
	const unsigned char *u = (const unsigned char *) s;
	size_t		n = len > 0 ? announced(u[0]) : 0;
	uint32_t	value;
	size_t		i;

	if (n == 0 || n > len)
		return 0;
	value = u[0] & mask[n];
	for (i = 1; i < n; i++)
	{
		if ((u[i] & 0xC0) != 0x80)
			return 0;
		value = (value << 6) | (u[i] & 0x3F);
	}
	if (n > 1 && !second_fits(u[0], u[1]))
		return 0;
	if (c != NULL)
		*c = value;
	return n;
}

size_t
qc_utf8_put(char *to, uint32_t c)
{
	static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
	size_t		n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n - 1; i > 0; i--)
	{
		to[i] = (char) (0x80 | (c & 0x3F));
		c >>= 6;
	}
	to[0] = (char) (lead[n == 1 ? 0 : n] | c);
	return n;
}

size_t
qc_utf8_valid(const char *s, size_t len, size_t *chars)
{
	size_t		at = 0;
	size_t		n;

	if (chars != NULL)
		*chars = 0;
	while (at < len && (n = qc_utf8_char(s + at, len - at, NULL)) > 0)
	{
		at += n;
		if (chars != NULL)
			(*chars)++;
	}
	return at;
}

size_t
qc_utf8_clip(const char *s, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max > 0 && ((unsigned char) s[max] & 0xC0) == 0x80)
		max--;
	return max;
}

char *
qc_utf8_mend(const char *s, size_t len)
{
	QcBuf		buf = {0};
	/* The server's text type ends at a NUL, whatever follows. */
	const char *nul = len > 0 ? memchr(s, '\0', len) : NULL;
	size_t		at = 0;

	if (nul != NULL)
		len = (size_t) (nul - s);
	while (at < len)
	{
		size_t		good = qc_utf8_valid(s + at, len - at, NULL);

		qc_buf_add(&buf, s + at, good);
		at += good;
		if (at < len)
		{
			qc_buf_adds(&buf, QC_REPLACEMENT);
			at++;
		}
	}
	return qc_buf_take(&buf);
}

/* Unicode's White_Space, and the byte order mark that some servers prepend. */
bool
qc_is_space(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0D) || c == ' ' || c == 0x85 || c == 0xA0 ||
		c == 0x1680 || (c >= 0x2000 && c <= 0x200B) || c == 0x2028 ||
		c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000 || c == 0xFEFF;
}

static bool
is_quote(uint32_t c)
{
	size_t		i;

	for (i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++)
	{
		if (quotes[i] == c)
			return true;
	}
	return false;
}

/* The character that ends at s + end, 0 if there is none; *n gets its bytes. */
static uint32_t
char_before(const char *s, size_t start, size_t end, size_t *n)
{
	uint32_t	c = 0;
	size_t		at = end;

	while (at > start && end - at < 4)
	{
		at--;
		*n = qc_utf8_char(s + at, end - at, &c);
		if (*n == end - at)
			return c;
		if (((unsigned char) s[at] & 0xC0) != 0x80)
			break;
	}
	*n = 0;
	return 0;
}

/* A byte that is no character stops the trimming: it is neither space nor quote. */
static void
trim(const char *s, size_t *start, size_t *end, bool (*off) (uint32_t))
{
	uint32_t	c;
	size_t		n;

	while (*start < *end &&
		   (n = qc_utf8_char(s + *start, *end - *start, &c)) > 0 && off(c))
		*start += n;
	for (;;)
	{
		c = char_before(s, *start, *end, &n);
		if (n == 0 || !off(c))
			break;
		*end -= n;
	}
}

void
qc_trim_space(const char *s, size_t *start, size_t *end)
{
	trim(s, start, end, qc_is_space);
}

static bool
is_space_or_quote(uint32_t c)
{
	return qc_is_space(c) || is_quote(c);
}

void
qc_trim_quotes(const char *s, size_t *start, size_t *end)
{
	trim(s, start, end, is_space_or_quote);
}
