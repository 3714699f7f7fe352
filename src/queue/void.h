/*-------------------------------------------------------------------------
 *
 * void.h
 *	  Entries of ours that stand for no row any more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_VOID_H
#define QC_VOID_H

#include "postgres.h"

#include "task/target.h"

/* Where a scan of one of our tables, in the order of its keys, has come to. */
typedef struct QcVoidScan
{
	int32		task;
	const char *table;			/* of schema qwen: task, k, kx, text_hash */
	const char *void_if;		/* only entries (t) for which this holds; NULL: all */
	int64		k;				/* the last key; kx NULL: at the beginning */
	char	   *kx;
} QcVoidScan;

/*
 * Delete, of the next 500 entries, those whose row is gone or has another text:
 * a few milliseconds.  Moves the scan on; false: the table is done.
 */
extern bool qc_void_slice(const QcTarget *target, QcVoidScan *scan);

#endif							/* QC_VOID_H */
