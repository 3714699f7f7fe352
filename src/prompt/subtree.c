/*-------------------------------------------------------------------------
 *
 * subtree.c
 *	  The arithmetic of a verdict: shares, bounds and the label they make.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/subtree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Less than this is shared and forgotten: servers print logprobs with no more
 * precision, and nobody would send a request for it.
 */
#define LEAST_MASS 1e-6

/* Closer posteriors are a tie: the sums were made in different orders. */
#define TIE 1e-12

static QcSubtree *
find_subtree(QcVerdict *verdict, const int *member, int n)
{
	int			i;

	for (i = 0; i < verdict->nsubtrees; i++)
	{
		if (verdict->subtree[i].n == n &&
			memcmp(verdict->subtree[i].member, member, sizeof(int) * (size_t) n) == 0)
			return &verdict->subtree[i];
	}
	return NULL;
}

static QcSubtree *
new_subtree(QcVerdict *verdict, const int *member, int n)
{
	QcSubtree  *grown = realloc(verdict->subtree,
								sizeof(QcSubtree) * (size_t) (verdict->nsubtrees + 1));
	QcSubtree  *subtree;

	if (grown == NULL)
		return NULL;
	verdict->subtree = grown;
	subtree = &grown[verdict->nsubtrees];
	subtree->member = malloc(sizeof(int) * (size_t) n);
	if (subtree->member == NULL)
		return NULL;
	memcpy(subtree->member, member, sizeof(int) * (size_t) n);
	subtree->n = n;
	subtree->mass = 0;
	verdict->nsubtrees++;
	return subtree;
}

bool
qc_subtree_add(QcVerdict *verdict, const int *member, int n, double mass)
{
	QcSubtree  *subtree;
	int			i;

	for (i = 0; i < n; i++)
		verdict->posterior[member[i]] += mass / n;
	if (n < 2 || mass < LEAST_MASS)
		return true;
	subtree = find_subtree(verdict, member, n);
	if (subtree == NULL)
		subtree = new_subtree(verdict, member, n);
	if (subtree == NULL)
		return false;
	subtree->mass += mass;
	return true;
}

/* The order of the others is kept: callers walk the list by index. */
static void
drop_subtree(QcVerdict *verdict, int i)
{
	free(verdict->subtree[i].member);
	verdict->nsubtrees--;
	memmove(&verdict->subtree[i], &verdict->subtree[i + 1],
			sizeof(QcSubtree) * (size_t) (verdict->nsubtrees - i));
}

void
qc_subtree_clear(QcVerdict *verdict)
{
	while (verdict->nsubtrees > 0)
		drop_subtree(verdict, verdict->nsubtrees - 1);
	free(verdict->subtree);
	verdict->subtree = NULL;
}

/*
 * The walk hands out 1 in all, up to rounding; a reply with numbers that no
 * softmax makes must not get further than this.
 */
bool
qc_verdict_normalise(QcVerdict *verdict, int n)
{
	double		sum = 0;
	int			i;

	for (i = 0; i < n; i++)
	{
		verdict->posterior[i] = fmax(verdict->posterior[i], 0);
		sum += verdict->posterior[i];
	}
	if (!(sum > 0) || !isfinite(sum))
		return false;
	for (i = 0; i < n; i++)
		verdict->posterior[i] /= sum;
	for (i = 0; i < verdict->nsubtrees; i++)
		verdict->subtree[i].mass /= sum;
	return true;
}

static bool
is_member(const QcSubtree *subtree, int label)
{
	int			i;

	for (i = 0; i < subtree->n; i++)
	{
		if (subtree->member[i] == label)
			return true;
	}
	return false;
}

/* A label has at least what is settled, at most all of its subtrees too. */
void
qc_verdict_bounds(const QcVerdict *verdict, int label, double *lo, double *hi)
{
	int			i;

	*lo = *hi = verdict->posterior[label];
	for (i = 0; i < verdict->nsubtrees; i++)
	{
		const QcSubtree *subtree = &verdict->subtree[i];

		if (!is_member(subtree, label))
			continue;
		*lo -= subtree->mass / subtree->n;
		*hi += subtree->mass - subtree->mass / subtree->n;
	}
	if (verdict->least > 0)
	{
		*lo *= verdict->least;
		*hi *= verdict->most;
	}
	*lo = fmax(*lo, 0);
	*hi = fmin(*hi, 1);
}

void
qc_verdict_settle(QcVerdict *verdict, int n, QcMode mode, int word)
{
	int			i;

	verdict->label = word;
	for (i = 0; mode == QC_MODE_LABEL && i < n; i++)
	{
		if (verdict->posterior[i] > verdict->posterior[verdict->label] + TIE)
			verdict->label = i;
	}
	verdict->confidence = verdict->posterior[verdict->label];
	qc_verdict_bounds(verdict, verdict->label, &verdict->lo, &verdict->hi);
}

/* The child's own subtrees, if they lie within the parent's, scaled. */
static bool
adopt(QcVerdict *verdict, const QcSubtree *parent, const QcVerdict *child, double scale)
{
	int			i;
	int			k;

	for (i = 0; i < child->nsubtrees; i++)
	{
		const QcSubtree *subtree = &child->subtree[i];

		for (k = 0; k < subtree->n && is_member(parent, subtree->member[k]); k++)
			continue;
		if (k < subtree->n)
			continue;

		/* posterior has the child's shares already: add the mass alone. */
		for (k = 0; k < subtree->n; k++)
			verdict->posterior[subtree->member[k]] -= scale * subtree->mass / subtree->n;
		if (!qc_subtree_add(verdict, subtree->member, subtree->n, scale * subtree->mass))
			return false;
	}
	return true;
}

void
qc_verdict_refine(QcVerdict *verdict, int subtree, const QcVerdict *child, QcMode mode)
{
	QcSubtree	parent;
	double		sum = 0;
	int			n = verdict->nlabels;
	int			i;

	if (verdict->posterior == NULL || child->posterior == NULL ||
		child->nlabels != n ||
		subtree < 0 || subtree >= verdict->nsubtrees)
		return;
	parent = verdict->subtree[subtree];
	for (i = 0; i < parent.n; i++)
		sum += child->posterior[parent.member[i]];
	if (!(sum > 0))
		return;

	/*
	 * Take it out of the list, keep its members until the end.  Each member
	 * gives its even share back and gets the child's instead.
	 */
	verdict->subtree[subtree].member = NULL;
	drop_subtree(verdict, subtree);
	for (i = 0; i < parent.n; i++)
		verdict->posterior[parent.member[i]] += parent.mass *
			(child->posterior[parent.member[i]] / sum - 1.0 / parent.n);
	adopt(verdict, &parent, child, parent.mass / sum);
	free(parent.member);
	qc_verdict_normalise(verdict, n);
	qc_verdict_settle(verdict, n, mode, verdict->label);
}
