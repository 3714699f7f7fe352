/*-------------------------------------------------------------------------
 *
 * note.h
 *	  Noting keys in a transaction and writing them to the queue at its end.
 *
 * Used by the triggers and by whoever queues rows in SQL (qwen.retry).  What a
 * rolled-back subtransaction noted is forgotten; the rest is written once,
 * before commit or prepare, and announced after it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_NOTE_H
#define QC_NOTE_H

#include "postgres.h"

#include "queue/entry.h"

/* As many rows of one subtransaction wait in memory; more are written at once. */
#define QC_NOTE_FULL	65536

/* Whose label it is, as stored in qwen.annotation.kind. */
typedef enum QcAuthor
{
	QC_AUTHOR_PERSON,			/* protected, and used for calibration */
	QC_AUTHOR_BULK,				/* protected only: a statement of more than 100 */
	QC_AUTHOR_KEPT,				/* another machine's: never overwritten */
	QC_AUTHOR_CLEARED			/* a person took a label away: the entry goes */
} QcAuthor;

/* From _PG_init: transaction and subtransaction callbacks, once. */
extern void qc_note_init(void);

/* This key is to be labelled.  kx NULL for integer keys (copied). */
extern void qc_note_key(int32 task, int64 k, const char *kx);

/* Called with each key that is noted in this process (the worker sees its own), or NULL. */
extern void (*qc_note_observer) (int32 task, int64 k);

/* This key's label is somebody's; statement counts decide person or bulk. */
extern void qc_note_label(int32 task, int64 k, const char *kx, QcAuthor author,
						  const char *label, int64 hash);

/* A labelled row has another key now: whose its label is goes with it. */
extern void qc_note_moved(int32 task, int64 from_k, const char *from_kx,
						  int64 k, const char *kx);

/*
 * Write queue rows at once in this transaction (write-back's fresh rows) and
 * announce them at its commit.
 */
extern void qc_queue_insert(int32 task, const int64 *k, char *const *kx, int n);

/* The worker's UPDATE is running in this process: its labels are nobody's. */
extern bool qc_writing_back;

#endif							/* QC_NOTE_H */
