/*-------------------------------------------------------------------------
 *
 * level.h
 *	  The questions that a tree of labels is asked in.
 *
 * A level is a prompt of its own about the labels right within one node (or,
 * flat, about all leaves), so that its system message is the same for every
 * text that comes there and the server's prefix cache holds it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_LEVEL_H
#define QC_PROMPT_LEVEL_H

#include "message.h"

#define QC_ROOT (-1)

typedef struct QcLevel
{
	QcPrompt   *prompt;			/* NULL: not made yet */
	int		   *node;			/* which label of the tree each of its labels is */
} QcLevel;

/*
 * The level within a node of the prompt's tree, or QC_ROOT; of a tree that is
 * asked about flat there is the root's alone, which holds all leaves.  It
 * belongs to the prompt.  NULL: no memory.
 */
extern const QcLevel *qc_prompt_level(QcPrompt *prompt, int node);
extern void qc_levels_free(QcPrompt *prompt);

#endif							/* QC_PROMPT_LEVEL_H */
