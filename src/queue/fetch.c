/*-------------------------------------------------------------------------
 *
 * fetch.c
 *	  Texts of keys, read as the owner of their table.
 *
 * The input expression and a filter are the owner's code: they run as that
 * role, security-restricted.  A row whose expression fails is found by halving, and
 * fails alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "queue/batch.h"
#include "queue/read.h"

static char *
fetch_sql(const QcTarget *target)
{
	return psprintf("SELECT r.i, %s::pg_catalog.text, %s, s.%s::pg_catalog.text, %s%s "
					"FROM %s JOIN %s AS s ON %s",
					target->input_sql, target->hash_sql, target->label_sql,
					target->confidence_sql ? "s." : "NULL",
					target->confidence_sql ? psprintf("%s::pg_catalog.text", target->confidence_sql) : "::pg_catalog.text",
					qc_batch_sql(target, NULL, 0), target->rel_sql, target->join_sql);
}

static char *
value_text(HeapTuple tuple, int col, MemoryContext cxt)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, SPI_tuptable->tupdesc, col, &isnull);
	text	   *t;
	char	   *s;

	if (isnull)
		return NULL;
	t = DatumGetTextPP(value);
	s = MemoryContextAlloc(cxt, VARSIZE_ANY_EXHDR(t) + 1);
	memcpy(s, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
	s[VARSIZE_ANY_EXHDR(t)] = '\0';
	if ((Pointer) t != DatumGetPointer(value))
		pfree(t);
	return s;
}

static void
fill_item(QcItem *item, HeapTuple tuple, MemoryContext cxt)
{
	bool		isnull;

	item->found = true;
	item->text = value_text(tuple, 2, cxt);
	item->hash = DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 3, &isnull));
	item->old_label = value_text(tuple, 4, cxt);
	item->old_confidence = value_text(tuple, 5, cxt);
	item->wanted = item->text != NULL && (item->old_label == NULL || item->relabel);
}

static void
fetch(const QcTarget *target, QcItem **items, int n, MemoryContext cxt)
{
	QcAsOwner	saved;
	QcArgs		args = {0};
	char	   *sql = fetch_sql(target);

	qc_args_keys(&args, target, items, n);
	qc_as_role(&saved, target->owner);
	SPI_connect();
	if (SPI_execute_plan(qc_plan(sql, &args), args.value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read texts");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		int32		i = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[row],
													SPI_tuptable->tupdesc, 1, &isnull));

		fill_item(items[i], SPI_tuptable->vals[row], cxt);
	}
	SPI_finish();
	qc_as_before(&saved);
}

/* Is it this row's own error, and not one of the server or of a right? */
bool
qc_is_rows_error(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_PLPGSQL_ERROR:
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
		case ERRCODE_TRIGGERED_ACTION_EXCEPTION:
		case ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION:
		case ERRCODE_EXTERNAL_ROUTINE_EXCEPTION:
		case ERRCODE_SQL_ROUTINE_EXCEPTION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_CARDINALITY_VIOLATION:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return true;
		default:
			return sqlstate == ERRCODE_DATATYPE_MISMATCH ||
				sqlstate == ERRCODE_CANNOT_COERCE ||
				sqlstate == ERRCODE_STATEMENT_TOO_COMPLEX;
	}
}

/* What a stored message keeps of an error: no detail, which may hold the row. */
char *
qc_error_words(const ErrorData *error, MemoryContext cxt)
{
	const char *message = error->message ? error->message : "unknown error";
	int			len = pg_mbcliplen(message, strlen(message), 200);
	char	   *copy = MemoryContextAlloc(cxt, len + 1);

	memcpy(copy, message, len);
	copy[len] = '\0';
	return copy;
}

static void fetch_or_halve(const QcTarget *target, QcItem **items, int n, MemoryContext cxt);

static void
halve(const QcTarget *target, QcItem **items, int n, MemoryContext cxt, ErrorData *error)
{
	if (!qc_is_rows_error(error->sqlerrcode))
		ReThrowError(error);
	if (n > 1)
	{
		fetch_or_halve(target, items, n / 2, cxt);
		fetch_or_halve(target, items + n / 2, n - n / 2, cxt);
		return;
	}
	items[0]->found = items[0]->wanted = true;
	items[0]->failed = QC_FAIL_INPUT;
	items[0]->error = qc_error_words(error, cxt);
}

/* In a subtransaction, so that an error costs this try only. */
static void
fetch_or_halve(const QcTarget *target, QcItem **items, int n, MemoryContext cxt)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		fetch(target, items, n, cxt);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	if (error != NULL)
		halve(target, items, n, cxt, error);
}

void
qc_source_fetch(const QcTask *task, const QcTarget *target, QcItem **items, int n)
{
	MemoryContext cxt = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(cxt, "qwen_classify fetch",
											   ALLOCSET_DEFAULT_SIZES);

	(void) task;
	for (int i = 0; i < n; i++)
	{
		items[i]->found = items[i]->wanted = false;
		items[i]->text = NULL;
	}
	MemoryContextSwitchTo(work);
	if (n > 0)
		fetch_or_halve(target, items, n, cxt);
	MemoryContextSwitchTo(cxt);
	MemoryContextDelete(work);
}
