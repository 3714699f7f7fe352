/*-------------------------------------------------------------------------
 *
 * annotate.c
 *	  Labels that are not the worker's, on their way to qwen.annotation.
 *
 * They wait until commit because only then is known how many labels a
 * statement changed: more than BULK_ABOVE are a bulk edit.  When too many
 * wait, those of the current subtransaction are written (note.c says why
 * only those), once their statement is known to be one.
 *
 * The table is the extension owner's; the user needs no right on it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "common/compat.h"
#include "common/statement.h"
#include "queue/annotate.h"
#include "queue/note.h"
#include "queue/note_pile.h"
#include "task/task.h"

#define BULK_ABOVE	100			/* labels of a task that people changed in one statement */
#define COUNTED_TASKS 8			/* of the statement that runs */
#define CHUNK		8192		/* labels of one statement of ours */

/* What becomes of an entry; the first are QcAuthor. */
#define KIND_MOVED	(QC_AUTHOR_CLEARED + 1)

typedef struct QcNotedLabel
{
	QcPiled		piled;			/* the texts: kx, label, from_kx, without ends */
	int64		k;
	int64		from_k;			/* KIND_MOVED */
	int64		hash;
	uint64		statement;
	int32		task;
	int			kind;
	Oid			role;
	int			kx_len;
	int			label_len;
	int			from_len;
} QcNotedLabel;

/* How many labels of a task people changed in the latest statement. */
typedef struct QcCount
{
	int32		task;
	uint64		statement;
	int			n;
} QcCount;

static QcPile labels = {.width = sizeof(QcNotedLabel)};
static QcCount counts[COUNTED_TASKS];

/* Written for the parent in the release that is under way; -1: no. */
static int64 written_early = -1;

/* ---- writing ---- */

/* Columns of the statements' arrays, in the order of their parameters. */
enum
{
	ARG_TASK, ARG_K, ARG_KX, ARG_KIND, ARG_LABEL, ARG_AUTHOR, ARG_HASH,
	ARG_FROM_K, ARG_FROM_KX, N_ARGS
};

static const Oid arg_types[N_ARGS] = {
	INT4OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, TEXTOID
};

#define GIVEN \
	"SELECT * FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), " \
	"unnest($6), unnest($7), unnest($8), unnest($9)) WITH ORDINALITY " \
	"AS g (task, k, kx, kind, label, author, hash, from_k, from_kx, nr)"

#define LATEST \
	"WITH given AS (SELECT DISTINCT ON (g.task, g.k, g.kx) g.* FROM (" GIVEN ") g " \
	"ORDER BY g.task, g.k, g.kx, g.nr DESC) "

/* One after the other: the keys that a person took the label of, then the others. */
static const char *const clear_sql =
LATEST
"DELETE FROM qwen.annotation a USING given g "
"WHERE g.kind = 'cleared' AND a.task = g.task AND a.k = g.k AND a.kx = g.kx";

static const char *const write_sql =
LATEST
"INSERT INTO qwen.annotation AS a (task, k, kx, kind, label, author, text_hash, at) "
"SELECT g.task, g.k, g.kx, g.kind, g.label, g.author, g.hash, pg_catalog.now() "
"FROM given g WHERE g.kind <> 'cleared' "
"ON CONFLICT (task, k, kx) DO UPDATE SET kind = excluded.kind, label = excluded.label, "
"author = excluded.author, text_hash = excluded.text_hash, at = excluded.at";

/* All of one statement at once, so that rows may change keys with each other. */
static const char *const move_sql =
"WITH given AS (" GIVEN "), "
"gone AS (DELETE FROM qwen.annotation a USING given g "
"WHERE a.task = g.task AND a.k = g.from_k AND a.kx = g.from_kx "
"RETURNING a.*, g.k AS to_k, g.kx AS to_kx) "
"SELECT task, to_k, to_kx, kind, label, author, text_hash, at FROM gone";

static const char *const put_sql =
"INSERT INTO qwen.annotation (task, k, kx, kind, label, author, text_hash, at) "
"VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
"ON CONFLICT (task, k, kx) DO UPDATE SET kind = excluded.kind, label = excluded.label, "
"author = excluded.author, text_hash = excluded.text_hash, at = excluded.at";

static const Oid put_types[] = {
	INT4OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID
};

static const char *
kind_name(int kind)
{
	switch (kind)
	{
		case QC_AUTHOR_PERSON:
			return "person";
		case QC_AUTHOR_BULK:
			return "bulk";
		case QC_AUTHOR_KEPT:
			return "kept";
		case QC_AUTHOR_CLEARED:
			return "cleared";
		default:
			return "moved";
	}
}

static Datum
text_of(const char *s, int len)
{
	return PointerGetDatum(cstring_to_text_with_len(s, len));
}

/* The entries [from, to) as arrays. */
static void
fill_args(int64 from, int64 to, Datum *args)
{
	int			n = (int) (to - from);
	Datum	   *column[N_ARGS];

	for (int arg = 0; arg < N_ARGS; arg++)
		column[arg] = palloc(n * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		const QcNotedLabel *e = QC_PILE_AT(&labels, QcNotedLabel, from + i);
		const char *text = labels.text + e->piled.text_at;
		const char *name = GetUserNameFromId(e->role, true);

		column[ARG_TASK][i] = Int32GetDatum(e->task);
		column[ARG_K][i] = Int64GetDatum(e->k);
		column[ARG_KX][i] = text_of(text, e->kx_len);
		column[ARG_KIND][i] = CStringGetTextDatum(kind_name(e->kind));
		column[ARG_LABEL][i] = text_of(text + e->kx_len, e->label_len);
		column[ARG_AUTHOR][i] = CStringGetTextDatum(name ? name : "?");
		column[ARG_HASH][i] = Int64GetDatum(e->hash);
		column[ARG_FROM_K][i] = Int64GetDatum(e->from_k);
		column[ARG_FROM_KX][i] = text_of(text + e->kx_len + e->label_len, e->from_len);
	}
	for (int arg = 0; arg < N_ARGS; arg++)
	{
		int16		typlen;
		bool		typbyval;
		char		typalign;

		get_typlenbyvalalign(arg_types[arg], &typlen, &typbyval, &typalign);
		args[arg] = PointerGetDatum(construct_array(column[arg], n, arg_types[arg],
													typlen, typbyval, typalign));
	}
}

/*
 * With a snapshot that sees what others committed: a transaction's own may be
 * older than rows that are in the way, which would fail its commit.
 */
static void
execute(SPIPlanPtr plan, Datum *args, int expected)
{
	int			rc;

	CommandCounterIncrement();
	rc = SPI_execute_snapshot(plan, args, NULL, GetLatestSnapshot(), InvalidSnapshot,
							  false, false, 0);
	if (rc != expected)
		elog(ERROR, "could not write qwen.annotation: %s", SPI_result_code_string(rc));
}

static const Oid *
array_types(void)
{
	static Oid	types[N_ARGS];

	if (!OidIsValid(types[0]))
		for (int i = N_ARGS - 1; i >= 0; i--)
			types[i] = get_array_type(arg_types[i]);
	return types;
}

static void
write_moved(Datum *args)
{
	static SPIPlanPtr move_plan = NULL;
	static SPIPlanPtr put_plan = NULL;
	SPITupleTable *gone;
	uint64		n;

	execute(qc_plan_once(&move_plan, move_sql, N_ARGS, array_types()), args, SPI_OK_SELECT);
	gone = SPI_tuptable;
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
	{
		Datum		values[lengthof(put_types)];
		bool		isnull;

		for (int c = 0; c < (int) lengthof(put_types); c++)
			values[c] = heap_getattr(gone->vals[i], c + 1, gone->tupdesc, &isnull);
		execute(qc_plan_once(&put_plan, put_sql, lengthof(put_types), put_types), values,
				SPI_OK_INSERT);
	}
}

static void
write_run(int64 from, int64 to, bool cleared, bool given)
{
	static SPIPlanPtr clear_plan = NULL;
	static SPIPlanPtr write_plan = NULL;
	Datum		args[N_ARGS];

	fill_args(from, to, args);
	if (QC_PILE_AT(&labels, QcNotedLabel, from)->kind == KIND_MOVED)
	{
		write_moved(args);
		return;
	}
	if (cleared)
		execute(qc_plan_once(&clear_plan, clear_sql, N_ARGS, array_types()), args, SPI_OK_DELETE);
	if (given)
		execute(qc_plan_once(&write_plan, write_sql, N_ARGS, array_types()), args, SPI_OK_INSERT);
}

/*
 * Moves of one statement are a run, since they happen at once; so is what
 * lies between moves.
 */
static void
write_runs(int64 from, bool empty)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "qwen_classify annotations",
											  ALLOCSET_DEFAULT_SIZES);

	while (from < labels.n)
	{
		const QcNotedLabel *first = QC_PILE_AT(&labels, QcNotedLabel, from);
		bool		moved = first->kind == KIND_MOVED;
		bool		cleared = false;
		bool		given = false;
		int64		to = from;
		MemoryContext old;

		while (to < labels.n && (moved || to - from < CHUNK))
		{
			const QcNotedLabel *e = QC_PILE_AT(&labels, QcNotedLabel, to);

			if ((e->kind == KIND_MOVED) != moved ||
				(moved && e->statement != first->statement))
				break;
			cleared = cleared || e->kind == QC_AUTHOR_CLEARED;
			given = given || (!moved && e->kind != QC_AUTHOR_CLEARED);
			to++;
		}
		empty = empty && !given;
		if (!empty)
		{
			old = MemoryContextSwitchTo(cxt);
			write_run(from, to, cleared, given);
			MemoryContextSwitchTo(old);
			MemoryContextReset(cxt);
		}
		from = to;
	}
	MemoryContextDelete(cxt);
}

/* Is the table there, and has it any rows?  Most changes of labels are of none in it. */
static bool
look_at_table(bool *empty)
{
	Oid			schema = get_namespace_oid("qwen", true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid("annotation", schema) : InvalidOid;
	Relation	rel = OidIsValid(relid) ? try_table_open(relid, RowExclusiveLock) : NULL;

	if (rel == NULL)
		return false;
	*empty = RelationGetNumberOfBlocks(rel) == 0;
	table_close(rel, NoLock);
	return true;
}

/* Write the entries from here to the last; they stay noted. */
static void
write_labels(int64 from)
{
	bool		empty;
	bool		needed = false;
	QcAsOwner	saved;

	if (from >= labels.n || !look_at_table(&empty))
		return;
	for (int64 i = from; i < labels.n && !needed; i++)
		needed = !empty || QC_PILE_AT(&labels, QcNotedLabel, i)->kind < QC_AUTHOR_CLEARED;
	if (!needed)
		return;

	PushActiveSnapshot(GetLatestSnapshot());
	qc_as_extension_owner(&saved);
	SPI_connect();
	write_runs(from, empty);
	SPI_finish();
	qc_as_before(&saved);
	PopActiveSnapshot();
}

/* ---- noting ---- */

static QcCount *
count_of(int32 task, uint64 statement)
{
	QcCount    *unused = &counts[0];

	for (int i = 0; i < COUNTED_TASKS; i++)
	{
		if (counts[i].task == task && counts[i].statement == statement)
			return &counts[i];
		if (counts[i].statement != statement)
			unused = &counts[i];
	}
	unused->task = task;
	unused->statement = statement;
	unused->n = 0;
	return unused;
}

/* The statement turned out to be a bulk edit: so were its first labels. */
static void
mark_bulk(int32 task, uint64 statement)
{
	for (int64 i = labels.n - 1; i >= 0; i--)
	{
		QcNotedLabel *e = QC_PILE_AT(&labels, QcNotedLabel, i);

		if (e->statement != statement)
			break;
		if (e->task == task && e->kind == QC_AUTHOR_PERSON)
			e->kind = QC_AUTHOR_BULK;
	}
}

static QcNotedLabel *
add_entry(int32 task, int64 k, const char *kx, const char *label, const char *from_kx)
{
	int			kx_len = kx ? (int) strlen(kx) : 0;
	int			label_len = label ? (int) strlen(label) : 0;
	int			from_len = from_kx ? (int) strlen(from_kx) : 0;
	QcNotedLabel *e = qc_pile_add(&labels, kx_len + label_len + from_len);
	char	   *text = labels.text + e->piled.text_at;

	memcpy(text, kx ? kx : "", kx_len);
	memcpy(text + kx_len, label ? label : "", label_len);
	memcpy(text + kx_len + label_len, from_kx ? from_kx : "", from_len);
	e->task = task;
	e->k = k;
	e->kx_len = kx_len;
	e->label_len = label_len;
	e->from_len = from_len;
	e->from_k = 0;
	e->hash = 0;
	e->statement = qc_statement_serial();
	e->role = GetUserId();
	return e;
}

static void
write_if_full(void)
{
	int64		start;

	if (labels.n < QC_NOTE_FULL)
		return;
	start = qc_pile_start(&labels, GetCurrentTransactionNestLevel());
	if (labels.n - start < QC_NOTE_FULL)
		return;
	write_labels(start);
	qc_pile_cut(&labels, start);
}

void
qc_note_label(int32 task, int64 k, const char *kx, QcAuthor author,
			  const char *label, int64 hash)
{
	uint64		statement = qc_statement_serial();
	QcNotedLabel *e;

	/* the first hundred of a statement are not written before it ends: they may become bulk */
	bool		may_write = true;

	if (author == QC_AUTHOR_PERSON)
	{
		QcCount    *count = count_of(task, statement);

		if (count->n < BULK_ABOVE)
			may_write = count->n++ == 0;
		else
		{
			if (count->n == BULK_ABOVE)
				mark_bulk(task, statement);
			count->n = BULK_ABOVE + 1;
			author = QC_AUTHOR_BULK;
		}
	}
	if (may_write)
		write_if_full();
	e = add_entry(task, k, kx, label, NULL);
	e->kind = author;
	e->hash = hash;
}

void
qc_note_moved(int32 task, int64 from_k, const char *from_kx, int64 k, const char *kx)
{
	QcNotedLabel *e = add_entry(task, k, kx, NULL, from_kx);

	e->kind = KIND_MOVED;
	e->from_k = from_k;
}

/* ---- transactions ---- */

void
qc_annotate_write(void)
{
	write_labels(0);
}

void
qc_annotate_before_release(int level)
{
	int64		start;

	written_early = -1;
	if (labels.n < QC_NOTE_FULL)
		return;
	start = qc_pile_start(&labels, level - 1);
	if (labels.n - start < QC_NOTE_FULL)
		return;
	write_labels(start);
	written_early = start;
}

void
qc_annotate_released(int level)
{
	if (written_early >= 0)
		qc_pile_cut(&labels, written_early);
	else
		qc_pile_release(&labels, level);
	written_early = -1;
}

void
qc_annotate_rolled_back(int level)
{
	written_early = -1;
	qc_pile_cut(&labels, qc_pile_start(&labels, level));
}

void
qc_annotate_reset(void)
{
	written_early = -1;
	qc_pile_reset(&labels);
}
