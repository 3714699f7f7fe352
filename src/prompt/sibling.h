/*-------------------------------------------------------------------------
 *
 * sibling.h
 *	  Prompts that are made of another one, to ask the same in another way.
 *
 * They belong to the prompt that they are made of, are made at first use, and
 * end with it.  Of how it asks they keep all but what made them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_SIBLING_H
#define QC_PROMPT_SIBLING_H

#include <stdint.h>

#include "buf.h"
#include "message.h"

/* The siblings that a prompt has; all NULL at first. */
struct QcSiblings
{
	QcPrompt  **each;			/* yes or no, one a label */
	QcPrompt   *yes_no;			/* whose system message is that of all of these */
	QcPrompt   *ordered[QC_MOST_ORDERS];
};

/* The answers of a yes/no prompt. */
#define QC_YES	0
#define QC_NO	1

/* Labels of which a yes/no prompt shows a text and two questions, answered. */
#define QC_MADE_EXAMPLES	6

/*
 * Does the text have label i?  The system message is the same for all labels,
 * and the user message is the text and last the question, so that a server's
 * prefix cache holds the long part.  NULL: no memory.
 */
extern QcPrompt *qc_prompt_each(QcPrompt *prompt, int i);

/* The question about a label, without a line's end. */
extern void qc_question_write(QcBuf *buf, const QcLabel *label);

/*
 * The prompt with its labels in another order, below QC_MOST_ORDERS; 0: as
 * they are.  NULL: no memory.
 */
extern QcPrompt *qc_prompt_ordered(QcPrompt *prompt, int order);

/* Which label of the prompt stands at place i of that order. */
extern int	qc_order_at(const QcLabels *labels, int order, int i);

/* Which of n orders is a text's: by its bytes alone, the same for ever. */
extern int	qc_order_of(const char *text, size_t len, int n);

extern void qc_siblings_free(QcPrompt *prompt);

#endif							/* QC_PROMPT_SIBLING_H */
