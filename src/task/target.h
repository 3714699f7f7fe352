/*-------------------------------------------------------------------------
 *
 * target.h
 *	  The table that a task labels: its key, input and columns.
 *
 * A target is resolved from the catalogs by the task's OIDs and attribute
 * numbers, never by stored names (but for an expression), so a rename keeps working.
 * Invariant: a target that resolves has been checked: the table's owner is
 * the task's owner, all columns exist, no row security stands in the way.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TARGET_H
#define QC_TARGET_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

#include "task/task.h"

typedef struct QcTarget
{
	Oid			relid;
	Oid			owner;			/* of the table; SQL runs as this role */
	int			nkeys;
	AttrNumber	key[INDEX_MAX_KEYS];	/* of the primary key, in its order */
	Oid			key_type[INDEX_MAX_KEYS];
	bool		int_key;		/* one int2, int4 or int8 column: k is the key, kx NULL */
	int			nreads;			/* columns that the input reads, ascending */
	AttrNumber *reads;
	AttrNumber	label;
	AttrNumber	confidence;		/* 0: none */
	AttrNumber	reason;			/* 0: none */
	TupleDesc	key_desc;		/* blessed row type of the key's columns */
	/* SQL, fully qualified and quoted */
	char	   *rel_sql;		/* schema.table */
	char	   *input_sql;		/* the expression over alias s, parenthesised */
	char	   *hash_sql;		/* qwen.input_hash(s.a, s.b) */
	char	   *join_sql;		/* s.k1 OPERATOR(x.=) r.k1 AND ... */
	char	   *label_sql, *confidence_sql, *reason_sql;	/* quoted names; NULL: none */
	char	   *label_type_sql, *confidence_type_sql, *reason_type_sql;	/* for casts */
} QcTarget;

/*
 * Resolve in the current memory context.  NULL: the task must stop, and *why
 * says what to do (palloc'ed message with its hint).  Needs a transaction.
 */
extern QcTarget *qc_target_resolve(const QcTask *task, char **why);

/* The same for a function that cannot go on without: raises why. */
extern QcTarget *qc_target_of(const QcTask *task);

/* Raise, with what to type, if the task has no table. */
extern void qc_task_check_attached(const QcTask *task);

/* The same for triggers, which note keys whoever owns table and task. */
extern QcTarget *qc_target_to_note(const QcTask *task, char **why);

/*
 * Which rows are to be labelled, as a condition over s (of an expression's NULL
 * nothing is known before it runs); relabel: those with a label, too.
 */
extern char *qc_target_wanted(const QcTarget *target, const QcTask *task, bool relabel);

/* What a task writes into a column. */
typedef enum QcColumnUse
{
	QC_COLUMN_LABEL,
	QC_COLUMN_CONFIDENCE,
	QC_COLUMN_REASON,
	QC_COLUMN_LABELS			/* of a task that gives several */
} QcColumnUse;

extern bool qc_column_fits(QcColumnUse use, Oid type);
extern const char *qc_column_types(QcColumnUse use);	/* that fit, for a hint */

/* Does the table have the task's two triggers?  A restore makes them last. */
extern bool qc_target_has_triggers(const QcTask *task, char **why);

/* ---- the key of a row ---- */

/*
 * A row's key: k, and kx (palloc'ed) unless int_key.  map translates the
 * table's attribute numbers into the slot's or tuple's (a partition's), NULL: the same.
 * For the text DateStyle ISO, IntervalStyle postgres, extra_float_digits 3 are set.
 */
extern void qc_key_of_tuple(const QcTarget *target, HeapTuple tuple, TupleDesc desc,
							const AttrNumber *map, int64 *k, char **kx);

/*
 * The settings that shape a value's text, saved and set to the same in every
 * session; AtEOXact_GUC(false, what this returns) takes them back.
 */
extern int	qc_fix_settings(void);

/* k of a key that is not one integer: the hash of its text. */
extern int64 qc_key_hash(const char *kx);

/* kx (or k) to the values of the key's columns. */
extern void qc_key_values(const QcTarget *target, int64 k, const char *kx,
						  Datum *values, bool *nulls);

/* k and kx as a person reads it: 42, or (a,b); palloc'ed. */
extern char *qc_key_text(int64 k, const char *kx);

/*
 * The inverse: what a person wrote, as it is stored.  A key of one column may
 * stand without parentheses.  Runs the types' input functions, so as the
 * table's owner; their errors are thrown.
 */
extern void qc_key_of_text(const QcTarget *target, const char *text, int64 *k, char **kx);

/* ---- the hash of an input ---- */

/*
 * hash64 over the values that the input reads: fixed for ever (it is stored).
 * Text types: the detoasted bytes; others: the type's send output; with a
 * separator and a NULL mark for each.  The SQL function qwen.input_hash is the
 * same over its arguments.
 */
extern int64 qc_input_hash_tuple(const QcTarget *target, HeapTuple tuple, TupleDesc desc,
								 const AttrNumber *map);
extern uint64 qc_hash64(const void *bytes, size_t len, uint64 seed);

#endif							/* QC_TARGET_H */
