/*-------------------------------------------------------------------------
 *
 * attach_estimate.c
 *	  qwen.estimate: how many rows, how many different texts, how long.
 *
 * A large table is sampled by blocks.  Different texts are counted by the
 * columns that the input reads, so that the input expression runs for the few
 * texts only that are tried.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "common/board.h"
#include "common/statement.h"
#include "net/inquiry.h"
#include "task/attach.h"
#include "task/expression.h"
#include "task/prompts.h"

PG_FUNCTION_INFO_V1(qwen_classify_estimate);

/* Blocks that are counted: 8 MB, read in well under a second. */
#define SAMPLE_BLOCKS 1000

/* Rows whose inputs are compared, and for how long at most (ms): texts may be long. */
#define SAMPLE_ROWS 10000
#define SAMPLE_TIME 1000
#define ROWS_AT_ONCE 500

/* Texts that are tried where no rate is known. */
#define TRIED 16

/* ---- rows ---- */

static double
blocks_of(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	double		blocks = RELKIND_HAS_STORAGE(rel->rd_rel->relkind) ? RelationGetNumberOfBlocks(rel) : 0;

	relation_close(rel, NoLock);
	return blocks;
}

/* " TABLESAMPLE ..." and how much of the table that is; "" and 1: all of it. */
static const char *
sample_sql(Oid relid, double *part)
{
	double		blocks = 0;
	ListCell   *cell;

	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		foreach(cell, find_all_inheritors(relid, AccessShareLock, NULL))
			blocks += blocks_of(lfirst_oid(cell));
	else
		blocks = blocks_of(relid);
	*part = 1;
	if (blocks <= SAMPLE_BLOCKS)
		return "";
	*part = SAMPLE_BLOCKS / blocks;
	return psprintf(" TABLESAMPLE SYSTEM (%.6f) REPEATABLE (0)", *part * 100);
}

static char *
from_sql(const char *rel_sql, const char *sample, const char *where_sql)
{
	return psprintf("FROM %s AS s%s%s%s", rel_sql, sample,
					where_sql ? " WHERE " : "", where_sql ? where_sql : "");
}

static double
count_rows(const char *from)
{
	bool		isnull;
	double		rows;

	SPI_connect();
	if (SPI_execute(psprintf("SELECT count(*) %s", from), true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count rows");
	rows = (double) DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return rows;
}

/* ---- different inputs ---- */

typedef struct QcSeen
{
	int64		hash;			/* the key */
	bool		again;
} QcSeen;

typedef struct QcCounted
{
	double		rows;
	double		distinct;
	double		once;			/* seen in one row only */
} QcCounted;

static void
count_hash(HTAB *seen, int64 hash, QcCounted *counted)
{
	bool		found;
	QcSeen	   *entry = hash_search(seen, &hash, HASH_ENTER, &found);

	counted->rows++;
	if (!found)
	{
		entry->again = false;
		counted->distinct++;
		counted->once++;
	}
	else if (!entry->again)
	{
		entry->again = true;
		counted->once--;
	}
}

static HTAB *
make_seen(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(QcSeen);
	ctl.hcxt = CurrentMemoryContext;
	return hash_create("qwen_classify inputs", 1024, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
count_inputs(const char *sql, QcCounted *counted)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SAMPLE_TIME);
	HTAB	   *seen;
	Portal		portal;

	SPI_connect();
	seen = make_seen();
	portal = SPI_cursor_parse_open(NULL, sql, &(SPIParseOpenOptions) {.read_only = true});
	do
	{
		SPI_cursor_fetch(portal, true, ROWS_AT_ONCE);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool		isnull;

			count_hash(seen, DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i],
														 SPI_tuptable->tupdesc, 1, &isnull)), counted);
		}
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0 && counted->rows < SAMPLE_ROWS && GetCurrentTimestamp() < end);
	SPI_cursor_close(portal);
	SPI_finish();
}

/* Haas and Stokes, as ANALYZE has it: n d / (n - f1 + f1 n / N). */
static double
distinct_of_all(const QcCounted *c, double rows)
{
	if (c->rows >= rows)
		return c->distinct;
	return Min(rows, rint(c->rows * c->distinct / (c->rows - c->once + c->once * c->rows / rows)));
}

void
qc_estimate_rows(Oid relid, Oid owner, const char *rel_sql, const char *hash_sql,
				 const char *where_sql, QcEstimate *estimate)
{
	double		part;
	char	   *from = from_sql(rel_sql, sample_sql(relid, &part), where_sql);
	QcCounted	counted = {0};
	QcAsOwner	saved;

	qc_as_role(&saved, owner);
	estimate->rows = rint(count_rows(from) / part);
	if (estimate->rows > 0)
		count_inputs(psprintf("SELECT %s %s", hash_sql, from), &counted);
	qc_as_before(&saved);
	estimate->distinct = counted.rows > 0 ? distinct_of_all(&counted, estimate->rows) : 0;
	estimate->exact = part == 1 && counted.rows >= estimate->rows;
}

/* ---- the rate ---- */

double
qc_estimate_rate(const QcTask *task)
{
	QcBoardTask copy;

	return qc_board_task_read(MyDatabaseId, task->id, &copy) && copy.rate > 0 ? copy.rate : 0;
}

/* Some texts of the table, computed as its owner, in UTF-8; those that cannot be are left out. */
static int
texts_to_try(Oid owner, const char *sql, const char **text, size_t *len)
{
	MemoryContext caller = CurrentMemoryContext;
	QcAsOwner	saved;
	int			n = 0;

	qc_as_role(&saved, owner);
	SPI_connect();
	if (SPI_execute(sql, true, TRIED) != SPI_OK_SELECT)
		elog(ERROR, "could not read texts");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *value = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		MemoryContext old = MemoryContextSwitchTo(caller);
		char	   *utf8 = value ? qc_server_to_utf8(pstrdup(value), strlen(value), &len[n]) : NULL;

		if (utf8 != NULL && len[n] > 0)
			text[n++] = utf8;
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	qc_as_before(&saved);
	return n;
}

/* A row that fails took its time like any; a server that does is the caller's to know. */
static void
finish(QcInquiry *inquiry)
{
	const QcFailure *failure;

	qc_inquiry_wait(inquiry);
	failure = qc_inquiry_failure(inquiry);
	if (failure && qc_failure_charge(failure->kind) != QC_CHARGE_ROW)
		qc_failure_raise(failure);
}

/*
 * Send the texts, all at once but for the first, which also finds out what the
 * server is and is not timed.  An error frees the calls with their context.
 */
static double
try_texts(const QcTask *task, const char **text, const size_t *len, int n)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "qwen_classify estimate",
											  ALLOCSET_DEFAULT_SIZES);
	QcSitePrompt *site = NULL;
	QcCallSpec	spec = {0};
	QcInquiry  *inquiry[TRIED];
	QcAsOwner	saved;
	TimestampTz start = 0;

	qc_as_role(&saved, task->owner);
	spec.endpoint = qc_endpoint_resolve(task->server);
	qc_as_before(&saved);
	spec.prompt = qc_task_prompt(&site, cxt, task, spec.endpoint->codes)->prompt;
	spec.with_reason = task->with_reason;
	spec.budget = &qc_statement()->budget;
	for (int i = 0; i < n; i++)
	{
		if (i <= 1)
			start = GetCurrentTimestamp();
		spec.text = text[i];
		spec.len = len[i];
		inquiry[i] = qc_inquiry_start(cxt, &spec);
		if (i == 0)
			finish(inquiry[0]);
	}
	for (int i = 1; i < n; i++)
		finish(inquiry[i]);
	MemoryContextDelete(cxt);
	return Max(n - 1, 1) / (Max(GetCurrentTimestamp() - start, 1) / 1000000.0);
}

/* ---- qwen.estimate ---- */

/* What is estimated: a table with a task, or one that may get it. */
typedef struct QcSubject
{
	Oid			relid;
	Oid			owner;
	const char *rel_sql;
	const char *input_sql;
	const char *hash_sql;
	const char *where_sql;
} QcSubject;

static void
subject_of_task(const QcTask *task, QcSubject *subject)
{
	char	   *why = NULL;
	QcTarget   *target = OidIsValid(task->source) ? qc_target_resolve(task, &why) : NULL;

	if (target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 why ? errmsg("%s", why) : errmsg("task \"%s\" is not attached to a table", task->name),
				 why ? 0 : errhint("Name a table and its input: SELECT * FROM qwen.estimate(%s, 'support.ticket', 'body').",
								   quote_literal_cstr(task->name))));
	subject->relid = target->relid;
	subject->owner = target->owner;
	subject->rel_sql = target->rel_sql;
	subject->input_sql = target->input_sql;
	subject->hash_sql = target->hash_sql;
	subject->where_sql = qc_target_wanted(target, task, task->existing && strcmp(task->existing, "relabel") == 0);
}

static char *
hash_of_columns(Relation rel, const AttrNumber *reads, int nreads)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < nreads; i++)
		appendStringInfo(&sql, "%ss.%s", i ? ", " : "qwen.input_hash(",
						 quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(rel), reads[i] - 1)->attname)));
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

static void
subject_of_table(QcTask *task, Oid relid, char *input, QcSubject *subject)
{
	QcAttach	a = {.task = task,.relid = relid};
	Relation	rel = relation_open(relid, AccessShareLock);
	AttrNumber	column;
	AttrNumber *reads;
	int			nreads;
	char	   *sql;
	char	   *why;

	a.rel_sql = pstrdup(quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												   RelationGetRelationName(rel)));
	qc_attach_check_table(&a, rel);
	if (!qc_input_read(rel, input, &sql, &column, &reads, &nreads, &why))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("input is neither a column of table %s nor an expression over its row", a.rel_sql),
				 errdetail("%s", why)));
	subject->relid = relid;
	subject->owner = rel->rd_rel->relowner;
	subject->rel_sql = a.rel_sql;
	subject->input_sql = sql;
	subject->hash_sql = hash_of_columns(rel, reads, nreads);
	subject->where_sql = column ? psprintf("%s IS NOT NULL", sql) : NULL;
	relation_close(rel, NoLock);
}

static void
read_subject(FunctionCallInfo fcinfo, QcTask *task, QcSubject *subject)
{
	if (PG_ARGISNULL(1) != PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation and input go together"),
				 errhint("Type: SELECT * FROM qwen.estimate(%s, 'support.ticket', 'body').",
						 quote_literal_cstr(task->name))));
	if (PG_ARGISNULL(1))
		subject_of_task(task, subject);
	else
		subject_of_table(task, PG_GETARG_OID(1), text_to_cstring(PG_GETARG_TEXT_PP(2)), subject);
}

static void
measure(const QcTask *task, const QcSubject *subject, QcEstimate *estimate)
{
	const char *text[TRIED];
	size_t		len[TRIED];
	int			n;
	char	   *sql;

	estimate->rate = qc_estimate_rate(task);
	if (estimate->rate > 0 || estimate->rows < 1)
		return;
	sql = psprintf("SELECT %s::pg_catalog.text FROM %s AS s WHERE %s IS NOT NULL%s%s LIMIT %d",
				   subject->input_sql, subject->rel_sql, subject->input_sql,
				   subject->where_sql ? " AND " : "", subject->where_sql ? subject->where_sql : "", TRIED);
	n = texts_to_try(subject->owner, sql, text, len);
	if (n > 0)
		estimate->rate = try_texts(task, text, len, n);
}

Datum
qwen_classify_estimate(PG_FUNCTION_ARGS)
{
	QcSubject	subject;
	QcEstimate	estimate = {0};
	QcTask	   *task;
	TupleDesc	desc;
	Datum		values[4] = {0};
	bool		nulls[4] = {0};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("task must not be NULL"),
				 errhint("Type: SELECT * FROM qwen.estimate('tickets', 'support.ticket', 'body').")));
	task = qc_task_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	qc_task_check_owner(task);
	read_subject(fcinfo, task, &subject);
	qc_estimate_rows(subject.relid, subject.owner, subject.rel_sql, subject.hash_sql,
					 subject.where_sql, &estimate);
	measure(task, &subject, &estimate);
	values[0] = Int64GetDatum((int64) estimate.rows);
	values[1] = Int64GetDatum((int64) estimate.distinct);
	values[2] = Float8GetDatum(estimate.rate);
	nulls[2] = nulls[3] = estimate.rate <= 0;
	values[3] = Float8GetDatum(nulls[3] ? 0 : estimate.rows / estimate.rate / 3600);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
