/*-------------------------------------------------------------------------
 *
 * subtree.h
 *	  The arithmetic of a verdict: shares, bounds and the label they make.
 *
 * posterior holds what is settled plus an equal share of every subtree, so it
 * sums to 1 whatever is unsettled; the bounds of a label follow from the two.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_SUBTREE_H
#define QC_PROMPT_SUBTREE_H

#include "prompt/answer.h"

/*
 * Add mass that belongs to these labels together, on top of posterior.
 * False without memory.
 */
extern bool qc_subtree_add(QcVerdict *verdict, const int *member, int n, double mass);

/* Forget the subtrees (not what posterior holds of them). */
extern void qc_subtree_clear(QcVerdict *verdict);

/*
 * Make posterior sum to 1; false if it cannot.
 */
extern bool qc_verdict_normalise(QcVerdict *verdict, int n);

/*
 * Set label (in label mode, of n: the largest, word if it ties), confidence
 * and bounds from posterior.
 */
extern void qc_verdict_settle(QcVerdict *verdict, int n, QcMode mode, int word);

/* Bounds of one label's probability; the verdict has a posterior. */
extern void qc_verdict_bounds(const QcVerdict *verdict, int label, double *lo, double *hi);

#endif							/* QC_PROMPT_SUBTREE_H */
