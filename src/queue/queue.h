/*-------------------------------------------------------------------------
 *
 * queue.h
 *	  The table qwen.queue, without SQL: read by block, deleted by place.
 *
 * Nobody but the extension writes to it: rows are inserted and deleted, never
 * updated, and there is no index to keep.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_QUEUE_H
#define QC_QUEUE_H

#include "postgres.h"

#include "queue/entry.h"

typedef enum QcTaken
{
	QC_TAKEN,					/* deleted by us */
	QC_NOT_THERE,				/* somebody else had it, or moved it */
	QC_HELD						/* somebody deletes it, and has not committed */
} QcTaken;

/*
 * Delete the queue row at a place if it is still the row of this key.  Waits
 * for nobody.  Needs an active snapshot.
 */
extern QcTaken qc_queue_delete(int32 task, int64 k, const char *kx, const QcPlace *place);

/* Open for a number of deletes, and close: between them the table is locked RowExclusive. */
extern void qc_queue_begin(void);
extern void qc_queue_end(void);

#endif							/* QC_QUEUE_H */
