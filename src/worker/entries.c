/*-------------------------------------------------------------------------
 *
 * entries.c
 *	  The keys that wait, by (task, key), and in which order.
 *
 * Live rows (of a small range that was just announced) have a list of their
 * own and come first; one turn in eight is the backlog's, so that neither
 * starves.  Entries leave a list only at its head.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "worker/state.h"

#define QC_BULK_TURN	8

static uint32
hash_key(const void *key, Size size)
{
	const QcEntryKey *e = key;

	(void) size;
	return hash_combine(murmurhash32((uint32) e->task),
						hash_combine(murmurhash32((uint32) e->k),
									 murmurhash32((uint32) ((uint64) e->k >> 32))));
}

static int
compare_keys(const void *a, const void *b, Size size)
{
	const QcEntryKey *x = a;
	const QcEntryKey *y = b;

	(void) size;
	if (x->k != y->k || x->task != y->task || (x->kx == NULL) != (y->kx == NULL))
		return 1;
	return x->kx == NULL ? 0 : strcmp(x->kx, y->kx);
}

void
qc_entries_init(void)
{
	HASHCTL		ctl = {0};

	qc_state.entry_cxt = AllocSetContextCreate(qc_state.cxt, "qwen_classify entries",
											   ALLOCSET_DEFAULT_SIZES);
	ctl.keysize = sizeof(QcEntryKey);
	ctl.entrysize = sizeof(QcEntry);
	ctl.hash = hash_key;
	ctl.match = compare_keys;
	ctl.hcxt = qc_state.entry_cxt;
	qc_state.entry = hash_create("qwen_classify entries", 1024, &ctl,
								 HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

QcEntry *
qc_entry_find(int32 task, int64 k, char *kx)
{
	QcEntryKey	key = {task, k, kx};

	return hash_search(qc_state.entry, &key, HASH_FIND, NULL);
}

/* A new entry in no list.  The key's text is copied before it is needed. */
QcEntry *
qc_entry_make(QcWork *work, int64 k, const char *kx, TimestampTz enq)
{
	QcEntryKey	key = {work->id, k, NULL};
	QcEntry    *entry;
	bool		found;

	if (kx != NULL)
		key.kx = MemoryContextStrdup(qc_state.entry_cxt, kx);
	entry = hash_search(qc_state.entry, &key, HASH_ENTER, &found);
	Assert(!found);
	memset((char *) entry + sizeof(QcEntryKey), 0, sizeof(QcEntry) - sizeof(QcEntryKey));
	entry->first_enq = enq;
	return entry;
}

static void
drop_entry(QcEntry *entry)
{
	char	   *kx = entry->key.kx;

	if (entry->origin == QC_FROM_RETRY)
		qc_state.nretry--;
	if (entry->more != NULL)
		pfree(entry->more);
	hash_search(qc_state.entry, &entry->key, HASH_REMOVE, NULL);
	if (kx != NULL)
		pfree(kx);
}

/* ---- places ---- */

static void
add_place(QcEntry *entry, ItemPointer ctid, TimestampTz enq)
{
	QcPlace    *place = &entry->place;

	if (entry->nplaces > 0)
	{
		if (entry->nplaces - 1 >= entry->room)
		{
			entry->room = Max(4, 2 * entry->room);
			if (entry->more == NULL)
				entry->more = MemoryContextAlloc(qc_state.entry_cxt, entry->room * sizeof(QcPlace));
			else
				entry->more = repalloc(entry->more, entry->room * sizeof(QcPlace));
		}
		place = &entry->more[entry->nplaces - 1];
	}
	place->ctid = *ctid;
	place->enq = enq;
	entry->nplaces++;
}

static bool
is_place(const QcPlace *place, const QcQueueRow *row)
{
	return ItemPointerEquals(unconstify(ItemPointerData *, &place->ctid),
							 unconstify(ItemPointerData *, &row->ctid)) && place->enq == row->enq;
}

/* Known to the entry, or on its way with the flight. */
static bool
knows_place(const QcEntry *entry, const QcQueueRow *row)
{
	if (entry->nplaces > 0 && is_place(&entry->place, row))
		return true;
	for (int i = 0; i < entry->nplaces - 1; i++)
		if (is_place(&entry->more[i], row))
			return true;
	if (entry->flight != NULL)
		for (int i = 0; i < entry->flight->item.nplaces; i++)
			if (is_place(&entry->flight->item.place[i], row))
				return true;
	return false;
}

/* ---- ready ---- */

void
qc_entry_ready(QcWork *work, QcEntry *entry)
{
	QcReady    *ready = entry->live ? &work->live : &work->bulk;

	entry->flight = NULL;
	entry->next = NULL;
	if (ready->tail != NULL)
		ready->tail->next = entry;
	else
		ready->head = entry;
	ready->tail = entry;
	ready->n++;
	if (!entry->live)
		qc_state.nbulk++;
}

static QcEntry *
pop(QcReady *ready)
{
	QcEntry    *entry = ready->head;

	ready->head = entry->next;
	if (ready->head == NULL)
		ready->tail = NULL;
	ready->n--;
	if (!entry->live)
		qc_state.nbulk--;
	return entry;
}

/* The next to take, out of its list; NULL: none is ready. */
QcEntry *
qc_entry_next(QcWork *work)
{
	bool		bulk = work->live.n == 0 ||
		(work->bulk.n > 0 && ++work->turn % QC_BULK_TURN == 0);
	QcReady    *ready = bulk ? &work->bulk : &work->live;

	return ready->n > 0 ? pop(ready) : NULL;
}

/*
 * A queue row was read.  A key that is ready already goes on waiting in its
 * place; one that is on its way gets a new turn after it.
 */
void
qc_entry_queue_row(QcWork *work, const QcQueueRow *row, bool live)
{
	QcEntry    *entry = qc_entry_find(row->task, row->k, row->kx);
	bool		fresh = entry == NULL;

	if (fresh)
	{
		entry = qc_entry_make(work, row->k, row->kx, row->enq);
		entry->origin = QC_FROM_QUEUE;
		entry->live = live;
	}
	else if (knows_place(entry, row))
		return;
	add_place(entry, unconstify(ItemPointerData *, &row->ctid), row->enq);
	if (fresh)
		qc_entry_ready(work, entry);
}

/* ---- after a turn ---- */

/* The flight's key is settled: rows that came meanwhile make a new turn. */
void
qc_entry_done(QcFlight *flight)
{
	QcEntry    *entry = flight->entry;

	flight->entry = NULL;
	entry->flight = NULL;
	if (entry->nplaces == 0)
	{
		drop_entry(entry);
		return;
	}
	if (entry->origin == QC_FROM_RETRY)
		qc_state.nretry--;
	entry->origin = QC_FROM_QUEUE;
	entry->attempts = 0;
	entry->relabel = false;
	entry->live = true;
	entry->first_enq = entry->place.enq;
	qc_entry_ready(flight->work, entry);
}

/* Nothing came of it: the rows that the flight took along come back. */
void
qc_entry_back(QcFlight *flight)
{
	QcEntry    *entry = flight->entry;

	flight->entry = NULL;
	entry->flight = NULL;
	for (int i = 0; i < flight->item.nplaces; i++)
		add_place(entry, &flight->item.place[i].ctid, flight->item.place[i].enq);
	if (entry->origin == QC_FROM_BACKFILL)
	{
		/* without a row of ours its chunk brings it again */
		if (entry->nplaces == 0)
		{
			drop_entry(entry);
			return;
		}
		entry->origin = QC_FROM_QUEUE;
	}
	qc_entry_ready(flight->work, entry);
}

/* All that are ready; what is on disk stays there. */
void
qc_entries_forget(QcWork *work)
{
	QcEntry    *entry;

	while ((entry = qc_entry_next(work)) != NULL)
		drop_entry(entry);
}
