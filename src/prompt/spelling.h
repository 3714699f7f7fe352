/*-------------------------------------------------------------------------
 *
 * spelling.h
 *	  How each label would be spelt at the place where the answer has one.
 *
 * All labels share what stands before (an opening quote, say), so they can be
 * compared with tokens from the same place on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_SPELLING_H
#define QC_PROMPT_SPELLING_H

#include "prompt/answer.h"

/* Where in the text the label stands, and in which form. */
typedef struct QcSpan
{
	size_t		start;
	size_t		end;
	bool		in_string;		/* of JSON: escaped, and closed by a quote */
	bool		by_code;		/* the code stands there, not the name */
	bool		any_case;		/* it is in another case than the label */
} QcSpan;

typedef struct QcSpelling
{
	int			n;				/* labels */
	char	  **text;			/* what stands before and the label itself */
	size_t	   *len;
	size_t		before;			/* bytes of each text that are not the label */
	bool		loose;			/* space before may be more or less */
	bool		in_string;
	bool		any_case;
} QcSpelling;

/* The bytes of one label in the form of the span, malloc'ed. */
extern char *qc_label_spelt(const QcAsked *asked, int label, const QcSpan *span);

/* All labels after text[from..span->start); false without memory. */
extern bool qc_spelling_create(QcSpelling *spelling, const QcAsked *asked,
							   const QcSpan *span, const char *text, size_t from);
extern void qc_spelling_free(QcSpelling *spelling);

/*
 * Which of the n labels in alive, whose first depth bytes are already there,
 * may go on with this token: they begin with it, or end within it at a
 * delimiter.  Fills set, returns their number; *depth_after is where they
 * stand after it.  The token's bytes must be known (len >= 0).
 */
extern int	qc_spelling_fit(const QcSpelling *spelling, const int *alive, int n,
							size_t depth, const QcToken *token, int *set,
							size_t *depth_after);

#endif							/* QC_PROMPT_SPELLING_H */
