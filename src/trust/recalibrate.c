/*-------------------------------------------------------------------------
 *
 * recalibrate.c
 *	  qwen.recalibrate: calibrated confidences for the rows that are there.
 *
 * By the worker, behind rows that wait for a label: so many rows a transaction,
 * which moves the cursor in qwen.recalibration too, so that a crash repeats
 * nothing.  Rows that somebody had locked are found by a second pass, for which
 * the others are written already.  CALL qwen.recalibrate_now does the same in
 * the caller's session, where they have a second turn at the end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "common/board.h"
#include "queue/own.h"
#include "trust/recalibrate.h"
#include "trust/reviews.h"
#include "trust/rewrite.h"

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_recalibrate_now);
PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_recalibrate);

/* Milliseconds before the rows that were locked have their second turn. */
#define PAUSE		200

#define PASSES		2			/* of the worker */

/* ---- by the worker ---- */

bool
qc_recalibration_read(int32 task, QcRecalibration *r)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;
	bool		open;
	bool		isnull;

	memset(r, 0, sizeof(*r));
	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_run(&own, "SELECT k, kx, pass::pg_catalog.int8, rows_seen, rows_done, skipped FROM qwen.recalibration "
			   "WHERE task = $1 AND finished_at IS NULL", SPI_OK_SELECT);
	open = SPI_processed > 0;
	if (open)
	{
		r->k = qc_own_int8_at(0, 1, &isnull);
		r->kx = qc_own_text_at(0, 2, cxt);
		r->pass = (int) qc_own_int8_at(0, 3, &isnull);
		r->seen = qc_own_int8_at(0, 4, &isnull);
		r->done = qc_own_int8_at(0, 5, &isnull);
		r->skipped = qc_own_int8_at(0, 6, &isnull);
	}
	qc_own_end(&own);
	return open;
}

/* False: somebody asks for it anew, and has not committed. */
static bool
lock_state(int32 task)
{
	QcOwn		own;
	bool		got;

	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_run(&own, "SELECT FROM qwen.recalibration WHERE task = $1 FOR UPDATE SKIP LOCKED", SPI_OK_SELECT);
	got = SPI_processed > 0;
	qc_own_end(&own);
	return got;
}

/* message: it ended; NULL: it goes on. */
static void
write_state(int32 task, const QcRecalibration *r, const char *message)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task);
	qc_own_int8(&own, r->k);
	qc_own_text(&own, r->kx);
	qc_own_int4(&own, r->pass);
	qc_own_int8(&own, r->seen);
	qc_own_int8(&own, r->done);
	qc_own_int8(&own, r->skipped);
	qc_own_text(&own, message);
	qc_own_run(&own, "UPDATE qwen.recalibration SET k = $2, kx = $3, pass = $4, rows_seen = $5, rows_done = $6, "
			   "skipped = $7, message = $8, finished_at = CASE WHEN $8 IS NOT NULL THEN pg_catalog.clock_timestamp() END "
			   "WHERE task = $1", SPI_OK_UPDATE);
	qc_own_end(&own);
}

/* What keeps it from going on; NULL: nothing. */
static char *
obstacle(const QcTask *task, const QcCalibration *c)
{
	if (c == NULL)
		return "the task is not calibrated";
	if (c->stale != NULL)
		return psprintf("the calibration is stale: %s", c->stale);
	if (task->confidence_column == 0)
		return "the table has no column for the confidence";
	return NULL;
}

/* False: these were the last. */
static bool
write_batch(const QcTask *task, const QcTarget *target, const QcCalibration *c, int rows, QcRecalibration *r)
{
	QcRewrite	rw = {.cxt = CurrentMemoryContext,.batch_cxt = CurrentMemoryContext,.task = task->id,
	.version = task->version,.calibration = c,.rows = rows,.k = r->k,.kx = r->kx};
	QcItem	   *items = palloc0(sizeof(QcItem) * QC_REWRITE_ROWS);
	int			n = qc_rewrite_read(&rw, items);

	qc_rewrite_rows(&rw, target, items, n, true);
	r->seen += n;
	r->done += rw.written;
	r->skipped += rw.left;
	if (n > 0)
	{
		r->k = items[n - 1].k;
		r->kx = items[n - 1].kx ? items[n - 1].kx : "";
	}
	return n == rows;
}

/* After the last row: rows that were locked have another chance. */
static char *
next_pass(QcRecalibration *r)
{
	if (r->skipped == 0)
		return psprintf(INT64_FORMAT " rows have a calibrated confidence now", r->done);
	if (r->pass >= PASSES)
		return psprintf(INT64_FORMAT " rows have a calibrated confidence now; " INT64_FORMAT
						" were locked by somebody and keep theirs", r->done, r->skipped);
	r->pass++;
	r->k = 0;
	r->kx = NULL;
	r->seen = r->skipped = 0;
	return NULL;
}

bool
qc_recalibration_step(const QcTask *task, const QcTarget *target, int rows, QcRecalibration *r)
{
	QcCalibration *c;
	char	   *message;

	/* the version lock: what it was fitted to holds until the end of the transaction */
	if (qc_task_lock(task->id, AccessShareLock) != task->version || !qc_recalibration_read(task->id, r))
		return false;
	r->waits = !lock_state(task->id);
	if (r->waits)
		return true;
	c = qc_calibration_read(task, CurrentMemoryContext);
	message = obstacle(task, c);
	if (message == NULL && !write_batch(task, target, c, Min(rows, QC_REWRITE_ROWS), r))
		message = next_pass(r);
	write_state(task->id, r, message);
	qc_calibration_free(c);
	if (message != NULL)
		ereport(LOG, (errmsg("recalibration of task \"%s\" ended: %s", task->name, message)));
	return message == NULL;
}

/* ---- qwen.recalibrate: ask for it ---- */

static int64
count_results(const QcTask *task, const char *source)
{
	QcOwn		own;
	bool		isnull;
	int64		n;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, task->version);
	qc_own_text(&own, source);
	qc_own_run_once(&own, "SELECT pg_catalog.count(*) FROM qwen.result WHERE task = $1 AND version = $2 AND state = 'labelled' "
					"AND source = $3 AND confidence IS NOT NULL", SPI_OK_SELECT);
	n = qc_own_int8_at(0, 1, &isnull);
	qc_own_end(&own);
	return n;
}

static void
ask_for_it(const QcTask *task, int64 rows)
{
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int8(&own, rows);
	qc_own_run(&own, "INSERT INTO qwen.recalibration AS t (task, rows_about) VALUES ($1, $2) ON CONFLICT (task) DO UPDATE SET "
			   "k = 0, kx = NULL, pass = 1, rows_about = excluded.rows_about, rows_seen = 0, rows_done = 0, skipped = 0, "
			   "started_at = pg_catalog.now(), finished_at = NULL, message = NULL", SPI_OK_INSERT);
	qc_own_end(&own);
	qc_board_config_changes();
}

Datum
qwen_classify_recalibrate(PG_FUNCTION_ARGS)
{
	QcTask	   *task = qc_task_argument(fcinfo, 0);
	QcCalibration *c;
	int64		rows;

	qc_task_check_owner(task);
	qc_reviews_check_kept(task);
	c = qc_calibration_read(task, CurrentMemoryContext);
	qc_rewrite_check(task, c);
	if (qc_board == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no worker: the library is not preloaded"),
				 errhint("Do it in this session: CALL qwen.recalibrate_now(%s).", quote_literal_cstr(task->name))));
	if (qc_task_lock(task->id, AccessShareLock) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("task \"%s\" was dropped by another session", task->name)));
	rows = count_results(task, c->source);
	ask_for_it(task, rows);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("the worker rewrites the confidences of about " INT64_FORMAT
											  " rows; SELECT * FROM qwen.progress; shows how far it is", rows)));
}

/* ---- one transaction ---- */

/* Under the version lock, or what was fitted to is gone. */
static QcTarget *
open_target(const QcRewrite *rw)
{
	QcTask	   *task;

	if (qc_task_lock(rw->task, AccessShareLock) != rw->version)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the task changed while its rows were rewritten"),
				 errdetail(INT64_FORMAT " rows had been.", rw->written),
				 errhint("SELECT * FROM qwen.calibration_of(...); shows what to do.")));
	task = qc_task_by_id(rw->task);
	qc_task_check_owner(task);
	return qc_rows_open(task);
}

/* ---- qwen.recalibrate_now, in the caller's session ---- */

/* False: that was the last. */
static bool
first_turn(QcRewrite *rw)
{
	QcItem	   *items = palloc0(sizeof(QcItem) * QC_REWRITE_ROWS);
	const QcTarget *target = open_target(rw);
	int			n = qc_rewrite_read(rw, items);

	qc_rewrite_rows(rw, target, items, n, false);
	if (n == 0)
		return false;
	rw->k = items[n - 1].k;
	rw->kx = MemoryContextStrdup(rw->cxt, items[n - 1].kx ? items[n - 1].kx : "");
	return n == QC_REWRITE_ROWS;
}

static bool
second_turn(QcRewrite *rw)
{
	QcItem	   *items = palloc0(sizeof(QcItem) * QC_REWRITE_ROWS);
	QcItem	  **held = palloc(sizeof(QcItem *) * QC_REWRITE_ROWS);
	const QcTarget *target = open_target(rw);
	int			n = Min(rw->nheld, QC_REWRITE_ROWS);

	for (int i = 0; i < n; i++)
		held[i] = &rw->held[--rw->nheld];
	n = n > 0 ? qc_rewrite_read_held(rw, held, n, items) : 0;
	qc_rewrite_rows(rw, target, items, n, true);
	return rw->nheld > 0;
}

static void
run_turns(QcRewrite *rw, bool (*turn) (QcRewrite *rw))
{
	bool		more;

	do
	{
		MemoryContext before = MemoryContextSwitchTo(rw->batch_cxt);

		CHECK_FOR_INTERRUPTS();
		qc_plans_trim();
		PushActiveSnapshot(GetTransactionSnapshot());
		more = turn(rw);
		PopActiveSnapshot();
		MemoryContextSwitchTo(before);
		MemoryContextReset(rw->batch_cxt);
		SPI_commit();
		SPI_start_transaction();
	} while (more);
}

static void
pause_a_little(void)
{
	static uint32 event = 0;

	if (event == 0)
		event = qc_wait_event_new("QwenClassifyRecalibrate");
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, PAUSE, event);
	ResetLatch(MyLatch);
}

static void
begin(QcRewrite *rw, FunctionCallInfo fcinfo)
{
	QcTask	   *task = qc_task_argument(fcinfo, 0);

	qc_task_check_owner(task);
	qc_reviews_check_kept(task);
	rw->task = task->id;
	rw->version = task->version;
	rw->rows = QC_REWRITE_ROWS;
	rw->calibration = qc_calibration_read(task, rw->cxt);
	qc_rewrite_check(task, rw->calibration);
}

static void
tell(const QcRewrite *rw)
{
	ereport(NOTICE, (errmsg(INT64_FORMAT " rows have a calibrated confidence now", rw->written)));
	if (rw->left > 0)
		ereport(NOTICE,
				(errmsg(INT64_FORMAT " rows were locked by somebody and keep theirs", rw->left),
				 errhint("Call it again.")));
}

Datum
qwen_classify_recalibrate_now(PG_FUNCTION_ARGS)
{
	QcRewrite	rw = {0};

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("CALL qwen.recalibrate_now cannot run inside a transaction block"),
				 errdetail("It commits every %d rows.", QC_REWRITE_ROWS),
				 errhint("COMMIT first.")));
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	rw.cxt = AllocSetContextCreate(PortalContext, "qwen_classify recalibrate", ALLOCSET_DEFAULT_SIZES);
	rw.batch_cxt = AllocSetContextCreate(rw.cxt, "qwen_classify batch", ALLOCSET_DEFAULT_SIZES);
	PushActiveSnapshot(GetTransactionSnapshot());
	begin(&rw, fcinfo);
	PopActiveSnapshot();
	run_turns(&rw, first_turn);
	if (rw.nheld > 0)
	{
		pause_a_little();
		run_turns(&rw, second_turn);
	}
	SPI_finish();
	tell(&rw);
	PG_RETURN_VOID();
}
