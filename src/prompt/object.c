/*-------------------------------------------------------------------------
 *
 * object.c
 *	  The JSON object in an answer, read leniently and with its places.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/object.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "prompt/buf.h"
#include "prompt/text.h"

/* Braces that may turn out to be prose; each costs a scan of the answer. */
#define MAX_ATTEMPTS 32

typedef struct Scan
{
	const char *text;
	size_t		at;
	size_t		end;
} Scan;

static void
skip_space(Scan *scan)
{
	while (scan->at < scan->end && strchr(" \t\r\n", scan->text[scan->at]) != NULL)
		scan->at++;
}

/* Take the character if it is next. */
static bool
take(Scan *scan, char c)
{
	skip_space(scan);
	if (scan->at >= scan->end || scan->text[scan->at] != c)
		return false;
	scan->at++;
	return true;
}

/* The rest of a string whose opening quote is taken; raw line breaks are text. */
static QcValue
rest_of_string(Scan *scan)
{
	QcValue		value = {true, true, false, scan->at, scan->end};

	while (scan->at < scan->end && scan->text[scan->at] != '"')
		scan->at += scan->text[scan->at] == '\\' ? 2 : 1;
	if (scan->at >= scan->end)
	{
		scan->at = scan->end;
		value.cut = true;
		return value;
	}
	value.end = scan->at++;
	return value;
}

/*
 * The rest of a reason.  Models quote the text in it and forget to escape the
 * quotes, so one that the object does not go on after is part of the text.
 */
static QcValue
rest_of_reason(Scan *scan)
{
	QcValue		value = rest_of_string(scan);
	size_t		start = value.start;

	while (!value.cut)
	{
		size_t		end = scan->at;

		skip_space(scan);
		if (scan->at >= scan->end || strchr(",}]", scan->text[scan->at]) != NULL)
			break;
		scan->at = end;
		value = rest_of_string(scan);
		value.start = start;
	}
	return value;
}

/* A number, a word, or a nested value, which ends with the last of its brackets. */
static QcValue
bare_value(Scan *scan)
{
	QcValue		value = {true, false, false, scan->at, scan->end};
	int			depth = 0;

	while (scan->at < scan->end)
	{
		char		c = scan->text[scan->at];

		if (depth == 0 && (c == ',' || c == '}' || c == ']'))
			break;
		scan->at++;
		if (c == '"')
			rest_of_string(scan);
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
	}
	value.end = scan->at;
	value.cut = scan->at >= scan->end;
	qc_trim_space(scan->text, &value.start, &value.end);
	return value;
}

/* Models capitalise keys that they were shown in lower case. */
static QcValue *
member_named(QcObject *object, const char *key, size_t len)
{
	if (len == 5 && strncasecmp(key, "label", len) == 0)
		return &object->label;
	if (len == 10 && strncasecmp(key, "confidence", len) == 0)
		return &object->confidence;
	if (len == 6 && strncasecmp(key, "reason", len) == 0)
		return &object->reason;
	return NULL;
}

/*
 * Members up to the closing brace, the end of the text or the first thing
 * that is not JSON; what was read until then counts.
 */
static void
read_members(Scan *scan, QcObject *out)
{
	memset(out, 0, sizeof(*out));
	do
	{
		QcValue		key;
		QcValue		value;
		QcValue    *member;

		if (!take(scan, '"'))
			break;
		key = rest_of_string(scan);
		if (!take(scan, ':'))
			break;
		skip_space(scan);
		member = member_named(out, scan->text + key.start, key.end - key.start);
		if (!take(scan, '"'))
			value = bare_value(scan);
		else
			value = member == &out->reason ? rest_of_reason(scan) : rest_of_string(scan);
		if (member != NULL && !member->there && value.start < scan->end)
			*member = value;
	} while (take(scan, ','));
	out->whole = take(scan, '}');
	skip_space(scan);
	out->cut = !out->whole && scan->at >= scan->end;
	if (!out->whole && !out->cut)
		out->reason.there = false;	/* what follows is not JSON: where did it end? */
}

/* The place after the next c from at on, 0: none. */
static size_t
after_next(const char *text, size_t at, size_t end, char c)
{
	const char *found = at < end ? memchr(text + at, c, end - at) : NULL;

	return found != NULL ? (size_t) (found - text) + 1 : 0;
}

bool
qc_object_read(const char *text, size_t start, size_t end, QcObject *out)
{
	Scan		scan = {text, start, end};
	size_t		at = start;
	int			i;

	for (i = 0; i < MAX_ATTEMPTS && (at = after_next(text, at, end, '{')) > 0; i++)
	{
		scan.at = at;
		read_members(&scan, out);
		if (out->label.there)
			return true;
	}
	at = start;
	for (i = 0; i < MAX_ATTEMPTS && (at = after_next(text, at, end, '"')) > 0; i++)
	{
		if (end - at < 5 || strncasecmp(text + at, "label", 5) != 0)
			continue;
		scan.at = at - 1;
		read_members(&scan, out);
		if (out->label.there)
			return true;
	}
	return false;
}

/* Four hexadecimal digits at s, -1 if they are not. */
static int32_t
hex4(const char *s, size_t len)
{
	int32_t		value = 0;
	int			i;

	if (len < 4)
		return -1;
	for (i = 0; i < 4; i++)
	{
		char		c = s[i];

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* One character as UTF-8; c is no surrogate and at most U+10FFFF. */
static void
add_char(QcBuf *buf, uint32_t c)
{
	char		utf8[4];

	if (c < 0x80)
		utf8[0] = (char) c;
	else if (c < 0x800)
		utf8[0] = (char) (0xC0 | (c >> 6));
	else if (c < 0x10000)
		utf8[0] = (char) (0xE0 | (c >> 12));
	else
		utf8[0] = (char) (0xF0 | (c >> 18));
	utf8[1] = (char) (0x80 | ((c >> (c < 0x800 ? 0 : c < 0x10000 ? 6 : 12)) & 0x3F));
	utf8[2] = (char) (0x80 | ((c >> (c < 0x10000 ? 0 : 6)) & 0x3F));
	utf8[3] = (char) (0x80 | (c & 0x3F));
	qc_buf_add(buf, utf8, c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
}

/*
 * An escaped code unit at s (after the "\u"), or a pair of them.  Half a pair
 * is no character.  Returns the bytes taken, 0 if it ends the text: not hex,
 * or a NUL.
 */
static size_t
unescape_unicode(QcBuf *buf, const char *s, size_t len)
{
	int32_t		c = hex4(s, len);
	int32_t		low = -1;

	if (c <= 0)
		return 0;
	if (c >= 0xD800 && c < 0xDC00 && len >= 10 && s[4] == '\\' && s[5] == 'u')
		low = hex4(s + 6, len - 6);
	if (low >= 0xDC00 && low < 0xE000)
	{
		add_char(buf, 0x10000 + (((uint32_t) c - 0xD800) << 10) + ((uint32_t) low - 0xDC00));
		return 10;
	}
	if (c >= 0xD800 && c < 0xE000)
		qc_buf_adds(buf, QC_REPLACEMENT);
	else
		add_char(buf, (uint32_t) c);
	return 4;
}

char *
qc_unescape(const char *s, size_t len)
{
	static const char named[] = "b\bf\fn\nr\rt\t";
	QcBuf		buf = {0};
	size_t		at = 0;

	while (at < len && s[at] != '\0')
	{
		const char *name;
		size_t		n;

		if (s[at] != '\\' || at + 1 >= len)
		{
			qc_buf_add(&buf, s + at, s[at] != '\\');
			at++;
			continue;
		}
		at += 2;
		if (s[at - 1] == 'u')
		{
			n = unescape_unicode(&buf, s + at, len - at);
			if (n == 0)
				break;
			at += n;
			continue;
		}
		for (name = named; *name && *name != s[at - 1]; name += 2)
			continue;
		qc_buf_add(&buf, *name ? name + 1 : s + at - 1, 1);
	}
	return qc_buf_take(&buf);
}
