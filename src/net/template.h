/*-------------------------------------------------------------------------
 *
 * template.h
 *	  The body of a request around the row's text, kept for the next row.
 *
 * Of one statement's requests only the text differs.  Building and printing
 * the rest took longer than all else of sending, so it is made once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TEMPLATE_H
#define QC_TEMPLATE_H

#include "net/kind.h"

typedef struct QcTemplate
{
	char	   *before;			/* up to the text's opening quote */
	char	   *after;			/* from behind its closing quote */
	long		answer_tokens;	/* what the body says of itself; 0: nothing */
	long		context_tokens;
} QcTemplate;

/*
 * The template of such bodies (spec->user is not looked at), found or made;
 * NULL when there cannot be one, or no memory: then build the body itself.
 * Good until the next call.
 */
extern const QcTemplate *qc_template_get(const QcBodySpec *spec);

/* What a body says of its own limits, as its kind or extra_body wrote it. */
extern void qc_template_limits(const cJSON *body, long *answer_tokens, long *context_tokens);

#endif							/* QC_TEMPLATE_H */
