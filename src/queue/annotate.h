/*-------------------------------------------------------------------------
 *
 * annotate.h
 *	  Labels that are not the worker's, on their way to qwen.annotation.
 *
 * What note.h takes in (qc_note_label, qc_note_moved) waits here; the calls
 * below are for note.c, whose callbacks know when a transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_ANNOTATE_H
#define QC_ANNOTATE_H

#include "postgres.h"

/* Before commit or prepare: write all. */
extern void qc_annotate_write(void);

/* A subtransaction is to be released, was released, or was rolled back. */
extern void qc_annotate_before_release(int level);
extern void qc_annotate_released(int level);
extern void qc_annotate_rolled_back(int level);

/* The transaction ended. */
extern void qc_annotate_reset(void);

#endif							/* QC_ANNOTATE_H */
