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

#endif							/* QC_PROMPT_COMBINE_H */
