/*-------------------------------------------------------------------------
 *
 * counts.c
 *	  Counters from shared memory into tables, once a minute.
 *
 * What is flushed is taken off the board after the commit, so a crash in
 * between counts a minute twice at most, never loses one that is in the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "common/board.h"
#include "common/usage.h"
#include "queue/own.h"
#include "queue/write.h"

/* One task's counts; what was written is subtracted by the caller. */
static void
write_tally(int32 task, const QcBoardTask *counts)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_int8(&own, counts->done);
	qc_own_int8(&own, counts->undecided);
	qc_own_int8(&own, counts->failed);
	qc_own_int8(&own, counts->cut);
	qc_own_run(&own, "INSERT INTO qwen.tally AS t (task, done, undecided, failed, cut) "
			   "SELECT id, $2, $3, $4, $5 FROM qwen.task WHERE id = $1 "
			   "ON CONFLICT (task) DO UPDATE SET done = t.done + excluded.done, "
			   "undecided = t.undecided + excluded.undecided, failed = t.failed + excluded.failed, "
			   "cut = t.cut + excluded.cut", SPI_OK_INSERT);
	qc_own_end(&own);
}

static void
write_usage(const QcUsagePlace *place)
{
	ForeignServer *server = GetForeignServerExtended(place->serverid, FSV_MISSING_OK);
	char	   *role = GetUserNameFromId(place->userid, true);
	const QcUsageCounts *t = &place->total;
	const QcUsageCounts *f = &place->flushed;
	QcOwn		own;

	if (t->requests == f->requests && t->errors == f->errors)
		return;
	qc_own_begin(&own);
	qc_own_text(&own, server ? server->servername : "(dropped)");
	qc_own_text(&own, role ? role : "(dropped)");
	qc_own_int8(&own, t->requests - f->requests);
	qc_own_int8(&own, t->prompt_tokens - f->prompt_tokens);
	qc_own_int8(&own, t->cached_tokens - f->cached_tokens);
	qc_own_int8(&own, t->output_tokens - f->output_tokens);
	qc_own_int8(&own, t->errors - f->errors);
	qc_own_run(&own, "INSERT INTO qwen.usage AS t (server, role, day, requests, prompt_tokens, cached_tokens, output_tokens, errors) "
			   "VALUES ($1, $2, current_date, $3, $4, $5, $6, $7) "
			   "ON CONFLICT (server, role, day) DO UPDATE SET requests = t.requests + excluded.requests, "
			   "prompt_tokens = t.prompt_tokens + excluded.prompt_tokens, "
			   "cached_tokens = t.cached_tokens + excluded.cached_tokens, "
			   "output_tokens = t.output_tokens + excluded.output_tokens, "
			   "errors = t.errors + excluded.errors", SPI_OK_INSERT);
	qc_own_end(&own);
}

/* Places of this database's tasks; copies, and where they came from. */
static int
read_places(QcBoardTask *copy, QcBoardTask **from)
{
	int			n = 0;

	for (int i = 0; i < QC_BOARD_TASKS; i++)
	{
		QcBoardTask *place = &qc_board->task[i];

		SpinLockAcquire(&place->mutex);
		if (place->dbid == MyDatabaseId &&
			(place->done || place->undecided || place->failed || place->cut))
		{
			copy[n] = *place;
			from[n++] = place;
		}
		SpinLockRelease(&place->mutex);
	}
	return n;
}

static void
take_off(QcBoardTask *place, const QcBoardTask *written)
{
	SpinLockAcquire(&place->mutex);
	if (place->dbid == written->dbid && place->task == written->task)
	{
		place->done -= written->done;
		place->undecided -= written->undecided;
		place->failed -= written->failed;
		place->cut -= written->cut;
	}
	SpinLockRelease(&place->mutex);
}

void
qc_write_counts(void)
{
	QcBoardTask *copy;
	QcBoardTask **from;
	QcUsagePlace *usage;
	int			ntasks;
	int			nusage;

	if (qc_board == NULL)
		return;
	copy = palloc(sizeof(QcBoardTask) * QC_BOARD_TASKS);
	from = palloc(sizeof(QcBoardTask *) * QC_BOARD_TASKS);
	usage = palloc(sizeof(QcUsagePlace) * QC_USAGE_PLACES);
	ntasks = read_places(copy, from);
	nusage = qc_usage_read(usage, QC_USAGE_PLACES);
	if (ntasks > 0 || nusage > 0)
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		for (int i = 0; i < ntasks; i++)
			write_tally(copy[i].task, &copy[i]);
		for (int i = 0; i < nusage; i++)
			write_usage(&usage[i]);
		PopActiveSnapshot();
		CommitTransactionCommand();
		pgstat_report_stat(false);
		for (int i = 0; i < ntasks; i++)
			take_off(from[i], &copy[i]);
		qc_usage_flushed(usage, nusage);
	}
}
