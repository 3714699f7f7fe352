/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  The rows of a set-returning function, materialised.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_ROWS_H
#define QC_ROWS_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/tuplestore.h"

typedef struct QcRows
{
	Tuplestorestate *store;
	TupleDesc	desc;
} QcRows;

/* Begin; rows are added by tuplestore_putvalues. */
extern void qc_rows_begin(QcRows *rows, FunctionCallInfo fcinfo);

#endif							/* QC_ROWS_H */
