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
#include "queue/void.h"
#include "queue/write.h"

#define SLICES			10		/* of one call, a transaction each */

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

/* Behind the slice, or to the next table. */
static void
move_on(QcSwept *swept, const QcVoidScan *to)
{
	char	   *kx = to ? MemoryContextStrdup(TopMemoryContext, to->kx) : NULL;

	if (swept->kx)
		pfree(swept->kx);
	swept->kx = kx;
	swept->k = to ? to->k : 0;
	if (to == NULL)
		swept->table = (swept->table + 1) % (int) lengthof(tables);
}

/* False: the table is done. */
static bool
sweep_slice(const QcTarget *target, QcSwept *swept)
{
	QcVoidScan	scan = {swept->task, tables[swept->table].name, tables[swept->table].void_if,
	swept->k, swept->kx};
	bool		more = qc_void_slice(target, &scan);

	move_on(swept, more ? &scan : NULL);
	return more;
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
	int			done = 0;		/* tables */

	for (int i = 0; i < SLICES && done < (int) lengthof(tables); i++)
	{
		CHECK_FOR_INTERRUPTS();
		qc_plans_trim();
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		done += !sweep_in_transaction(task);
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
