/*-------------------------------------------------------------------------
 *
 * write_rows.h
 *	  The rows of a task's table, as the write-back sees and writes them.
 *
 * Within the write-back's transaction.  Everything runs as the table's owner,
 * security-restricted: triggers, CHECKs, casts and domains are the owner's code.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_WRITE_ROWS_H
#define QC_WRITE_ROWS_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "queue/entry.h"

/* What has become of a row since it was read. */
typedef enum QcRowNow
{
	QC_ROW_GONE,
	QC_ROW_SAME,				/* text, label and confidence are as they were */
	QC_ROW_WAITS,				/* it changed, and has no label */
	QC_ROW_TAKEN				/* it has another label */
} QcRowNow;

/*
 * Lock the table against changes and look at it as it is now: columns that were
 * renamed while the model was thinking, another owner, row security.  Throws
 * what there is to do.
 */
extern QcTarget *qc_rows_open(const QcTask *task);

/*
 * The UPDATE, where text, label and confidence are as they were read.  The
 * outcome of those written is QC_WRITTEN.
 */
extern void qc_rows_update(const QcTarget *target, QcItem **items, int n);

/*
 * What follows SET: label and reason from columns of those names of the batch
 * (r), confidence from an expression; of columns that the task has.
 */
extern void qc_rows_append_set(StringInfo sql, const QcTarget *target, const char *confidence);

/* Lock what can be had; the outcome of those that somebody holds is QC_BLOCKED. */
extern void qc_rows_skip_locked(const QcTarget *target, QcItem **items, int n);

extern void qc_rows_look(const QcTarget *target, QcItem **items, int n, QcRowNow *now);

/* Hashes as they are now, in hash[] where there[] is set. */
extern void qc_rows_hash(const QcTarget *target, QcItem **items, int n,
						 bool *there, int64 *hash);

#endif							/* QC_WRITE_ROWS_H */
