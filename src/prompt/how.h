/*-------------------------------------------------------------------------
 *
 * how.h
 *	  How a text is asked about: in one request or in several.
 *
 * Part of a prompt.  All zeros is the plain way: one request for one text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_HOW_H
#define QC_PROMPT_HOW_H

/* More draws tell little more: 80 % of all rows are unanimous at 3. */
#define QC_LEAST_VOTES	3
#define QC_MOST_VOTES	20

typedef struct QcHow
{
	int			votes;			/* draws where the server gives no probabilities; 0: none */
} QcHow;

#endif							/* QC_PROMPT_HOW_H */
