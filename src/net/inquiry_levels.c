/*-------------------------------------------------------------------------
 *
 * inquiry_levels.c
 *	  A tree of labels, level by level; or flat, with all leaves at once.
 *
 * Which level is next and what comes of them is prompt/joint.h's business.  A
 * reason is asked for where the answer may be a leaf.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "net/steps.h"
#include "prompt/joint.h"

static bool
takes(const QcCallSpec *spec)
{
	return spec->prompt->labels->tree && spec->prompt->how.multi == 0;
}

static const QcLevel *
level_at(QcPrompt *prompt, int node)
{
	const QcLevel *level = qc_prompt_level(prompt, node);

	if (level == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return level;
}

/* Every part is a level; its tag is the node. */
static int
opened_of(QcSteps *steps, QcOpened opened[QC_MOST_LEVELS])
{
	Assert(steps->nparts <= QC_MOST_LEVELS);
	for (int i = 0; i < steps->nparts; i++)
	{
		QcPart	   *part = &steps->part[i];

		opened[i].node = part->tag;
		opened[i].level = level_at(steps->spec.prompt, part->tag);
		opened[i].verdict = &part->verdict;
	}
	return steps->nparts;
}

static bool
has_leaf(const QcPrompt *tree, const QcLevel *level)
{
	for (int i = 0; i < level->prompt->labels->n; i++)
		if (tree->labels->label[level->node[i]].nchildren == 0)
			return true;
	return false;
}

static void
next(QcSteps *steps)
{
	QcOpened	opened[QC_MOST_LEVELS];
	QcPrompt   *prompt = steps->spec.prompt;
	QcCallSpec	spec = steps->spec;
	int			node = qc_joint_next(prompt, opened, opened_of(steps, opened));
	const QcLevel *level;

	if (node == QC_NO_NODE)
		return;
	level = level_at(prompt, node);
	spec.prompt = level->prompt;
	spec.with_reason = spec.with_reason && has_leaf(prompt, level);
	qc_steps_ask(steps, &spec)->tag = node;
}

static bool
combine(QcSteps *steps, QcVerdict *verdict)
{
	QcOpened	opened[QC_MOST_LEVELS];
	int			n = opened_of(steps, opened);

	return qc_joint_verdict(steps->spec.prompt, opened, n, verdict);
}

const QcCombiner qc_combine_levels = {"levels", takes, next, NULL, combine};
