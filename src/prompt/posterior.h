/*-------------------------------------------------------------------------
 *
 * posterior.h
 *	  From the tokens' probabilities to the labels'.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_POSTERIOR_H
#define QC_PROMPT_POSTERIOR_H

#include "prompt/spelling.h"

typedef enum QcWalked
{
	QC_WALK_OK,
	QC_WALK_NONE,				/* the reply's tokens do not tell */
	QC_WALK_NO_MEMORY
} QcWalked;

/*
 * Fill posterior, subtrees, coverage and source of the verdict from the
 * positions that made the span.  The verdict must be cleared; after
 * QC_WALK_NONE it is so again.
 */
extern QcWalked qc_posterior_walk(const QcReply *reply, const QcAsked *asked,
								  const QcSpan *span, QcVerdict *out);

#endif							/* QC_PROMPT_POSTERIOR_H */
