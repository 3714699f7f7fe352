/*-------------------------------------------------------------------------
 *
 * str.h
 *		A slice of bytes that belongs to somebody else.
 *
 * Nearly everything that the mock handles is a piece of a request or of a
 * path, so it is passed as pointer and length and never copied or
 * terminated. Invariant: a Str is valid as long as the buffer or the request
 * arena that it points into.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_STR_H
#define MOCK_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct Str
{
	const char *p;
	size_t		n;
} Str;

#define STR(literal) ((Str) {(literal), sizeof(literal) - 1})
#define NO_STR ((Str) {NULL, 0})

static inline Str
str_of(const char *z)
{
	return (Str) {z, z ? strlen(z) : 0};
}

static inline Str
str_from(Str s, size_t from)
{
	return (Str) {s.p + from, s.n - from};
}

static inline bool
str_eq(Str a, Str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
str_starts(Str s, Str prefix)
{
	return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

static inline bool
str_ends(Str s, Str suffix)
{
	return s.n >= suffix.n &&
		memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0;
}

/* Offset of needle in s, or -1. */
static inline ptrdiff_t
str_find(Str s, Str needle)
{
	const char *hit = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;

	return hit ? hit - s.p : -1;
}

static inline Str
str_trim(Str s)
{
	while (s.n > 0 && (*s.p == ' ' || *s.p == '\t'))
		s = str_from(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\r'))
		s.n--;
	return s;
}

#endif							/* MOCK_STR_H */
