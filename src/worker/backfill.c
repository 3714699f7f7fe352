/*-------------------------------------------------------------------------
 *
 * backfill.c
 *	  Existing rows: chunks in key order, when nothing else waits.
 *
 * A chunk's rows are flights without queue rows.  The cursor in the table
 * moves when all rows of a chunk are done, in the chunks' order; the next
 * chunk is read while the last rows of one are under way, so that the slowest
 * row holds nobody up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "utils/memutils.h"

#include "net/pool.h"
#include "worker/state.h"

#define QC_CHUNK_ROWS	1000
#define QC_MOST_CHUNKS	3

typedef struct QcChunkReading
{
	QcWork	   *work;
	QcBatch    *batch;
	QcItem	   *row;
	int			n;
	char	   *cursor;			/* after it; in the batch's context */
	QcFlight  **flight;
	int			nflights;
	bool		forgotten;		/* the server moved: what was known of the backfill, too */
} QcChunkReading;

/* What is known of the backfill; its flights are gone or done. */
void
qc_backfill_forget(QcWork *work)
{
	while (!dlist_is_empty(&work->chunks))
		pfree(dlist_container(QcChunk, node, dlist_pop_head_node(&work->chunks)));
	work->nchunks = 0;
	if (work->backfill_cxt != NULL)
		MemoryContextDelete(work->backfill_cxt);
	work->backfill_cxt = NULL;
	work->backfill = NULL;
	work->backfill_known = false;
	work->cursor = NULL;
	work->read_all = false;
	work->broken = false;
}

static void
look(void *arg)
{
	QcWork	   *work = arg;
	MemoryContext cxt = AllocSetContextCreate(work->cxt, "qwen_classify backfill",
											  ALLOCSET_SMALL_SIZES);

	qc_work_begin();
	MemoryContextSwitchTo(cxt);
	work->backfill_cxt = cxt;
	work->backfill = qc_backfill_open(work->id);
	work->backfill_known = true;
	if (work->backfill != NULL && work->backfill->cursor != NULL)
		work->cursor = pstrdup(work->backfill->cursor);
	MemoryContextSwitchTo(qc_state.round);
	qc_work_end();
}

/* ---- a chunk ---- */

/* A key that waits already is labelled by its own entry. */
static void
make_flight(QcChunkReading *reading, QcItem *row)
{
	QcWork	   *work = reading->work;
	QcEntry    *entry;
	QcFlight   *flight;

	if (!row->found || !row->wanted || qc_entry_find(work->id, row->k, row->kx) != NULL)
		return;
	entry = qc_entry_make(work, row->k, row->kx, 0);
	entry->origin = QC_FROM_BACKFILL;
	flight = qc_flight_make(work, reading->batch, entry);
	row->kx = entry->key.kx;
	row->first_enq = GetCurrentTransactionStartTimestamp();
	entry->first_enq = row->first_enq;
	flight->item = *row;
	qc_flight_read(flight);
	reading->flight[reading->nflights++] = flight;
}

static void
read_chunk(void *arg)
{
	QcChunkReading *reading = arg;
	QcWork	   *work = reading->work;

	qc_work_begin();
	qc_work_resolve(work);
	reading->forgotten = work->backfill == NULL;
	if (reading->forgotten)
	{
		qc_work_end();
		return;
	}
	MemoryContextSwitchTo(reading->batch->cxt);
	reading->cursor = work->cursor ? pstrdup(work->cursor) : NULL;
	reading->n = qc_backfill_read(work->task, work->target, work->backfill,
								  &reading->cursor, QC_CHUNK_ROWS, &reading->row);
	reading->flight = palloc(sizeof(QcFlight *) * Max(reading->n, 1));
	MemoryContextSwitchTo(qc_state.round);
	for (int i = 0; i < reading->n; i++)
		make_flight(reading, &reading->row[i]);
	qc_work_end();
}

static void
undo_chunk(QcChunkReading *reading)
{
	for (int i = 0; i < reading->nflights; i++)
		qc_flight_back(reading->flight[i]);
}

/* No rows: the end.  Of max_rows those count that are to be labelled. */
static void
add_chunk(QcChunkReading *reading)
{
	QcWork	   *work = reading->work;
	QcChunk    *chunk;

	if (reading->n == 0)
	{
		work->read_all = true;
		return;
	}
	chunk = MemoryContextAllocZero(work->backfill_cxt, sizeof(QcChunk));
	chunk->cursor = MemoryContextStrdup(work->backfill_cxt, reading->cursor);
	chunk->nrows = reading->nflights;
	dlist_push_tail(&work->chunks, &chunk->node);
	work->nchunks++;
	if (work->cursor != NULL)
		pfree(work->cursor);
	work->cursor = MemoryContextStrdup(work->backfill_cxt, reading->cursor);
	if (work->backfill->left >= 0)
		work->backfill->left = Max(work->backfill->left - reading->nflights, 0);
	for (int i = 0; i < reading->nflights; i++)
	{
		reading->flight[i]->chunk = chunk;
		chunk->open++;
	}
	for (int i = 0; i < reading->nflights; i++)
		qc_flight_sort(reading->flight[i]);
}

/* ---- when ---- */

static bool
wants_chunk(QcWork *work)
{
	return work->live.n + work->bulk.n == 0 && work->nfetched == 0 &&
		work->nchunks < QC_MOST_CHUNKS && !work->read_all && !work->broken &&
		work->backfill->left != 0;
}

/* True if rows were read, or may be by the next call. */
bool
qc_backfill_feed(QcWork *work)
{
	QcChunkReading reading = {.work = work};
	ErrorData  *error = NULL;

	if (!work->backfill_known)
		error = qc_work_try(look, work);
	if (error != NULL)
		ReThrowError(error);	/* our own table */
	if (work->backfill == NULL || !wants_chunk(work))
		return false;

	reading.batch = qc_batch_make();
	error = qc_work_try(read_chunk, &reading);
	if (error != NULL)
	{
		undo_chunk(&reading);
		qc_work_error(work, error);
	}
	else
	{
		qc_work_sound(work, QC_FAULT_SQL);
		if (!reading.forgotten)
			add_chunk(&reading);
	}
	qc_batch_release(reading.batch);
	return error == NULL && (reading.n > 0 || reading.forgotten);
}

static void
close_backfill(void *arg)
{
	QcWork	   *work = arg;

	qc_work_begin();
	qc_backfill_close(work->id, "done");
	qc_work_end();
}

/* Of all chunks. */
static int
open_rows(const QcWork *work)
{
	int			open = 0;
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, &work->chunks))
		open += dlist_container(QcChunk, node, iter.cur)->open;
	return open;
}

/* The cursor past the chunks that are done, from the first on; false: not yet all. */
static bool
settle_chunks(QcWork *work)
{
	while (!dlist_is_empty(&work->chunks))
	{
		QcChunk    *chunk = dlist_head_element(QcChunk, node, &work->chunks);

		if (work->broken)
		{
			if (open_rows(work) == 0)
				qc_backfill_forget(work);
			return false;
		}
		if (chunk->open > 0 || !qc_work_may_run(work) || !qc_write_cursor(work, chunk->cursor))
			return false;
		dlist_delete(&chunk->node);
		pfree(chunk);
		work->nchunks--;
	}
	return true;
}

/* Where a limit was not used up (rows were dropped) the table says what is left. */
static bool
limit_reached(QcWork *work)
{
	ErrorData  *error;

	qc_backfill_forget(work);
	error = qc_work_try(look, work);
	if (error != NULL)
		ReThrowError(error);
	return work->backfill != NULL && work->backfill->left == 0;
}

void
qc_backfill_settle(QcWork *work)
{
	ErrorData  *error;

	if (work->backfill == NULL || !settle_chunks(work) ||
		!(work->read_all || work->backfill->left == 0) ||
		!(work->read_all || limit_reached(work)))
		return;
	error = qc_work_try(close_backfill, work);
	if (error != NULL)
		ReThrowError(error);
	qc_backfill_forget(work);
	work->backfill_known = true;
}
