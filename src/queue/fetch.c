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

/* No model reads as much, and 512 of them must fit in memory. */
#define MOST_TEXT		(1024 * 1024)
#define MOST_TEXT_HEAD	(768 * 1024)
#define MOST_TEXT_TAIL	(256 * 1024)

/*
 * The input's text; of one over MOST_TEXT head and tail, which are cut further
 * before they are sent.  OFFSET 0 keeps an expression from being run thrice.
 */
static char *
input_sql(const QcTarget *target, char **from)
{
	char	   *input = psprintf("%s::pg_catalog.text", target->input_sql);

	*from = "";
	if (target->input_sql[0] != '(' || strpbrk(target->input_sql + 1, " (") != NULL)
	{
		*from = psprintf(" CROSS JOIN LATERAL (SELECT %s AS x OFFSET 0) AS e", input);
		input = "e.x";
	}
	return psprintf("CASE WHEN pg_catalog.octet_length(%s) > %d "
					"THEN pg_catalog.left(%s, %d) || pg_catalog.right(%s, %d) ELSE %s END",
					input, MOST_TEXT, input, MOST_TEXT_HEAD, input, MOST_TEXT_TAIL, input);
}

/* Without the input: what else there is to know of a row whose input fails. */
static char *
fetch_sql(const QcTarget *target, bool with_input)
{
	char	   *from = "";
	char	   *input = with_input ? input_sql(target, &from) : "NULL::pg_catalog.text";

	return psprintf("SELECT r.i, %s, %s, s.%s::pg_catalog.text, %s%s::pg_catalog.text "
					"FROM %s JOIN %s AS s ON %s%s",
					input, target->hash_sql, target->label_sql,
					target->confidence_sql ? "s." : "",
					target->confidence_sql ? target->confidence_sql : "NULL",
					qc_batch_sql(target, NULL, 0), qc_table_sql(target), target->join_sql, from);
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
fetch(const QcTarget *target, QcItem **items, int n, bool with_input, MemoryContext cxt)
{
	QcAsOwner	saved;
	QcArgs		args = {0};
	char	   *sql = fetch_sql(target, with_input);

	qc_as_table_owner(&saved, target);
	qc_args_keys(&args, target, items, n);
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

/*
 * Whose fault is it?  Owners' functions and triggers may raise any SQLSTATE of
 * their own for a row; what the server itself raises of resources, connections
 * and its state is no row's, nor is a name, a type or a right that is missing.
 */
QcErrorOf
qc_error_of(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_CONFIG_FILE_ERROR:
			return QC_ERROR_SERVER;
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
			return sqlstate == ERRCODE_DATATYPE_MISMATCH || sqlstate == ERRCODE_CANNOT_COERCE ?
				QC_ERROR_ROW : QC_ERROR_CONFIG;
		default:
			return sqlstate == ERRCODE_LOCK_NOT_AVAILABLE || sqlstate == ERRCODE_INDEX_CORRUPTED ||
				sqlstate == ERRCODE_DATA_CORRUPTED ? QC_ERROR_SERVER : QC_ERROR_ROW;
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

/* invalid input syntax for type integer: "...": between the quotes is the row's text. */
static char *
words_without_text(const ErrorData *error, MemoryContext cxt)
{
	char	   *words = qc_error_words(error, cxt);
	char	   *open = strchr(words, '"');
	char	   *close = strrchr(words, '"');

	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION || open == NULL)
		return words;
	if (close == open)
	{
		*open = '\0';
		return words;
	}
	memmove(open + 1, close, strlen(close) + 1);
	return words;
}

static void fetch_or_halve(const QcTarget *target, QcItem **items, int n, bool with_input,
						   MemoryContext cxt);

static void
halve(const QcTarget *target, QcItem **items, int n, MemoryContext cxt, ErrorData *error)
{
	if (qc_error_of(error->sqlerrcode) != QC_ERROR_ROW)
		ReThrowError(error);
	if (n > 1)
	{
		fetch_or_halve(target, items, n / 2, true, cxt);
		fetch_or_halve(target, items + n / 2, n - n / 2, true, cxt);
		return;
	}

	/* alone: its failure is kept with its hash, so that a new text tries again */
	fetch_or_halve(target, items, 1, false, cxt);
	items[0]->wanted = items[0]->found && (items[0]->old_label == NULL || items[0]->relabel);
	if (!items[0]->wanted)
		return;
	items[0]->failed = QC_FAIL_INPUT;
	items[0]->error = words_without_text(error, cxt);
}

/* In a subtransaction, so that an error costs this try only. */
static void
fetch_or_halve(const QcTarget *target, QcItem **items, int n, bool with_input, MemoryContext cxt)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		fetch(target, items, n, with_input, cxt);
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
	if (error != NULL && !with_input)
		ReThrowError(error);
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
		fetch_or_halve(target, items, n, true, cxt);
	MemoryContextSwitchTo(cxt);
	MemoryContextDelete(work);
}
