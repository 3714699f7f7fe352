/*-------------------------------------------------------------------------
 *
 * own.h
 *	  Statements over our own tables, as the extension's owner.
 *
 * begin, arguments from $1 on, run, read SPI_tuptable, end.  An error in
 * between is undone by the abort of the (sub)transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_OWN_H
#define QC_OWN_H

#include "postgres.h"

#include "executor/spi.h"

#include "queue/batch.h"

typedef struct QcOwn
{
	QcAsOwner	saved;
	QcArgs		args;
	bool		null[QC_BATCH_PARAMS];
} QcOwn;

extern void qc_own_begin(QcOwn *own);
extern void qc_own_int4(QcOwn *own, int32 value);
extern void qc_own_int8(QcOwn *own, int64 value);
extern void qc_own_float8(QcOwn *own, double value);	/* NaN: a NULL */
extern void qc_own_time(QcOwn *own, int64 value);
extern void qc_own_text(QcOwn *own, const char *value);	/* NULL: a NULL */

/* Three arrays: ordinals (int4), k, kx ('' for integer keys). */
extern void qc_own_keys(QcOwn *own, QcItem **items, int n);
extern void qc_own_int8s(QcOwn *own, const int64 *value, int n);
extern void qc_own_times(QcOwn *own, const int64 *value, int n);
extern void qc_own_texts(QcOwn *own, char *const *value, int n);
extern void qc_own_float8s(QcOwn *own, const double *value, int n);

/* Run; any other result than expected is an internal error. */
extern void qc_own_run(QcOwn *own, const char *sql, int expected);

/* The same, planned for what the tables hold now: for a statement that reads many rows. */
extern void qc_own_run_once(QcOwn *own, const char *sql, int expected);

/* A SELECT under the snapshot that is there: within a query, which it does not disturb. */
extern void qc_own_look(QcOwn *own, const char *sql);
extern void qc_own_end(QcOwn *own);

/* The int4 in the first column of a result row. */
extern int32 qc_own_ordinal(uint64 row);

/* A column's value as text in a context, NULL for NULL. */
extern char *qc_own_text_at(uint64 row, int col, MemoryContext cxt);
extern int64 qc_own_int8_at(uint64 row, int col, bool *isnull);

/* NaN for NULL. */
extern double qc_own_float8_at(uint64 row, int col);

#endif							/* QC_OWN_H */
