/*-------------------------------------------------------------------------
 *
 * note.c
 *	  Noting keys in a transaction and writing them to the queue at its end.
 *
 * A row of qwen.queue must commit exactly with the change that it stands for.
 * What is in memory can be forgotten exactly (a savepoint cuts it back), what
 * is written commits with the subtransaction that wrote it.  So a
 * subtransaction may write its own keys early, when it has noted too many to
 * hold, but never its parent's: rolled back, it would take those along.  Only
 * in the moment before its release, when nothing of it remains to be done, may
 * it write them for its parent, and then they are kept until it is released.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/board.h"
#include "common/compat.h"
#include "queue/annotate.h"
#include "queue/note.h"
#include "queue/note_pile.h"

#define CHUNK		512			/* rows of one multi-insert: 4 pages */
#define MAX_RANGES	4
#define MAX_GAP		32			/* blocks read in vain rather than all */
#define LONG_KEY	1000		/* bytes: from here on a key may be toasted */

/* Columns of qwen.queue. */
enum
{
	COL_TASK, COL_K, COL_KX, COL_ENQ, N_COLS
};

/* Its row as it is stored when kx is NULL. */
typedef struct FormQueueRow
{
	int32		task;
	int64		k;
	TimestampTz enq;
} FormQueueRow;

typedef struct QcNotedKey
{
	QcPiled		piled;			/* the text is kx */
	int64		k;
	int32		task;
	int			kx_len;			/* 0: an integer key */
} QcNotedKey;

bool		qc_writing_back = false;
void		(*qc_note_observer) (int32 task, int64 k) = NULL;

static QcPile keys = {.width = sizeof(QcNotedKey)};

/* Written for the parent in the release that is under way: goes with it; -1: no. */
static int64 written_early = -1;

/* Blocks that this transaction wrote to; nwritten -1: too scattered to tell. */
static QcRange written[MAX_RANGES];
static int	nwritten = 0;

/* ---- writing ---- */

/* Rows on their way into qwen.queue. */
typedef struct QcWriter
{
	Relation	rel;
	TimestampTz enq;
	CommandId	cid;
	MemoryContext chunk_cxt;	/* the keys' texts; emptied with each chunk; NULL: none yet */
	HeapTuple	pattern;		/* a row with an integer key, to be copied; NULL: none */
	int			room;
	int			used;
	TupleTableSlot **slot;
	FormQueueRow **form;		/* in the slot's copy of the pattern; NULL: it has none */
} QcWriter;

static void
tell_block(BlockNumber block)
{
	int			nearest = 0;
	BlockNumber nearest_gap = InvalidBlockNumber;

	if (nwritten < 0)
		return;
	for (int i = nwritten - 1; i >= 0; i--)
	{
		BlockNumber gap;

		if (block >= written[i].first && block <= written[i].last)
			return;
		gap = block > written[i].last ? block - written[i].last : written[i].first - block;
		if (gap < nearest_gap)
		{
			nearest_gap = gap;
			nearest = i;
		}
	}
	if (nearest_gap > 1 && nwritten < MAX_RANGES)
	{
		written[nwritten].first = written[nwritten].last = block;
		nwritten++;
	}
	else if (nearest_gap <= MAX_GAP)
	{
		written[nearest].first = Min(written[nearest].first, block);
		written[nearest].last = Max(written[nearest].last, block);
	}
	else
		nwritten = -1;
}

static void
write_chunk(QcWriter *w)
{
	if (w->used == 1)
		table_tuple_insert(w->rel, w->slot[0], w->cid, 0, NULL);
	else if (w->used > 1)
		table_multi_insert(w->rel, w->slot, w->used, w->cid, 0, NULL);
	for (int i = 0; i < w->used; i++)
	{
		tell_block(ItemPointerGetBlockNumber(&w->slot[i]->tts_tid));
		if (w->form[i] == NULL)
			ExecClearTuple(w->slot[i]);
	}
	w->used = 0;
	if (w->chunk_cxt)
		MemoryContextReset(w->chunk_cxt);
}

/*
 * Most rows of a bulk load differ in their key alone: each slot keeps a row of
 * its own, in which the next chunk writes other keys.  What an insert writes
 * into a row's header it writes anew each time.
 */
static FormQueueRow *
store_copy(TupleTableSlot *slot, HeapTuple pattern)
{
	HeapTuple	row = palloc(HEAPTUPLESIZE + pattern->t_len);

	*row = *pattern;
	row->t_data = (HeapTupleHeader) ((char *) row + HEAPTUPLESIZE);
	memcpy(row->t_data, pattern->t_data, pattern->t_len);
	ExecStoreHeapTuple(row, slot, true);
	return (FormQueueRow *) GETSTRUCT(row);
}

static void
store_values(QcWriter *w, TupleTableSlot *slot, int32 task, int64 k, const char *kx, int kx_len)
{
	slot->tts_values[COL_TASK] = Int32GetDatum(task);
	slot->tts_isnull[COL_TASK] = false;
	slot->tts_values[COL_K] = Int64GetDatum(k);
	slot->tts_isnull[COL_K] = false;
	slot->tts_isnull[COL_KX] = kx_len == 0;
	if (kx_len > 0)
	{
		MemoryContext old;

		if (w->chunk_cxt == NULL)
			w->chunk_cxt = AllocSetContextCreate(CurrentMemoryContext, "qwen_classify keys",
												 ALLOCSET_DEFAULT_SIZES);
		old = MemoryContextSwitchTo(w->chunk_cxt);
		slot->tts_values[COL_KX] = PointerGetDatum(cstring_to_text_with_len(kx, kx_len));
		MemoryContextSwitchTo(old);
	}
	slot->tts_values[COL_ENQ] = TimestampTzGetDatum(w->enq);
	slot->tts_isnull[COL_ENQ] = false;
	ExecStoreVirtualTuple(slot);
}

static void
write_row(QcWriter *w, int32 task, int64 k, const char *kx, int kx_len)
{
	TupleTableSlot *slot = w->slot[w->used];
	FormQueueRow **form = &w->form[w->used];

	if (w->pattern != NULL && kx_len == 0)
	{
		if (*form == NULL)
			*form = store_copy(slot, w->pattern);
		(*form)->task = task;
		(*form)->k = k;
		slot->tts_nvalid = 0;	/* whoever has read the row before reads it again */
	}
	else
	{
		if (*form != NULL)
			ExecClearTuple(slot);
		*form = NULL;
		store_values(w, slot, task, k, kx, kx_len);
	}
	if (++w->used == w->room)
		write_chunk(w);
}

/* NULL, if rows are not laid out as FormQueueRow says. */
static HeapTuple
make_pattern(const QcWriter *w)
{
	Datum		values[N_COLS] = {0};
	bool		isnull[N_COLS] = {0};
	HeapTuple	pattern;

	isnull[COL_KX] = true;
	values[COL_ENQ] = TimestampTzGetDatum(w->enq);
	pattern = heap_form_tuple(RelationGetDescr(w->rel), values, isnull);
	return pattern->t_len == pattern->t_data->t_hoff + sizeof(FormQueueRow) ? pattern : NULL;
}

/*
 * The table, or false if there is none (any more): the keys are then nobody's.
 * No privilege of the user is needed: it is the trigger that writes.
 */
static bool
open_writer(QcWriter *w, int64 n)
{
	const TupleTableSlotOps *slot_ops;
	TupleDesc	desc;
	Oid			schema = get_namespace_oid("qwen", true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid("queue", schema) : InvalidOid;

	w->rel = OidIsValid(relid) ? try_table_open(relid, RowExclusiveLock) : NULL;
	if (w->rel == NULL)
		return false;
	if (RelationGetNumberOfAttributes(w->rel) != N_COLS)
	{
		table_close(w->rel, NoLock);
		return false;
	}
	slot_ops = table_slot_callbacks(w->rel);
	desc = RelationGetDescr(w->rel);
	w->enq = GetCurrentTimestamp();
	w->cid = GetCurrentCommandId(true);
	w->room = (int) Min(n, CHUNK);
	w->used = 0;
	w->chunk_cxt = NULL;
	w->pattern = NULL;
	if (n > 1)
	{
		/* a copy is not counted: each slot would enter its reference with the resource owner */
		desc = CreateTupleDescCopy(desc);
		if (slot_ops == &TTSOpsBufferHeapTuple)
		{
			slot_ops = &TTSOpsHeapTuple;
			w->pattern = make_pattern(w);
		}
	}
	w->slot = palloc(w->room * sizeof(TupleTableSlot *));
	w->form = palloc0(w->room * sizeof(FormQueueRow *));
	for (int i = 0; i < w->room; i++)
		w->slot[i] = MakeSingleTupleTableSlot(desc, slot_ops);
	return true;
}

static void
close_writer(QcWriter *w)
{
	write_chunk(w);
	for (int i = 0; i < w->room; i++)
		ExecDropSingleTupleTableSlot(w->slot[i]);
	table_close(w->rel, NoLock);
}

static void
write_noted(QcWriter *w, int64 from)
{
	bool		snapshot = false;

	/* The toaster may want one. */
	if (keys.text_len >= LONG_KEY && !ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		snapshot = true;
	}
	for (int64 i = from; i < keys.n; i++)
	{
		const QcNotedKey *key = QC_PILE_AT(&keys, QcNotedKey, i);

		write_row(w, key->task, key->k, keys.text + key->piled.text_at, key->kx_len);
	}
	close_writer(w);
	if (snapshot)
		PopActiveSnapshot();
}

/* Write the keys from here to the last; they stay noted. */
static void
write_keys(int64 from)
{
	MemoryContext cxt;
	MemoryContext old;
	QcWriter	w;

	if (from >= keys.n)
		return;
	if (from == keys.n - 1)
	{
		/* one row: what little it allocates goes with the transaction */
		if (open_writer(&w, 1))
			write_noted(&w, from);
		return;
	}
	cxt = AllocSetContextCreate(CurrentMemoryContext, "qwen_classify queue rows",
								ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	if (open_writer(&w, keys.n - from))
		write_noted(&w, from);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}

void
qc_queue_insert(int32 task, const int64 *k, char *const *kx, int n)
{
	MemoryContext cxt;
	MemoryContext old;
	QcWriter	w;

	if (n <= 0)
		return;
	cxt = AllocSetContextCreate(CurrentMemoryContext, "qwen_classify queue rows",
								ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	if (open_writer(&w, n))
	{
		for (int i = 0; i < n; i++)
		{
			const char *text = kx ? kx[i] : NULL;

			write_row(&w, task, k[i], text, text ? (int) strlen(text) : 0);
		}
		close_writer(&w);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}

/* ---- noting ---- */

/* The same key as the last: it is in memory still, of this level or an outer one. */
static bool
is_last(int32 task, int64 k, const char *kx, int kx_len)
{
	const QcNotedKey *last;

	if (keys.n == 0)
		return false;
	last = QC_PILE_AT(&keys, QcNotedKey, keys.n - 1);
	return last->k == k && last->task == task && last->kx_len == kx_len &&
		(kx_len == 0 || memcmp(keys.text + last->piled.text_at, kx, kx_len) == 0);
}

void
qc_note_key(int32 task, int64 k, const char *kx)
{
	int			kx_len = kx ? (int) strlen(kx) : 0;
	QcNotedKey *key;

	if (is_last(task, k, kx, kx_len))
		return;
	if (qc_note_observer != NULL)
		qc_note_observer(task, k);
	if (keys.n >= QC_NOTE_FULL)
	{
		int64		start = qc_pile_start(&keys, GetCurrentTransactionNestLevel());

		if (keys.n - start >= QC_NOTE_FULL)
		{
			write_keys(start);
			qc_pile_cut(&keys, start);
		}
	}
	key = qc_pile_add(&keys, kx_len);
	key->task = task;
	key->k = k;
	key->kx_len = kx_len;
	if (kx_len > 0)
		memcpy(keys.text + key->piled.text_at, kx, kx_len);
}

/* ---- transactions ---- */

static void
reset(void)
{
	written_early = -1;
	nwritten = 0;
	qc_pile_reset(&keys);
	qc_annotate_reset();
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	(void) arg;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			qc_annotate_write();
			write_keys(0);
			break;
		case XACT_EVENT_COMMIT:
			if (nwritten != 0)
				qc_board_announce(MyDatabaseId, written, nwritten);
			reset();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			/* What is prepared is found by the worker's sweep once it is committed. */
			reset();
			break;
		default:
			break;
	}
}

/* A loop of short subtransactions gives its keys to a parent that notes none itself. */
static void
write_early(int level)
{
	int64		start;

	written_early = -1;
	if (keys.n < QC_NOTE_FULL)
		return;
	start = qc_pile_start(&keys, level - 1);
	if (keys.n - start < QC_NOTE_FULL)
		return;
	write_keys(start);
	written_early = start;
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid,
					  SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	(void) subid;
	(void) parent;
	(void) arg;
	switch (event)
	{
		case SUBXACT_EVENT_PRE_COMMIT_SUB:
			qc_annotate_before_release(level);
			write_early(level);
			break;
		case SUBXACT_EVENT_COMMIT_SUB:
			qc_annotate_released(level);
			if (written_early >= 0)
				qc_pile_cut(&keys, written_early);
			else
				qc_pile_release(&keys, level);
			written_early = -1;
			break;
		case SUBXACT_EVENT_ABORT_SUB:
			qc_annotate_rolled_back(level);
			written_early = -1;
			qc_pile_cut(&keys, qc_pile_start(&keys, level));
			break;
		default:
			break;
	}
}

void
qc_note_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
