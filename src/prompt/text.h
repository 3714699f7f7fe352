/*-------------------------------------------------------------------------
 *
 * text.h
 *	  UTF-8: walking, clipping, mending and trimming.
 *
 * Whether bytes are valid is decided as PostgreSQL decides it (no surrogates,
 * nothing over U+10FFFF, no overlong forms), because what is valid here goes
 * into its text type unchecked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_TEXT_H
#define QC_PROMPT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QC_REPLACEMENT "\xEF\xBF\xBD"	/* U+FFFD */

/* Bytes of the valid character at s, or 0; *c gets it if not NULL. */
extern size_t qc_utf8_char(const char *s, size_t len, uint32_t *c);

/* Write a character in UTF-8; returns its bytes, four at most. */
extern size_t qc_utf8_put(char *to, uint32_t c);

/* The longest prefix of at most max bytes that ends between characters. */
extern size_t qc_utf8_clip(const char *s, size_t len, size_t max);

/* A malloc'ed valid copy, U+FFFD for each bad byte, cut at the first NUL. */
extern char *qc_utf8_mend(const char *s, size_t len);

extern bool qc_is_space(uint32_t c);

/* Narrow [*start, *end) of s: white space off both ends; quotes off in pairs or alone. */
extern void qc_trim_space(const char *s, size_t *start, size_t *end);
extern void qc_trim_quotes(const char *s, size_t *start, size_t *end);

#endif							/* QC_PROMPT_TEXT_H */
