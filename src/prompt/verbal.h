/*-------------------------------------------------------------------------
 *
 * verbal.h
 *	  The confidence that a model says of itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_VERBAL_H
#define QC_PROMPT_VERBAL_H

#include <stddef.h>

/*
 * A number from 0 to 1: "0.85" (it has a point and is at most 1), "85", "85%".
 * NaN for words, anything else, and what is out of range.
 */
extern double qc_verbal_confidence(const char *s, size_t len);

#endif							/* QC_PROMPT_VERBAL_H */
