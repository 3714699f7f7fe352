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
 * had.  An SQL error is halved until the row it belongs to is alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/board.h"
#include "queue/batch.h"
#include "queue/note.h"
#include "queue/outcome.h"
#include "queue/queue.h"
#include "queue/write.h"

/* How long the worker waits for a row that somebody has locked. */
#define LOCK_TIMEOUT "100ms"

/* ---- the UPDATE ---- */

static char *
update_sql(const QcTarget *t)
{
	static const char *const more[] = {"h", "label", "conf", "reason", "old_label", "old_conf"};
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s AS s SET %s = r.label::%s",
					 t->rel_sql, t->label_sql, t->label_type_sql);
	if (t->confidence)
		appendStringInfo(&sql, ", %s = r.conf::%s", t->confidence_sql, t->confidence_type_sql);
	if (t->reason)
		appendStringInfo(&sql, ", %s = r.reason::%s", t->reason_sql, t->reason_type_sql);
	appendStringInfo(&sql, " FROM %s WHERE %s AND %s = r.h AND s.%s IS NOT DISTINCT FROM r.old_label::%s",
					 qc_batch_sql(t, more, lengthof(more)), t->join_sql, t->hash_sql,
					 t->label_sql, t->label_type_sql);
	if (t->confidence)
		appendStringInfo(&sql, " AND s.%s IS NOT DISTINCT FROM r.old_conf::%s",
						 t->confidence_sql, t->confidence_type_sql);
	appendStringInfoString(&sql, " RETURNING r.i");
	return sql.data;
}

static void
update_args(QcArgs *args, const QcTarget *target, QcItem **items, int n)
{
	int64	   *hash = palloc(sizeof(int64) * n);
	double	   *confidence = palloc(sizeof(double) * n);
	char	  **label = palloc(sizeof(char *) * n * 4);
	char	  **reason = label + n;
	char	  **old_label = label + 2 * n;
	char	  **old_confidence = label + 3 * n;

	for (int i = 0; i < n; i++)
	{
		hash[i] = items[i]->hash;
		label[i] = items[i]->label;
		confidence[i] = items[i]->confidence;
		reason[i] = items[i]->reason;
		old_label[i] = items[i]->old_label;
		old_confidence[i] = items[i]->old_confidence;
	}
	qc_args_keys(args, target, items, n);
	qc_args_int8(args, hash, n);
	qc_args_text(args, label, n);
	qc_args_float8(args, confidence, n);
	qc_args_text(args, reason, n);
	qc_args_text(args, old_label, n);
	qc_args_text(args, old_confidence, n);
}

/* The flag is down again whatever the owner's triggers throw. */
static void
run_update(const QcTarget *target, QcItem **items, int n)
{
	QcArgs		args = {0};
	char	   *sql = update_sql(target);
	int			rc;

	update_args(&args, target, items, n);
	SPI_connect();
	qc_writing_back = true;
	PG_TRY();
	{
		rc = SPI_execute_plan(qc_plan(sql, &args), args.value, NULL, false, 0);
		if (rc != SPI_OK_UPDATE_RETURNING)
			elog(ERROR, "could not write labels: %s", SPI_result_code_string(rc));
	}
	PG_FINALLY();
	{
		qc_writing_back = false;
	}
	PG_END_TRY();
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		int32		i = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[row],
													SPI_tuptable->tupdesc, 1, &isnull));

		items[i]->outcome = QC_WRITTEN;
	}
	SPI_finish();
}

static void
update_as_owner(const QcTarget *target, QcItem **items, int n)
{
	QcAsOwner	saved;

	if (n == 0)
		return;
	qc_as_role(&saved, target->owner);
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	run_update(target, items, n);
	qc_as_before(&saved);
}

/* ---- rows that are locked by others ---- */

static char *
lock_sql(const QcTarget *t)
{
	return psprintf("SELECT r.i FROM %s JOIN %s AS s ON %s ORDER BY r.i "
					"FOR NO KEY UPDATE OF s SKIP LOCKED",
					qc_batch_sql(t, NULL, 0), t->rel_sql, t->join_sql);
}

static char *
exists_sql(const QcTarget *t)
{
	return psprintf("SELECT r.i FROM %s JOIN %s AS s ON %s",
					qc_batch_sql(t, NULL, 0), t->rel_sql, t->join_sql);
}

static bool *
select_ordinals(const QcTarget *target, QcItem **items, int n, const char *sql, bool read_only)
{
	bool	   *hit = palloc0(sizeof(bool) * n);
	QcArgs		args = {0};

	qc_args_keys(&args, target, items, n);
	SPI_connect();
	if (SPI_execute_plan(qc_plan(sql, &args), args.value, NULL, read_only, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look at rows");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;

		hit[DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[row],
										SPI_tuptable->tupdesc, 1, &isnull))] = true;
	}
	SPI_finish();
	return hit;
}

/* Lock what can be had; a row that is there but locked is blocked. */
static void
skip_locked(const QcTarget *target, QcItem **items, int n)
{
	QcAsOwner	saved;
	bool	   *locked;
	bool	   *there;

	qc_as_role(&saved, target->owner);
	there = select_ordinals(target, items, n, exists_sql(target), true);
	locked = select_ordinals(target, items, n, lock_sql(target), false);
	qc_as_before(&saved);
	for (int i = 0; i < n; i++)
		if (there[i] && !locked[i] && items[i]->failed == QC_FAIL_NONE)
			items[i]->outcome = QC_BLOCKED;
}

/* ---- the fence ---- */

static void
fence_queue(const QcTask *task, QcItem **items, int n)
{
	qc_queue_begin();
	for (int i = 0; i < n; i++)
	{
		QcItem	   *item = items[i];
		bool		any = false;

		if (item->origin != QC_FROM_QUEUE || item->outcome == QC_BLOCKED)
			continue;
		for (int p = 0; p < item->nplaces; p++)
			any |= qc_queue_delete(task->id, item->k, item->kx, &item->place[p]);
		if (!any)
			item->outcome = QC_LOST;
	}
	qc_queue_end();
}

static bool
is_open(const QcItem *item)
{
	return item->outcome == QC_NOT_WRITTEN;
}

/* ---- the version moved on ---- */

/* What was asked under an old version is asked again, whoever waits. */
static void
requeue(const QcTask *task, QcItem **items, int n)
{
	int64	   *k = palloc(sizeof(int64) * n);
	char	  **kx = palloc(sizeof(char *) * n);
	int			m = 0;

	for (int i = 0; i < n; i++)
	{
		QcItem	   *item = items[i];

		if (!is_open(item) || item->origin == QC_FROM_BACKFILL)
			continue;
		k[m] = item->k;
		kx[m++] = item->kx;
		item->outcome = QC_REQUEUED;
	}
	if (m > 0)
		qc_queue_insert(task->id, k, kx, m);
}

/* ---- one try ---- */

typedef struct QcBatch
{
	const QcTask *task;
	const QcTarget *target;
	QcItem	  **items;
	int			n;
	const QcBackfill *backfill;
	const char *cursor;
	bool		skip;			/* leave out rows that are locked */
} QcBatch;

/* Those with a label, not yet decided. */
static int
labelled(const QcBatch *batch, QcItem **out)
{
	int			n = 0;

	for (int i = 0; i < batch->n; i++)
		if (is_open(batch->items[i]) && batch->items[i]->failed == QC_FAIL_NONE)
			out[n++] = batch->items[i];
	return n;
}

static void
write_labels(const QcBatch *batch)
{
	QcItem	  **items = palloc(sizeof(QcItem *) * Max(batch->n, 1));
	int			n = labelled(batch, items);

	update_as_owner(batch->target, items, n);
	CommandCounterIncrement();

	/* What was fenced and not updated has changed since: look with new eyes. */
	n = labelled(batch, items);
	if (n == 0)
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	qc_outcome_of_changed(batch->task, batch->target, items, n);
	PopActiveSnapshot();
}

static void
write_in_transaction(const QcBatch *batch)
{
	Oid			extension;
	int32		version;

	PushActiveSnapshot(GetTransactionSnapshot());
	if (!qc_extension_present(&extension))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" does not exist", "qwen_classify")));
	version = qc_task_lock(batch->task->id, AccessShareLock);
	PopActiveSnapshot();

	PushActiveSnapshot(GetTransactionSnapshot());
	if (batch->skip)
		skip_locked(batch->target, batch->items, batch->n);
	fence_queue(batch->task, batch->items, batch->n);
	qc_retry_forget(batch->task, batch->items, batch->n);
	CommandCounterIncrement();
	PopActiveSnapshot();

	PushActiveSnapshot(GetTransactionSnapshot());
	if (version != batch->task->version)
		requeue(batch->task, batch->items, batch->n);
	else
	{
		write_labels(batch);
		qc_outcome_store(batch->task, batch->items, batch->n);
		if (batch->backfill != NULL)
			qc_backfill_advance(batch->backfill, batch->cursor, batch->items, batch->n);
	}
	PopActiveSnapshot();
}

/* ---- errors ---- */

/* A right, a table or the server itself: nobody's row. */
static bool
is_lock_error(int sqlstate)
{
	return sqlstate == ERRCODE_LOCK_NOT_AVAILABLE ||
		sqlstate == ERRCODE_T_R_DEADLOCK_DETECTED ||
		sqlstate == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

/* What an aborted transaction decided is void. */
static void
undecide(const QcBatch *batch)
{
	for (int i = 0; i < batch->n; i++)
		batch->items[i]->outcome = QC_NOT_WRITTEN;
}

/* Begin, write, commit; NULL, or the error after the abort (in the caller's context). */
static ErrorData *
try_once(const QcBatch *batch)
{
	MemoryContext caller = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;

	undecide(batch);
	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		write_in_transaction(batch);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		undecide(batch);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	pgstat_report_stat(false);
	return error;
}

static bool write_or_halve(QcBatch batch, char **why);

static bool
write_halves(const QcBatch *batch, char **why)
{
	QcBatch		first = *batch;
	QcBatch		second = *batch;

	first.n = batch->n / 2;
	first.cursor = NULL;		/* moves with the last of them */
	second.items += first.n;
	second.n -= first.n;
	return write_or_halve(first, why) && write_or_halve(second, why);
}

/* Alone with its error: the row is charged, and goes to retry or dead. */
static bool
charge_row(QcBatch batch, const ErrorData *error, char **why)
{
	QcItem	   *item = batch.items[0];

	if (item->failed != QC_FAIL_NONE)
	{
		/* even to note its failure failed: that is no row's fault */
		*why = qc_error_words(error, CurrentMemoryContext);
		return false;
	}
	item->failed = QC_FAIL_REJECTED;
	item->sql_error = true;
	item->error = qc_error_words(error, CurrentMemoryContext);
	return write_or_halve(batch, why);
}

static bool
write_or_halve(QcBatch batch, char **why)
{
	ErrorData  *error = try_once(&batch);

	if (error == NULL)
		return true;
	if (is_lock_error(error->sqlerrcode) && !batch.skip)
	{
		batch.skip = true;
		error = try_once(&batch);
		if (error == NULL)
			return true;
	}
	if (is_lock_error(error->sqlerrcode))
	{
		for (int i = 0; i < batch.n; i++)
			batch.items[i]->outcome = QC_BLOCKED;
		return true;
	}
	if (!qc_is_rows_error(error->sqlerrcode))
	{
		*why = qc_error_words(error, CurrentMemoryContext);
		return false;
	}
	if (batch.n > 1)
		return write_halves(&batch, why);
	return charge_row(batch, error, why);
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

bool
qc_write_back(const QcTask *task, const QcTarget *target, QcItem **items, int n,
			  const QcBackfill *backfill, const char *cursor, char **why)
{
	QcBatch		batch = {task, target, items, n, backfill, cursor, false};
	MemoryContext caller = CurrentMemoryContext;
	bool		good;

	Assert(!IsTransactionState());
	*why = NULL;
	qsort(items, n, sizeof(QcItem *), compare_items);
	good = write_or_halve(batch, why);
	MemoryContextSwitchTo(caller);
	return good;
}

void
qc_write_drop(const QcQueueRow *rows, int n)
{
	qc_queue_begin();
	for (int i = 0; i < n; i++)
	{
		QcPlace		place = {rows[i].ctid, rows[i].enq};

		(void) qc_queue_delete(rows[i].task, rows[i].k, rows[i].kx, &place);
	}
	qc_queue_end();
}
