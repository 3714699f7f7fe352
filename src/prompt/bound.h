/*-------------------------------------------------------------------------
 *
 * bound.h
 *	  Where a text may be cut: between characters that stand by themselves.
 *
 * All of it expects valid UTF-8.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_BOUND_H
#define QC_PROMPT_BOUND_H

#include <stddef.h>

/* The place so many characters after at, or the end. */
extern size_t qc_skip_chars(const char *s, size_t len, size_t at, size_t chars);

/* The place at, or a little before (after) it if it parts a base from its marks. */
extern size_t qc_bound_before(const char *s, size_t len, size_t at);
extern size_t qc_bound_after(const char *s, size_t len, size_t at);

#endif							/* QC_PROMPT_BOUND_H */
