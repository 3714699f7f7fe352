/*-------------------------------------------------------------------------
 *
 * note_pile.c
 *	  What a transaction has noted: an array that savepoints cut back.
 *
 * The memory is kept from one transaction to the next while it is small: a
 * transaction of one row allocates nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "queue/note_pile.h"

#define FIRST_ROOM	64			/* items */
#define FIRST_TEXT	1024		/* bytes */
#define KEPT_ROOM	4096		/* items and ... */
#define KEPT_TEXT	65536		/* ... bytes kept between transactions */

/* Twice as much, or as much as is needed.  *room is set when it is there. */
static void *
grown(void *array, int64 *room, int64 needed, int64 first, Size width)
{
	int64		wanted = Max(needed, *room == 0 ? first : *room * 2);

	if (array == NULL)
		array = MemoryContextAllocHuge(TopMemoryContext, wanted * width);
	else
		array = repalloc_huge(array, wanted * width);
	*room = wanted;
	return array;
}

static void
make_room(QcPile *pile, Size text_len)
{
	if (pile->n >= pile->room)
		pile->item = grown(pile->item, &pile->room, pile->n + 1, FIRST_ROOM, pile->width);
	if (pile->text_len + text_len > pile->text_room)
	{
		int64		room = (int64) pile->text_room;

		pile->text = grown(pile->text, &room, pile->text_len + text_len, FIRST_TEXT, 1);
		pile->text_room = (Size) room;
	}
	if (pile->nmarks >= pile->marks_room)
	{
		int64		room = pile->marks_room;

		pile->mark = grown(pile->mark, &room, pile->nmarks + 1, 8, sizeof(QcPileMark));
		pile->marks_room = (int) room;
	}
}

void *
qc_pile_add(QcPile *pile, Size text_len)
{
	int			level = GetCurrentTransactionNestLevel();
	QcPiled    *piled;

	if (pile->n >= pile->room || pile->nmarks >= pile->marks_room ||
		pile->text_len + text_len > pile->text_room)
		make_room(pile, text_len);

	if (pile->nmarks == 0 || pile->mark[pile->nmarks - 1].level < level)
	{
		pile->mark[pile->nmarks].level = level;
		pile->mark[pile->nmarks].start = pile->n;
		pile->nmarks++;
	}
	piled = (QcPiled *) (pile->item + pile->n * pile->width);
	piled->text_at = pile->text_len;
	pile->text_len += text_len;
	pile->n++;
	return piled;
}

int64
qc_pile_start(const QcPile *pile, int level)
{
	int64		start = pile->n;

	for (int i = pile->nmarks - 1; i >= 0 && pile->mark[i].level >= level; i--)
		start = pile->mark[i].start;
	return start;
}

void
qc_pile_cut(QcPile *pile, int64 n)
{
	if (n >= pile->n)
		return;
	pile->text_len = ((QcPiled *) (pile->item + n * pile->width))->text_at;
	pile->n = n;
	while (pile->nmarks > 0 && pile->mark[pile->nmarks - 1].start >= n)
		pile->nmarks--;
}

void
qc_pile_release(QcPile *pile, int level)
{
	QcPileMark *top;

	if (pile->nmarks == 0)
		return;
	top = &pile->mark[pile->nmarks - 1];
	if (top->level < level)
		return;
	if (pile->nmarks > 1 && top[-1].level >= level - 1)
		pile->nmarks--;
	else
		top->level = level - 1;
}

void
qc_pile_reset(QcPile *pile)
{
	pile->n = 0;
	pile->text_len = 0;
	pile->nmarks = 0;
	if (pile->room > KEPT_ROOM)
	{
		pfree(pile->item);
		pile->item = NULL;
		pile->room = 0;
	}
	if (pile->text_room > KEPT_TEXT)
	{
		pfree(pile->text);
		pile->text = NULL;
		pile->text_room = 0;
	}
}
