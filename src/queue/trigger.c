/*-------------------------------------------------------------------------
 *
 * trigger.c
 *	  The two row triggers of a table that a task labels.
 *
 * BEFORE UPDATE keeps label and input together: a changed input takes the
 * label away, a person's label gets confidence 1.  AFTER INSERT OR UPDATE
 * notes what is to be labelled and whose a label is, when nothing can change
 * the row any more.  Neither evaluates the input: that is the worker's work.
 *
 * An UPDATE that moves a row to another partition fires BEFORE UPDATE on the
 * one and AFTER INSERT on the other: what it changed is remembered in between.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "common/compat.h"
#include "common/guc.h"
#include "queue/note.h"
#include "queue/trigger_change.h"
#include "queue/trigger_info.h"

PG_FUNCTION_INFO_V1(qwen_classify_before_update);
PG_FUNCTION_INFO_V1(qwen_classify_after_change);

static TriggerData *
called_as_trigger(FunctionCallInfo fcinfo, TriggerEvent timing)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		(trigger->tg_event & TRIGGER_EVENT_TIMINGMASK) != timing ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function is for the triggers of a task alone"),
				 errhint("Type: SELECT qwen.attach('task', 'table', input => 'column').")));
	return trigger;
}

/* ---- before ---- */

/* Columns of the new row that are to be set. */
typedef struct QcColumns
{
	int			n;
	int			attno[3];
	Datum		value[3];
	bool		isnull[3];
} QcColumns;

static void
set_column(QcColumns *columns, AttrNumber attno, Datum value)
{
	columns->attno[columns->n] = attno;
	columns->value[columns->n] = value;
	columns->isnull[columns->n] = false;
	columns->n++;
}

/* NULL, if there is such a column and it is not NULL yet. */
static void
clear_column(QcColumns *columns, AttrNumber attno, HeapTuple row, TupleDesc desc)
{
	if (attno == 0 || heap_attisnull(row, attno, desc))
		return;
	columns->attno[columns->n] = attno;
	columns->value[columns->n] = (Datum) 0;
	columns->isnull[columns->n] = true;
	columns->n++;
}

/* "set by anna", as long as the column has room. */
static Datum
set_by_text(const QcTriggerInfo *info)
{
	char	   *name = GetUserNameFromId(GetUserId(), true);
	char	   *text = psprintf("set by %s", name ? name : "?");
	int			len = (int) strlen(text);

	if (info->reason_limit >= 0)
		len = pg_mbcharcliplen(text, len, info->reason_limit);
	return PointerGetDatum(cstring_to_text_with_len(text, len));
}

static void
sign_label(const QcTriggerInfo *info, HeapTuple old_row, HeapTuple new_row,
		   TupleDesc desc, QcColumns *columns)
{
	if (info->has_one)
		set_column(columns, info->confidence, info->one);
	if (info->reason != 0 && qc_same_value(old_row, new_row, desc, info->reason))
		set_column(columns, info->reason, set_by_text(info));
}

/* What the label's columns must become. */
static void
decide(const QcTriggerInfo *info, const QcChange *change, HeapTuple old_row,
	   HeapTuple new_row, TupleDesc desc, QcColumns *columns)
{
	if (qc_writing_back)
	{
		/* a user's trigger rewrote the text as the label came: it is of another text */
		if (!change->input)
			return;
		clear_column(columns, info->label, new_row, desc);
		clear_column(columns, info->confidence, new_row, desc);
		clear_column(columns, info->reason, new_row, desc);
	}
	else if (change->label && change->has_label)
	{
		if (change->author == QC_AUTHOR_PERSON)
			sign_label(info, old_row, new_row, desc, columns);
	}
	else if (change->label)
	{
		if (info->confidence != 0 &&
			qc_same_value(old_row, new_row, desc, info->confidence))
			clear_column(columns, info->confidence, new_row, desc);
		if (info->reason != 0 && qc_same_value(old_row, new_row, desc, info->reason))
			clear_column(columns, info->reason, new_row, desc);
	}
	else if (change->input)
	{
		clear_column(columns, info->label, new_row, desc);
		clear_column(columns, info->confidence, new_row, desc);
		clear_column(columns, info->reason, new_row, desc);
	}
}

/* The label that a changed input took away is gone in the AFTER trigger's eyes, too. */
static void
remember_move(QcTriggerInfo *info, const QcChange *change, HeapTuple old_row,
			  HeapTuple new_row, TupleDesc desc)
{
	QcMove		move;
	char	   *from_kx;
	char	   *kx;
	int64		k;

	move.change = *change;
	move.from_k = qc_trigger_key(info, old_row, desc, &from_kx);
	move.from_kx = from_kx;
	k = qc_trigger_key(info, new_row, desc, &kx);
	qc_move_remember(info->task, k, &move);
}

Datum
qwen_classify_before_update(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = called_as_trigger(fcinfo, TRIGGER_EVENT_BEFORE);
	HeapTuple	old_row = trigger->tg_trigtuple;
	HeapTuple	new_row = trigger->tg_newtuple;
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	QcTriggerInfo *info;
	QcChange	change;
	QcColumns	columns = {0};

	if (!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return PointerGetDatum(old_row);
	if (!qc_enabled || (info = qc_trigger_info(fcinfo, trigger)) == NULL)
		return PointerGetDatum(new_row);

	qc_change_read(info, old_row, new_row, desc, &change);
	decide(info, &change, old_row, new_row, desc, &columns);
	if (info->nroutes > 0 && (change.had_label || change.has_label) &&
		qc_change_route(info, old_row, new_row, desc))
		remember_move(info, &change, old_row, new_row, desc);
	if (columns.n > 0)
		new_row = heap_modify_tuple_by_cols(new_row, desc, columns.n, columns.attno,
											columns.value, columns.isnull);
	return PointerGetDatum(new_row);
}

/* ---- after ---- */

/* A row without a label waits for one, unless it has nothing to say. */
static void
note_row(QcTriggerInfo *info, HeapTuple row, TupleDesc desc)
{
	char	   *kx;
	int64		k;

	if (info->plain_input != 0 && heap_attisnull(row, info->plain_input, desc))
		return;
	k = qc_trigger_key(info, row, desc, &kx);
	qc_note_key(info->task, k, kx);
}

static void
note_label(QcTriggerInfo *info, HeapTuple row, TupleDesc desc, QcAuthor author)
{
	bool		isnull;
	Datum		value = heap_getattr(row, info->label, desc, &isnull);
	char	   *kx;
	int64		k = qc_trigger_key(info, row, desc, &kx);

	qc_note_label(info->task, k, kx, author, OutputFunctionCall(&info->label_out, value),
				  qc_input_hash_tuple(info->target, row, desc, info->map));
}

/*
 * A user's BEFORE trigger with a name after ours changed the text when we had
 * looked: the label is of another text and goes now, by an UPDATE of its own.
 */
static void
clear_late(const QcTriggerInfo *info, HeapTuple row, Relation rel)
{
	const AttrNumber columns[] = {info->label, info->confidence, info->reason};
	TupleDesc	desc = RelationGetDescr(rel);
	Oid			type = TIDOID;
	Datum		place = PointerGetDatum(&row->t_self);
	StringInfoData sql;
	QcAsOwner	saved;

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE ONLY %s SET",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												RelationGetRelationName(rel)));
	for (int i = 0; i < (int) lengthof(columns); i++)
		if (columns[i] != 0)
			appendStringInfo(&sql, "%s %s = NULL", i ? "," : "",
							 quote_identifier(NameStr(TupleDescAttr(desc, columns[i] - 1)->attname)));
	appendStringInfoString(&sql, " WHERE ctid OPERATOR(pg_catalog.=) $1");

	qc_as_role(&saved, rel->rd_rel->relowner);
	SPI_connect();
	if (SPI_execute_with_args(sql.data, 1, &type, &place, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not clear a label");
	SPI_finish();
	qc_as_before(&saved);
}

/* An UPDATE that stands; from_k and from_kx are the row's key before it. */
static void
after_update(QcTriggerInfo *info, const QcChange *change, int64 from_k,
			 const char *from_kx, HeapTuple row, TupleDesc desc)
{
	bool		has_label = !heap_attisnull(row, info->label, desc);

	if (!has_label)
	{
		if (change->had_label)
			qc_note_label(info->task, from_k, from_kx, QC_AUTHOR_CLEARED, NULL, 0);
		/* by the worker a label goes because none fits: that is no wish for another */
		if (change->input || change->key || (change->had_label && !qc_writing_back))
			note_row(info, row, desc);
	}
	else if (change->label && !qc_writing_back)
	{
		if (change->key && change->had_label)
			qc_note_label(info->task, from_k, from_kx, QC_AUTHOR_CLEARED, NULL, 0);
		note_label(info, row, desc, change->author);
	}
	else if (change->key)
	{
		char	   *kx;
		int64		k = qc_trigger_key(info, row, desc, &kx);

		qc_note_moved(info->task, from_k, from_kx, k, kx);
	}
}

static void
after_insert(QcTriggerInfo *info, HeapTuple row, TupleDesc desc)
{
	QcMove		move;
	char	   *kx;

	if (qc_moves_pending())
	{
		int64		k = qc_trigger_key(info, row, desc, &kx);

		if (qc_move_recall(info->task, k, &move))
		{
			after_update(info, &move.change, move.from_k, move.from_kx, row, desc);
			return;
		}
	}
	if (heap_attisnull(row, info->label, desc))
		note_row(info, row, desc);
	else if (!qc_writing_back)
		note_label(info, row, desc, qc_author_of_new(info, row, desc));
}

Datum
qwen_classify_after_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = called_as_trigger(fcinfo, TRIGGER_EVENT_AFTER);
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	QcTriggerInfo *info;

	if (!qc_enabled || (info = qc_trigger_info(fcinfo, trigger)) == NULL)
		return PointerGetDatum(NULL);

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		after_insert(info, trigger->tg_trigtuple, desc);
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		HeapTuple	old_row = trigger->tg_trigtuple;
		HeapTuple	new_row = trigger->tg_newtuple;
		QcChange	change;
		int64		from_k = 0;
		char	   *from_kx = NULL;

		qc_change_read(info, old_row, new_row, desc, &change);
		if (change.has_label && change.input && (!change.label || qc_writing_back))
		{
			clear_late(info, new_row, trigger->tg_relation);
			return PointerGetDatum(NULL);
		}
		if (change.key || (change.had_label && !change.has_label))
			from_k = qc_trigger_key(info, old_row, desc, &from_kx);
		after_update(info, &change, from_k, from_kx, new_row, desc);
	}
	return PointerGetDatum(NULL);
}
