/*-------------------------------------------------------------------------
 *
 * entry.h
 *	  What waits to be labelled, from the queue to the write-back.
 *
 * Passed between queue/ (which reads and writes the tables) and worker/
 * (which holds entries in memory; nothing is written to claim one).
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_ENTRY_H
#define QC_ENTRY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/itemptr.h"

#include "common/failkind.h"
#include "task/target.h"
#include "task/task.h"

/* Where an entry came from decides what the write-back removes. */
typedef enum QcOrigin
{
	QC_FROM_QUEUE,				/* queue rows, by ctid and enq */
	QC_FROM_RETRY,				/* a row of qwen.retry, by key */
	QC_FROM_BACKFILL			/* no row of ours */
} QcOrigin;

/* A row of qwen.queue. */
typedef struct QcQueueRow
{
	ItemPointerData ctid;
	int32		task;
	int64		k;
	char	   *kx;				/* NULL for integer keys */
	TimestampTz enq;
} QcQueueRow;

typedef struct QcPlace
{
	ItemPointerData ctid;
	TimestampTz enq;
} QcPlace;

/*
 * One key on its way.  Filled by stages: the key when it is read, the text
 * when it is fetched, the result when it was answered, done by the write-back.
 */
typedef struct QcItem
{
	int64		k;
	char	   *kx;				/* NULL for integer keys */
	QcOrigin	origin;
	QcPlace    *place;			/* its queue rows (origin queue) */
	int			nplaces;
	bool		relabel;		/* a label that stands there is to be replaced */
	int			attempts;		/* charged so far */
	TimestampTz first_enq;

	/* fetched */
	bool		found;			/* the row is there */
	bool		wanted;			/* and is to be labelled: input not NULL, label NULL
								 * (or relabel), not a person's, passes the filter */
	char	   *text;			/* the input, server encoding; NULL: NULL */
	int64		hash;
	char	   *old_label;		/* text of the columns as read; NULL: NULL */
	char	   *old_confidence;

	/* answered: a label, or a failure that is charged to the row */
	char	   *label;			/* server encoding; NULL: none */
	bool		undecided;		/* the answer is that no label fits */
	double		confidence;		/* as the server's numbers gave it; NaN: none */
	double		shown;			/* what the row gets: the same, calibrated */
	char	   *reason;			/* or NULL */
	const char *source;			/* qc_source_name */
	float4	   *top;			/* raw probabilities of all labels, in their order; or NULL */
	int			ntop;
	double		coverage;		/* NaN: not known */
	bool		suspect;		/* the text gives orders that changed the answer */
	double		verbal;			/* of votes, the model's own number; NaN: none */
	QcFailKind	failed;
	char	   *error;			/* its message, server encoding */
	bool		sql_error;		/* it came from SQL, not from the server */

	/* written back */
	enum
	{
		QC_NOT_WRITTEN = 0,
		QC_WRITTEN,				/* the label is in the row */
		QC_DROPPED,				/* row gone, a person's now, or no longer wanted */
		QC_REQUEUED,			/* text or version changed: a fresh queue row stands for it */
		QC_LOST,				/* the fence: somebody else took the queue row */
		QC_BLOCKED,				/* the row is locked: hand it in again after 250 ms */
		QC_RETRYING,			/* in qwen.retry; retry_at says when */
		QC_DEAD
	}			outcome;
	TimestampTz retry_at;
} QcItem;

#endif							/* QC_ENTRY_H */
