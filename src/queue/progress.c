/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  qwen.progress: how far each task is, from the tables and the board.
 *
 * What is counted exactly comes from the tables, what happens this moment
 * from the board.  A long queue is not counted row by row at each look: the
 * worker's numbers and the size of the table do.  Whoever may read a task's
 * table sees its row, and pg_monitor sees all; no text of a row is in it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/relation.h"
#include "catalog/pg_authid.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "common/board.h"
#include "common/guc.h"
#include "queue/own.h"
#include "queue/read.h"
#include "queue/rows.h"

/* A longer queue (some 700,000 rows) is estimated. */
#define QC_COUNT_BLOCKS	4000
#define QC_ROWS_A_BLOCK	150

/* Counts of one task. */
typedef struct QcCounts
{
	int32		task;
	TimestampTz state_since;
	int64		done;
	int64		undecided;
	int64		cut;
	int64		queued;
	TimestampTz oldest;			/* 0: nothing waits */
	int64		retry;
	int64		dead;
	int64		stale;
	int64		remainder;		/* of an open backfill; -1: none */
	bool		relabel;
} QcCounts;

static const char counts_sql[] =
"SELECT t.id, t.state_since, COALESCE(y.done, 0), COALESCE(y.undecided, 0), COALESCE(y.cut, 0), "
"COALESCE(r.n, 0), COALESCE(d.n, 0), COALESCE(s.n, 0), r.first, "
"CASE WHEN b.task IS NULL THEN -1 ELSE greatest(0, least(b.max_rows, "
"greatest(COALESCE(c.reltuples, 0), 0)::pg_catalog.int8) - b.rows_done) END, "
"(COALESCE(b.mode, '') = 'relabel')::pg_catalog.int4::pg_catalog.int8 "
"FROM qwen.task AS t LEFT JOIN qwen.tally AS y ON y.task = t.id "
"LEFT JOIN (SELECT task, count(*) AS n, min(first_enq) AS first FROM qwen.retry GROUP BY task) AS r ON r.task = t.id "
"LEFT JOIN (SELECT task, count(*) AS n FROM qwen.dead GROUP BY task) AS d ON d.task = t.id "
"LEFT JOIN LATERAL (SELECT count(*) AS n FROM qwen.result AS x "
"WHERE t.version > 1 AND x.task = t.id AND x.version < t.version) AS s ON true "
"LEFT JOIN qwen.backfill_state AS b ON b.task = t.id AND b.finished_at IS NULL "
"LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.source ORDER BY t.id";

static int64
at(uint64 row, int col)
{
	bool		isnull;
	int64		value = qc_own_int8_at(row, col, &isnull);

	return isnull ? 0 : value;
}

static int
read_counts(QcCounts **out)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;
	int			n;

	qc_own_begin(&own);
	qc_own_run(&own, counts_sql, SPI_OK_SELECT);
	n = (int) SPI_processed;
	*out = MemoryContextAllocZero(cxt, sizeof(QcCounts) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		QcCounts   *counts = &(*out)[i];

		counts->task = qc_own_ordinal(i);
		counts->state_since = at(i, 2);
		counts->done = at(i, 3);
		counts->undecided = at(i, 4);
		counts->cut = at(i, 5);
		counts->retry = at(i, 6);
		counts->dead = at(i, 7);
		counts->stale = at(i, 8);
		counts->oldest = at(i, 9);
		counts->remainder = at(i, 10);
		counts->relabel = at(i, 11) != 0;
	}
	qc_own_end(&own);
	return n;
}

static QcCounts *
counts_of(QcCounts *counts, int n, int32 task)
{
	for (int i = 0; i < n; i++)
		if (counts[i].task == task)
			return &counts[i];
	return NULL;
}

static TimestampTz
earlier(TimestampTz a, TimestampTz b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Row by row: exact. */
static void
count_queue(QcCounts *counts, int n)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_run(&own, "SELECT task, count(*), min(enq) FROM qwen.queue GROUP BY task", SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		QcCounts   *its = counts_of(counts, n, qc_own_ordinal(row));

		if (its == NULL)
			continue;
		its->queued = at(row, 2);
		its->oldest = earlier(its->oldest, at(row, 3));
	}
	qc_own_end(&own);
}

/* What the worker knows, and of what it has not read a share as large as of that. */
static void
estimate_queue(QcCounts *counts, int n, BlockNumber blocks)
{
	QcBoardTask board;
	double		known = 0;

	for (int i = 0; i < n; i++)
		if (qc_board_task_read(MyDatabaseId, counts[i].task, &board))
		{
			counts[i].queued = board.waiting + board.in_flight;
			counts[i].oldest = earlier(counts[i].oldest, board.oldest);
			known += counts[i].queued;
		}
	for (int i = 0; i < n && known > 0; i++)
		counts[i].queued = Max(counts[i].queued,
							   (int64) (counts[i].queued / known * blocks * QC_ROWS_A_BLOCK));
}

static void
read_queue(QcCounts *counts, int n)
{
	Relation	rel = relation_open(qc_own_table("queue"), AccessShareLock);
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);

	relation_close(rel, AccessShareLock);
	if (blocks <= QC_COUNT_BLOCKS || qc_board == NULL)
		count_queue(counts, n);
	else
		estimate_queue(counts, n, blocks);
}

/* ---- what it is doing ---- */

static const char *const activity_word[] = {
	[QC_TASK_IDLE] = "idle",
	[QC_TASK_LABELLING] = "labelling",
	[QC_TASK_BACKFILLING] = "backfilling",
	[QC_TASK_RECALIBRATING] = "recalibrating",
	[QC_TASK_SERVER_DOWN] = "server down",
	[QC_TASK_LIMITED] = "limited",
	[QC_TASK_STOPPED] = "stopped",
	[QC_TASK_SAFE_MODE] = "safe mode"
};

typedef struct QcDoing
{
	const char *state;
	const char *why;			/* or NULL */
	TimestampTz since;			/* 0: not known */
} QcDoing;

static bool
has_worker(void)
{
	QcBoardDatabase *place = qc_board_database(MyDatabaseId, false);
	bool		has;

	if (place == NULL)
		return false;
	SpinLockAcquire(&place->mutex);
	has = place->worker_pid != 0;
	SpinLockRelease(&place->mutex);
	return has;
}

/* The reason that somebody has to act on comes first. */
static QcDoing
doing_of(const QcTask *task, const QcCounts *counts, const QcBoardTask *board, bool worker)
{
	bool		waits = counts->queued > 0 || counts->remainder > 0;

	if (!OidIsValid(task->source))
		return (QcDoing) {"not attached", NULL, counts->state_since};
	if (task->paused)
		return (QcDoing) {"paused", NULL, counts->state_since};
	if (qc_board == NULL)
		return (QcDoing) {"no worker", "no worker: qwen_classify is not in shared_preload_libraries", 0};
	if (!qc_enabled)
		return (QcDoing) {"off", "qwen_classify.enabled is off", 0};
	if (board != NULL && (worker || board->activity == QC_TASK_STOPPED))
		return (QcDoing) {activity_word[board->activity],
			board->why[0] ? pstrdup(board->why) : NULL, board->since};
	if (waits)
		return (QcDoing) {"starting", "a worker is on its way", 0};
	return (QcDoing) {"idle", NULL, board ? board->since : 0};
}

/* ---- a row ---- */

#define QC_PROGRESS_COLUMNS 17

static Datum
interval_of(double seconds)
{
	return DirectFunctionCall7(make_interval, Int32GetDatum(0), Int32GetDatum(0), Int32GetDatum(0),
							   Int32GetDatum(0), Int32GetDatum(0), Int32GetDatum(0),
							   Float8GetDatum(rint(seconds)));
}

static void
put_text(Datum *value, bool *null, const char *s)
{
	*null = s == NULL || s[0] == '\0';
	if (!*null)
		*value = CStringGetTextDatum(s);
}

static void
put_interval(Datum *value, bool *null, bool known, double seconds)
{
	*null = !known;
	if (known)
		*value = interval_of(Max(seconds, 0));
}

static void
put_row(QcRows *rows, const QcTask *task, const QcCounts *counts, bool worker)
{
	QcBoardTask copy;
	const QcBoardTask *board = qc_board_task_read(MyDatabaseId, task->id, &copy) ? &copy : NULL;
	QcDoing		doing;
	int64		in_flight = board != NULL && worker ? board->in_flight : 0;
	int64		waiting = Max(counts->queued - in_flight, 0) + counts->retry;
	int64		all = waiting + in_flight + Max(counts->remainder, 0);
	double		rate = board != NULL && worker ? board->rate : 0;
	Datum		value[QC_PROGRESS_COLUMNS] = {0};
	bool		null[QC_PROGRESS_COLUMNS] = {0};

	if (board != NULL && !qc_task_visible(task))
	{
		/* messages may quote a row: not for pg_monitor */
		copy.why[0] = copy.last_error[0] = '\0';
	}
	doing = doing_of(task, counts, board, worker);
	put_text(&value[0], &null[0], task->name);
	value[1] = ObjectIdGetDatum(task->source);
	null[1] = !OidIsValid(task->source);
	value[2] = Int64GetDatum(waiting);
	value[3] = Int64GetDatum(in_flight);
	value[4] = Int64GetDatum(counts->done + (board ? board->done : 0));
	value[5] = Int64GetDatum(counts->undecided + (board ? board->undecided : 0));
	value[6] = Int64GetDatum(counts->dead);
	value[7] = Int64GetDatum(counts->cut + (board ? board->cut : 0));
	value[8] = Int64GetDatum(counts->stale);
	value[9] = Float8GetDatum(rint(rate * 10) / 10);
	put_interval(&value[10], &null[10], rate > 0 && all > 0, rate > 0 ? all / rate : 0);
	put_interval(&value[11], &null[11], counts->oldest != 0,
				 (GetCurrentTimestamp() - counts->oldest) / 1e6);
	put_text(&value[12], &null[12], doing.state);
	value[13] = TimestampTzGetDatum(doing.since);
	null[13] = doing.since == 0;
	put_text(&value[14], &null[14], doing.why);
	put_text(&value[15], &null[15], board ? board->source : NULL);
	put_text(&value[16], &null[16], board ? board->last_error : NULL);
	tuplestore_putvalues(rows->store, rows->desc, value, null);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_progress);

Datum
qwen_classify_progress(PG_FUNCTION_ARGS)
{
	bool		monitor = has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
	bool		worker = has_worker();
	QcRows		rows;
	QcCounts   *counts;
	int			n;
	ListCell   *cell;

	qc_rows_begin(&rows, fcinfo);
	n = read_counts(&counts);
	read_queue(counts, n);
	foreach(cell, qc_task_all())
	{
		QcTask	   *task = lfirst(cell);
		QcCounts   *its = counts_of(counts, n, task->id);

		if (its != NULL && (monitor || qc_task_visible(task)))
			put_row(&rows, task, its, worker);
	}
	return (Datum) 0;
}
