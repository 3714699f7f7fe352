/*-------------------------------------------------------------------------
 *
 * trigger_change.h
 *	  What an UPDATE changed of a row, and whose its label is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRIGGER_CHANGE_H
#define QC_TRIGGER_CHANGE_H

#include "postgres.h"

#include "queue/note.h"
#include "queue/trigger_info.h"

typedef struct QcChange
{
	bool		input;			/* a column that the input reads differs */
	bool		label;			/* so does the label */
	bool		key;			/* so does the primary key */
	bool		had_label;
	bool		has_label;
	QcAuthor	author;			/* of a label that changed to a value */
} QcChange;

/* Bytes, not operators: no value that is the same is detoasted. */
extern bool qc_same_value(HeapTuple a, HeapTuple b, TupleDesc desc, AttrNumber attno);

extern void qc_change_read(const QcTriggerInfo *info, HeapTuple old_row,
						   HeapTuple new_row, TupleDesc desc, QcChange *change);

/* Whose a label is that comes with a new row. */
extern QcAuthor qc_author_of_new(const QcTriggerInfo *info, HeapTuple row, TupleDesc desc);

/* The columns that decide the partition differ: the row may move. */
extern bool qc_change_route(const QcTriggerInfo *info, HeapTuple old_row,
							HeapTuple new_row, TupleDesc desc);

/* ---- rows on their way from one partition to another ---- */

typedef struct QcMove
{
	QcChange	change;
	int64		from_k;
	const char *from_kx;		/* NULL: an integer key */
} QcMove;

/* Before the UPDATE: what it changed, by the row's new key. */
extern void qc_move_remember(int32 task, int64 k, const QcMove *move);

/* Is any row on its way? */
extern bool qc_moves_pending(void);

/* At the INSERT: did this statement move the row here?  Forgets it. */
extern bool qc_move_recall(int32 task, int64 k, QcMove *move);

#endif							/* QC_TRIGGER_CHANGE_H */
