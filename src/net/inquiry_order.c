/*-------------------------------------------------------------------------
 *
 * inquiry_order.c
 *	  The labels in one of several orders, which a text's own bytes choose.
 *
 * A model likes labels for where they stand in the list.  Equal texts stay
 * equal, and a server's prefix cache holds a system message an order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "net/steps.h"
#include "prompt/combine.h"
#include "prompt/sibling.h"

static bool
takes(const QcCallSpec *spec)
{
	return spec->prompt->how.orders > 1;
}

static int
order_of(const QcCallSpec *spec)
{
	return qc_order_of(spec->text, spec->len, spec->prompt->how.orders);
}

static void
next(QcSteps *steps)
{
	QcCallSpec	spec = steps->spec;

	if (steps->nparts > 0)
		return;
	spec.prompt = qc_prompt_ordered(steps->spec.prompt, order_of(&steps->spec));
	if (spec.prompt == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	qc_steps_ask(steps, &spec);
}

static bool
combine(QcSteps *steps, QcVerdict *verdict)
{
	if (!qc_verdict_of_order(&steps->part[0].verdict, steps->spec.prompt->labels, order_of(&steps->spec)))
		return false;
	*verdict = steps->part[0].verdict;
	memset(&steps->part[0].verdict, 0, sizeof(QcVerdict));
	return true;
}

const QcCombiner qc_combine_order = {"order", takes, next, NULL, combine};
