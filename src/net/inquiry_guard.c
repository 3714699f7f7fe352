/*-------------------------------------------------------------------------
 *
 * inquiry_guard.c
 *	  A text that gives orders to the model, with them and without.
 *
 * The second question leaves out the sentences that read like orders and lists
 * the labels in reverse, so that an order which a place in the list helps along
 * shows, too.  Both go out at once; texts without orders cost nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "net/steps.h"
#include "prompt/combine.h"
#include "prompt/sibling.h"
#include "prompt/suspect.h"

/* The labels as they are written, backwards. */
#define BACKWARDS 1

/* Not where each label is a question: what is told to answer there is yes or no. */
static bool
takes(const QcCallSpec *spec)
{
	const QcPrompt *prompt = spec->prompt;

	return spec->endpoint->guard && spec->draw == 0 && prompt->labels->n > 1 &&
		prompt->how.multi == 0 && prompt->question == NULL &&
		qc_suspect(spec->text, spec->len, prompt->labels);
}

/* The text without its orders, in the inquiry's context. */
static void
leave_out(QcSteps *steps, QcCallSpec *spec)
{
	char	   *rest = qc_suspect_without(spec->text, spec->len, spec->prompt->labels);
	char	   *copy;

	spec->prompt = qc_prompt_ordered(spec->prompt, BACKWARDS);
	if (rest == NULL || spec->prompt == NULL)
	{
		free(rest);
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	spec->len = strlen(rest);
	copy = MemoryContextAllocExtended(steps->cxt, spec->len + 1, MCXT_ALLOC_NO_OOM);
	if (copy != NULL)
		memcpy(copy, rest, spec->len + 1);
	free(rest);
	if (copy == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	spec->text = copy;
}

static void
next(QcSteps *steps)
{
	QcCallSpec	spec = steps->spec;

	if (steps->nparts > 0)
		return;
	qc_steps_ask(steps, &spec);
	leave_out(steps, &spec);
	qc_steps_ask(steps, &spec);
}

static bool
combine(QcSteps *steps, QcVerdict *verdict)
{
	if (!qc_verdict_of_order(&steps->part[1].verdict, steps->spec.prompt->labels, BACKWARDS))
		return false;
	qc_verdict_guard(&steps->part[0].verdict, &steps->part[1].verdict, verdict);
	return true;
}

const QcCombiner qc_combine_guard = {"guard", takes, next, NULL, combine};
