/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  The table qwen.queue, without SQL: read by block, deleted by place.
 *
 * A claim is nowhere but in the worker's memory.  What makes it safe is the
 * delete: it takes the row only if place, task, key and time are those that
 * were read, so whoever deletes it is the only one that writes its label.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "common/compat.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "queue/queue.h"
#include "queue/read.h"

/* Columns of qwen.queue, from 0. */
enum
{
	QUEUE_TASK, QUEUE_K, QUEUE_KX, QUEUE_ENQ
};

/* Blocks that are read before a limit on rows is looked at. */
#define BLOCKS_AT_ONCE	16

static Relation queue = NULL;
static TupleTableSlot *queue_slot = NULL;
static BlockNumber queue_blocks;

BlockNumber
qc_queue_blocks(void)
{
	Relation	rel = table_open(qc_own_table("queue"), AccessShareLock);
	BlockNumber n = RelationGetNumberOfBlocks(rel);

	table_close(rel, AccessShareLock);
	return n;
}

/* ---- reading ---- */

typedef struct QcRows
{
	QcQueueRow *row;
	int			n;
	int			size;
} QcRows;

static void
add_row(QcRows *rows, TupleTableSlot *slot)
{
	QcQueueRow *row;

	if (rows->n == rows->size)
	{
		rows->size = Max(256, rows->size * 2);
		rows->row = rows->row == NULL ? palloc(rows->size * sizeof(QcQueueRow)) :
			repalloc_huge(rows->row, rows->size * sizeof(QcQueueRow));
	}
	slot_getallattrs(slot);
	row = &rows->row[rows->n++];
	row->ctid = slot->tts_tid;
	row->task = DatumGetInt32(slot->tts_values[QUEUE_TASK]);
	row->k = DatumGetInt64(slot->tts_values[QUEUE_K]);
	row->kx = slot->tts_isnull[QUEUE_KX] ? NULL :
		TextDatumGetCString(slot->tts_values[QUEUE_KX]);
	row->enq = DatumGetTimestampTz(slot->tts_values[QUEUE_ENQ]);
}

static void
read_blocks(Relation rel, BlockNumber first, BlockNumber last, TupleTableSlot *slot, QcRows *rows)
{
	ItemPointerData min;
	ItemPointerData max;
	TableScanDesc scan;

	ItemPointerSet(&min, first, FirstOffsetNumber);
	ItemPointerSet(&max, last, MaxOffsetNumber);
	scan = table_beginscan_tidrange(rel, GetActiveSnapshot(), &min, &max);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
		add_row(rows, slot);
	table_endscan(scan);
}

int
qc_queue_read(QcRange *range, int max, QcQueueRow **out, bool *end)
{
	Relation	rel = table_open(qc_own_table("queue"), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);
	QcRows		rows = {NULL, 0, 0};

	*end = true;
	while (range->first <= range->last && range->first < blocks)
	{
		BlockNumber last = Min(range->last, blocks - 1);

		if (rows.n >= max)
		{
			*end = false;
			break;
		}
		last = Min(last, range->first + BLOCKS_AT_ONCE - 1);
		read_blocks(rel, range->first, last, slot, &rows);
		range->first = last + 1;
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	*out = rows.row;
	return rows.n;
}

/* ---- deleting ---- */

void
qc_queue_begin(void)
{
	queue = table_open(qc_own_table("queue"), RowExclusiveLock);
	queue_slot = table_slot_create(queue, NULL);
	queue_blocks = RelationGetNumberOfBlocks(queue);
}

void
qc_queue_end(void)
{
	ExecDropSingleTupleTableSlot(queue_slot);
	table_close(queue, NoLock);
	queue_slot = NULL;
	queue = NULL;
}

static bool
is_row_of(TupleTableSlot *slot, int32 task, int64 k, const char *kx, TimestampTz enq)
{
	bool		same_kx;

	slot_getallattrs(slot);
	if (DatumGetInt32(slot->tts_values[QUEUE_TASK]) != task ||
		DatumGetInt64(slot->tts_values[QUEUE_K]) != k ||
		DatumGetTimestampTz(slot->tts_values[QUEUE_ENQ]) != enq)
		return false;
	if (kx == NULL || slot->tts_isnull[QUEUE_KX])
		return kx == NULL && slot->tts_isnull[QUEUE_KX];
	same_kx = strcmp(TextDatumGetCString(slot->tts_values[QUEUE_KX]), kx) == 0;
	return same_kx;
}

QcTaken
qc_queue_delete(int32 task, int64 k, const char *kx, const QcPlace *place)
{
	ItemPointerData tid = place->ctid;
	TM_FailureData failure;
	bool		ours;

	if (ItemPointerGetBlockNumber(&tid) >= queue_blocks ||
		!table_tuple_fetch_row_version(queue, &tid, GetActiveSnapshot(), queue_slot))
		return QC_NOT_THERE;
	ours = is_row_of(queue_slot, task, k, kx, place->enq);
	ExecClearTuple(queue_slot);
	if (!ours)
		return QC_NOT_THERE;
	switch (table_tuple_delete(queue, &tid, GetCurrentCommandId(true), GetActiveSnapshot(),
							   InvalidSnapshot, false, &failure, false))
	{
		case TM_Ok:
			return QC_TAKEN;
		case TM_BeingModified:
			return QC_HELD;
		default:
			return QC_NOT_THERE;
	}
}
