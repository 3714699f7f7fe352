/*-------------------------------------------------------------------------
 *
 * note_pile.h
 *	  What a transaction has noted: an array that savepoints cut back.
 *
 * Items that an inner subtransaction noted are always at the end, so a level
 * is known by where it begins.  The texts of the items lie in one buffer in
 * the same order and are cut with them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_NOTE_PILE_H
#define QC_NOTE_PILE_H

#include "postgres.h"

/* Every kind of item begins with this. */
typedef struct QcPiled
{
	Size		text_at;		/* where its text begins, if it has one */
} QcPiled;

/* Where the items of a subtransaction level begin; only levels that have some. */
typedef struct QcPileMark
{
	int			level;
	int64		start;
} QcPileMark;

typedef struct QcPile
{
	Size		width;			/* of an item; set by the owner of the pile */
	int64		n;
	int64		room;
	char	   *item;
	Size		text_len;
	Size		text_room;
	char	   *text;
	int			nmarks;
	int			marks_room;
	QcPileMark *mark;
} QcPile;

#define QC_PILE_AT(pile, type, i) (&((type *) (pile)->item)[i])

/* A new item of the current subtransaction, with room for its text. */
extern void *qc_pile_add(QcPile *pile, Size text_len);

/* Where the items of this level and deeper begin. */
extern int64 qc_pile_start(const QcPile *pile, int level);

/* Forget the items from n on. */
extern void qc_pile_cut(QcPile *pile, int64 n);

/* A subtransaction was released: its items are its parent's. */
extern void qc_pile_release(QcPile *pile, int level);

/* The transaction ended. */
extern void qc_pile_reset(QcPile *pile);

#endif							/* QC_NOTE_PILE_H */
