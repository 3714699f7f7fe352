/*-------------------------------------------------------------------------
 *
 * read.h
 *	  Reading what waits: queue rows, retries, existing rows, their texts.
 *
 * Every function runs within a short transaction of the caller's with an
 * active snapshot, without an xid, and leaves nothing open.  What it returns
 * lies in the caller's memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_READ_H
#define QC_READ_H

#include "postgres.h"

#include "common/board.h"
#include "queue/entry.h"

/*
 * Rows of qwen.queue in blocks [range->first, range->last], at most max; an
 * empty scan costs a block each.  Advances range->first to where to go on; the return
 * value is the number of rows, and *end is set when the range is done.  A block is read whole:
 * max may be exceeded by one block's rows.
 */
extern int	qc_queue_read(QcRange *range, int max, QcQueueRow **rows, bool *end);
extern BlockNumber qc_queue_blocks(void);

/* Rows of qwen.retry that are due, soonest first, at most max; *next_at: the next after them, 0: none. */
extern int	qc_retry_read(int max, int32 *task_of, QcItem *items, TimestampTz *next_at);

/*
 * Of retries that are to replace a label, after their texts were fetched: not
 * wanted any more are those whose label is a person's or from outside by now.
 */
extern void qc_retry_leave_out(const QcTask *task, QcItem **items, int n);

/*
 * As the table's owner: text, hash, label and confidence of n items of one
 * task (found, wanted, text, hash, old_* are filled).  An error of one row's
 * input expression is found by bisection and becomes that item's failed
 * (QC_FAIL_INPUT) and error.  Any other error is thrown: 55P03 if somebody has
 * the table locked.
 */
extern void qc_source_fetch(const QcTask *task, const QcTarget *target,
							QcItem **items, int n);

/* Whose fault is an error with this SQLSTATE? */
typedef enum QcErrorOf
{
	QC_ERROR_ROW,				/* a CHECK, a trigger, a cast */
	QC_ERROR_CONFIG,			/* a name or a right that is missing; or a trigger says so */
	QC_ERROR_SERVER				/* resources, locks, a cancel */
} QcErrorOf;

extern QcErrorOf qc_error_of(int sqlstate);

/* An error's message, clipped, without its detail (which may hold the row). */
extern char *qc_error_words(const ErrorData *error, MemoryContext cxt);

/* ---- backfill and relabel: existing rows by cursor ---- */

typedef struct QcBackfill
{
	int32		task;
	bool		relabel;
	char	   *where_sql;		/* the user's filter, or NULL; runs as the owner */
	char	   *cursor;			/* last key done (kx or k as text), NULL: from the start */
	int64		left;			/* of max_rows; -1: no limit */
	int64		done;
	TimestampTz started_at;		/* tells it from the task's next one */
} QcBackfill;

/* The open backfill of a task, or NULL. */
extern QcBackfill *qc_backfill_open(int32 task);

/*
 * The next chunk of at most max rows in key order after *cursor (palloc'ed,
 * advanced), texts fetched already (as qc_source_fetch; of those that are not wanted,
 * wanted is false); 0: the end.
 */
extern int	qc_backfill_read(const QcTask *task, const QcTarget *target,
							 const QcBackfill *backfill, char **cursor, int max,
							 QcItem **rows);

#endif							/* QC_READ_H */
