/*-------------------------------------------------------------------------
 *
 * ascii.h
 *	  What a byte is in ASCII, whatever the locale.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_ASCII_H
#define QC_PROMPT_ASCII_H

#include <stdbool.h>
#include <stddef.h>

static inline char
qc_ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
}

static inline bool
qc_ascii_letter(char c)
{
	return qc_ascii_lower(c) >= 'a' && qc_ascii_lower(c) <= 'z';
}

/* White space as HTML has it. */
static inline bool
qc_ascii_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static inline bool
qc_ascii_only(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char) s[i] >= 0x80)
			return false;
	return true;
}

#endif							/* QC_PROMPT_ASCII_H */
