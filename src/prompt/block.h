/*-------------------------------------------------------------------------
 *
 * block.h
 *	  A few examples that stand for all: those of the system message.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_BLOCK_H
#define QC_PROMPT_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* A text that a person labelled. */
typedef struct QcTold
{
	const char *text;			/* valid UTF-8 */
	int			label;
	bool		corrected;		/* the machine had another label */
} QcTold;

/*
 * Of n texts most at most, the labels in turn, those first with which the machine
 * was wrong most often; of a label's those that were corrected, then the most
 * typical (most similar to the others).  Their order is by a hash of text and seed: no
 * label always stands last.  pick gets their places; how many, -1: no memory.
 */
extern int	qc_choose_block(const QcTold *told, int n, int nlabels, int most, uint64_t seed, int *pick);

#endif							/* QC_PROMPT_BLOCK_H */
