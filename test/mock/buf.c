/*-------------------------------------------------------------------------
 *
 * buf.c
 *		A growing byte buffer with JSON output.
 *
 * Replies are printed straight into one of these instead of being built as
 * a tree: printing is most of what the mock does per request.
 *
 * Invariant: data[0..len) are the bytes; they are not terminated.
 *
 *-------------------------------------------------------------------------
 */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"

void
buf_reserve(Buf *b, size_t extra)
{
	size_t		cap = b->cap ? b->cap : 1024;

	while (cap - b->len < extra)
		cap *= 2;
	if (cap != b->cap)
	{
		b->data = must_realloc(b->data, cap);
		b->cap = cap;
	}
}

void
buf_free(Buf *b)
{
	free(b->data);
	*b = (Buf) {0};
}

void
buf_fmt(Buf *b, const char *fmt,...)
{
	va_list		args;
	int			n;

	buf_reserve(b, 256);
	va_start(args, fmt);
	n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, args);
	va_end(args);
	if (b->len + n >= b->cap)
	{
		buf_reserve(b, n + 1);
		va_start(args, fmt);
		vsnprintf(b->data + b->len, b->cap - b->len, fmt, args);
		va_end(args);
	}
	b->len += n;
}

static void
json_escape(Buf *b, unsigned char c)
{
	static const char names[32] = {
		['\b'] = 'b',['\t'] = 't',['\n'] = 'n',['\f'] = 'f',['\r'] = 'r'
	};

	if (c == '"' || c == '\\')
		buf_add(b, (char[]) {'\\', (char) c}, 2);
	else if (names[c])
		buf_add(b, (char[]) {'\\', names[c]}, 2);
	else
		buf_fmt(b, "\\u%04x", c);
}

/*
 * The inside of a JSON string. Bytes above 0x7f pass as they are, so that
 * invalid UTF-8 can be sent on purpose.
 */
void
buf_json(Buf *b, Str s)
{
	size_t		from = 0;

	for (size_t i = 0; i < s.n; i++)
	{
		unsigned char c = s.p[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(b, s.p + from, i - from);
		json_escape(b, c);
		from = i + 1;
	}
	if (s.n > from)
		buf_add(b, s.p + from, s.n - from);
}

void
buf_quoted(Buf *b, Str s)
{
	buf_char(b, '"');
	buf_json(b, s);
	buf_char(b, '"');
}

void
buf_uint(Buf *b, unsigned long long v)
{
	char		digits[24];
	size_t		at = sizeof(digits);

	do
		digits[--at] = (char) ('0' + v % 10);
	while ((v /= 10) > 0);
	buf_add(b, digits + at, sizeof(digits) - at);
}

/*
 * Twelve decimals, without printf: logprobs are most of what the mock prints.
 * Numbers must be smaller than 1e6 in size, as logarithms are.
 */
void
buf_real(Buf *b, double v)
{
	unsigned long long scaled = (unsigned long long) ((v < 0 ? -v : v) * 1e12 + 0.5);
	unsigned long long fraction = scaled % 1000000000000;
	char		digits[12];
	size_t		n = sizeof(digits);

	if (v < 0 && scaled > 0)
		buf_char(b, '-');
	buf_uint(b, scaled / 1000000000000);
	buf_char(b, '.');
	for (size_t i = n; i > 0; i--, fraction /= 10)
		digits[i - 1] = (char) ('0' + fraction % 10);
	while (n > 1 && digits[n - 1] == '0')
		n--;
	buf_add(b, digits, n);
}

void
buf_codepoint(Buf *b, unsigned cp)
{
	if (cp < 0x80)
		buf_char(b, (char) cp);
	else if (cp < 0x800)
		buf_add(b, (char[]) {(char) (0xc0 | cp >> 6), (char) (0x80 | (cp & 63))}, 2);
	else if (cp < 0x10000)
		buf_add(b, (char[]) {(char) (0xe0 | cp >> 12),
				(char) (0x80 | (cp >> 6 & 63)), (char) (0x80 | (cp & 63))}, 3);
	else
		buf_add(b, (char[]) {(char) (0xf0 | cp >> 18), (char) (0x80 | (cp >> 12 & 63)),
				(char) (0x80 | (cp >> 6 & 63)), (char) (0x80 | (cp & 63))}, 4);
}
