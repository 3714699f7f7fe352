/*-------------------------------------------------------------------------
 *
 * how.h
 *	  How a text is asked about: in one request or in several.
 *
 * Part of a prompt.  All zeros is the plain way: one request for one text.
 * Numbers alone, without holes: it is compared and hashed as bytes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_HOW_H
#define QC_PROMPT_HOW_H

#include <stdint.h>

/* More draws tell little more: 80 % of all rows are unanimous at 3. */
#define QC_LEAST_VOTES	3
#define QC_MOST_VOTES	20

/* Each has a system message of its own, which a server's prefix cache is to hold. */
#define QC_MOST_ORDERS	4

/* What is done with a text that is longer than a request takes. */
typedef enum QcLongText
{
	QC_LONG_HEAD_TAIL,			/* its middle is left out */
	QC_LONG_SPLIT				/* it is asked about in segments */
} QcLongText;

/* How a tree of labels is asked about. */
typedef enum QcTreeWay
{
	QC_TREE_LEVELS,				/* coarse first, then what is within the answer */
	QC_TREE_FLAT				/* all leaves at once, by their paths */
} QcTreeWay;

#define QC_MAX_SEPARATOR	19	/* bytes; with its end no hole is left in QcHow */

typedef struct QcHow
{
	double		min_confidence; /* of a tree: a node is a label from this probability on */
	int			votes;			/* draws where the server gives no probabilities; 0: none */
	int			abstain;		/* the answer may be that no label fits; labels.h */
	int			multi;			/* yes or no of each label; sibling.h */
	int			orders;			/* of the labels, a text's by its hash; below 2: as written */
	int16_t		tree;			/* QcTreeWay */
	int16_t		long_text;		/* QcLongText */
	char		separator[QC_MAX_SEPARATOR + 1];	/* of a tree's paths; "": QC_SEPARATOR */
} QcHow;

#endif							/* QC_PROMPT_HOW_H */
