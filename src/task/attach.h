/*-------------------------------------------------------------------------
 *
 * attach.h
 *	  Attaching a task to a table, and detaching it.
 *
 * Invariant: everything is checked before anything is changed, and an error
 * later rolls back with the transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_ATTACH_H
#define QC_ATTACH_H

#include "postgres.h"

#include "utils/relcache.h"
#include "utils/reltrigger.h"

#include "task/target.h"
#include "task/task.h"

/* What qwen.attach was asked to do, and what the checks found. */
typedef struct QcAttach
{
	QcTask	   *task;
	Oid			relid;
	const char *input;			/* as written */
	const char *label, *confidence, *reason;	/* names; NULL: none */
	bool		add_columns;
	const char *existing;
	/* found */
	const char *rel_sql;
	AttrNumber	input_column;	/* 0: the input is an expression ... */
	char	   *input_sql;		/* ... this, deparsed */
	AttrNumber *reads;
	int			nreads;
	char	   *missing;		/* ADD COLUMN clauses that are to be run, or NULL */
} QcAttach;

/* All checks on an open, locked table; raises the first thing that is wrong. */
extern void qc_attach_check(QcAttach *attach, Relation rel);

/* Of these, what kind of table it is and whose: all that an estimate needs. */
extern void qc_attach_check_table(const QcAttach *attach, Relation rel);

/* Does an UPDATE of the label columns fire this trigger of the user's? */
extern bool qc_attach_fires(const QcAttach *attach, Oid relid, const Trigger *trigger);

/* Things to know that are no reason to refuse, as NOTICEs. */
extern void qc_attach_tell(const QcAttach *attach, const QcTask *task, const QcTarget *target);

/* How much there is to do. */
typedef struct QcEstimate
{
	double		rows;
	double		distinct;		/* different inputs; equal ones share a request */
	bool		exact;			/* all rows were looked at */
	double		rate;			/* rows a second; 0: not known */
} QcEstimate;

/*
 * Count a table's rows and different inputs, from a sample where it is large;
 * runs SQL as the table's owner, but not the input expression.  where_sql over
 * s says which rows, NULL: all.
 */
extern void qc_estimate_rows(Oid relid, Oid owner, const char *rel_sql, const char *hash_sql,
							 const char *where_sql, QcEstimate *estimate);

/* The rate that the worker measured for a task; 0: none. */
extern double qc_estimate_rate(const QcTask *task);

/* All labels of the task fit the column's type; error with a hint. */
extern void qc_check_labels_fit(const QcTask *task, Oid relid, AttrNumber label);

/*
 * Take the triggers off and forget what waits; columns and labels stay.  The
 * task is locked for change, the caller may change it.
 */
extern void qc_detach(const QcTask *task);

#endif							/* QC_ATTACH_H */
