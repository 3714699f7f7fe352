/*-------------------------------------------------------------------------
 *
 * quality.c
 *	  qwen.quality: how good a task's labels and confidences are.
 *
 * The gold query runs with the caller's rights and nothing of the task's; texts
 * are read as the table's owner, whose expression that is, after a look at
 * the caller's right to read them; then the caller asks about them, in one
 * query, so that many requests are under way at once.  Nothing is written.
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
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"

#include "common/usage.h"
#include "queue/batch.h"
#include "queue/own.h"
#include "queue/read.h"
#include "task/several.h"
#include "trust/answered.h"
#include "trust/quality.h"

#define AT_ONCE		500			/* rows of the gold query, and of the table */
#define MOST_GOLD	20000		/* drawn a thousand times for an interval */
#define TOLD		5			/* unknown labels that an error names */

/* The gold query's rows while they are read. */
typedef struct QcReading
{
	QcGold	   *gold;
	const QcTarget *target;		/* NULL: the first column is the text itself */
	MemoryContext cxt;
	int			room;
	int			nulls;			/* labels */
	int			unknown;
	char	   *told[TOLD];
	int			ntold;
} QcReading;

/* ---- the gold query ---- */

static bool
is_text(Oid type)
{
	Oid			base = getBaseType(type);

	return base == TEXTOID || base == VARCHAROID || base == BPCHAROID || base == NAMEOID;
}

/* A single query that gives a key or a text, and a label. */
static void
check_shape(const QcReading *r, const QcTarget *target, TupleDesc desc)
{
	if (r->target != NULL || (desc->natts == 2 && is_text(TupleDescAttr(desc, 0)->atttypid)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the gold query gives neither a key and a label nor a text and a label"),
			 errdetail("It has %d columns%s.", desc->natts,
					   target ? psprintf("; the primary key of %s has %d", target->rel_sql, target->nkeys) :
					   ", and the task is not attached to a table"),
			 errhint("Write gold => $$SELECT id, label FROM ...$$, or $$SELECT body, label FROM ...$$ with any texts.")));
}

static bool
is_by_key(const QcTarget *target, TupleDesc desc)
{
	if (target == NULL || desc->natts != target->nkeys + 1)
		return false;
	return target->nkeys > 1 || !is_text(TupleDescAttr(desc, 0)->atttypid) || is_text(target->key_type[0]);
}

/* A key as qwen.review shows it. */
static char *
key_text(const QcTarget *target, HeapTuple tuple, TupleDesc desc)
{
	StringInfoData s;

	if (target->int_key)
		return SPI_getvalue(tuple, desc, 1);
	initStringInfo(&s);
	for (int i = 1; i <= target->nkeys; i++)
	{
		char	   *value = SPI_getvalue(tuple, desc, i);

		if (value == NULL)
			return NULL;
		appendStringInfoString(&s, i > 1 ? ",\"" : "(\"");
		for (; *value; value++)
		{
			if (*value == '"' || *value == '\\')
				appendStringInfoChar(&s, *value);
			appendStringInfoChar(&s, *value);
		}
		appendStringInfoChar(&s, '"');
	}
	appendStringInfoChar(&s, ')');
	return s.data;
}

static void
note_unknown(QcReading *r, const char *label)
{
	r->unknown++;
	for (int i = 0; i < r->ntold; i++)
		if (strcmp(r->told[i], label) == 0)
			return;
	if (r->ntold < TOLD)
		r->told[r->ntold++] = MemoryContextStrdup(r->cxt, label);
}

static QcGoldRow *
next_row(QcReading *r)
{
	QcGold	   *gold = r->gold;

	if (gold->n == r->room)
	{
		r->room = Max(r->room * 2, AT_ONCE);
		gold->row = gold->row ? repalloc_huge(gold->row, sizeof(QcGoldRow) * r->room) :
			MemoryContextAllocHuge(r->cxt, sizeof(QcGoldRow) * r->room);
	}
	if (gold->n == MOST_GOLD)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the gold query gives more than %d rows", MOST_GOLD),
				 errhint("Add ORDER BY random() LIMIT 1000 to it.")));
	memset(&gold->row[gold->n], 0, sizeof(QcGoldRow));
	gold->row[gold->n].machine = -1;
	gold->row[gold->n].raw = gold->row[gold->n].shown = NAN;
	return &gold->row[gold->n];
}

/* The key's text stays in item.error until it is parsed as the table's owner. */
static void
take_row(QcReading *r, HeapTuple tuple, TupleDesc desc)
{
	char	   *label = SPI_getvalue(tuple, desc, desc->natts);
	char	   *first = r->target ? key_text(r->target, tuple, desc) : SPI_getvalue(tuple, desc, 1);
	QcGoldRow  *row = next_row(r);

	row->human = label ? qc_names_find(&r->gold->labels, label) : -1;
	if (label == NULL)
		r->nulls++;
	else if (row->human < 0)
		note_unknown(r, label);
	if (first == NULL)
		r->gold->nmissing++;
	else
	{
		first = MemoryContextStrdup(r->cxt, first);
		if (r->target)
			row->item.error = first;
		else
			row->item.text = first;
		r->gold->n++;
	}
}

static char *
listed(char *const *name, int n)
{
	StringInfoData s;

	initStringInfo(&s);
	for (int i = 0; i < n; i++)
		appendStringInfo(&s, "%s\"%s\"", i ? ", " : "", name[i]);
	return s.data;
}

static void
check_labels(const QcReading *r)
{
	const QcNames *labels = &r->gold->labels;

	if (r->nulls > 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the gold query gives %d %s without a label", r->nulls, r->nulls == 1 ? "row" : "rows"),
				 errhint("Leave them out: ... WHERE label IS NOT NULL.")));
	if (r->unknown > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the gold query gives %d %s with a label that is not one of the task's",
						r->unknown, r->unknown == 1 ? "row" : "rows"),
				 errdetail("Such as %s.", listed(r->told, r->ntold)),
				 errhint("The task's labels are %s%s.", listed(labels->name, Min(labels->n, 20)),
						 labels->n > 20 ? ", ..." : "")));
	if (r->gold->n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the gold query gives no row"),
				 errhint("It is to give rows whose right label is known: gold => $$SELECT id, label FROM ...$$.")));
}

static Portal
open_gold(const char *sql)
{
	SPIPlanPtr	plan = SPI_prepare(sql, 0, NULL);

	if (plan == NULL || !SPI_is_cursor_plan(plan) ||
		((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->commandTag != CMDTAG_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("gold is not one query that gives rows"),
				 errhint("Write gold => $$SELECT id, label FROM ...$$.")));
	return SPI_cursor_open(NULL, plan, NULL, NULL, true);
}

/* Values are written as the keys are stored. */
static void
take_rows(QcReading *r)
{
	int			level = qc_fix_settings();

	for (uint64 i = 0; i < SPI_processed; i++)
		take_row(r, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	AtEOXact_GUC(false, level);
	SPI_freetuptable(SPI_tuptable);
}

static void
read_gold(QcReading *r, const char *sql, const QcTarget *target)
{
	Portal		portal;

	SPI_connect();
	portal = open_gold(sql);
	r->target = is_by_key(target, portal->tupDesc) ? target : NULL;
	check_shape(r, target, portal->tupDesc);
	do
	{
		SPI_cursor_fetch(portal, true, AT_ONCE);
		if (SPI_processed == 0)
			break;
		take_rows(r);
	} while (true);
	SPI_cursor_close(portal);
	SPI_finish();
	check_labels(r);
}

/* ---- the texts ---- */

static void
parse_keys(const QcTarget *target, QcGold *gold)
{
	QcAsOwner	saved;

	qc_as_role(&saved, target->owner);
	for (int i = 0; i < gold->n; i++)
	{
		QcItem	   *item = &gold->row[i].item;

		qc_key_of_text(target, item->error, &item->k, &item->kx);
		item->error = NULL;
	}
	qc_as_before(&saved);
}

static void
read_texts(const QcTarget *target, QcGold *gold)
{
	QcItem	  **items = palloc(sizeof(QcItem *) * AT_ONCE);

	parse_keys(target, gold);
	for (int from = 0; from < gold->n; from += AT_ONCE)
	{
		int			m = Min(AT_ONCE, gold->n - from);

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < m; i++)
			items[i] = &gold->row[from + i].item;
		qc_source_fetch(gold->task, target, items, m);
	}
}

/* ---- the labels ---- */

char *
qc_our_schema(void)
{
	MemoryContext cxt = CurrentMemoryContext;
	char	   *schema;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_run(&own, "SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension AS e "
			   "JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace "
			   "WHERE e.extname = 'qwen_classify'", SPI_OK_SELECT);
	schema = SPI_processed == 1 ? qc_own_text_at(0, 1, cxt) : NULL;
	qc_own_end(&own);
	if (schema == NULL)
		elog(ERROR, "extension \"qwen_classify\" is gone");
	return schema;
}

int
qc_set_for_asking(void)
{
	int			level = NewGUCNestLevel();

	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("qwen_classify.on_error", "null", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

static void
take_answer(QcGold *gold, uint64 i)
{
	HeapTuple	tuple = SPI_tuptable->vals[i];
	TupleDesc	desc = SPI_tuptable->tupdesc;
	QcGoldRow  *row = &gold->row[qc_own_ordinal(i)];
	char	   *label = SPI_getvalue(tuple, desc, 2);

	row->machine = label ? qc_names_find(&gold->labels, label) : -1;
	if (row->machine < 0)
		return;
	row->raw = qc_own_float8_at(i, 3);
	row->shown = qc_own_float8_at(i, 4);
}

/* One query for all: the prefetch node keeps many requests under way. */
static void
ask(QcGold *gold)
{
	char	   *sql = psprintf("SELECT r.i, c.label, c.raw, c.confidence FROM unnest($1, $2) AS r(i, t), "
							   "LATERAL qwen.answer(r.t, %s) AS c WHERE r.t IS NOT NULL", quote_literal_cstr(gold->task->name));
	Datum	   *ordinal = palloc(sizeof(Datum) * gold->n);
	char	  **texts = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(char *) * gold->n);
	QcArgs		args = {0};
	int64		before = qc_usage_own.requests;
	TimestampTz start = GetCurrentTimestamp();
	int			level;

	for (int i = 0; i < gold->n; i++)
	{
		ordinal[i] = Int32GetDatum(i);
		texts[i] = gold->row[i].item.text;
	}
	args.type[0] = INT4ARRAYOID;
	args.value[0] = PointerGetDatum(construct_array(ordinal, gold->n, INT4OID, 4, true, TYPALIGN_INT));
	args.n = 1;
	qc_args_text(&args, texts, gold->n);
	level = qc_set_for_asking();
	SPI_connect();
	if (SPI_execute_with_args(sql, args.n, args.type, args.value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not label the gold rows");
	for (uint64 i = 0; i < SPI_processed; i++)
		take_answer(gold, i);
	SPI_finish();
	AtEOXact_GUC(false, level);
	gold->seconds = (GetCurrentTimestamp() - start) / 1e6;
	gold->requests = qc_usage_own.requests - before;
}

static void
count_missing(QcGold *gold)
{
	for (int i = 0; i < gold->n; i++)
		gold->nmissing += gold->row[i].item.text == NULL;
}

static void
by_gold(QcGold *gold, const char *sql, const QcTarget *target)
{
	QcReading	r = {.gold = gold, .cxt = CurrentMemoryContext};

	read_gold(&r, sql, target);
	if (r.target != NULL)
	{
		qc_reviews_check_reader(gold->task, target);
		read_texts(target, gold);
	}
	count_missing(gold);
	ask(gold);
}

/* ---- without a gold set: the audits ---- */

static void
take_audit(QcGold *gold, uint64 i, QcGoldRow *row, MemoryContext cxt)
{
	char	   *human = qc_own_text_at(i, 1, cxt);
	char	   *machine = qc_own_text_at(i, 2, cxt);
	char	   *source = qc_own_text_at(i, 4, cxt);
	float4	   *top = qc_top_at(i, 5, cxt, gold->labels.n + gold->labels.abstains);
	bool		isnull;
	Datum		raw = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &isnull);

	memset(row, 0, sizeof(*row));
	row->human = qc_names_find(&gold->labels, human);
	row->machine = qc_names_find(&gold->labels, machine);
	row->raw = isnull ? NAN : DatumGetFloat8(raw);
	row->shown = qc_calibrated(gold->calibration, &(QcRawAnswer) {source, machine, row->raw, top,
																 top ? gold->labels.n + gold->labels.abstains : 0, qc_own_float8_at(i, 6),
																 qc_own_float8_at(i, 7)});
	if (row->human >= 0 && row->machine >= 0)
		gold->n++;
	else
		gold->nmissing++;
}

static void
by_audits(QcGold *gold)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;

	qc_reviews_settle(gold->task);
	qc_own_begin(&own);
	qc_own_int4(&own, gold->task->id);
	qc_own_int4(&own, gold->task->version);
	qc_own_run(&own, "SELECT human, label, confidence, source, top, coverage::pg_catalog.float8, verbal::pg_catalog.float8 FROM qwen.review_row WHERE task = $1 "
			   "AND version = $2 AND role = 'audit' AND human IS NOT NULL ORDER BY k, kx", SPI_OK_SELECT);
	gold->audits = true;
	gold->row = MemoryContextAllocHuge(cxt, sizeof(QcGoldRow) * (SPI_processed + 1));
	for (uint64 i = 0; i < SPI_processed; i++)
		take_audit(gold, i, &gold->row[gold->n], cxt);
	qc_own_end(&own);
	if (gold->n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("task \"%s\" has no answered audit of its version %d", gold->task->name, gold->task->version),
				 errhint("Name rows whose right label is known, gold => $$SELECT id, label FROM ...$$, "
						 "or answer some: SELECT * FROM qwen.audit(%s).", quote_literal_cstr(gold->task->name))));
}

/* ---- the function ---- */

static const QcCalibration *
applied_calibration(const QcTask *task)
{
	QcCalibration *c = qc_calibration_read(task, CurrentMemoryContext);

	return c != NULL && c->stale == NULL ? c : NULL;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_quality);

Datum
qwen_classify_quality(PG_FUNCTION_ARGS)
{
	QcTask	   *task = qc_task_argument(fcinfo, 0);
	QcGold		gold = {.task = task};
	QcRows		rows;

	if (!qc_task_visible(task))
		qc_task_check_owner(task);
	qc_several_refuse(task, "qwen.quality", "Unnest the label column to compare labels one by one.");
	qc_rows_begin(&rows, fcinfo);
	qc_names_read(task, &gold.labels);
	gold.calibration = applied_calibration(task);
	if (PG_ARGISNULL(1))
		by_audits(&gold);
	else
		by_gold(&gold, text_to_cstring(PG_GETARG_TEXT_PP(1)),
				OidIsValid(task->source) ? qc_target_of(task) : NULL);
	qc_quality_show(&rows, &gold);
	return (Datum) 0;
}
