/*-------------------------------------------------------------------------
 *
 * trigger_change.c
 *	  What an UPDATE changed of a row, and whose its label is.
 *
 * The rule of a label's author reads the same on the row as it was given and
 * on the row as the BEFORE trigger leaves it, so the AFTER trigger, which
 * alone knows that the row was really written, asks again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "common/guc.h"
#include "common/statement.h"
#include "queue/trigger_change.h"

bool
qc_same_value(HeapTuple a, HeapTuple b, TupleDesc desc, AttrNumber attno)
{
	Form_pg_attribute attr = TupleDescAttr(desc, attno - 1);
	bool		null_a;
	bool		null_b;
	Datum		value_a = heap_getattr(a, attno, desc, &null_a);
	Datum		value_b = heap_getattr(b, attno, desc, &null_b);

	if (null_a || null_b)
		return null_a && null_b;
	if (attr->attbyval)
		return value_a == value_b;
	if (attr->attlen == -1)
	{
		Size		len = VARSIZE_ANY(DatumGetPointer(value_a));

		/* the same place in the toast table, too, has the same bytes here */
		if (len == VARSIZE_ANY(DatumGetPointer(value_b)) &&
			memcmp(DatumGetPointer(value_a), DatumGetPointer(value_b), len) == 0)
			return true;
	}
	return datum_image_eq(value_a, value_b, false, attr->attlen);
}

static bool
all_same(HeapTuple a, HeapTuple b, TupleDesc desc, const AttrNumber *attno, int n)
{
	for (int i = 0; i < n; i++)
		if (!qc_same_value(a, b, desc, attno[i]))
			return false;
	return true;
}

/* Is the confidence 1?  or NULL, if that is asked for. */
static bool
confidence_is_one(const QcTriggerInfo *info, HeapTuple row, TupleDesc desc, bool or_null)
{
	bool		isnull;
	Datum		value = heap_getattr(row, info->confidence, desc, &isnull);

	if (isnull)
		return or_null;
	switch (info->confidence_type)
	{
		case FLOAT4OID:
			return DatumGetFloat4(value) == 1;
		case FLOAT8OID:
			return DatumGetFloat8(value) == 1;
		case NUMERICOID:
			return DatumGetInt32(DirectFunctionCall2(numeric_cmp, value,
													 DirectFunctionCall1(int4_numeric, Int32GetDatum(1)))) == 0;
		default:
			return false;
	}
}

/* What does not depend on the confidence: true if that decides. */
static bool
author_is_told(const QcTriggerInfo *info, QcAuthor *author)
{
	*author = QC_AUTHOR_KEPT;
	if (qc_author == QC_SET_BY_PERSON)
		*author = QC_AUTHOR_PERSON;
	else if (qc_author == QC_SET_BY_MACHINE || qc_statement_called())
		return true;
	else if (info->confidence == 0)
		*author = QC_AUTHOR_PERSON;
	return *author == QC_AUTHOR_PERSON;
}

static QcAuthor
author_of_change(const QcTriggerInfo *info, HeapTuple old_row, HeapTuple new_row,
				 TupleDesc desc)
{
	QcAuthor	author;

	if (author_is_told(info, &author))
		return author;
	if (qc_same_value(old_row, new_row, desc, info->confidence) ||
		confidence_is_one(info, new_row, desc, false))
		return QC_AUTHOR_PERSON;
	return QC_AUTHOR_KEPT;
}

QcAuthor
qc_author_of_new(const QcTriggerInfo *info, HeapTuple row, TupleDesc desc)
{
	QcAuthor	author;

	if (author_is_told(info, &author))
		return author;
	return confidence_is_one(info, row, desc, true) ? QC_AUTHOR_PERSON : QC_AUTHOR_KEPT;
}

void
qc_change_read(const QcTriggerInfo *info, HeapTuple old_row, HeapTuple new_row,
			   TupleDesc desc, QcChange *change)
{
	change->input = !all_same(old_row, new_row, desc, info->reads, info->nreads);
	change->label = !qc_same_value(old_row, new_row, desc, info->label);
	change->key = !all_same(old_row, new_row, desc, info->key, info->nkeys);
	change->had_label = !heap_attisnull(old_row, info->label, desc);
	change->has_label = !heap_attisnull(new_row, info->label, desc);
	change->author = QC_AUTHOR_KEPT;
	if (change->label && change->has_label)
		change->author = author_of_change(info, old_row, new_row, desc);
}

bool
qc_change_route(const QcTriggerInfo *info, HeapTuple old_row, HeapTuple new_row,
				TupleDesc desc)
{
	return !all_same(old_row, new_row, desc, info->routes, info->nroutes);
}

/* ---- rows on their way from one partition to another ---- */

typedef struct QcMoveKey
{
	int64		k;				/* of a text key the hash: 64 bits tell keys apart */
	int64		task;
} QcMoveKey;

typedef struct QcMoveEntry
{
	QcMoveKey	key;
	uint64		statement;
	QcMove		move;
} QcMoveEntry;

static HTAB *moves = NULL;
static MemoryContext moves_cxt = NULL;

static void
forget_moves(void *arg)
{
	(void) arg;
	moves = NULL;
	moves_cxt = NULL;
}

/* Until the end of the transaction at most. */
static void
make_moves(void)
{
	HASHCTL		ctl = {0};
	MemoryContextCallback *callback;

	moves_cxt = AllocSetContextCreate(TopTransactionContext, "qwen_classify moved rows",
									  ALLOCSET_DEFAULT_SIZES);
	callback = MemoryContextAllocZero(moves_cxt, sizeof(MemoryContextCallback));
	callback->func = forget_moves;
	MemoryContextRegisterResetCallback(moves_cxt, callback);
	ctl.keysize = sizeof(QcMoveKey);
	ctl.entrysize = sizeof(QcMoveEntry);
	ctl.hcxt = moves_cxt;
	moves = hash_create("qwen_classify moved rows", 64, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

void
qc_move_remember(int32 task, int64 k, const QcMove *move)
{
	QcMoveKey	key = {.k = k, .task = task};
	QcMoveEntry *entry;

	if (moves == NULL)
		make_moves();
	entry = hash_search(moves, &key, HASH_ENTER, NULL);
	entry->statement = qc_statement_serial();
	entry->move = *move;
	if (move->from_kx)
		entry->move.from_kx = MemoryContextStrdup(moves_cxt, move->from_kx);
}

bool
qc_moves_pending(void)
{
	return moves != NULL && hash_get_num_entries(moves) > 0;
}

bool
qc_move_recall(int32 task, int64 k, QcMove *move)
{
	QcMoveKey	key = {.k = k, .task = task};
	QcMoveEntry *entry;
	bool		fresh;

	if (moves == NULL)
		return false;
	entry = hash_search(moves, &key, HASH_FIND, NULL);
	if (entry == NULL)
		return false;
	/* the executor counts once more between its run and the AFTER triggers */
	fresh = qc_statement_serial() - entry->statement <= 1;
	*move = entry->move;
	hash_search(moves, &key, HASH_REMOVE, NULL);
	return fresh;
}
