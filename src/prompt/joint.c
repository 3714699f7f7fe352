/*-------------------------------------------------------------------------
 *
 * joint.c
 *	  One verdict about a tree of labels, of the verdicts about its levels.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/joint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/subtree.h"

/* Less than this in a node is not worth a request. */
#define LEAST_MASS 0.05

typedef struct Joint
{
	const QcLabels *tree;
	const QcOpened *opened;
	int			n;
	double	   *p;				/* of every node by its path; 0: nothing said so */
} Joint;

static const QcOpened *
opened_at(const Joint *joint, int node)
{
	for (int i = 0; i < joint->n; i++)
		if (joint->opened[i].node == node)
			return &joint->opened[i];
	return NULL;
}

static bool
has_posteriors(const Joint *joint)
{
	for (int i = 0; i < joint->n; i++)
		if (joint->opened[i].verdict->posterior == NULL)
			return false;
	return true;
}

/* Which node a level's own answer is. */
static int
answer_of(const QcOpened *opened)
{
	return opened->level->node[opened->verdict->label];
}

/* Multiply down the tree; what stands above a node was opened before it. */
static bool
multiply(Joint *joint)
{
	joint->p = calloc((size_t) joint->tree->n, sizeof(double));
	if (joint->p == NULL)
		return false;
	for (int i = 0; i < joint->n; i++)
	{
		const QcOpened *opened = &joint->opened[i];
		double		above = opened->node == QC_ROOT ? 1 : joint->p[opened->node];

		for (int k = 0; k < opened->level->prompt->labels->n; k++)
			joint->p[opened->level->node[k]] = above * opened->verdict->posterior[k];
	}
	return true;
}

/*
 * May this leaf be the verdict?  Where a level gave a reason for a leaf, that
 * leaf alone: the reason speaks of no other.
 */
static bool
is_candidate(const QcOpened *opened, int leaf, const QcLabels *tree)
{
	int			named = answer_of(opened);

	return opened->verdict->reason == NULL || tree->label[named].nchildren > 0 ||
		leaf == named;
}

/* The likeliest leaf, -1: none was reached; *in is the level that it stands in. */
static int
best_leaf(const Joint *joint, const QcOpened **in)
{
	int			best = -1;

	for (int i = 0; i < joint->n; i++)
	{
		const QcOpened *opened = &joint->opened[i];
		int			named = answer_of(opened);

		for (int k = -1; k < opened->level->prompt->labels->n; k++)
		{
			int			leaf = k < 0 ? named : opened->level->node[k];	/* ties: what it said */

			if (joint->tree->label[leaf].nchildren > 0 ||
				!is_candidate(opened, leaf, joint->tree) ||
				(best >= 0 && !(joint->p[leaf] > joint->p[best])))
				continue;
			best = leaf;
			*in = opened;
		}
	}
	return best;
}

/* The way down by what each level answered; its last level is in *in. */
static int
way_down(const Joint *joint, const QcOpened **in, int *length)
{
	const QcOpened *opened = opened_at(joint, QC_ROOT);
	int			node = QC_ROOT;

	for (*length = 0; opened != NULL; (*length)++)
	{
		*in = opened;
		node = answer_of(opened);
		opened = opened_at(joint, node);
	}
	return node;
}

/* The likeliest node that was not opened, if it may hold a likelier leaf. */
static int
worth_opening(const Joint *joint)
{
	const QcOpened *in;
	int			leaf = best_leaf(joint, &in);
	double		least = fmax(LEAST_MASS, leaf >= 0 ? joint->p[leaf] : 0);
	int			best = QC_NO_NODE;

	for (int i = 0; i < joint->tree->n; i++)
	{
		if (joint->tree->label[i].nchildren == 0 || !(joint->p[i] > least) ||
			opened_at(joint, i) != NULL)
			continue;
		least = joint->p[i];
		best = i;
	}
	return best;
}

int
qc_joint_next(const QcPrompt *prompt, const QcOpened *opened, int n)
{
	Joint		joint = {prompt->labels, opened, n, NULL};
	const QcOpened *in;
	int			length;
	int			node = way_down(&joint, &in, &length);

	if (n == 0)
		return QC_ROOT;
	if (prompt->how.tree == QC_TREE_FLAT)
		return QC_NO_NODE;
	if (prompt->labels->label[node].nchildren > 0)
		return node;
	if (n - length >= QC_MORE_LEVELS || !has_posteriors(&joint) || !multiply(&joint))
		return QC_NO_NODE;
	node = worth_opening(&joint);
	free(joint.p);
	return node;
}

/* ---- the verdict ---- */

/* None, then what the model says, then what was counted, then what was measured. */
static int
rank(QcSource source)
{
	static const int ranks[] = {
		[QC_SOURCE_NONE] = 0,
		[QC_SOURCE_VERBAL] = 1,
		[QC_SOURCE_VOTE] = 2,
		[QC_SOURCE_RENORM] = 3,
		[QC_SOURCE_MASKED] = 4
	};

	return ranks[source];
}

static QcSource
weakest_source(const Joint *joint)
{
	QcSource	source = joint->opened[0].verdict->source;

	for (int i = 1; i < joint->n; i++)
		if (rank(joint->opened[i].verdict->source) < rank(source))
			source = joint->opened[i].verdict->source;
	return source;
}

/* What each node has with all that is within it. */
static void
sum_up(const QcLabels *tree, double *mass)
{
	for (int i = tree->n - 1; i >= 0; i--)
		if (tree->label[i].parent >= 0)
			mass[tree->label[i].parent] += mass[i];
}

/* The same where no level has more than a number for its own answer. */
static void
multiply_words(const Joint *joint)
{
	const QcOpened *opened = opened_at(joint, QC_ROOT);
	double		p = 1;

	for (; opened != NULL; opened = opened_at(joint, answer_of(opened)))
	{
		p *= opened->verdict->confidence;
		joint->p[answer_of(opened)] = p;
	}
}

/* A level's bounds for those of its labels that are a node or within it, together. */
static void
bound(const Joint *joint, const QcOpened *opened, int node, double *lo, double *hi)
{
	double		sum_lo = 0;
	double		sum_hi = 0;

	for (int k = 0; k < opened->level->prompt->labels->n; k++)
	{
		int			label = opened->level->node[k];
		double		least;
		double		most;

		while (label > node)
			label = joint->tree->label[label].parent;
		if (label != node)
			continue;
		qc_verdict_bounds(opened->verdict, k, &least, &most);
		sum_lo += least;
		sum_hi += most;
	}
	*lo *= sum_lo;
	*hi *= fmin(sum_hi, 1);
}

/* Bounds multiply like what they bound. */
static void
set_bounds(const Joint *joint, QcVerdict *out)
{
	int			node = out->label;

	out->lo = out->hi = out->confidence;
	if (out->posterior == NULL)
		return;
	out->lo = out->hi = 1;
	while (node >= 0)
	{
		int			above = joint->tree->label[node].parent;
		const QcOpened *opened = opened_at(joint, above);

		/* flat, only the root's level has all of it */
		if (opened == NULL)
			opened = opened_at(joint, above = QC_ROOT);
		bound(joint, opened, node, &out->lo, &out->hi);
		node = above;
	}
}

static void
choose_label(const Joint *joint, int leaf, double min_confidence, QcVerdict *out)
{
	out->label = leaf;
	while (joint->p[out->label] < min_confidence && joint->tree->label[out->label].parent >= 0)
		out->label = joint->tree->label[out->label].parent;
	out->confidence = joint->p[out->label];
	out->source = isnan(out->confidence) ? QC_SOURCE_NONE : weakest_source(joint);
	set_bounds(joint, out);
}

static void
take_words(const Joint *joint, const QcOpened *in, int leaf, QcVerdict *out)
{
	for (int i = 0; i < joint->n; i++)
		out->truncated |= joint->opened[i].verdict->truncated;
	if (answer_of(in) != leaf)
		return;
	out->reason = in->verdict->reason;
	in->verdict->reason = NULL;
}

/* The posterior of all nodes: of an opened one, what is within it has it all. */
static bool
keep_posterior(const Joint *joint, QcVerdict *out)
{
	size_t		size = sizeof(double) * (size_t) joint->tree->n;

	out->posterior = malloc(size);
	if (out->posterior == NULL)
		return false;
	memcpy(out->posterior, joint->p, size);
	for (int i = 0; i < joint->n; i++)
		if (joint->opened[i].node != QC_ROOT)
			out->posterior[joint->opened[i].node] = 0;
	memcpy(joint->p, out->posterior, size);
	sum_up(joint->tree, joint->p);
	return true;
}

bool
qc_joint_verdict(const QcPrompt *prompt, const QcOpened *opened, int n, QcVerdict *out)
{
	Joint		joint = {prompt->labels, opened, n, NULL};
	const QcOpened *in = NULL;
	int			length;
	int			leaf;
	bool		good = true;

	memset(out, 0, sizeof(*out));
	out->nlabels = prompt->labels->n;
	out->coverage = opened[0].verdict->coverage;
	out->verbal = NAN;
	if (has_posteriors(&joint))
	{
		good = multiply(&joint) && keep_posterior(&joint, out);
		leaf = good ? best_leaf(&joint, &in) : -1;
	}
	else
	{
		joint.p = calloc((size_t) prompt->labels->n, sizeof(double));
		good = joint.p != NULL;
		if (good)
			multiply_words(&joint);
		leaf = way_down(&joint, &in, &length);
	}
	if (good)
	{
		choose_label(&joint, leaf, prompt->how.min_confidence, out);
		take_words(&joint, in, leaf, out);
	}
	else
		qc_verdict_free(out);
	free(joint.p);
	return good;
}
