/*-------------------------------------------------------------------------
 *
 * inquiry_votes.c
 *	  Several draws of one answer, where a server gives no probabilities.
 *
 * Until that is known, the text is asked about once in the plain way: with
 * probabilities in the answer, that is all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "net/shape.h"
#include "net/steps.h"
#include "prompt/combine.h"

static bool
takes(const QcCallSpec *spec)
{
	return spec->prompt->how.votes > 0;
}

/* Is a plain answer to do, as far as is known by now? */
static bool
is_plain(const QcSteps *steps)
{
	return (steps->nparts > 0 && steps->part[0].verdict.posterior != NULL)
		|| qc_shape_gives_logprobs(qc_endpoint_facts(steps->spec.endpoint));
}

static void
next(QcSteps *steps)
{
	QcCallSpec	spec = steps->spec;

	if (steps->nparts > 1)
		return;
	if (is_plain(steps))
	{
		if (steps->nparts == 0)
			qc_steps_ask(steps, &spec);
		return;
	}
	for (spec.draw = 1; spec.draw <= spec.prompt->how.votes; spec.draw++)
		qc_steps_ask(steps, &spec);
}

/* The plain answer that taught that votes are needed is no draw. */
static bool
combine(QcSteps *steps, QcVerdict *verdict)
{
	QcVerdict  *draw[QC_MOST_VOTES];
	int			n = 0;

	if (steps->nparts == 1)
	{
		*verdict = steps->part[0].verdict;
		memset(&steps->part[0].verdict, 0, sizeof(QcVerdict));
		return true;
	}
	for (int i = 0; i < steps->nparts; i++)
		if (steps->part[i].spec.draw > 0)
			draw[n++] = &steps->part[i].verdict;
	return qc_verdict_vote(draw, n, verdict);
}

const QcCombiner qc_combine_votes = {"votes", takes, next, NULL, combine};
