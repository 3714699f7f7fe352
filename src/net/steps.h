/*-------------------------------------------------------------------------
 *
 * steps.h
 *	  An inquiry of several questions from the inside: for inquiry*.c only.
 *
 * A combiner is one way of making one answer of several.  To add one:
 *
 *	1.	Say in QcHow (prompt/how.h) or in the prompt when a text is asked so.
 *	2.	Write inquiry_<name>.c with a QcCombiner; the arithmetic of its verdicts
 *		goes to prompt/combine.c, which has unit tests.
 *	3.	Add it to the table in inquiry.c.  The order is that of nesting: each
 *		question of a combiner is itself asked by those behind it in the table,
 *		so that segments may be voted on, but votes are never cut to segments.
 *
 * A question is a QcCallSpec: text, prompt (which may be another one that
 * outlives the inquiry), reason or not, which draw.  Questions without
 * dependence on each other are added at once, they go out together; those that
 * depend on answers are added when next is called again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_STEPS_H
#define QC_STEPS_H

#include "net/inquiry.h"

/* One of the questions that an inquiry asks. */
typedef struct QcPart
{
	QcCallSpec	spec;			/* its text is the inquiry's own */
	QcInquiry  *inquiry;		/* under way; NULL: not yet, or answered */
	QcVerdict	verdict;		/* once answered; what it holds may be taken out of it */
	bool		replaced;		/* it failed, and others were asked instead */
	int			tag;			/* the combiner's own; 0 at first */
	double		weight;			/* the same */
} QcPart;

typedef struct QcSteps QcSteps;

typedef struct QcCombiner
{
	const char *name;			/* for whoever reads a stack of them */

	/* Is this question to be asked so?  For every text: it must be cheap. */
	bool		(*takes) (const QcCallSpec *spec);

	/*
	 * All parts so far (none at first) are answered: add those to ask next.
	 * To add none is to say that these are all.
	 */
	void		(*next) (QcSteps *steps);

	/*
	 * NULL, or: a part failed; add others that stand for it and return true, or
	 * leave it at that.
	 */
	bool		(*replace) (QcSteps *steps, int part, const QcFailure *failure);

	/* The verdict of all parts, one at least.  False: no memory. */
	bool		(*combine) (QcSteps *steps, QcVerdict *verdict);
} QcCombiner;

struct QcSteps
{
	MemoryContext cxt;
	MemoryContextCallback cleanup;
	const QcCombiner *combiner;
	QcCallSpec	spec;			/* the question as it was put; the text is a copy */

	QcPart	   *part;			/* moves when one is added */
	int			nparts;
	int			room;
	int			nstarted;		/* the first so many of them */
	int			nanswered;		/* of these, in any order */
	int			nunder_way;
	int			nended;			/* no part before this one is under way */

	QcVerdict	verdict;
	QcFailure	failure;
	bool		failed;
	bool		done;
	bool		was_cut;
	QcCallCost	cost;			/* of those that ended */
};

/* Add a question; of the text only the pointer is kept.  Good until the next one. */
extern QcPart *qc_steps_ask(QcSteps *steps, const QcCallSpec *spec);

extern const QcCombiner qc_combine_each;
extern const QcCombiner qc_combine_levels;
extern const QcCombiner qc_combine_order;

extern const QcCombiner qc_combine_guard;
extern const QcCombiner qc_combine_segments;
extern const QcCombiner qc_combine_votes;

#endif							/* QC_STEPS_H */
