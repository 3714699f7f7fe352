/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  A batch of keys as the arrays that a statement's unnest takes.
 *
 * Statements over a task's table are prepared once and kept, by their text;
 * an invalidation of the table makes the server plan them anew.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_BATCH_H
#define QC_BATCH_H

#include "postgres.h"

#include "executor/spi.h"

#include "queue/entry.h"

#define QC_BATCH_PARAMS (INDEX_MAX_KEYS + 10)

/* Arguments of one statement, filled from the left. */
typedef struct QcArgs
{
	int			n;
	Oid			type[QC_BATCH_PARAMS];
	Datum		value[QC_BATCH_PARAMS];
} QcArgs;

/* How long the worker waits for what somebody else has locked. */
#define QC_LOCK_TIMEOUT "100ms"

/*
 * As the table's owner, as qc_as_role, with the settings that go with it.
 * Keys are read and written by the types' own functions: that, too, only so.
 */
extern void qc_as_table_owner(QcAsOwner *saved, const QcTarget *target);

/* The table as after FROM: with ONLY, unless it is partitioned. */
extern char *qc_table_sql(const QcTarget *target);

/* The ordinals 0..n-1 and the key's columns: $1 and the next target->nkeys. */
extern void qc_args_keys(QcArgs *args, const QcTarget *target, QcItem **items, int n);

/* More arrays; a NULL text, or a NaN, is a NULL. */
extern void qc_args_int8(QcArgs *args, const int64 *value, int n);
extern void qc_args_text(QcArgs *args, char *const *value, int n);
extern void qc_args_float8(QcArgs *args, const double *value, int n);

/* "unnest($1, ...) AS r(i, k1, ..., more)"; palloc'ed. */
extern char *qc_batch_sql(const QcTarget *target, const char *const *more, int nmore);

/* Prepared once for a text and role, planned to go by an index, and kept. */
extern SPIPlanPtr qc_plan(const char *sql, const QcArgs *args);

/* Make room for plans if they are too many; when none is running. */
extern void qc_plans_trim(void);

#endif							/* QC_BATCH_H */
