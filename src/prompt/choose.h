/*-------------------------------------------------------------------------
 *
 * choose.h
 *	  Which of the examples near a text are shown with it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_CHOOSE_H
#define QC_PROMPT_CHOOSE_H

#include <stdbool.h>

#define QC_MOST_SHOTS		16	/* examples that are shown with one text */
#define QC_MOST_CANDIDATES	30

/* An example that comes into question. */
typedef struct QcCandidate
{
	int			id;
	int			label;
	bool		corrected;		/* the machine had it wrong: it teaches more */
	double		sim;			/* to the text, 0 to 1 */
} QcCandidate;

/*
 * Of n candidates, the nearest first, at most k that are near the text and not
 * like each other, and not more than half of them (rounded up) with one label; both
 * labels that the ten nearest have most are among them.  between is n x n: the
 * similarity of each two.  pick gets their places, the most similar last; returns how many.
 */
extern int	qc_choose(const QcCandidate *candidate, int n, const double *between, int k, int *pick);

/*
 * Join two rankings of texts (the best first) by reciprocal rank: the best of
 * both into joined, most of them; how many.
 */
extern int	qc_join_ranks(const int *a, int na, const int *b, int nb, int most, int *joined);

#endif							/* QC_PROMPT_CHOOSE_H */
