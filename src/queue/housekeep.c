/*-------------------------------------------------------------------------
 *
 * housekeep.c
 *	  Keeping our tables small: void entries, and the queue's dead rows.
 *
 * Nothing tells us of a deleted row (that would cost every DELETE a trigger),
 * so what we keep of it is found by looking, a slice at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parser.h"
#include "pgstat.h"
#include "tcop/dest.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "queue/own.h"
#include "queue/write.h"
#include "queue/write_rows.h"

#define SLICE			500		/* rows of one transaction: a few milliseconds */
#define SLICES			10		/* of one call */

/* River issue 59: autovacuum may be busy for hours with big tables. */
#define MOST_DEAD		INT64CONST(100000)
#define VACUUM_EVERY	INT64CONST(300000000)	/* microseconds */

/* ---- void entries ---- */

/* An answered review stays: what a person said of a text is true for ever. */
static const struct
{
	const char *name;
	const char *void_if;		/* or NULL */
}			tables[] = {
	{"result", NULL}, {"annotation", NULL}, {"dead", NULL}, {"review_row", "t.human IS NULL"}
};

/* Where the last slice of a task ended. */
typedef struct QcSwept
{
	int32		task;
	int			table;
	int64		k;
	char	   *kx;				/* NULL: at the beginning */
} QcSwept;

static QcSwept *
swept_of(int32 task)
{
	static QcSwept *of = NULL;
	static int	n = 0;

	for (int i = 0; i < n; i++)
		if (of[i].task == task)
			return &of[i];
	of = of == NULL ? MemoryContextAlloc(TopMemoryContext, sizeof(QcSwept)) :
		repalloc(of, sizeof(QcSwept) * (n + 1));
	of[n] = (QcSwept) {task, 0, 0, NULL};
	return &of[n++];
}

static void
move_on(QcSwept *swept, const QcItem *last)
{
	char	   *kx = last == NULL ? NULL :
		MemoryContextStrdup(TopMemoryContext, last->kx ? last->kx : "");

	if (swept->kx)
		pfree(swept->kx);
	swept->kx = kx;
	swept->k = last ? last->k : 0;
	if (last == NULL)
		swept->table = (swept->table + 1) % (int) lengthof(tables);
}

static const char *
and_void_if(const QcSwept *swept)
{
	const char *condition = tables[swept->table].void_if;

	return condition ? psprintf(" AND %s", condition) : "";
}

/* The next keys and the hashes that their entries stand for. */
static int
read_slice(const QcSwept *swept, QcItem *items)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;
	int			n;

	qc_own_begin(&own);
	qc_own_int4(&own, swept->task);
	qc_own_int8(&own, swept->k);
	qc_own_text(&own, swept->kx);
	qc_own_int8(&own, SLICE);
	qc_own_run(&own, psprintf("SELECT k, kx, text_hash FROM qwen.%s AS t WHERE task = $1%s%s "
							  "ORDER BY k, kx LIMIT $4", tables[swept->table].name, and_void_if(swept),
							  swept->kx ? " AND (k, kx) > ($2, $3)" : ""), SPI_OK_SELECT);
	n = (int) SPI_processed;
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		char	   *kx = qc_own_text_at(i, 2, cxt);

		items[i].k = qc_own_int8_at(i, 1, &isnull);
		items[i].kx = kx != NULL && kx[0] != '\0' ? kx : NULL;
		items[i].hash = qc_own_int8_at(i, 3, &isnull);
	}
	qc_own_end(&own);
	return n;
}

/* An entry that was written since has another hash or stands for a row again. */
static void
delete_void(const QcSwept *swept, QcItem **items, int n)
{
	QcOwn		own;
	int64	   *hash = palloc(sizeof(int64) * n);

	for (int i = 0; i < n; i++)
		hash[i] = items[i]->hash;
	qc_own_begin(&own);
	qc_own_int4(&own, swept->task);
	qc_own_keys(&own, items, n);
	qc_own_int8s(&own, hash, n);
	qc_own_run(&own, psprintf("DELETE FROM qwen.%s AS t USING unnest($2, $3, $4, $5) AS r(i, k, kx, h) "
							  "WHERE t.task = $1 AND t.k = r.k AND t.kx = r.kx AND t.text_hash = r.h%s",
							  tables[swept->table].name, and_void_if(swept)), SPI_OK_DELETE);
	qc_own_end(&own);
}

/* False: the table is done. */
static bool
sweep_slice(const QcTarget *target, QcSwept *swept)
{
	QcItem	   *item = palloc0(sizeof(QcItem) * SLICE);
	QcItem	  **ref = palloc(sizeof(QcItem *) * SLICE);
	bool	   *there = palloc(sizeof(bool) * SLICE);
	int64	   *hash = palloc(sizeof(int64) * SLICE);
	int			n = read_slice(swept, item);
	int			nvoid = 0;

	for (int i = 0; i < n; i++)
		ref[i] = &item[i];
	qc_rows_hash(target, ref, n, there, hash);
	for (int i = 0; i < n; i++)
		if (!there[i] || hash[i] != item[i].hash)
			ref[nvoid++] = &item[i];
	if (nvoid > 0)
		delete_void(swept, ref, nvoid);
	move_on(swept, n < SLICE ? NULL : &item[n - 1]);
	return n == SLICE;
}

/* The version lock keeps qwen.drop_task and qwen.detach out meanwhile. */
static bool
sweep_in_transaction(const QcTask *task)
{
	Oid			extension;
	char	   *why;
	QcTask	   *now;
	QcTarget   *target;
	bool		more = false;

	(void) set_config_option("lock_timeout", QC_LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (qc_extension_present(&extension) && qc_task_lock(task->id, AccessShareLock) > 0)
	{
		now = qc_task_by_id(task->id);
		target = now != NULL && OidIsValid(now->source) ? qc_target_resolve(now, &why) : NULL;
		if (target != NULL)
			more = sweep_slice(target, swept_of(task->id));
	}
	PopActiveSnapshot();
	return more;
}

void
qc_housekeep(const QcTask *task)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		more = true;

	for (int i = 0; i < SLICES && more; i++)
	{
		CHECK_FOR_INTERRUPTS();
		qc_plans_trim();
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		more = sweep_in_transaction(task);
		CommitTransactionCommand();
		MemoryContextSwitchTo(caller);
	}
	pgstat_report_stat(false);
}

/* ---- the queue's dead rows ---- */

static bool
wants_vacuum(void)
{
	QcOwn		own;
	bool		isnull;
	int64		dead;
	TimestampTz last;

	qc_own_begin(&own);
	qc_own_int4(&own, (int32) qc_own_table("queue"));
	qc_own_run(&own, "SELECT pg_catalog.pg_stat_get_dead_tuples($1::pg_catalog.oid), "
			   "GREATEST(pg_catalog.pg_stat_get_last_vacuum_time($1::pg_catalog.oid), "
			   "pg_catalog.pg_stat_get_last_autovacuum_time($1::pg_catalog.oid))", SPI_OK_SELECT);
	dead = qc_own_int8_at(0, 1, &isnull);
	last = qc_own_int8_at(0, 2, &isnull);
	if (isnull)
		last = 0;
	qc_own_end(&own);
	return dead > MOST_DEAD && GetCurrentTimestamp() - last > VACUUM_EVERY;
}

/*
 * A statement as from a client, since VACUUM begins and ends transactions.  It
 * hangs its memory on the portal's; a worker has none.
 */
static void
run_vacuum(void)
{
	static const char sql[] = "VACUUM qwen.queue";
	MemoryContext before = PortalContext;
	PlannedStmt *statement = makeNode(PlannedStmt);

	statement->commandType = CMD_UTILITY;
	statement->utilityStmt = linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT))->stmt;
	PortalContext = AllocSetContextCreate(TopMemoryContext, "qwen_classify vacuum",
										  ALLOCSET_DEFAULT_SIZES);
	PG_TRY();
	{
		ProcessUtility(statement, sql, false, PROCESS_UTILITY_TOPLEVEL, NULL, NULL,
					   None_Receiver, NULL);
	}
	PG_FINALLY();
	{
		MemoryContext ours = PortalContext;

		PortalContext = before;
		MemoryContextDelete(ours);
	}
	PG_END_TRY();
}

void
qc_queue_vacuum(void)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		wanted;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	wanted = wants_vacuum();
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	if (!wanted)
		return;
	pgstat_report_activity(STATE_RUNNING, "qwen_classify: VACUUM qwen.queue");
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(caller);
	run_vacuum();
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}
