/*-------------------------------------------------------------------------
 *
 * inquiry_segments.c
 *	  A long text in segments, each asked about by itself.
 *
 * A segment is as long as a request takes.  What that is may turn out only
 * when one is sent: a segment that is too long after all is cut to smaller
 * ones, which stand for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "net/steps.h"
#include "prompt/combine.h"
#include "prompt/message.h"
#include "prompt/segment.h"

/* No segment is cut that is shorter: what is wrong then is not its length. */
#define QC_LEAST_CHARS	100

static bool
takes(const QcCallSpec *spec)
{
	return spec->prompt->how.long_text == QC_LONG_SPLIT && spec->len > QC_LEAST_CHARS;
}

/*
 * Ask about a text of the inquiry's in segments of so many characters; 0: in
 * one.  A text of nothing but spaces that the caller took for a text is one, too.
 */
static void
ask(QcSteps *steps, const char *text, size_t len, size_t max_chars)
{
	QcCallSpec	spec = steps->spec;
	QcSegment  *segment;
	size_t		n;

	spec.whole = true;
	spec.text = text;
	spec.len = len;
	segment = qc_segments(text, len, max_chars > 0 ? max_chars : len, &n);
	if (segment == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	PG_TRY();
	{
		for (size_t i = 0; i < n; i++)
		{
			spec.text = text + segment[i].start;
			spec.len = segment[i].end - segment[i].start;
			qc_steps_ask(steps, &spec)->weight = (double) segment[i].chars;
		}
		spec.whole = false;
		if (n == 0)
			qc_steps_ask(steps, &spec)->weight = 1;
	}
	PG_FINALLY();
	{
		free(segment);
	}
	PG_END_TRY();
}

static void
next(QcSteps *steps)
{
	if (steps->nparts == 0)
		ask(steps, steps->spec.text, steps->spec.len, qc_call_max_chars(&steps->spec));
}

/* By now the context may be known; else, and if that does not help, in halves. */
static bool
replace(QcSteps *steps, int i, const QcFailure *failure)
{
	QcCallSpec	spec = steps->part[i].spec;
	size_t		chars = (size_t) steps->part[i].weight;
	size_t		max_chars;

	if (failure->kind != QC_FAIL_TOO_LONG || chars < QC_LEAST_CHARS)
		return false;
	max_chars = qc_call_max_chars(&spec);
	if (max_chars == 0 || max_chars >= chars)
		max_chars = (chars + 1) / 2;
	ask(steps, spec.text, spec.len, max_chars);
	return true;
}

static bool
combine(QcSteps *steps, QcVerdict *verdict)
{
	QcShare    *part = MemoryContextAlloc(steps->cxt, sizeof(QcShare) * steps->nparts);
	int			n = 0;

	for (int i = 0; i < steps->nparts; i++)
	{
		if (steps->part[i].replaced)
			continue;
		part[n].verdict = &steps->part[i].verdict;
		part[n++].weight = steps->part[i].weight;
	}
	return qc_verdict_join(part, n, verdict);
}

const QcCombiner qc_combine_segments = {"segments", takes, next, replace, combine};
