/*-------------------------------------------------------------------------
 *
 * acceptance.c
 *	  Which of a task's labels need no person's look.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_authid.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "queue/own.h"
#include "queue/rows.h"
#include "trust/acceptance.h"
#include "trust/calibration.h"

static void
read_certificate(const QcTask *task, QcAcceptance *acceptance)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, task->version);
	qc_own_run(&own, "SELECT threshold, source FROM qwen.certificate WHERE task = $1 AND version = $2 "
			   "AND state = 'certified' AND threshold IS NOT NULL", SPI_OK_SELECT);
	if (SPI_processed > 0)
	{
		acceptance->above = qc_own_float8_at(0, 1);
		acceptance->source = qc_own_text_at(0, 2, cxt);
	}
	qc_own_end(&own);
}

QcAcceptance
qc_acceptance_read(const QcTask *task)
{
	QcAcceptance acceptance = {.certified = qc_task_accepts_certified(task),.above = task->accept_above};

	if (acceptance.certified)
	{
		acceptance.above = QC_ACCEPT_NONE;
		read_certificate(task, &acceptance);
	}
	return acceptance;
}

bool
qc_accepted(const QcAcceptance *acceptance, const char *source, double raw, double shown)
{
	if (!acceptance->certified)
		return shown >= acceptance->above;
	return raw >= acceptance->above && acceptance->source != NULL && source != NULL &&
		strcmp(source, acceptance->source) == 0;
}

char *
qc_acceptance_words(const QcAcceptance *acceptance)
{
	if (!acceptance->certified)
		return psprintf("%g", acceptance->above);
	if (acceptance->above >= QC_ACCEPT_NONE)
		return pstrdup("certified: nothing");
	return psprintf("certified: %.4f", acceptance->above);
}

/* ---- qwen.progress ---- */

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_trust);

/* For each task that the caller may see: task, calibration, accept_above. */
Datum
qwen_classify_trust(PG_FUNCTION_ARGS)
{
	bool		monitor = has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
	QcRows		rows;
	ListCell   *cell;

	qc_rows_begin(&rows, fcinfo);
	foreach(cell, qc_task_all())
	{
		const QcTask *task = lfirst(cell);
		QcAcceptance acceptance;
		Datum		value[3];
		bool		null[3] = {false, false, false};

		if (!monitor && !qc_task_visible(task))
			continue;
		acceptance = qc_acceptance_read(task);
		value[0] = CStringGetTextDatum(task->name);
		value[1] = CStringGetTextDatum(qc_calibration_state(task));
		value[2] = CStringGetTextDatum(qc_acceptance_words(&acceptance));
		tuplestore_putvalues(rows.store, rows.desc, value, null);
	}
	return (Datum) 0;
}
