/*-------------------------------------------------------------------------
 *
 * write.c
 *	  Writing labels back: one transaction a batch.
 *
 * In this order: the task's version under its lock; the fence (queue rows
 * deleted by place, retry rows by key); the UPDATE as the table's owner, where the
 * text's hash, the label and the confidence are as they were read; what the
 * model said, into qwen.result; what failed, into qwen.retry or qwen.dead.  All
 * of it commits together or not at all, so a crash repeats a request and never
 * a label.
 *
 * A row that is locked by somebody does not hold the others: the lock is
 * waited for 100 ms, then the batch is done again with the rows that can be
 * had, and for a while after that batches begin so.  An error from the rows
 * themselves is halved until the row it belongs to is alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "queue/batch.h"
#include "queue/note.h"
#include "queue/outcome.h"
#include "queue/queue.h"
#include "queue/write.h"
#include "queue/write_rows.h"

/* So long after a lock was met, batches do not wait for any; microseconds. */
#define CAREFUL_FOR		INT64CONST(5000000)

/* So many rows alone, and none written: it is no row's fault. */
#define MOST_SUSPECTS	4

/* One call of qc_write_back, from batch to single rows. */
typedef struct QcWriting
{
	const QcTask *task;
	const QcTarget *target;		/* as it is in the transaction */
	const QcBackfill *backfill;
	const char *cursor;			/* NULL: does not move */
	QcItem	  **items;			/* all, by key */
	int			n;

	bool		in_rows;		/* the owner's code runs: an error may be a row's */
	bool		closed;			/* the cursor has been moved */
	bool		any_written;
	QcItem	   *suspect[MOST_SUSPECTS];	/* failed alone, perhaps as all others would */
	char	   *suspicion[MOST_SUSPECTS];
	int			nsuspects;
	char	   *why;			/* stop: the configuration's or the server's fault */
} QcWriting;

static TimestampTz careful_until = 0;

static bool
is_open(const QcItem *item)
{
	return item->outcome == QC_NOT_WRITTEN;
}

/* There is something to write: a label, or that none fits. */
static bool
is_answered(const QcItem *item)
{
	return item->label != NULL || item->undecided;
}

/* ---- the fence ---- */

static void
fence_queue(int32 task, QcItem **items, int n)
{
	qc_queue_begin();
	for (int i = 0; i < n; i++)
	{
		QcItem	   *item = items[i];
		int			n_of[3] = {0, 0, 0};

		if (item->origin != QC_FROM_QUEUE || !is_open(item))
			continue;
		for (int p = 0; p < item->nplaces; p++)
			n_of[qc_queue_delete(task, item->k, item->kx, &item->place[p])]++;
		if (n_of[QC_TAKEN] == 0)
			item->outcome = n_of[QC_HELD] > 0 ? QC_BLOCKED : QC_LOST;
	}
	qc_queue_end();
}

static void
fence(const QcTask *task, QcItem **items, int n)
{
	fence_queue(task->id, items, n);
	qc_retry_forget(task, items, n);
	CommandCounterIncrement();
}

/* ---- the task is another than was asked for ---- */

/* Version and table: an answer made for one says nothing of another. */
static bool
is_same_task(const QcTask *a, const QcTask *b)
{
	return a->version == b->version && a->source == b->source && a->owner == b->owner &&
		a->input_column == b->input_column && a->label_column == b->label_column &&
		a->confidence_column == b->confidence_column && a->reason_column == b->reason_column &&
		qc_same_text(a->input, b->input);
}

static void
drop(QcItem **items, int n)
{
	for (int i = 0; i < n; i++)
		if (is_open(items[i]))
			items[i]->outcome = QC_DROPPED;
}

/*
 * What was asked under an old version is asked again.  A relabel under way
 * begins anew: all that it wrote is old now.  A retry that replaces a label stays
 * one: a queue row would stand for a row without a label.
 */
static void
requeue(const QcTask *task, QcItem **items, int n)
{
	int64	   *k = palloc(sizeof(int64) * n);
	char	  **kx = palloc(sizeof(char *) * n);
	bool		relabel = false;
	int			m = 0;

	for (int i = 0; i < n; i++)
	{
		QcItem	   *item = items[i];

		if (!is_open(item))
			continue;
		item->outcome = item->origin == QC_FROM_RETRY && item->relabel ? QC_RETRYING : QC_REQUEUED;
		item->retry_at = GetCurrentTimestamp();
		if (item->outcome == QC_RETRYING)
			continue;
		if (item->origin == QC_FROM_BACKFILL && item->relabel)
			relabel = true;
		else
		{
			k[m] = item->k;
			kx[m++] = item->kx;
		}
	}
	qc_queue_insert(task->id, k, kx, m);
	qc_outcome_store(task, items, n);
	if (relabel)
		qc_backfill_restart(task->id);
}

/* ---- one transaction ---- */

/* The fence of a retry row, or of a queue row, decides whose the rest is. */
static int
open_items(QcItem **items, int n, bool with_label, QcItem **out)
{
	int			m = 0;

	for (int i = 0; i < n; i++)
		if (is_open(items[i]) && items[i]->failed == QC_FAIL_NONE &&
			is_answered(items[i]) == with_label)
			out[m++] = items[i];
	return m;
}

static void
write_labels(QcWriting *w, QcItem **items, int n)
{
	QcItem	  **of = palloc(sizeof(QcItem *) * n);
	QcRowNow   *now = palloc(sizeof(QcRowNow) * n);
	int			m = open_items(items, n, true, of);

	qc_rows_update(w->target, of, m);
	CommandCounterIncrement();
	m = open_items(items, n, true, of);
	qc_rows_look(w->target, of, m, now);
	w->in_rows = false;
	qc_outcome_of_changed(w->task, of, now, m);

	/* neither label nor failure: nothing was to be done */
	m = open_items(items, n, false, of);
	drop(of, m);
	qc_outcome_store(w->task, items, n);
}

static void
skip_locked(QcWriting *w, QcItem **items, int n)
{
	QcItem	  **of = palloc(sizeof(QcItem *) * n);
	int			m = open_items(items, n, true, of);

	w->in_rows = true;
	qc_rows_skip_locked(w->target, of, m);
	w->in_rows = false;
}

/*
 * A label that a person agreed with differs from what was read by its
 * confidence, 1.  Where that is no difference only qwen.annotation tells.
 */
static int
unsigned_items(const QcWriting *w, QcItem **items, int n, QcItem **out)
{
	int			m = 0;

	for (int i = 0; i < n; i++)
		if (is_open(items[i]) && items[i]->relabel && is_answered(items[i]) &&
			items[i]->old_label != NULL &&
			(w->target->confidence == 0 ||
			 (items[i]->old_confidence != NULL && strtod(items[i]->old_confidence, NULL) == 1)))
			out[m++] = items[i];
	return m;
}

/* Once they are locked, what others say of them has been committed. */
static void
lock_unsigned(QcWriting *w, QcItem **items, int n)
{
	QcItem	  **of = palloc(sizeof(QcItem *) * n);
	int			m = unsigned_items(w, items, n, of);

	w->in_rows = true;
	qc_rows_skip_locked(w->target, of, m);
	w->in_rows = false;
}

static void
drop_agreed(QcWriting *w, QcItem **items, int n)
{
	QcItem	  **of = palloc(sizeof(QcItem *) * n);
	int			m = unsigned_items(w, items, n, of);

	qc_retry_leave_out(w->task, of, m);
	for (int i = 0; i < m; i++)
		if (!of[i]->wanted)
			of[i]->outcome = QC_DROPPED;
}

static int64
count_written(QcItem **items, int n)
{
	int64		written = 0;

	for (int i = 0; i < n; i++)
		if (items[i]->origin == QC_FROM_BACKFILL && items[i]->outcome == QC_WRITTEN)
			written++;
	return written;
}

/* Its cursor moves when everything before it is settled. */
static void
advance_backfill(QcWriting *w, QcItem **items, int n)
{
	if (w->backfill == NULL || w->cursor == NULL || n < w->n)
		return;
	for (int i = 0; i < n; i++)
		if (is_open(items[i]) || items[i]->outcome == QC_BLOCKED)
			return;
	qc_backfill_advance(w->backfill, w->cursor,
						*qc_backfill_uncounted(w->task->id) + count_written(items, n));
	w->closed = true;
}

static void
write_in_transaction(QcWriting *w, QcItem **items, int n, bool skip)
{
	Oid			extension;
	QcTask	   *task;

	(void) set_config_option("lock_timeout", QC_LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!qc_extension_present(&extension))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" does not exist", "qwen_classify")));
	qc_task_hold(w->task->id, AccessShareLock);
	PopActiveSnapshot();

	PushActiveSnapshot(GetTransactionSnapshot());
	task = qc_task_by_id(w->task->id);
	if (task == NULL || !OidIsValid(task->source) || !is_same_task(task, w->task))
	{
		fence(w->task, items, n);
		if (task == NULL || !OidIsValid(task->source))
			drop(items, n);
		else
			requeue(w->task, items, n);
	}
	else
	{
		w->target = qc_rows_open(task);
		if (skip)
			skip_locked(w, items, n);
		else
			lock_unsigned(w, items, n);
		fence(w->task, items, n);
		drop_agreed(w, items, n);
		w->in_rows = true;
		write_labels(w, items, n);
		advance_backfill(w, items, n);
	}
	PopActiveSnapshot();
}

/* ---- errors ---- */

/* What a try changes in an item, and an abort puts back. */
typedef struct QcBefore
{
	int			attempts;
	QcFailKind	failed;
	char	   *error;
	bool		sql_error;
} QcBefore;

static QcBefore *
remember(QcItem **items, int n)
{
	QcBefore   *before = palloc(sizeof(QcBefore) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		before[i] = (QcBefore) {items[i]->attempts, items[i]->failed, items[i]->error,
			items[i]->sql_error
		};
		items[i]->outcome = QC_NOT_WRITTEN;
	}
	return before;
}

static void
put_back(QcItem **items, int n, const QcBefore *before)
{
	for (int i = 0; i < n; i++)
	{
		items[i]->attempts = before[i].attempts;
		items[i]->failed = before[i].failed;
		items[i]->error = before[i].error;
		items[i]->sql_error = before[i].sql_error;
		items[i]->outcome = QC_NOT_WRITTEN;
	}
}

/* Rows of a backfill are counted in its table when its cursor moves. */
static void
committed(QcWriting *w, QcItem **items, int n)
{
	int64	   *uncounted = qc_backfill_uncounted(w->task->id);

	*uncounted = w->closed ? 0 : *uncounted + count_written(items, n);
	for (int i = 0; i < n; i++)
		w->any_written |= items[i]->outcome == QC_WRITTEN;
}

/* Begin, write, commit; NULL, or the error after the abort (in the caller's context). */
static ErrorData *
try_once(QcWriting *w, QcItem **items, int n, bool skip)
{
	MemoryContext caller = CurrentMemoryContext;
	QcBefore   *before = remember(items, n);
	ErrorData  *volatile error = NULL;

	w->in_rows = false;
	w->closed = false;
	PG_TRY();
	{
		qc_plans_trim();
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		write_in_transaction(w, items, n, skip);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		put_back(items, n, before);
		w->closed = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	pfree(before);
	pgstat_report_stat(false);
	if (error == NULL)
		committed(w, items, n);
	return error;
}

/* The words, and what there is to do about it. */
static char *
why_of(const ErrorData *error)
{
	char	   *words = qc_error_words(error, CurrentMemoryContext);

	return error->hint ? psprintf("%s; %s", words, error->hint) : words;
}

static void
block(QcItem **items, int n)
{
	for (int i = 0; i < n; i++)
		items[i]->outcome = QC_BLOCKED;
}

static bool
is_passing(int sqlstate)
{
	return sqlstate == ERRCODE_LOCK_NOT_AVAILABLE ||
		ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TRANSACTION_ROLLBACK;
}

static void write_or_halve(QcWriting *w, QcItem **items, int n);

/* The row is charged, and goes to retry or dead. */
static void
charge_row(QcWriting *w, QcItem *item, char *words)
{
	ErrorData  *error;

	item->failed = QC_FAIL_REJECTED;
	item->sql_error = true;
	item->error = words;
	error = try_once(w, &item, 1, false);
	if (error != NULL && is_passing(error->sqlerrcode))
		block(&item, 1);
	else if (error != NULL)
		w->why = why_of(error);
}

/*
 * Alone with an error such as a missing right: a trigger may have raised it for
 * this row, or every row would meet it.  What the other rows do will tell.
 */
static void
suspect_row(QcWriting *w, QcItem *item, const ErrorData *error)
{
	w->suspect[w->nsuspects] = item;
	w->suspicion[w->nsuspects++] = why_of(error);
	if (w->nsuspects == MOST_SUSPECTS && !w->any_written)
		w->why = w->suspicion[0];
}

static void
judge_suspects(QcWriting *w)
{
	if (w->why == NULL && w->nsuspects > 0 && !w->any_written)
		w->why = w->suspicion[0];
	for (int i = 0; i < w->nsuspects && w->why == NULL; i++)
		charge_row(w, w->suspect[i], w->suspicion[i]);
	w->nsuspects = 0;
}

static void
handle_error(QcWriting *w, QcItem **items, int n, const ErrorData *error)
{
	QcErrorOf	of = qc_error_of(error->sqlerrcode);

	if (is_passing(error->sqlerrcode) || error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		block(items, n);
	else if (!w->in_rows || of == QC_ERROR_SERVER)
		w->why = why_of(error);
	else if (n > 1)
	{
		write_or_halve(w, items, n / 2);
		write_or_halve(w, items + n / 2, n - n / 2);
	}
	else if (of == QC_ERROR_CONFIG)
		suspect_row(w, items[0], error);
	else
		charge_row(w, items[0], qc_error_words(error, CurrentMemoryContext));
	if (w->nsuspects == MOST_SUSPECTS)
		judge_suspects(w);
}

static void
write_or_halve(QcWriting *w, QcItem **items, int n)
{
	bool		skip = GetCurrentTimestamp() < careful_until;
	ErrorData  *error;

	if (w->why != NULL)
		return;
	error = try_once(w, items, n, skip);
	if (error != NULL && is_passing(error->sqlerrcode) && !skip)
	{
		careful_until = GetCurrentTimestamp() + CAREFUL_FOR;
		error = try_once(w, items, n, true);
	}
	if (error != NULL)
		handle_error(w, items, n, error);
}

/* By key, so that two who lock several rows do it in the same order. */
static int
compare_items(const void *a, const void *b)
{
	const QcItem *x = *(QcItem *const *) a;
	const QcItem *y = *(QcItem *const *) b;

	if (x->k != y->k)
		return x->k < y->k ? -1 : 1;
	if (x->kx == NULL || y->kx == NULL)
		return 0;
	return strcmp(x->kx, y->kx);
}

/* After a batch in pieces: the cursor by itself, if all before it is settled. */
static void
close_chunk(QcWriting *w)
{
	ErrorData  *error;

	if (w->why != NULL || w->closed || w->backfill == NULL || w->cursor == NULL)
		return;
	for (int i = 0; i < w->n; i++)
		if (is_open(w->items[i]) || w->items[i]->outcome == QC_BLOCKED)
			return;
	w->n = 0;
	error = try_once(w, w->items, 0, false);
	if (error != NULL && !is_passing(error->sqlerrcode))
		w->why = why_of(error);
}

bool
qc_write_back(const QcTask *task, const QcTarget *target, QcItem **items, int n,
			  const QcBackfill *backfill, const char *cursor, char **why)
{
	QcWriting	w = {0};
	MemoryContext caller = CurrentMemoryContext;

	Assert(!IsTransactionState());
	(void) target;				/* the table may have changed since it was resolved */
	w.task = task;
	w.backfill = backfill;
	w.cursor = cursor;
	w.items = items;
	w.n = n;
	pgstat_report_activity(STATE_RUNNING, "qwen_classify: writing labels");
	if (n > 1)
		qsort(items, n, sizeof(QcItem *), compare_items);
	write_or_halve(&w, items, n);
	judge_suspects(&w);
	close_chunk(&w);
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(caller);
	*why = w.why;
	return w.why == NULL;
}

/* Without its lock: a change that is not committed yet has no rows in the queue. */
bool
qc_write_as_read(const QcTask *task)
{
	QcTask	   *now = qc_task_by_id(task->id);

	return now != NULL && is_same_task(now, task);
}

void
qc_write_drop(const QcTask *task, QcItem *const *items, int n)
{
	qc_queue_begin();
	for (int i = 0; i < n; i++)
		for (int p = 0; p < items[i]->nplaces; p++)
			(void) qc_queue_delete(task->id, items[i]->k, items[i]->kx, &items[i]->place[p]);
	qc_queue_end();
}
