/*-------------------------------------------------------------------------
 *
 * buf.h
 *		A growing byte buffer with JSON output.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_BUF_H
#define MOCK_BUF_H

#include "str.h"

typedef struct Buf
{
	char	   *data;
	size_t		len;
	size_t		cap;
} Buf;

extern void buf_reserve(Buf *b, size_t extra);
extern void buf_fmt(Buf *b, const char *fmt,...) __attribute__((format(printf, 2, 3)));
extern void buf_json(Buf *b, Str s);
extern void buf_quoted(Buf *b, Str s);
extern void buf_uint(Buf *b, unsigned long long v);
extern void buf_real(Buf *b, double v);
extern void buf_codepoint(Buf *b, unsigned cp);
extern void buf_free(Buf *b);

static inline void
buf_add(Buf *b, const void *p, size_t n)
{
	if (b->cap - b->len < n)
		buf_reserve(b, n);
	if (n > 0)
		memcpy(b->data + b->len, p, n);
	b->len += n;
}

static inline void
buf_str(Buf *b, Str s)
{
	buf_add(b, s.p, s.n);
}

static inline void
buf_char(Buf *b, char c)
{
	buf_add(b, &c, 1);
}

static inline Str
buf_view(const Buf *b)
{
	return (Str) {b->data, b->len};
}

#define buf_lit(b, literal) buf_add((b), (literal), sizeof(literal) - 1)

#endif							/* MOCK_BUF_H */
