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

#endif							/* QC_PROMPT_ASCII_H */
