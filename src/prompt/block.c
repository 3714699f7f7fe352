/*-------------------------------------------------------------------------
 *
 * block.c
 *	  A few examples that stand for all: those of the system message.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/block.h"

#include <stdlib.h>
#include <string.h>

#include "prompt/fnv.h"
#include "prompt/similar.h"

#define MOST_COMPARED	100		/* texts of a label, to find the typical one */
#define CORRECTED		1.0		/* more than any similarity */

typedef struct QcBlock
{
	const QcTold *told;
	int			n;
	int		   *wrong;			/* of each label: corrections, and texts */
	int		   *texts;
	bool	   *taken;			/* of each text */
	double	   *worth;
} QcBlock;

static void
free_block(QcBlock *b)
{
	free(b->wrong);
	free(b->texts);
	free(b->taken);
	free(b->worth);
}

static bool
make_block(QcBlock *b, int nlabels)
{
	b->wrong = calloc((size_t) nlabels + 1, sizeof(int));
	b->texts = calloc((size_t) nlabels + 1, sizeof(int));
	b->taken = calloc((size_t) b->n + 1, sizeof(bool));
	b->worth = calloc((size_t) b->n + 1, sizeof(double));
	return b->wrong && b->texts && b->taken && b->worth;
}

static int
trigrams_of(const QcBlock *b, int i, QcMark *mark)
{
	return qc_trigrams(b->told[i].text, strlen(b->told[i].text), mark);
}

/* How similar a text is to the others of its label, on average. */
static double
typical(const QcBlock *b, int i)
{
	QcMark		own[QC_MOST_MARKS];
	QcMark		mark[QC_MOST_MARKS];
	int			nown = trigrams_of(b, i, own);
	double		sum = 0;
	int			n = 0;

	for (int j = 0; j < b->n && n < MOST_COMPARED; j++)
	{
		if (j == i || b->told[j].label != b->told[i].label)
			continue;
		sum += qc_similarity(own, nown, mark, trigrams_of(b, j, mark));
		n++;
	}
	return n > 0 ? sum / n : 0;
}

static void
weigh(QcBlock *b)
{
	for (int i = 0; i < b->n; i++)
	{
		b->texts[b->told[i].label]++;
		b->wrong[b->told[i].label] += b->told[i].corrected;
		/* beyond so many of a label none is looked at: they come latest first */
		if (b->texts[b->told[i].label] <= MOST_COMPARED)
			b->worth[i] = typical(b, i) + (b->told[i].corrected ? CORRECTED : 0);
		else
			b->worth[i] = -1;
	}
}

/* The best text of a label that is not taken; -1: none. */
static int
best_text(const QcBlock *b, int label)
{
	int			best = -1;

	for (int i = 0; i < b->n; i++)
		if (b->told[i].label == label && !b->taken[i] && (best < 0 || b->worth[i] > b->worth[best]))
			best = i;
	return best;
}

/* The next label of this turn: where the machine errs most, then the most frequent. */
static int
next_label(const QcBlock *b, int nlabels, const int *given, int turn)
{
	int			best = -1;

	for (int i = 0; i < nlabels; i++)
	{
		if (given[i] != turn || best_text(b, i) < 0)
			continue;
		if (best < 0 || b->wrong[i] > b->wrong[best] ||
			(b->wrong[i] == b->wrong[best] && b->texts[i] > b->texts[best]))
			best = i;
	}
	return best;
}

static int
pick_texts(QcBlock *b, int nlabels, int most, int *given, int *pick)
{
	int			n = 0;

	for (int turn = 0; n < most && turn < most; turn++)
	{
		int			label;

		while (n < most && (label = next_label(b, nlabels, given, turn)) >= 0)
		{
			pick[n] = best_text(b, label);
			b->taken[pick[n++]] = true;
			given[label]++;
		}
	}
	return n;
}

static uint64_t
hash_of(const char *text, uint64_t seed)
{
	uint64_t	hash = QC_FNV_START ^ seed;

	for (; *text; text++)
		hash = qc_fnv_add(hash, (unsigned char) *text);
	return hash ^ (hash >> 29);
}

static void
shuffle(const QcTold *told, int n, uint64_t seed, int *pick)
{
	for (int i = 1; i < n; i++)
	{
		int			its = pick[i];
		int			at = i;

		for (; at > 0 && hash_of(told[pick[at - 1]].text, seed) > hash_of(told[its].text, seed); at--)
			pick[at] = pick[at - 1];
		pick[at] = its;
	}
}

int
qc_choose_block(const QcTold *told, int n, int nlabels, int most, uint64_t seed, int *pick)
{
	QcBlock		b = {.told = told,.n = n};
	int		   *given = calloc((size_t) nlabels + 1, sizeof(int));
	int			picked = -1;

	if (given != NULL && make_block(&b, nlabels))
	{
		weigh(&b);
		picked = pick_texts(&b, nlabels, most, given, pick);
		shuffle(told, picked, seed, pick);
	}
	free(given);
	free_block(&b);
	return picked;
}
