/*-------------------------------------------------------------------------
 *
 * finding.h
 *	  Where the label of an answer stands, and which it is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_FINDING_H
#define QC_PROMPT_FINDING_H

#include "prompt/object.h"
#include "prompt/spelling.h"

typedef struct QcFinding
{
	bool		answer;			/* there is something that could be an answer */
	int			label;			/* -1: what stands there is none of the labels */
	bool		cut;			/* the text ended within the label; it is the
								 * only one that begins so */
	bool		certain;		/* the label's name stands there in full */
	bool		spelt;			/* span is good for the probabilities */
	QcSpan		span;
	bool		in_object;
	QcObject	object;
	char	   *said;			/* what stands there, malloc'ed */
} QcFinding;

/* False without memory.  Free said in every case. */
extern bool qc_finding_make(const QcReply *reply, const QcAsked *asked,
							QcFinding *finding);

#endif							/* QC_PROMPT_FINDING_H */
