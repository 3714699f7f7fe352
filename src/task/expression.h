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
 * Analyse an expression as it is stored, over rel under the name s.  *sql gets
 * it deparsed with everything qualified, columns as s.name, as text, in
 * parentheses; *reads the columns, ascending.  False: *why says what is wrong
 * (syntax, a column that does not exist, not immutable or stable ...).
 */
extern bool qc_expression_read(Relation rel, const char *expression, char **sql,
							   AttrNumber **reads, int *nreads, char **why);

/*
 * The same of a person's words, under the current search_path: a column's name
 * as it is (spaces and all), or an expression.  *column: it is that column and
 * nothing else; 0: an expression.
 */
extern bool qc_input_read(Relation rel, const char *words, char **sql, AttrNumber *column,
						  AttrNumber **reads, int *nreads, char **why);

/* A person's condition likewise, for filters; NULL and *why: it is wrong. */
extern char *qc_condition_read(Relation rel, const char *condition, char **why);

#endif							/* QC_EXPRESSION_H */
