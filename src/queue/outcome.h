/*-------------------------------------------------------------------------
 *
 * outcome.h
 *	  What becomes of items beside the label: result, retry, dead, requeue.
 *
 * Within the write-back's transaction, as the extension's owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_OUTCOME_H
#define QC_OUTCOME_H

#include "postgres.h"

#include "queue/read.h"
#include "queue/write_rows.h"

/* Fenced, but the UPDATE passed them by: gone, somebody's, or changed. */
extern void qc_outcome_of_changed(const QcTask *task, QcItem **items,
								  const QcRowNow *now, int n);

/* qwen.result of what was written; qwen.retry and qwen.dead of what failed. */
extern void qc_outcome_store(const QcTask *task, QcItem **items, int n);

/*
 * Take the keys out of qwen.retry: the fence of items that came from there
 * (without a row: lost); of others the row is stale and goes.
 */
extern void qc_retry_forget(const QcTask *task, QcItem **items, int n);

/* The backfill's cursor moves, and done more rows are counted. */
extern void qc_backfill_advance(const QcBackfill *backfill, const char *cursor, int64 done);

/* Rows of a task's backfill that were labelled since; the process's own memory. */
extern int64 *qc_backfill_uncounted(int32 task);

/* A relabel begins again: the version moved on. */
extern void qc_backfill_restart(int32 task);

#endif							/* QC_OUTCOME_H */
