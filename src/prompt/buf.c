/*-------------------------------------------------------------------------
 *
 * buf.c
 *	  A growing piece of text.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Doubling, so that a message with 1,000 labels takes a few steps. */
bool
qc_buf_reserve(QcBuf *buf, size_t more)
{
	size_t		need = buf->len + more + 1;
	size_t		size = buf->size ? buf->size : 256;
	char	   *data;

	if (buf->failed)
		return false;
	if (need <= buf->size)
		return true;
	while (size < need)
		size *= 2;
	data = realloc(buf->data, size);
	if (data == NULL)
	{
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->size = size;
	return true;
}

void
qc_buf_add(QcBuf *buf, const char *s, size_t len)
{
	if (!qc_buf_reserve(buf, len))
		return;
	if (len > 0)
		memcpy(buf->data + buf->len, s, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void
qc_buf_adds(QcBuf *buf, const char *s)
{
	qc_buf_add(buf, s, strlen(s));
}

/*
 * Servers print labels with the fewest escapes that JSON allows, and the
 * search for a label in an answer compares bytes: so nothing but the quote,
 * the backslash and control characters is escaped here.
 */
static void
add_json_escape(QcBuf *buf, unsigned char c)
{
	static const char named[] = "\bb\tt\nn\ff\rr\"\"\\\\";
	char		escape[8];
	const char *p;

	for (p = named; *p; p += 2)
	{
		if ((unsigned char) *p == c)
		{
			escape[0] = '\\';
			escape[1] = p[1];
			qc_buf_add(buf, escape, 2);
			return;
		}
	}
	snprintf(escape, sizeof(escape), "\\u%04x", c);
	qc_buf_adds(buf, escape);
}

/* Whole runs at a time: most texts have no character to escape. */
void
qc_buf_add_json(QcBuf *buf, const char *s, size_t len)
{
	size_t		at = 0;

	qc_buf_add(buf, "\"", 1);
	while (at < len)
	{
		size_t		from = at;

		while (at < len && (unsigned char) s[at] >= 0x20 && s[at] != '"' && s[at] != '\\')
			at++;
		qc_buf_add(buf, s + from, at - from);
		if (at < len)
			add_json_escape(buf, (unsigned char) s[at++]);
	}
	qc_buf_add(buf, "\"", 1);
}

char *
qc_buf_take(QcBuf *buf)
{
	char	   *data;

	qc_buf_add(buf, "", 0);
	data = buf->data;
	if (buf->failed)
	{
		free(data);
		data = NULL;
	}
	memset(buf, 0, sizeof(*buf));
	return data;
}

char *
qc_strndup(const char *s, size_t len)
{
	char	   *copy = malloc(len + 1);

	if (copy == NULL)
		return NULL;
	if (len > 0)
		memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}
