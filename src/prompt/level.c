/*-------------------------------------------------------------------------
 *
 * level.c
 *	  The questions that a tree of labels is asked in.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/level.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/buf.h"
#include "prompt/examples.h"

/* So many labels within one that has no description stand for it. */
#define MOST_NAMED 12

static bool
is_flat(const QcPrompt *prompt)
{
	return prompt->how.tree == QC_TREE_FLAT;
}

/* Is a label of the tree asked about in this level? */
static bool
is_in(const QcPrompt *prompt, int node, int label)
{
	const QcLabel *l = &prompt->labels->label[label];

	return is_flat(prompt) ? l->nchildren == 0 : l->parent == node;
}

/* What a coarse label means is best told by what is within it. */
static char *
names_within(const QcLabels *tree, int node)
{
	QcBuf		names = {0};
	int			n = 0;

	for (int i = node + 1; i < tree->n && n <= MOST_NAMED; i++)
	{
		if (tree->label[i].parent != node)
			continue;
		if (n > 0)
			qc_buf_adds(&names, ", ");
		qc_buf_adds(&names, n < MOST_NAMED ? tree->label[i].name + tree->label[i].own : "...");
		n++;
	}
	return qc_buf_take(&names);
}

static bool
copy_label(QcLabel *to, const QcPrompt *prompt, int label)
{
	const QcLabel *from = &prompt->labels->label[label];
	const char *name = from->name + (is_flat(prompt) ? 0 : from->own);

	to->parent = QC_ROOT;
	to->name = qc_strndup(name, strlen(name));
	if (from->description != NULL)
		to->description = qc_strndup(from->description, strlen(from->description));
	else if (from->nchildren > 0)
		to->description = names_within(prompt->labels, label);
	else
		return to->name != NULL;
	return to->name != NULL && to->description != NULL;
}

/* Which label of the level holds a label of the tree; -1: none. */
static int
holder(const QcPrompt *prompt, const QcLevel *level, int label)
{
	for (; label >= 0; label = prompt->labels->label[label].parent)
		for (int i = 0; i < level->prompt->labels->n; i++)
			if (level->node[i] == label)
				return i;
	return -1;
}

static bool
copy_text(char **to, const char *from)
{
	if (from == NULL)
		return true;
	*to = qc_strndup(from, strlen(from));
	return *to != NULL;
}

/*
 * An example is shown at every level on its label's path.  What it says of the
 * label (why, how sure) is shown where that is the answer.
 */
static bool
copy_examples(const QcPrompt *prompt, QcLevel *level)
{
	QcPrompt   *to = level->prompt;

	if (prompt->nexamples == 0)
		return true;
	to->example = calloc((size_t) prompt->nexamples, sizeof(QcExample));
	if (to->example == NULL)
		return false;
	for (int i = 0; i < prompt->nexamples; i++)
	{
		const QcExample *from = &prompt->example[i];
		QcExample  *example = &to->example[to->nexamples];
		bool		exact;

		example->label = holder(prompt, level, from->label);
		if (example->label < 0)
			continue;
		exact = level->node[example->label] == from->label;
		to->nexamples++;
		example->confidence = exact ? from->confidence : NAN;
		if (!copy_text(&example->input, from->input) ||
			!copy_text(&example->reason, exact ? from->reason : NULL))
			return false;
	}
	return true;
}

static bool
copy_labels(QcPrompt *prompt, int node, QcLevel *level)
{
	QcLabels   *labels = calloc(1, sizeof(QcLabels));
	size_t		n = (size_t) prompt->labels->n;

	level->prompt->labels = labels;
	if (labels == NULL)
		return false;
	labels->label = calloc(n, sizeof(QcLabel));
	level->node = calloc(n, sizeof(int));
	if (labels->label == NULL || level->node == NULL)
		return false;
	for (int i = 0; i < prompt->labels->n; i++)
	{
		if (!is_in(prompt, node, i))
			continue;
		level->node[labels->n] = i;
		if (!copy_label(&labels->label[labels->n++], prompt, i))
			return false;
	}
	/* that none fits stands last, beside the coarsest */
	labels->abstains = prompt->labels->abstains && node == QC_ROOT;
	return true;
}

static bool
fill(QcPrompt *prompt, int node, QcLevel *level)
{
	level->prompt->codes = prompt->codes;
	level->prompt->how = prompt->how;
	return copy_labels(prompt, node, level) && copy_examples(prompt, level) &&
		copy_text(&level->prompt->instructions, prompt->instructions) &&
		copy_text(&level->prompt->within, node == QC_ROOT ? NULL : prompt->labels->label[node].name);
}

static void
clear(QcLevel *level)
{
	qc_prompt_free(level->prompt);
	free(level->node);
	memset(level, 0, sizeof(*level));
}

const QcLevel *
qc_prompt_level(QcPrompt *prompt, int node)
{
	QcLevel    *level;

	if (prompt->level == NULL)
		prompt->level = calloc((size_t) prompt->labels->n + 1, sizeof(QcLevel));
	if (prompt->level == NULL)
		return NULL;
	level = &prompt->level[node + 1];
	if (level->prompt != NULL)
		return level;
	level->prompt = calloc(1, sizeof(QcPrompt));
	if (level->prompt != NULL && fill(prompt, node, level))
		return level;
	clear(level);
	return NULL;
}

void
qc_levels_free(QcPrompt *prompt)
{
	if (prompt->level == NULL)
		return;
	for (int i = 0; i <= prompt->labels->n; i++)
		clear(&prompt->level[i]);
	free(prompt->level);
}
