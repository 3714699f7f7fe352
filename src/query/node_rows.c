/*-------------------------------------------------------------------------
 *
 * node_rows.c
 *	  The rows of a prefetch node between reading and giving.
 *
 * A ring that grows, in their order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"

#include "query/node.h"

/* Room for so many rows; the order stays. */
static void
grow_ring(QcPrefetchState *state, int size)
{
	MemoryContext cxt = state->css.ss.ps.state->es_query_cxt;
	QcRow	   *ring = (QcRow *) MemoryContextAllocHuge(cxt, sizeof(QcRow) * size);
	int			ncalls = Max(state->ncalls, 1);
	QcAnswer  **answers = (QcAnswer **) MemoryContextAllocHuge(cxt, sizeof(QcAnswer *) * ncalls * size);
	QcRow	   *old = state->ring;

	for (int i = 0; i < size; i++)
		ring[i].answer = answers + (Size) i * ncalls;
	for (int i = 0; i < state->n; i++)
	{
		const QcRow *row = &old[(state->head + i) % state->size];

		ring[i].tuple = row->tuple;
		memcpy(ring[i].answer, row->answer, sizeof(QcAnswer *) * ncalls);
	}
	state->ring = ring;
	state->size = size;
	state->head = 0;
	if (old != NULL)
	{
		/* the answers of all rows are one chunk, which the first row has */
		pfree(old[0].answer);
		pfree(old);
	}
}

void
qc_node_drop_rows(QcPrefetchState *state)
{
	ExecClearTuple(state->slot);
	for (int i = 0; i < state->n; i++)
		qc_node_release(state, state->ring[(state->head + i) % state->size].answer);
	qc_node_release(state, state->current);
	MemoryContextReset(state->row_cxt);
	state->head = state->n = 0;
	state->bytes = 0;
}

QcRow *
qc_node_keep_row(QcPrefetchState *state, TupleTableSlot *slot)
{
	MemoryContext old;
	QcRow	   *row;

	if (state->n == state->size)
		grow_ring(state, Max(64, 2 * state->size));
	row = &state->ring[(state->head + state->n) % state->size];
	memset(row->answer, 0, sizeof(QcAnswer *) * state->ncalls);
	old = MemoryContextSwitchTo(state->row_cxt);
	row->tuple = ExecCopySlotMinimalTuple(slot);
	MemoryContextSwitchTo(old);
	state->bytes += row->tuple->t_len;
	state->n++;
	state->most_rows = Max(state->most_rows, state->n);
	return row;
}

TupleTableSlot *
qc_node_take_head(QcPrefetchState *state)
{
	QcRow	   *row = &state->ring[state->head];

	memcpy(state->current, row->answer, sizeof(QcAnswer *) * state->ncalls);
	state->holding = true;
	state->bytes -= row->tuple->t_len;
	ExecStoreMinimalTuple(row->tuple, state->slot, true);
	row->tuple = NULL;
	state->head = (state->head + 1) % state->size;
	state->n--;
	return state->slot;
}
