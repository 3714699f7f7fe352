/*-------------------------------------------------------------------------
 *
 * choose.c
 *	  Which of the examples near a text are shown with it.
 *
 * Maximal marginal relevance (Carbonell and Goldstein 1998) with a bonus and
 * two conditions on the labels.  All is decided by the numbers given, ties by
 * place, so that one text always gets the same examples.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/choose.h"

#define NEARNESS	0.7			/* weight of the similarity to the text ... */
#define LIKENESS	0.3			/* ... and of that to what is chosen already */
#define CORRECTED	0.1
#define LOOKED_AT	10			/* nearest, whose labels are to be told apart */
#define RANK_SHIFT	60			/* of reciprocal rank fusion (Cormack 2009) */

typedef struct QcChoice
{
	const QcCandidate *candidate;
	int			n;
	const double *between;
	int			a_label;		/* most with one label */
	int			pick[QC_MOST_SHOTS];
	int			npicks;
} QcChoice;

static bool
is_picked(const QcChoice *c, int i)
{
	for (int p = 0; p < c->npicks; p++)
		if (c->pick[p] == i)
			return true;
	return false;
}

static int
with_label(const QcChoice *c, int label)
{
	int			n = 0;

	for (int p = 0; p < c->npicks; p++)
		n += c->candidate[c->pick[p]].label == label;
	return n;
}

static double
worth(const QcChoice *c, int i)
{
	double		like = 0;

	for (int p = 0; p < c->npicks; p++)
	{
		double		s = c->between[i * c->n + c->pick[p]];

		like = s > like ? s : like;
	}
	return NEARNESS * c->candidate[i].sim - LIKENESS * like + (c->candidate[i].corrected ? CORRECTED : 0);
}

/* The best that may still come in; of one label, or (-1) of any.  False: none. */
static bool
take_best(QcChoice *c, int label)
{
	int			best = -1;

	for (int i = 0; i < c->n; i++)
	{
		int			its = c->candidate[i].label;

		if (is_picked(c, i) || (label >= 0 && its != label) || with_label(c, its) >= c->a_label)
			continue;
		if (best < 0 || worth(c, i) > worth(c, best))
			best = i;
	}
	if (best >= 0)
		c->pick[c->npicks++] = best;
	return best >= 0;
}

/* The label that the nearest have most, but for one; of equals the nearer.  -1: none. */
static int
frequent_label(const QcChoice *c, int but)
{
	int			near = c->n < LOOKED_AT ? c->n : LOOKED_AT;
	int			best = -1;
	int			most = 0;

	for (int i = 0; i < near; i++)
	{
		int			label = c->candidate[i].label;
		int			n = 0;

		for (int j = 0; j < near; j++)
			n += c->candidate[j].label == label;
		if (label != but && n > most)
		{
			best = label;
			most = n;
		}
	}
	return best;
}

/* Who is nearer stands nearer to the text. */
static void
nearest_last(QcChoice *c)
{
	for (int i = 1; i < c->npicks; i++)
	{
		int			pick = c->pick[i];
		int			at = i;

		for (; at > 0 && c->candidate[c->pick[at - 1]].sim > c->candidate[pick].sim; at--)
			c->pick[at] = c->pick[at - 1];
		c->pick[at] = pick;
	}
}

int
qc_choose(const QcCandidate *candidate, int n, const double *between, int k, int *pick)
{
	QcChoice	c = {.candidate = candidate,.n = n,.between = between,.a_label = (k + 1) / 2};
	int			first;
	int			second;

	if (k > QC_MOST_SHOTS)
		k = QC_MOST_SHOTS;
	if (n <= 0 || k <= 0)
		return 0;
	first = frequent_label(&c, -1);
	second = frequent_label(&c, first);
	if (k > 1 && second >= 0)
	{
		take_best(&c, first);
		take_best(&c, second);
	}
	while (c.npicks < k && take_best(&c, -1))
		continue;
	nearest_last(&c);
	for (int p = 0; p < c.npicks; p++)
		pick[p] = c.pick[p];
	return c.npicks;
}

/* ---- two rankings ---- */

static double
points(const int *rank, int n, int text)
{
	for (int i = 0; i < n; i++)
		if (rank[i] == text)
			return 1.0 / (RANK_SHIFT + i + 1);
	return 0;
}

int
qc_join_ranks(const int *a, int na, const int *b, int nb, int most, int *joined)
{
	double		score[QC_MOST_CANDIDATES];
	int			n = 0;

	if (most > QC_MOST_CANDIDATES)
		most = QC_MOST_CANDIDATES;
	for (int i = 0; i < na + nb; i++)
	{
		int			text = i < na ? a[i] : b[i - na];
		double		its = points(a, na, text) + points(b, nb, text);
		int			at;

		if (i >= na && points(a, na, text) > 0)
			continue;			/* came with the first ranking */
		if (n == most && its <= score[n - 1])
			continue;
		for (at = n < most ? n++ : most - 1; at > 0 && score[at - 1] < its; at--)
		{
			score[at] = score[at - 1];
			joined[at] = joined[at - 1];
		}
		score[at] = its;
		joined[at] = text;
	}
	return n;
}
