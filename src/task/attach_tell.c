/*-------------------------------------------------------------------------
 *
 * attach_tell.c
 *	  What whoever attaches a task should know: NOTICEs.
 *
 * None of it is a reason to refuse; each says what follows from it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_trigger.h"
#include "common/compat.h"
#include "nodes/bitmapset.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "common/board.h"
#include "task/attach.h"

/* From here on room on the page for new versions of rows is worth a word. */
#define MANY_ROWS 10000

static void
tell_triggers(const QcAttach *a, Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; triggers && i < triggers->numtriggers; i++)
		if (qc_attach_fires(a, a->relid, &triggers->triggers[i]))
			appendStringInfo(&names, "%s%s", names.len ? ", " : "", triggers->triggers[i].tgname);
	if (names.len > 0)
		ereport(NOTICE,
				(errmsg("each label that is written fires the UPDATE triggers of table %s", a->rel_sql),
				 errdetail("They are: %s.", names.data)));
}

/* Columns, expressions and predicate: a change of any keeps an update from being HOT. */
static Bitmapset *
index_columns(Relation idx)
{
	Bitmapset  *columns = NULL;

	for (int i = 0; i < idx->rd_index->indnatts; i++)
		if (idx->rd_index->indkey.values[i] != 0)
			columns = bms_add_member(columns, idx->rd_index->indkey.values[i] -
									 FirstLowInvalidHeapAttributeNumber);
	pull_varattnos((Node *) RelationGetIndexExpressions(idx), 1, &columns);
	pull_varattnos((Node *) RelationGetIndexPredicate(idx), 1, &columns);
	return columns;
}

static void
tell_indexes(const QcAttach *a, const QcTarget *target, Relation rel)
{
	AttrNumber	ours[] = {target->label, target->confidence, target->reason};
	const char *names[] = {a->label, a->confidence, a->reason};
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	idx = index_open(lfirst_oid(cell), AccessShareLock);
		Bitmapset  *columns = index_columns(idx);

		for (size_t i = 0; i < lengthof(ours); i++)
			if (ours[i] != 0 && bms_is_member(ours[i] - FirstLowInvalidHeapAttributeNumber, columns))
				ereport(NOTICE,
						(errmsg("index \"%s\" depends on column \"%s\"", RelationGetRelationName(idx), names[i]),
						 errdetail("Each label that is written makes a new entry in every index of the table.")));
		index_close(idx, AccessShareLock);
	}
}

static void
tell_default(const QcAttach *a, const QcTarget *target, Relation rel)
{
	if (TupleDescAttr(RelationGetDescr(rel), target->label - 1)->atthasdef)
		ereport(NOTICE,
				(errmsg("column \"%s\" of table %s has a default", a->label, a->rel_sql),
				 errdetail("A new row that gets it has a label, and is not sent to the model."),
				 errhint("Type: ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT.", a->rel_sql, target->label_sql)));
}

static void
tell_fillfactor(const QcAttach *a, const QcEstimate *estimate, Relation rel)
{
	if (rel->rd_rel->relkind == RELKIND_RELATION && estimate->rows >= MANY_ROWS &&
		RelationGetFillFactor(rel, HEAP_DEFAULT_FILLFACTOR) == HEAP_DEFAULT_FILLFACTOR)
		ereport(NOTICE,
				(errmsg("each label makes a new version of its row, and the pages of table %s are full", a->rel_sql),
				 errhint("Room on the page saves index entries: ALTER TABLE %s SET (fillfactor = 85).", a->rel_sql)));
}

static void
tell_rows(const QcAttach *a, const QcEstimate *e)
{
	const char *name = quote_literal_cstr(a->task->name);

	if (e->rows < 1)
		ereport(NOTICE,
				(errmsg("no row of table %s is to be labelled", a->rel_sql),
				 errdetail("New and changed rows are labelled from now on.")));
	else
		ereport(NOTICE,
				(errmsg("table %s has %s%.0f rows to label, %s%.0f different texts",
						a->rel_sql, e->exact ? "" : "about ", e->rows, e->exact ? "" : "about ", e->distinct),
				 e->rate > 0 ?
				 errdetail("New and changed rows are labelled from now on; these, when you ask for it, take %.1f hours at %.1f rows a second.",
						   e->rows / e->rate / 3600, e->rate) :
				 errdetail("New and changed rows are labelled from now on; these, when you ask for it: SELECT * FROM qwen.estimate(%s); measures how long they take.",
						   name),
				 errhint("First a look at 20: SELECT qwen.backfill(%s, max_rows => 20);", name)));
}

static void
estimate_and_tell(const QcAttach *a, const QcTask *task, const QcTarget *target, Relation rel)
{
	QcEstimate	estimate = {0};

	if (!message_level_is_interesting(NOTICE))
		return;
	qc_estimate_rows(a->relid, target->owner, target->rel_sql, target->hash_sql,
					 qc_target_wanted(target, task, strcmp(a->existing, "relabel") == 0), &estimate);
	estimate.rate = qc_estimate_rate(task);
	tell_fillfactor(a, &estimate, rel);
	tell_rows(a, &estimate);
}

void
qc_attach_tell(const QcAttach *a, const QcTask *task, const QcTarget *target)
{
	Relation	rel = relation_open(a->relid, AccessShareLock);

	tell_triggers(a, rel);
	tell_indexes(a, target, rel);
	tell_default(a, target, rel);
	if (GetAllTablesPublications() != NIL)
		ereport(NOTICE,
				(errmsg("a publication FOR ALL TABLES carries the tables of qwen_classify too"),
				 errhint("Install the extension on the subscriber first; label on one side only.")));
	if (qc_board == NULL)
		ereport(NOTICE,
				(errmsg("no worker until qwen_classify is in shared_preload_libraries"),
				 errdetail("Rows are queued and wait."),
				 errhint("Add qwen_classify to shared_preload_libraries in postgresql.conf, and restart the server.")));
	estimate_and_tell(a, task, target, rel);
	relation_close(rel, NoLock);
}
