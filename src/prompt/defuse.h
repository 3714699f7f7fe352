/*-------------------------------------------------------------------------
 *
 * defuse.h
 *	  Strings that a tokenizer would take for control tokens.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_DEFUSE_H
#define QC_PROMPT_DEFUSE_H

#include <stddef.h>

#include "prompt/buf.h"

/* The length of a control token ("<|im_end|>", "<think>") at s, or 0. */
extern size_t qc_special_at(const char *s, size_t len);

/* Add the text with U+200B after the "<" of every control token in it. */
extern void qc_defuse(QcBuf *buf, const char *s, size_t len);

#endif							/* QC_PROMPT_DEFUSE_H */
