/*-------------------------------------------------------------------------
 *
 * segment.h
 *	  A long text in pieces that overlap, cut where it pauses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_SEGMENT_H
#define QC_PROMPT_SEGMENT_H

#include <stddef.h>

/* From start up to end, in bytes. */
typedef struct QcSegment
{
	size_t		start;
	size_t		end;
	size_t		chars;
} QcSegment;

/*
 * The pieces of valid UTF-8, in order, malloc'ed; *n of them.  Each has at most
 * max_chars (not 0) characters and no white space at its ends; all but white
 * space is in one of them at least.  A piece ends after the last blank line of
 * its second half, else after the last line there, else the last sentence, else
 * at the last white space, else between characters; the next begins about a
 * tenth before.  NULL: no memory.  None for a blank text.
 */
extern QcSegment *qc_segments(const char *text, size_t len, size_t max_chars, size_t *n);

#endif							/* QC_PROMPT_SEGMENT_H */
