/*-------------------------------------------------------------------------
 *
 * statement.h
 *	  The statement that is running: its budget, its counts, its results.
 *
 * A statement is the outermost executor run or utility command.  Its state is
 * made at the first call of one of our functions in it and freed with it,
 * whatever ends it; what it counted is reported once, at its end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_STATEMENT_H
#define QC_STATEMENT_H

#include "postgres.h"

#include "lib/ilist.h"
#include "nodes/execnodes.h"

#include "common/budget.h"
#include "common/errors.h"

typedef struct QcStatement QcStatement;

struct QcStatement
{
	MemoryContext cxt;			/* everything of the statement is below it */
	QcBudget	budget;
	int64		failed[QC_N_FAIL_KINDS];	/* rows, by kind */
	char		first_failure[256];
	int64		cut;			/* inputs that were cut */
	void	   *results;		/* query/: equal requests are sent once */
	dlist_head	aheads;			/* query/: requests ahead of their rows */
	void		(*on_end) (QcStatement *statement); /* NULL: nothing to do */
	void		(*on_failure) (QcStatement *statement, EState *estate); /* of a run in it */
};

/* The current statement's state, made if need be. */
extern QcStatement *qc_statement(void);

/*
 * Did the statement that is running call one of our labelling functions?  And
 * its number, which tells one statement of a session from the next.
 */
extern bool qc_statement_called(void);
extern uint64 qc_statement_serial(void);

/* An executor run that is going on; the innermost is the one that calls us. */
typedef struct QcRun
{
	EState	   *estate;
	uint64		number;			/* tells it from all others of the process */
	uint64		count;			/* rows that it may give; 0: all */
	const struct QcRun *outer;
} QcRun;

/* NULL: none. */
extern const QcRun *qc_run_innermost(void);

/*
 * True while the planner runs (constant folding, selectivity): a call must
 * then return NULL and send nothing.
 */
extern bool qc_planning(MemoryContext call_cxt);

/* From the planner support function: only the planner calls that. */
extern void qc_statement_in_planner(void);

/* From _PG_init: installs the hooks. */
extern void qc_statement_init(void);

#endif							/* QC_STATEMENT_H */
