/*-------------------------------------------------------------------------
 *
 * inquiry.c
 *	  One text to label, in as many requests as its prompt says.
 *
 * What is asked and what is made of the answers is the combiners' business;
 * here questions are started, their answers collected and what they cost
 * counted.  Invariant: between any two statements that may throw, every call
 * and every verdict is in a part or freed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "net/pool.h"
#include "net/steps.h"

/* Ways of asking, the outermost first. */
static const QcCombiner *const combiners[] = {
	&qc_combine_levels,
	&qc_combine_guard,
	&qc_combine_each,
	&qc_combine_segments,
	&qc_combine_order,
	&qc_combine_votes,
};

/* More questions of one text than this wait for the first of them. */
#define QC_MOST_UNDER_WAY	8

#define QC_FIRST_PARTS		4

struct QcInquiry
{
	QcCall	   *call;			/* of a plain question; else NULL */
	QcSteps    *steps;			/* of any other; else NULL */
};

static QcInquiry *start_from(int first, MemoryContext parent, const QcCallSpec *spec);

/* Which of those from first on is to ask this; beyond the last: none. */
static int
combiner_of(int first, const QcCallSpec *spec)
{
	while (first < (int) lengthof(combiners) && !combiners[first]->takes(spec))
		first++;
	return first;
}

/* ---- parts ---- */

QcPart *
qc_steps_ask(QcSteps *steps, const QcCallSpec *spec)
{
	QcPart	   *part;

	if (steps->nparts == steps->room)
	{
		int			room = Max(2 * steps->room, QC_FIRST_PARTS);
		Size		size = sizeof(QcPart) * room;

		steps->part = steps->part ? repalloc(steps->part, size) :
			MemoryContextAlloc(steps->cxt, size);
		steps->room = room;
	}
	part = &steps->part[steps->nparts++];
	memset(part, 0, sizeof(QcPart));
	part->spec = *spec;
	return part;
}

static int
place_of(const QcCombiner *combiner)
{
	int			i = 0;

	while (combiners[i] != combiner)
		i++;
	return i;
}

static void
start_parts(QcSteps *steps)
{
	int			inner = place_of(steps->combiner) + 1;

	while (steps->nstarted < steps->nparts && steps->nunder_way < QC_MOST_UNDER_WAY)
	{
		QcPart	   *part = &steps->part[steps->nstarted];

		part->inquiry = start_from(inner, steps->cxt, &part->spec);
		steps->nstarted++;
		steps->nunder_way++;
	}
}

static void
add_cost(QcCallCost *sum, QcCallCost cost)
{
	sum->requests += cost.requests;
	sum->retried += cost.retried;
	sum->tokens += cost.tokens;
	sum->cached_tokens += cost.cached_tokens;
}

/* What it cost stays, whatever became of it. */
static void
end_part(QcSteps *steps, QcPart *part)
{
	add_cost(&steps->cost, qc_inquiry_cost(part->inquiry));
	steps->was_cut |= qc_inquiry_was_cut(part->inquiry);
	qc_inquiry_free(part->inquiry);
	part->inquiry = NULL;
	steps->nunder_way--;
}

static void
fail(QcSteps *steps, const QcFailure *failure)
{
	steps->failure = *failure;
	steps->failed = steps->done = true;
	for (int i = steps->nended; i < steps->nstarted; i++)
		if (steps->part[i].inquiry != NULL)
			end_part(steps, &steps->part[i]);
}

/* Others may be asked instead of one that failed: parts move.  False: it stays. */
static bool
replace(QcSteps *steps, int i, const QcFailure *failure)
{
	if (steps->combiner->replace == NULL || !steps->combiner->replace(steps, i, failure))
		return false;
	steps->part[i].replaced = true;
	return true;
}

/* A part is answered; false: its failure is that of all. */
static bool
take(QcSteps *steps, int i)
{
	QcInquiry  *inquiry = steps->part[i].inquiry;
	const QcFailure *failure = qc_inquiry_failure(inquiry);

	if (failure == NULL)
		steps->part[i].verdict = qc_inquiry_take_verdict(inquiry);
	else if (!replace(steps, i, failure))
	{
		fail(steps, failure);
		return false;
	}
	steps->nanswered++;
	end_part(steps, &steps->part[i]);
	return true;
}

/* Take what was answered; true: something was. */
static bool
collect(QcSteps *steps)
{
	int			before = steps->nanswered;

	for (int i = steps->nended; i < steps->nstarted; i++)
	{
		if (steps->part[i].inquiry == NULL || !qc_inquiry_done(steps->part[i].inquiry))
			continue;
		if (!take(steps, i))
			return true;
	}
	while (steps->nended < steps->nstarted && steps->part[steps->nended].inquiry == NULL)
		steps->nended++;
	return steps->nanswered > before;
}

static void
combine(QcSteps *steps)
{
	if (!steps->combiner->combine(steps, &steps->verdict))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	steps->done = true;
}

/* A question may be answered (that is, fail) as soon as it is started. */
static void
go_on(QcSteps *steps)
{
	do
	{
		if (steps->nanswered == steps->nparts)
			steps->combiner->next(steps);
		if (steps->nanswered == steps->nparts)
		{
			combine(steps);
			return;
		}
		start_parts(steps);
	} while (collect(steps) && !steps->done);
}

/* ---- beginning and end ---- */

/* The context's reset callback; the calls below it are gone by now. */
static void
free_verdicts(void *arg)
{
	QcSteps    *steps = arg;

	for (int i = 0; i < steps->nparts; i++)
		qc_verdict_free(&steps->part[i].verdict);
	qc_verdict_free(&steps->verdict);
}

static QcSteps *
make_steps(MemoryContext parent, const QcCombiner *combiner, const QcCallSpec *spec)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "qwen_classify inquiry",
											  ALLOCSET_SMALL_SIZES);
	QcSteps    *steps = MemoryContextAllocZero(cxt, sizeof(QcSteps));
	char	   *text;

	steps->cxt = cxt;
	steps->combiner = combiner;
	steps->cleanup.func = free_verdicts;
	steps->cleanup.arg = steps;
	MemoryContextRegisterResetCallback(cxt, &steps->cleanup);
	text = MemoryContextAlloc(cxt, spec->len + 1);
	memcpy(text, spec->text, spec->len);
	text[spec->len] = '\0';
	steps->spec = *spec;
	steps->spec.text = text;
	return steps;
}

/* The first question may be under way when a second cannot be started. */
static QcSteps *
start_steps(MemoryContext parent, const QcCombiner *combiner, const QcCallSpec *spec)
{
	QcSteps    *steps = make_steps(parent, combiner, spec);

	PG_TRY();
	{
		go_on(steps);
	}
	PG_CATCH();
	{
		MemoryContextDelete(steps->cxt);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return steps;
}

static QcInquiry *
start_from(int first, MemoryContext parent, const QcCallSpec *spec)
{
	QcInquiry  *inquiry = MemoryContextAllocZero(parent, sizeof(QcInquiry));
	int			which = combiner_of(first, spec);

	if (which == (int) lengthof(combiners))
		inquiry->call = qc_call_start(parent, spec);
	else
		inquiry->steps = start_steps(parent, combiners[which], spec);
	return inquiry;
}

QcInquiry *
qc_inquiry_start(MemoryContext parent, const QcCallSpec *spec)
{
	return start_from(0, parent, spec);
}

void
qc_inquiry_free(QcInquiry *inquiry)
{
	if (inquiry->call)
		qc_call_free(inquiry->call);
	if (inquiry->steps)
		MemoryContextDelete(inquiry->steps->cxt);
	pfree(inquiry);
}

/* ---- moving on ---- */

/* After an error in the midst there may be nothing under way to collect. */
bool
qc_inquiry_done(QcInquiry *inquiry)
{
	QcSteps    *steps = inquiry->steps;

	if (steps == NULL)
		return qc_call_done(inquiry->call);
	if (!steps->done && (collect(steps) || steps->nunder_way == 0) && !steps->done)
		go_on(steps);
	return steps->done;
}

void
qc_inquiry_wait(QcInquiry *inquiry)
{
	while (!qc_inquiry_done(inquiry))
		qc_pool_wait(-1);
}

/* ---- what it came to ---- */

const QcFailure *
qc_inquiry_failure(const QcInquiry *inquiry)
{
	if (inquiry->call)
		return qc_call_failure(inquiry->call);
	return inquiry->steps->failed ? &inquiry->steps->failure : NULL;
}

const QcVerdict *
qc_inquiry_verdict(const QcInquiry *inquiry)
{
	return inquiry->call ? qc_call_verdict(inquiry->call) : &inquiry->steps->verdict;
}

QcVerdict
qc_inquiry_take_verdict(QcInquiry *inquiry)
{
	QcVerdict	verdict;

	if (inquiry->call)
		return qc_call_take_verdict(inquiry->call);
	verdict = inquiry->steps->verdict;
	memset(&inquiry->steps->verdict, 0, sizeof(verdict));
	return verdict;
}

bool
qc_inquiry_was_cut(const QcInquiry *inquiry)
{
	return inquiry->call ? qc_call_was_cut(inquiry->call) : inquiry->steps->was_cut;
}

QcCallCost
qc_inquiry_cost(const QcInquiry *inquiry)
{
	const QcSteps *steps = inquiry->steps;
	QcCallCost	cost;

	if (steps == NULL)
		return qc_call_cost(inquiry->call);
	cost = steps->cost;
	for (int i = steps->nended; i < steps->nstarted; i++)
		if (steps->part[i].inquiry != NULL)
			add_cost(&cost, qc_inquiry_cost(steps->part[i].inquiry));
	return cost;
}

const QcFailure *
qc_inquiry_trouble(const QcInquiry *inquiry)
{
	const QcSteps *steps = inquiry->steps;
	const QcFailure *trouble = NULL;

	if (steps == NULL)
		return qc_call_trouble(inquiry->call);
	for (int i = steps->nended; i < steps->nstarted && trouble == NULL; i++)
		if (steps->part[i].inquiry != NULL)
			trouble = qc_inquiry_trouble(steps->part[i].inquiry);
	return trouble;
}

/* ---- preview ---- */

/* The first question of each combiner that takes it; nothing is started. */
char *
qc_inquiry_preview(const QcCallSpec *spec)
{
	QcCallSpec	first = *spec;
	int			which;

	for (which = combiner_of(0, &first); which < (int) lengthof(combiners);
		 which = combiner_of(which + 1, &first))
	{
		QcSteps    *steps = make_steps(CurrentMemoryContext, combiners[which], &first);

		steps->combiner->next(steps);
		first = steps->part[0].spec;
	}
	return qc_call_preview(&first);
}
