/*-------------------------------------------------------------------------
 *
 * joint.h
 *	  One verdict about a tree of labels, of the verdicts about its levels.
 *
 * A leaf's probability is the product along its path.  Invariant: the
 * posterior of a verdict sums to 1 over all nodes; a node that was not asked
 * about keeps what it has, and what is within it has nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_JOINT_H
#define QC_PROMPT_JOINT_H

#include "answer.h"
#include "level.h"

/* Levels beside those on the way to the first leaf. */
#define QC_MORE_LEVELS	2

#define QC_MOST_LEVELS	(QC_MAX_LABEL_DEPTH + QC_MORE_LEVELS)

/* A level that was asked about, in the order of asking: a node before what is within it. */
typedef struct QcOpened
{
	int			node;			/* or QC_ROOT */
	const QcLevel *level;
	QcVerdict  *verdict;
} QcOpened;

#define QC_NO_NODE (-2)

/*
 * The node to ask about next, QC_NO_NODE: enough was asked.  First the way down
 * to a leaf, then nodes in which a likelier one may be.
 */
extern int	qc_joint_next(const QcPrompt *prompt, const QcOpened *opened, int n);

/*
 * The verdict of n levels, one at least.  Its label is the likeliest leaf, or
 * the nearest node above it that is as likely as how.min_confidence says; at the
 * root's labels that ends.  The reason is taken from the leaf's level.  False: no memory.
 */
extern bool qc_joint_verdict(const QcPrompt *prompt, const QcOpened *opened, int n,
							 QcVerdict *out);

#endif							/* QC_PROMPT_JOINT_H */
