/*-------------------------------------------------------------------------
 *
 * inquiry_each.c
 *	  Yes or no of each label, where a text may have several.
 *
 * The first question goes alone: it has the server read the system message and
 * the text, which all the others begin with as well.
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
	return spec->prompt->how.multi != 0;
}

static void
ask(QcSteps *steps, int i)
{
	QcCallSpec	spec = steps->spec;

	spec.prompt = qc_prompt_each(steps->spec.prompt, i);
	if (spec.prompt == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	spec.with_reason = false;
	qc_steps_ask(steps, &spec);
}

static void
next(QcSteps *steps)
{
	int			n = steps->spec.prompt->labels->n;

	if (steps->nparts == 0)
		ask(steps, 0);
	else if (steps->nparts == 1)
		for (int i = 1; i < n; i++)
			ask(steps, i);
}

static bool
combine(QcSteps *steps, QcVerdict *verdict)
{
	QcVerdict **answer = palloc(sizeof(QcVerdict *) * steps->nparts);
	bool		good;

	for (int i = 0; i < steps->nparts; i++)
		answer[i] = &steps->part[i].verdict;
	good = qc_verdict_each(answer, steps->nparts, verdict);
	pfree(answer);
	return good;
}

const QcCombiner qc_combine_each = {"each label", takes, next, NULL, combine};
