/*-------------------------------------------------------------------------
 *
 * asked.c
 *	  Rows that people are asked about: what the machine said, what stands there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "queue/own.h"
#include "queue/read.h"
#include "trust/reviews.h"

#define SLICE	500

/* ---- what the machine said ---- */

static float4 *
top_at(uint64 row, int col, MemoryContext cxt, int *n)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col, &isnull);
	Datum	   *member;
	bool	   *null;
	float4	   *top;

	*n = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(value), FLOAT4OID, 4, true, TYPALIGN_INT, &member, &null, n);
	top = MemoryContextAlloc(cxt, sizeof(float4) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		top[i] = null[i] ? 0 : DatumGetFloat4(member[i]);
	return top;
}

static void
read_one(QcAsked *asked, uint64 row, MemoryContext cxt)
{
	bool		isnull;
	char	   *kx = qc_own_text_at(row, 2, cxt);

	asked->item.k = qc_own_int8_at(row, 1, &isnull);
	asked->item.kx = kx != NULL && kx[0] != '\0' ? kx : NULL;
	asked->item.relabel = true;	/* a row with a label is wanted as well */
	asked->text_hash = qc_own_int8_at(row, 3, &isnull);
	asked->version = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 4, &isnull));
	asked->label = qc_own_text_at(row, 5, cxt);
	asked->confidence = qc_own_float8_at(row, 6);
	asked->coverage = qc_own_float8_at(row, 7);
	asked->source = qc_own_text_at(row, 8, cxt);
	asked->top = top_at(row, 9, cxt, &asked->ntop);
	asked->suspect = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 10, &isnull));
	asked->role = qc_own_text_at(row, 11, cxt);
	asked->verbal = qc_own_float8_at(row, 14);
	asked->prob = qc_own_float8_at(row, 12);
	asked->answered = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 13, &isnull));
}

QcAsked *
qc_asked_read(MemoryContext cxt, int *n)
{
	QcAsked    *asked = MemoryContextAllocZero(cxt, sizeof(QcAsked) * Max(SPI_processed, 1));

	*n = (int) SPI_processed;
	for (int i = 0; i < *n; i++)
		read_one(&asked[i], i, cxt);
	return asked;
}

int
qc_asked_second(const QcAsked *asked, const QcTask *task, const QcNames *labels)
{
	int			own = qc_asked_undecided(asked) && labels->abstains ? labels->n :
		qc_names_find(labels, asked->label);
	int			second = -1;

	/* of an older version the labels may have been others */
	if (asked->top == NULL || asked->ntop != labels->n + labels->abstains || own < 0 || asked->version > task->version)
		return -1;
	for (int i = 0; i < labels->n; i++)
		if (i != own && (second < 0 || asked->top[i] > asked->top[second]))
			second = i;
	if (second >= 0 && asked->version != task->version && asked->top[second] > asked->top[own])
		return -1;
	return second;
}

/* ---- what stands in the rows ---- */

/* As fetch.c reads texts; a reason is the worker's only to write. */
static void
look_at_reasons(const QcTarget *target, QcAsked *asked, QcItem **items, int n)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcAsOwner	saved;
	QcArgs		args = {0};

	qc_as_table_owner(&saved, target);
	qc_args_keys(&args, target, items, n);
	SPI_connect();
	if (SPI_execute_plan(qc_plan(psprintf("SELECT r.i, s.%s::pg_catalog.text FROM %s JOIN %s AS s ON %s",
										  target->reason_sql, qc_batch_sql(target, NULL, 0),
										  qc_table_sql(target), target->join_sql), &args),
						 args.value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read reasons");
	for (uint64 row = 0; row < SPI_processed; row++)
		asked[qc_own_ordinal(row)].reason = qc_own_text_at(row, 2, cxt);
	SPI_finish();
	qc_as_before(&saved);
}

void
qc_asked_look(const QcTask *task, const QcTarget *target, QcAsked *asked, int n)
{
	QcItem	  **items = palloc(sizeof(QcItem *) * SLICE);

	for (int from = 0; from < n; from += SLICE)
	{
		int			m = Min(SLICE, n - from);

		for (int i = 0; i < m; i++)
			items[i] = &asked[from + i].item;
		qc_source_fetch(task, target, items, m);
		if (target->reason != 0)
			look_at_reasons(target, asked + from, items, m);
	}
}

/* Shown to somebody, rows are not shown to others. */
#define HELD_FOR	"10 minutes"

QcAsked *
qc_asked_open(const QcTask *task, const QcTarget *target, const char *of_role, const char *order,
			  int most, int *n)
{
	MemoryContext cxt = CurrentMemoryContext;
	const char *role = qc_reviews_role();
	QcAsked    *asked;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_text(&own, role);
	qc_own_int8(&own, most);
	qc_own_run_once(&own,
					psprintf("SELECT %s FROM qwen.review_row AS v LEFT JOIN qwen.result AS r ON r.task = v.task "
							 "AND r.k = v.k AND r.kx = v.kx AND r.text_hash = v.text_hash "
							 "WHERE v.task = $1 AND v.role %s AND v.human IS NULL AND NOT coalesce("
							 "v.shown_to <> $2 AND v.shown_at > pg_catalog.clock_timestamp() - interval '%s', false) "
							 "ORDER BY %s LIMIT $3", QC_ASKED("v", "r", QC_AS_DRAWN), of_role, HELD_FOR, order),
					SPI_OK_SELECT);
	asked = qc_asked_read(cxt, n);
	qc_own_end(&own);
	qc_asked_look(task, target, asked, *n);
	return asked;
}

bool
qc_asked_stands(const QcAsked *asked)
{
	return asked->item.found && asked->item.text != NULL &&
		(asked->item.old_label != NULL) != qc_asked_undecided(asked) &&
		asked->item.hash == asked->text_hash;
}

/* ---- drawn and shown ---- */

static void
own_asked(QcOwn *own, const QcTask *task, QcAsked **asked, int n)
{
	QcItem	  **items = palloc(sizeof(QcItem *) * n);

	for (int i = 0; i < n; i++)
		items[i] = &asked[i]->item;
	qc_own_begin(own);
	qc_own_int4(own, task->id);
	qc_own_keys(own, items, n);
}

static void
own_drawn(QcOwn *own, const QcTask *task, QcAsked **asked, int n)
{
	char	  **role = palloc(sizeof(char *) * n);
	double	   *prob = palloc(sizeof(double) * n);
	int64	   *hash = palloc(sizeof(int64) * n);

	for (int i = 0; i < n; i++)
	{
		role[i] = asked[i]->role;
		prob[i] = asked[i]->prob;
		hash[i] = asked[i]->text_hash;
	}
	own_asked(own, task, asked, n);
	qc_own_texts(own, role, n);
	qc_own_float8s(own, prob, n);
	qc_own_int8s(own, hash, n);
}

/*
 * A row that was asked about for its score becomes an audit with its answer:
 * to leave it out would make the audits a sample of the easy rows.  Else the entry
 * is made anew of what the machine said last, unless it is an audit.
 */
void
qc_asked_draw(const QcTask *task, QcAsked **asked, int n)
{
	QcOwn		own;

	if (n == 0)
		return;
	own_drawn(&own, task, asked, n);
	qc_own_run(&own, "UPDATE qwen.review_row AS v SET role = d.role, prob = d.prob, drawn_at = pg_catalog.now() "
			   "FROM unnest($2, $3, $4, $5, $6, $7) AS d(i, k, kx, role, prob, h) "
			   "WHERE v.task = $1 AND v.k = d.k AND v.kx = d.kx AND v.text_hash = d.h "
			   "AND v.role <> 'audit' AND v.human IS NOT NULL", SPI_OK_UPDATE);
	qc_own_end(&own);

	own_drawn(&own, task, asked, n);
	qc_own_run(&own, "INSERT INTO qwen.review_row AS v "
			   "(task, k, kx, text_hash, role, prob, version, label, confidence, coverage, source, top, verbal, drawn_at) "
			   "SELECT r.task, r.k, r.kx, r.text_hash, d.role, d.prob, r.version, r.label, r.confidence, "
			   "r.coverage, r.source, r.top, r.verbal, pg_catalog.now() "
			   "FROM unnest($2, $3, $4, $5, $6, $7) AS d(i, k, kx, role, prob, h) "
			   "JOIN qwen.result AS r ON r.task = $1 AND r.k = d.k AND r.kx = d.kx AND r.text_hash = d.h "
			   "ON CONFLICT (task, k, kx) DO UPDATE SET text_hash = excluded.text_hash, role = excluded.role, "
			   "prob = excluded.prob, version = excluded.version, label = excluded.label, "
			   "confidence = excluded.confidence, coverage = excluded.coverage, source = excluded.source, "
			   "top = excluded.top, verbal = excluded.verbal, drawn_at = excluded.drawn_at, shown_to = NULL, shown_at = NULL, human = NULL, "
			   "reviewer = NULL, reviewed_at = NULL WHERE v.role <> 'audit'", SPI_OK_INSERT);
	qc_own_end(&own);
}

void
qc_asked_show(const QcTask *task, QcAsked **asked, int n)
{
	const char *role = qc_reviews_role();
	QcOwn		own;

	if (n == 0)
		return;
	own_asked(&own, task, asked, n);
	qc_own_text(&own, role);
	qc_own_run(&own, "UPDATE qwen.review_row AS v SET shown_to = $5, shown_at = pg_catalog.clock_timestamp() "
			   "FROM unnest($2, $3, $4) AS d(i, k, kx) WHERE v.task = $1 AND v.k = d.k AND v.kx = d.kx",
			   SPI_OK_UPDATE);
	qc_own_end(&own);
}
