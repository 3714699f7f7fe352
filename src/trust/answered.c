/*-------------------------------------------------------------------------
 *
 * answered.c
 *	  The answered reviews of a task, as statistics take them.
 *
 * Audits count once, rows that were chosen for their scores by what they stand
 * for.
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
#include "utils/memutils.h"

#include "queue/own.h"
#include "trust/answered.h"

#define RECENT 2000				/* rows that say what the model says too often */
#define LEAST_P 1.2340980408667956e-4	/* exp(-9), as logits are clipped */

static bool
bool_at(uint64 row, int col)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col, &isnull);

	return !isnull && DatumGetBool(value);
}

float4 *
qc_top_at(uint64 row, int col, MemoryContext cxt, int members)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col, &isnull);
	ArrayType  *array;
	float4	   *top;

	if (isnull)
		return NULL;
	array = DatumGetArrayTypeP(value);
	if (ARR_HASNULL(array) || ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != members)
		return NULL;
	top = MemoryContextAlloc(cxt, sizeof(float4) * Max(members, 1));
	memcpy(top, ARR_DATA_PTR(array), sizeof(float4) * members);
	return top;
}

static int
label_at(const QcAnswered *a, uint64 row, int col)
{
	char	   *name = qc_own_text_at(row, col, CurrentMemoryContext);

	return name ? qc_names_find(&a->labels, name) : -1;
}

static void
allocate(QcAnswered *a, MemoryContext cxt, uint64 n)
{
	a->p = MemoryContextAllocHuge(cxt, sizeof(double) * (n + 1));
	a->right = MemoryContextAllocHuge(cxt, n + 1);
	a->weight = MemoryContextAllocHuge(cxt, sizeof(double) * (n + 1));
	a->audit = MemoryContextAllocHuge(cxt, n + 1);
	a->label = MemoryContextAllocHuge(cxt, sizeof(int) * (n + 1));
	a->human = MemoryContextAllocHuge(cxt, sizeof(int) * (n + 1));
	a->top = MemoryContextAllocHuge(cxt, sizeof(float *) * (n + 1));
	a->coverage = MemoryContextAllocHuge(cxt, sizeof(double) * (n + 1));
	a->verbal = MemoryContextAllocHuge(cxt, sizeof(double) * (n + 1));
}

static const char answered_sql[] =
"SELECT confidence, human = label, CASE WHEN role = 'audit' THEN 1 ELSE 1 / prob END, role = 'audit', source, "
"version = $2 AND confidence BETWEEN 0 AND 1 AND prob > 0, label, human, top, coverage::pg_catalog.float8, verbal::pg_catalog.float8 "
"FROM qwen.review_row WHERE task = $1 AND human IS NOT NULL AND label <> '' ORDER BY reviewed_at DESC NULLS LAST, k, kx";

static void
take_row(QcAnswered *a, uint64 row, MemoryContext cxt)
{
	int			i = a->n++;

	a->p[i] = qc_own_float8_at(row, 1);
	a->right[i] = bool_at(row, 2);
	a->weight[i] = qc_own_float8_at(row, 3);
	a->audit[i] = bool_at(row, 4);
	a->naudits += a->audit[i];
	a->label[i] = label_at(a, row, 7);
	a->human[i] = label_at(a, row, 8);
	a->top[i] = qc_top_at(row, 9, cxt, a->nlabels);
	a->coverage[i] = qc_own_float8_at(row, 10);
	a->verbal[i] = qc_own_float8_at(row, 11);
}

/* The latest first: its source is the one that counts. */
static void
read_rows(const QcTask *task, QcAnswered *a)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, task->version);
	qc_own_run(&own, answered_sql, SPI_OK_SELECT);
	allocate(a, cxt, SPI_processed);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char	   *source = bool_at(row, 6) ? qc_own_text_at(row, 5, cxt) : NULL;

		if (a->source == NULL)
			a->source = source;
		if (source == NULL || strcmp(source, a->source) != 0)
			a->nother++;
		else
			take_row(a, row, cxt);
	}
	qc_own_end(&own);
}

/* What the numbers are where no review says it; an error if no row has one. */
static char *
source_of_rows(const QcTask *task)
{
	MemoryContext cxt = CurrentMemoryContext;
	char	   *source;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, task->version);
	qc_own_run(&own, "SELECT source FROM qwen.result WHERE task = $1 AND version = $2 "
			   "AND state = 'labelled' AND confidence IS NOT NULL LIMIT 1", SPI_OK_SELECT);
	source = SPI_processed > 0 ? qc_own_text_at(0, 1, cxt) : NULL;
	qc_own_end(&own);
	if (source == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("task \"%s\" has no labelled row with a confidence yet", task->name),
				 errdetail("A calibration is of the numbers that a server gives with version %d of the task.",
						   task->version),
				 errhint("Label rows first: SELECT qwen.backfill(%s, max_rows => 100).",
						 quote_literal_cstr(task->name))));
	return source;
}

/* What the model says on the whole, right or wrong. */
static void
read_recent(const QcTask *task, QcAnswered *a)
{
	int			labels = a->nlabels;
	double	   *mean_log = palloc0(sizeof(double) * labels);
	double	   *mean = palloc0(sizeof(double) * labels);
	MemoryContext cxt = CurrentMemoryContext;
	int			n = 0;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, task->version);
	qc_own_text(&own, a->source);
	qc_own_int8(&own, RECENT);
	qc_own_run_once(&own, "SELECT top FROM qwen.result WHERE task = $1 AND version = $2 AND source = $3 "
					"AND state = 'labelled' AND top IS NOT NULL ORDER BY at DESC, k, kx LIMIT $4", SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		float4	   *top = qc_top_at(row, 1, cxt, labels);

		for (int l = 0; top != NULL && l < labels; l++)
		{
			mean_log[l] += log(Max((double) top[l], LEAST_P));
			mean[l] += top[l];
		}
		n += top != NULL;
	}
	qc_own_end(&own);
	for (int l = 0; l < labels; l++)
	{
		mean_log[l] /= Max(n, 1);
		mean[l] /= Max(n, 1);
	}
	a->mean_log = n > 0 ? mean_log : NULL;
	a->mean = n > 0 ? mean : NULL;
}

void
qc_answered_read(const QcTask *task, QcAnswered *answered)
{
	memset(answered, 0, sizeof(*answered));
	/* where a text may have several labels no label was given: the confidence alone counts */
	if (!task->multi)
		qc_names_read(task, &answered->labels);
	answered->nlabels = answered->labels.n + answered->labels.abstains;
	read_rows(task, answered);
	if (answered->source == NULL)
		answered->source = source_of_rows(task);
	read_recent(task, answered);
}

/* The model's own number is a second one where each review has it. */
static const double *
second_number(const QcAnswered *a)
{
	for (int i = 0; i < a->n; i++)
		if (isnan(a->verbal[i]))
			return NULL;
	return a->n > 0 ? a->verbal : NULL;
}

QcReviews
qc_answered_reviews(const QcAnswered *a)
{
	return (QcReviews) {a->n, a->p, second_number(a), a->right, a->weight, a->label, a->human, a->audit, a->top,
		a->coverage, a->nlabels, a->mean_log, a->mean};
}
