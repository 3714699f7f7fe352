/*-------------------------------------------------------------------------
 *
 * several.h
 *	  Several labels of one text, as they stand in a column of type text[].
 *
 * Invariant: written here, an array is byte for byte what the server prints of
 * it, so that it compares with what a row has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_SEVERAL_H
#define QC_SEVERAL_H

#include "postgres.h"

#include "task/task.h"

/* '{bug,"not sure"}' of n names in the server encoding; needs no catalog. */
extern char *qc_several_text(const char *const *name, int n);

/* The names in it; throws what the server says of a text that is no array, and of a NULL in it. */
extern char **qc_several_names(const char *array_text, int *n);

/* Raise that something is about one label a row; the hint says what to do instead. */
extern void qc_several_refuse(const QcTask *task, const char *what, const char *hint);

#endif							/* QC_SEVERAL_H */
