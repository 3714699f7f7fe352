/*-------------------------------------------------------------------------
 *
 * combine.h
 *	  One verdict of several about the same text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_COMBINE_H
#define QC_PROMPT_COMBINE_H

#include "answer.h"

/*
 * The label that most of n draws (one at least, about the same labels) gave;
 * of equals the first of the labels.  Its probability is the share of the
 * draws with half a draw added to each label.  The reason is that of the first
 * draw which gave this label, and is taken from it.  False: no memory.
 */
extern bool qc_verdict_vote(QcVerdict *const *draw, int n, QcVerdict *out);

/*
 * Of n verdicts of yes or no, one a label: posterior holds how probable each
 * label is, the label is none (-1), and the confidence that of the least sure
 * of them, either way.  Where no number is known yes is 1 and no 0, and
 * confidence NaN.  False: no memory.
 */
extern bool qc_verdict_each(QcVerdict *const *answer, int n, QcVerdict *out);

/* From labels in another order to the prompt's: the i-th of them is its at[i]-th.  False: no memory. */
extern bool qc_verdict_reorder(QcVerdict *verdict, const int *at);

/* The same of a verdict of qc_prompt_ordered. */
extern bool qc_verdict_of_order(QcVerdict *verdict, const QcLabels *labels, int order);

/*
 * The verdict on a text that gives orders: whole is that on all of it, rest that
 * on what is left without them.  If they agree it is the former.  If they do not
 * (in the label, or in how much of the probability falls on labels at all) it is
 * marked as suspect; the label is rest's, and its probability counts twice.
 * Takes what it needs of both.
 */
extern void qc_verdict_guard(QcVerdict *whole, QcVerdict *rest, QcVerdict *out);

/* What a part of a text came to, and how much it counts. */
typedef struct QcShare
{
	QcVerdict  *verdict;
	double		weight;			/* > 0 */
} QcShare;

/*
 * The verdict on the whole of a text, of n parts of it (one at least): the
 * average of the logarithms of their posteriors, by weight.  Where one has
 * none, what each says of itself makes the label, and the confidence is what
 * those that gave this label say on average, or nothing.  The reason is that
 * of the part that says the most for the label, among those that gave it, and
 * is taken from it.  False: no memory.
 */
extern bool qc_verdict_join(const QcShare *part, int n, QcVerdict *out);

#endif							/* QC_PROMPT_COMBINE_H */
