/*-------------------------------------------------------------------------
 *
 * expression.h
 *	  The input as an SQL expression over a row of the table.
 *
 * An expression is analysed but never run here: it is the table owner's code
 * and runs in the worker only, as that owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_EXPRESSION_H
#define QC_EXPRESSION_H

#include "postgres.h"

#include "access/attnum.h"
#include "utils/relcache.h"

/*
 * Analyse an expression over rel under the current search_path.  *sql gets it
 * deparsed with everything qualified, columns as s.name, as text, in
 * parentheses; *reads the columns, ascending.  False: *why says what is wrong
 * (syntax, a column that does not exist, not immutable or stable ...).
 */
extern bool qc_expression_read(Relation rel, const char *expression, char **sql,
							   AttrNumber **reads, int *nreads, char **why);

/* A condition likewise, of type boolean, for filters; NULL and *why: it is wrong. */
extern char *qc_condition_read(Relation rel, const char *condition, char **why);

#endif							/* QC_EXPRESSION_H */
