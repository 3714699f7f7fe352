/*-------------------------------------------------------------------------
 *
 * write.h
 *	  Writing back: labels into rows, failures into retry and dead.
 *
 * Each call is a transaction of its own (begun and committed here, with
 * pgstat reports): the caller holds none.  What it decided is in each item's outcome.
 * After an error of one row (a CHECK, a trigger) the batch is halved until
 * the guilty row is alone; the others are written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_WRITE_H
#define QC_WRITE_H

#include "postgres.h"

#include "queue/read.h"

/*
 * Write items of one task that were answered under this version.  Order: task
 * lock and version; the fence (queue or retry rows deleted); the UPDATE as the
 * owner where hash, label and confidence are as they were read; qwen.result (keep);
 * failures to qwen.retry or qwen.dead.  If the task moved on (its version, its
 * table), every item is requeued, and the task is to be read anew.  An item with neither
 * label nor failure is dropped: there is nothing to do for it.
 *
 * backfill (or NULL): its cursor and count move when cursor is not NULL and
 * no item is left blocked; with n = 0 that is all.
 *
 * False: *why (palloc'ed in the caller's context) is the fault of the
 * configuration or of the server, such as a right that was taken away.
 * Nobody is charged; items that are QC_NOT_WRITTEN are to be handed in again.
 * The array is put in the order of the keys.
 */
extern bool qc_write_back(const QcTask *task, const QcTarget *target,
						  QcItem **items, int n,
						  const QcBackfill *backfill, const char *cursor,
						  char **why);

/*
 * Is the task what it was when it was read (version, table, columns)?  What was
 * not found by an older one may be there.  In the caller's transaction, whose
 * snapshot is newer than what was looked for.
 */
extern bool qc_write_as_read(const QcTask *task);

/*
 * Remove queue rows without a label (row gone, input NULL, task dropped),
 * within the caller's transaction.
 */
extern void qc_write_drop(const QcTask *task, QcItem *const *items, int n);

/* Close a backfill within the caller's transaction; message says how it went. */
extern void qc_backfill_close(int32 task, const char *message);

/* Add to qwen.tally and qwen.usage what was counted since the last time. */
extern void qc_write_counts(void);

/*
 * VACUUM qwen.queue if autovacuum has not for 5 min and it has > 100k dead
 * rows.  Begins and ends its own transactions.
 */
extern void qc_queue_vacuum(void);

/*
 * Delete what is kept of rows that are gone or have another text, a few slices
 * a call, each a transaction of its own.  Throws if somebody is in the way.
 */
extern void qc_housekeep(const QcTask *task);

/* Attempts and delays of queue.md 5.6: may this failure be tried again, and when? */
extern bool qc_retry_next(QcFailKind kind, bool sql_error, int attempts,
						  TimestampTz now, TimestampTz *at);

#endif							/* QC_WRITE_H */
