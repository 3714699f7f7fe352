/*-------------------------------------------------------------------------
 *
 * fetch.c
 *	  From entries to flights: the texts, just before they are sent.
 *
 * One short transaction a batch, committed before any request.  In it the
 * table, the server (with the owner's right to it) and the prompt are looked
 * at again; what is wrong with them stops the task, and its entries go back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "net/pool.h"
#include "queue/outcome.h"
#include "worker/state.h"

typedef struct QcFetching
{
	QcWork	   *work;
	QcBatch    *batch;
	QcFlight   *flight[QC_BATCH];
	int			n;
	bool		outdated;		/* they were looked for where they no longer are */
} QcFetching;

/* ---- batches and flights ---- */

/* One reference is the maker's. */
QcBatch *
qc_batch_make(void)
{
	MemoryContext cxt = AllocSetContextCreate(qc_state.cxt, "qwen_classify batch",
											  ALLOCSET_DEFAULT_SIZES);
	QcBatch    *batch = MemoryContextAlloc(cxt, sizeof(QcBatch));

	batch->cxt = cxt;
	batch->refs = 1;
	return batch;
}

void
qc_batch_release(QcBatch *batch)
{
	if (--batch->refs == 0)
		MemoryContextDelete(batch->cxt);
}

/* The queue rows that the entry has now go along. */
static void
take_places(QcFlight *flight)
{
	QcEntry    *entry = flight->entry;
	QcItem	   *item = &flight->item;

	item->nplaces = entry->nplaces;
	if (entry->nplaces > 0)
	{
		item->place = MemoryContextAlloc(flight->batch->cxt, sizeof(QcPlace) * entry->nplaces);
		item->place[0] = entry->place;
		if (entry->nplaces > 1)
			memcpy(item->place + 1, entry->more, sizeof(QcPlace) * (entry->nplaces - 1));
	}
	entry->nplaces = 0;
}

QcFlight *
qc_flight_make(QcWork *work, QcBatch *batch, QcEntry *entry)
{
	QcFlight   *flight = MemoryContextAllocZero(batch->cxt, sizeof(QcFlight));

	flight->work = work;
	flight->batch = batch;
	flight->entry = entry;
	flight->item.k = entry->key.k;
	flight->item.kx = entry->key.kx;
	flight->item.origin = entry->origin;
	flight->item.attempts = entry->attempts;
	flight->item.relabel = entry->relabel;
	flight->item.first_enq = entry->first_enq;
	take_places(flight);
	entry->flight = flight;
	batch->refs++;
	qc_state.in_work++;
	return flight;
}

/* It is in no list any more. */
static void
free_flight(QcFlight *flight)
{
	if (flight->inquiry != NULL)
		qc_inquiry_free(flight->inquiry);
	if (flight->chunk != NULL)
		flight->chunk->open--;
	qc_state.in_work--;
	qc_batch_release(flight->batch);
}

void
qc_flight_done(QcFlight *flight)
{
	qc_entry_done(flight);
	free_flight(flight);
}

/* A row of a backfill has no row of ours: its chunk has to be read again. */
void
qc_flight_back(QcFlight *flight)
{
	if (flight->chunk != NULL)
		flight->work->broken = true;
	qc_entry_back(flight);
	free_flight(flight);
}

/* ---- taking flights back ---- */

static void
list_back(dlist_head *list, int *n)
{
	while (!dlist_is_empty(list))
	{
		QcFlight   *flight = dlist_container(QcFlight, node, dlist_pop_head_node(list));

		(*n)--;
		while (flight->followers != NULL)
		{
			QcFlight   *follower = flight->followers;

			flight->followers = follower->next_follower;
			flight->work->nfollowing--;
			qc_flight_back(follower);
		}
		if (flight->text_key != 0)
			hash_search(qc_state.text, &flight->text_key, HASH_REMOVE, NULL);
		qc_flight_back(flight);
	}
}

void
qc_fetched_back(QcWork *work)
{
	list_back(&work->fetched, &work->nfetched);
}

/* Whatever is under way for a task ends; its keys are ready again. */
void
qc_flights_back(QcWork *work)
{
	int			nflying = work->nflying;
	int			nresults = work->nresults;

	list_back(&work->fetched, &work->nfetched);
	list_back(&work->flying, &work->nflying);
	list_back(&work->results, &work->nresults);
	list_back(&work->blocked, &work->nblocked);
	qc_state.nflying -= nflying;
	qc_state.nresults -= nresults;
	qc_backfill_forget(work);
}

/* ---- reading texts ---- */

static void
fail_reading(QcFlight *flight, const char *message)
{
	flight->item.failed = QC_FAIL_INPUT;
	flight->item.error = MemoryContextStrdup(flight->batch->cxt, message);
}

/* In a database of another encoding a text may have no UTF-8; that is the row's fault. */
static void
convert(QcFlight *flight)
{
	QcFailure	failure = {0};
	MemoryContext old = MemoryContextSwitchTo(flight->batch->cxt);

	flight->utf8 = qc_readable_text(flight->item.text, strlen(flight->item.text),
									&flight->len, &failure);
	if (flight->utf8 == NULL)
		fail_reading(flight, failure.message);
	MemoryContextSwitchTo(old);
}

static void
convert_or_fail(QcFlight *flight)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		convert(flight);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		fail_reading(flight, "the text cannot be converted to UTF-8");
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
}

/* In a transaction: the text as it will be sent. */
void
qc_flight_read(QcFlight *flight)
{
	if (!flight->item.found || !flight->item.wanted || flight->item.failed != QC_FAIL_NONE)
		return;
	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		convert(flight);
	else
		convert_or_fail(flight);
}

/* To those that can be sent, or to the results if its fate is known. */
void
qc_flight_sort(QcFlight *flight)
{
	QcItem	   *item = &flight->item;

	if (item->failed == QC_FAIL_NONE && qc_loop_found(flight->work->id, item->k))
	{
		item->failed = QC_FAIL_LOOP;
		item->error = MemoryContextStrdup(flight->batch->cxt,
										  "the row's text changes whenever a label is written");
	}
	if (item->failed != QC_FAIL_NONE)
		qc_result_add(flight);
	else
	{
		dlist_push_tail(&flight->work->fetched, &flight->node);
		flight->work->nfetched++;
	}
}

static void
fetch_texts(void *arg)
{
	QcFetching *fetching = arg;
	QcWork	   *work = fetching->work;
	QcItem	  **items;

	qc_work_begin();
	qc_work_resolve(work);
	items = palloc(sizeof(QcItem *) * fetching->n);
	for (int i = 0; i < fetching->n; i++)
		items[i] = &fetching->flight[i]->item;
	MemoryContextSwitchTo(fetching->batch->cxt);
	qc_source_fetch(work->task, work->target, items, fetching->n);
	qc_retry_leave_out(work->task, items, fetching->n);
	MemoryContextSwitchTo(qc_state.round);
	for (int i = 0; i < fetching->n; i++)
		qc_flight_read(fetching->flight[i]);
	qc_work_end();
}

/* ---- rows that need no label ---- */

static bool
is_unwanted(const QcFlight *flight)
{
	return flight->item.failed == QC_FAIL_NONE && (!flight->item.found || !flight->item.wanted);
}

static void
drop_rows(QcFetching *fetching)
{
	QcItem	  **unwanted = palloc(sizeof(QcItem *) * fetching->n);
	QcItem	  **retry = palloc(sizeof(QcItem *) * fetching->n);
	int			n = 0;
	int			nretry = 0;

	for (int i = 0; i < fetching->n; i++)
	{
		QcItem	   *item = &fetching->flight[i]->item;

		if (!is_unwanted(fetching->flight[i]))
			continue;
		unwanted[n++] = item;
		if (item->origin == QC_FROM_RETRY)
			retry[nretry++] = item;
	}
	qc_write_drop(fetching->work->task, unwanted, n);
	qc_retry_forget(fetching->work->task, retry, nretry);
}

/*
 * Their rows of ours go; in one transaction.  A task that has got another table
 * before we were told (detached and attached) has them there.
 */
static void
drop_unwanted(void *arg)
{
	QcFetching *fetching = arg;

	qc_work_begin();
	fetching->outdated = !qc_write_as_read(fetching->work->task);
	if (!fetching->outdated)
		drop_rows(fetching);
	qc_work_end();
}

/* All of them are ready again, for the task as it is now. */
static void
fetched_outdated(QcFetching *fetching)
{
	for (int i = 0; i < fetching->n; i++)
		qc_flight_back(fetching->flight[i]);
	qc_state.outdated = true;
}

static void
sort_fetched(QcFetching *fetching)
{
	bool		drop = false;

	for (int i = 0; i < fetching->n && !drop; i++)
		drop = is_unwanted(fetching->flight[i]);
	if (drop)
	{
		ErrorData  *error = qc_work_try(drop_unwanted, fetching);

		if (error != NULL)
			qc_work_error(fetching->work, error);
	}
	if (fetching->outdated)
	{
		fetched_outdated(fetching);
		return;
	}
	for (int i = 0; i < fetching->n; i++)
	{
		if (is_unwanted(fetching->flight[i]))
			qc_flight_done(fetching->flight[i]);
		else
			qc_flight_sort(fetching->flight[i]);
	}
}

/* At most n of the task's ready entries; false: none, or the task must wait or be read anew. */
bool
qc_fetch(QcWork *work, int n)
{
	QcFetching	fetching = {.work = work};
	ErrorData  *error;
	QcEntry    *entry;

	if (work->live.n + work->bulk.n == 0)
		return false;
	fetching.batch = qc_batch_make();
	n = Min(n, QC_BATCH);
	while (fetching.n < n && (entry = qc_entry_next(work)) != NULL)
		fetching.flight[fetching.n++] = qc_flight_make(work, fetching.batch, entry);

	error = qc_work_try(fetch_texts, &fetching);
	if (error != NULL)
	{
		qc_work_error(work, error);
		for (int i = 0; i < fetching.n; i++)
			qc_flight_back(fetching.flight[i]);
	}
	else
	{
		qc_work_sound(work, QC_FAULT_SQL);
		sort_fetched(&fetching);
	}
	qc_batch_release(fetching.batch);
	return error == NULL && !fetching.outdated;
}
