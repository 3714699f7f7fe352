/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  qwen.audit: a blind sample of what the machine labelled.
 *
 * The next rows in the order of a hash of their keys, whatever their scores and
 * whoever has looked at them: a sample of all.  A row that a person labelled
 * already is part of it with that answer, and nobody is asked again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "queue/own.h"
#include "queue/rows.h"
#include "trust/reviews.h"

#define DRAW_ORDER(of) QC_DRAW_HASH(of) ", " of ".k, " of ".kx"

typedef struct QcAudit
{
	const QcTask *task;
	const QcTarget *target;
	int			n;
	QcAsked   **row;			/* that are shown */
	int			rows;
} QcAudit;

/* Drawn before, and not answered. */
static void
take_open(QcAudit *audit)
{
	int			n;
	QcAsked    *asked = qc_asked_open(audit->task, audit->target, "= 'audit'",
									  "v.drawn_at, " DRAW_ORDER("v"), audit->n, &n);

	for (int i = 0; i < n; i++)
		if (asked[i].item.found && asked[i].item.text != NULL)
			audit->row[audit->rows++] = &asked[i];
}

/* The next candidates; answered tells which a person has labelled already. */
static QcAsked *
read_page(const QcAudit *audit, int64 offset, int size, int *n)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcAsked    *asked;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, audit->task->id);
	qc_own_int8(&own, size);
	qc_own_int8(&own, offset);
	qc_own_run_once(&own, "SELECT " QC_ASKED("r", "r", "'audit', 1::pg_catalog.float8, EXISTS "
											 "(SELECT FROM qwen.annotation AS a WHERE a.task = r.task AND a.k = r.k "
											 "AND a.kx = r.kx AND a.text_hash = r.text_hash AND a.kind = 'person')")
					" FROM qwen.result AS r WHERE r.task = $1 AND r.state = 'labelled' AND NOT EXISTS "
					"(SELECT FROM qwen.review_row AS v WHERE v.task = r.task AND v.k = r.k AND v.kx = r.kx "
					"AND v.role = 'audit') AND " QC_NO_EXAMPLE("r") " ORDER BY " DRAW_ORDER("r") " LIMIT $2 OFFSET $3", SPI_OK_SELECT);
	asked = qc_asked_read(cxt, n);
	qc_own_end(&own);
	return asked;
}

/* Rows until so many are there to be shown. */
static void
draw(QcAudit *audit)
{
	int			size = 4 * audit->n + 50;
	int			n = size;

	for (int64 offset = 0; n == size && audit->rows < audit->n;)
	{
		QcAsked    *asked = read_page(audit, offset, size, &n);
		QcAsked   **drawn = palloc(sizeof(QcAsked *) * Max(n, 1));
		int			ndrawn = 0;

		CHECK_FOR_INTERRUPTS();
		qc_asked_look(audit->task, audit->target, asked, n);
		for (int i = 0; i < n && audit->rows < audit->n; i++)
		{
			if (!qc_asked_stands(&asked[i]))
				continue;
			drawn[ndrawn++] = &asked[i];
			if (!asked[i].answered)
				audit->row[audit->rows++] = &asked[i];
		}
		qc_asked_draw(audit->task, drawn, ndrawn);
		offset += n - ndrawn;	/* those that were drawn are not found again */
	}
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_audit);

Datum
qwen_classify_audit(PG_FUNCTION_ARGS)
{
	QcTask	   *task = qc_task_argument(fcinfo, 0);
	QcAudit		audit = {.task = task};
	QcRows		out;

	qc_rows_begin(&out, fcinfo);
	audit.n = qc_reviews_n(fcinfo, 1);
	qc_reviews_check_kept(task);
	audit.target = qc_target_of(task);
	qc_reviews_check_reviewer(task, audit.target);
	qc_reviews_begin_draw(task, "qwen.audit()");
	qc_reviews_settle(task);

	audit.row = palloc(sizeof(QcAsked *) * audit.n);
	take_open(&audit);
	draw(&audit);
	qc_asked_show(task, audit.row, audit.rows);
	qc_reviews_settle(task);
	for (int i = 0; i < audit.rows; i++)
	{
		const QcItem *item = &audit.row[i]->item;
		Datum		value[2];
		bool		null[2] = {false, false};

		value[0] = CStringGetTextDatum(qc_key_text(item->k, item->kx));
		value[1] = CStringGetTextDatum(item->text);
		tuplestore_putvalues(out.store, out.desc, value, null);
	}
	return (Datum) 0;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_audits);

Datum
qwen_classify_audits(PG_FUNCTION_ARGS)
{
	QcTask	   *task = qc_task_argument(fcinfo, 0);
	Datum		value[3];
	bool		null[3] = {false, false, false};
	QcRows		out;
	QcOwn		own;

	qc_rows_begin(&out, fcinfo);
	qc_reviews_check_kept(task);
	qc_reviews_check_reader(task, qc_target_of(task));
	qc_reviews_settle(task);
	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_run(&own, "SELECT count(*), count(human), count(*) FILTER (WHERE human <> label) "
			   "FROM qwen.review_row WHERE task = $1 AND role = 'audit'", SPI_OK_SELECT);
	for (int i = 0; i < 3; i++)
		value[i] = Int64GetDatum(qc_own_int8_at(0, i + 1, &null[i]));
	qc_own_end(&own);
	tuplestore_putvalues(out.store, out.desc, value, null);
	return (Datum) 0;
}
