/*-------------------------------------------------------------------------
 *
 * rewrite.c
 *	  qwen.recalibrate: some rows of a task in a transaction, when nothing else waits.
 *
 * No request is sent, so what limits it is the table alone: a batch a round,
 * and only in rounds in which no row of the task waits to be sent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "pgstat.h"
#include "utils/backend_status.h"
#include "utils/guc.h"

#include "net/pool.h"
#include "queue/batch.h"
#include "trust/recalibrate.h"
#include "worker/state.h"

/*
 * Rows of one transaction: as many as take this long at most, so that a row
 * that comes meanwhile does not wait longer.  A user's triggers may be slow.
 */
#define QC_REWRITE_MOST		1000
#define QC_REWRITE_LEAST	10
#define QC_REWRITE_FOR		(200 * QC_MS)

#define QC_REWRITE_PAUSE	(1 * QC_S)	/* after an error that passes */

/* In a transaction: is one under way? */
void
qc_rewrite_look(QcWork *work)
{
	QcRecalibration r;

	work->rewriting = qc_recalibration_read(work->id, &r);
	work->rewritten = r.done;
	work->rewrite_at = 0;
	work->rewrite_rows = QC_REWRITE_LEAST * 10;
}

typedef struct QcRewriting
{
	QcWork	   *work;
	QcRecalibration state;
	bool		goes_on;
} QcRewriting;

static void
step(void *arg)
{
	QcRewriting *r = arg;

	qc_work_begin();
	(void) set_config_option("lock_timeout", QC_LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	qc_work_resolve(r->work);
	r->goes_on = qc_recalibration_step(r->work->task, r->work->target, r->work->rewrite_rows, &r->state);
	qc_work_end();
}

/* True: there is more. */
static bool
rewrite_some(QcWork *work)
{
	QcRewriting r = {.work = work};
	int64		begun = qc_pool_now();
	ErrorData  *error;

	pgstat_report_activity(STATE_RUNNING, psprintf("rewriting confidences of %s", work->task->name));
	error = qc_work_try(step, &r);

	if (error != NULL || r.state.waits)
	{
		work->rewrite_at = qc_pool_now() + QC_REWRITE_PAUSE;
		if (error != NULL)
			qc_work_error(work, error);
		return false;
	}
	if (work->rewrite_at != 0)
		qc_work_sound(work, QC_FAULT_SQL);	/* it was our error */
	work->rewrite_at = 0;
	work->rewriting = r.goes_on;
	work->rewritten = r.state.done;
	work->rewrite_rows = qc_pool_now() - begun > QC_REWRITE_FOR ? Max(work->rewrite_rows / 2, QC_REWRITE_LEAST) :
		Min(work->rewrite_rows * 3 / 2, QC_REWRITE_MOST);
	return r.goes_on;
}

static bool
may_rewrite(QcWork *work)
{
	return work->rewriting && qc_work_takes(work) && qc_pool_now() >= work->rewrite_at &&
		work->live.n + work->bulk.n == 0 && work->nfetched == 0 && work->nresults == 0;
}

/* True: there is more to do at once; any: something was done. */
bool
qc_rewrite(bool *any)
{
	bool		more = false;
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		if (!may_rewrite(work))
			continue;
		*any = true;
		more |= rewrite_some(work);
	}
	return more;
}

/* When the next look is due. */
int64
qc_rewrite_due(void)
{
	int64		due = QC_NEVER_AT;
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		if (work->rewriting && qc_work_takes(work) && work->rewrite_at > 0)
			due = Min(due, work->rewrite_at);
	}
	return due;
}
