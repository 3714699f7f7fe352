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
	bool		is_column;		/* input is a column */
	AttrNumber	input_column;
	char	   *input_sql;		/* the expression, deparsed; NULL for a column */
	AttrNumber *reads;
	int			nreads;
	char	   *missing;		/* ADD COLUMN clauses that are to be run, or NULL */
} QcAttach;

/* All checks on an open, locked table; raises the first thing that is wrong. */
extern void qc_attach_check(QcAttach *attach, Relation rel);

/* Things to know that are no reason to refuse, as NOTICEs. */
extern void qc_attach_tell(const QcAttach *attach, Relation rel);

/* All labels of the task fit the column's type; error with a hint. */
extern void qc_check_labels_fit(const QcTask *task, Oid relid, AttrNumber label);

/*
 * Take the triggers off and forget what waits; columns and labels stay.  The
 * task is locked for change, the caller may change it.
 */
extern void qc_detach(const QcTask *task);

#endif							/* QC_ATTACH_H */
