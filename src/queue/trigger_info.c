/*-------------------------------------------------------------------------
 *
 * trigger_info.c
 *	  What a trigger must know of its task and table, kept a session.
 *
 * A trigger's argument is a word that any table's owner can write.  So a
 * trigger is active only where qwen.task says that its task is attached to
 * this table or to a partitioned table above it.
 *
 * Entries are never freed, only read anew: the executor's FmgrInfo points to
 * them while a statement runs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/bitmapset.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "common/compat.h"
#include "queue/trigger_info.h"
#include "task/task.h"

static HTAB *infos = NULL;

/* ---- the cache ---- */

static void
relation_changed(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS seq;
	QcTriggerInfo *info;

	(void) arg;
	hash_seq_init(&seq, infos);
	while ((info = hash_seq_search(&seq)) != NULL)
	{
		if (OidIsValid(relid) && relid != info->relid && relid != info->source)
			continue;
		info->valid = false;
		info->changed = true;
	}
}

static void
make_cache(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = offsetof(QcTriggerInfo, relid) + sizeof(Oid);
	ctl.entrysize = sizeof(QcTriggerInfo);
	infos = hash_create("qwen_classify triggers", 32, &ctl, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

static QcTriggerInfo *
find_info(int32 task, Oid relid)
{
	QcTriggerInfo key;
	QcTriggerInfo *info;
	bool		found;

	if (infos == NULL)
		make_cache();
	key.task = task;
	key.relid = relid;
	info = hash_search(infos, &key, HASH_ENTER, &found);
	if (!found)
	{
		Size		head = offsetof(QcTriggerInfo, relid) + sizeof(Oid);

		memset((char *) info + head, 0, sizeof(*info) - head);
	}
	return info;
}

/* ---- reading ---- */

static AttrNumber
here(const QcTriggerInfo *info, AttrNumber attno)
{
	return info->map && attno > 0 ? info->map[attno - 1] : attno;
}

static int
column_count(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	int			n = 0;

	if (HeapTupleIsValid(tuple))
	{
		n = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
		ReleaseSysCache(tuple);
	}
	return n;
}

/* A partition may have its columns in another order: they are the same by name. */
static void
map_columns(QcTriggerInfo *info, Relation rel)
{
	int			natts;

	if (info->source == info->relid)
		return;
	natts = column_count(info->source);
	info->map = palloc0(natts * sizeof(AttrNumber));
	for (AttrNumber attno = 1; attno <= natts; attno++)
	{
		char	   *name = get_attname(info->source, attno, true);

		if (name != NULL)
			info->map[attno - 1] = get_attnum(RelationGetRelid(rel), name);
	}
}

/* Types whose text no setting of the session changes. */
static bool
steady_text(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case NUMERICOID:
		case BOOLOID:
		case UUIDOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
			return true;
		default:
			return false;
	}
}

static void
read_key(QcTriggerInfo *info, TupleDesc desc)
{
	const QcTarget *target = info->target;
	bool		steady = true;

	info->nkeys = target->nkeys;
	info->key = palloc(target->nkeys * sizeof(AttrNumber));
	for (int i = 0; i < target->nkeys; i++)
	{
		info->key[i] = here(info, target->key[i]);
		steady = steady && steady_text(TupleDescAttr(desc, info->key[i] - 1)->atttypid);
	}
	info->int_key = target->int_key ? info->key[0] : 0;
	info->int_key_type = target->key_type[0];
	info->key_out = NULL;
	if (target->int_key || !steady)
		return;
	info->key_out = palloc0(target->nkeys * sizeof(FmgrInfo));
	for (int i = 0; i < target->nkeys; i++)
	{
		Oid			function;
		bool		varlena;

		getTypeOutputInfo(TupleDescAttr(desc, info->key[i] - 1)->atttypid, &function, &varlena);
		fmgr_info(function, &info->key_out[i]);
	}
}

/* 1 as the confidence's type has it; a numeric may have no room for it. */
static void
read_one(QcTriggerInfo *info, int32 typmod)
{
	info->has_one = true;
	switch (info->confidence_type)
	{
		case FLOAT4OID:
			info->one = Float4GetDatum(1);
			break;
		case FLOAT8OID:
			info->one = Float8GetDatum(1);
			break;
		case NUMERICOID:
			/* precision and scale as numeric.c packs them */
			if (typmod >= (int32) VARHDRSZ &&
				((typmod - VARHDRSZ) >> 16 & 0xffff) <= ((typmod - VARHDRSZ) & 0x7ff))
				info->has_one = false;
			else
				info->one = DirectFunctionCall2(numeric,
												DirectFunctionCall1(int4_numeric, Int32GetDatum(1)),
												Int32GetDatum(typmod));
			break;
		default:
			info->has_one = false;
	}
}

static void
read_columns(QcTriggerInfo *info, TupleDesc desc)
{
	const QcTarget *target = info->target;
	Form_pg_attribute attr;
	Oid			function;
	bool		varlena;

	info->nreads = target->nreads;
	info->reads = palloc(Max(target->nreads, 1) * sizeof(AttrNumber));
	for (int i = 0; i < target->nreads; i++)
		info->reads[i] = here(info, target->reads[i]);
	info->label = here(info, target->label);
	info->confidence = here(info, target->confidence);
	info->reason = here(info, target->reason);

	getTypeOutputInfo(TupleDescAttr(desc, info->label - 1)->atttypid, &function, &varlena);
	fmgr_info(function, &info->label_out);
	info->has_one = false;
	if (info->confidence != 0)
	{
		attr = TupleDescAttr(desc, info->confidence - 1);
		info->confidence_type = getBaseType(attr->atttypid);
		read_one(info, attr->atttypmod);
	}
	info->reason_limit = -1;
	if (info->reason != 0)
	{
		attr = TupleDescAttr(desc, info->reason - 1);
		if (attr->atttypid == VARCHAROID && attr->atttypmod >= (int32) VARHDRSZ)
			info->reason_limit = attr->atttypmod - VARHDRSZ;
	}
}

/* The columns of the partition's bounds: a row that moves has one of them changed. */
static void
read_routes(QcTriggerInfo *info, Relation rel)
{
	Bitmapset  *columns = NULL;
	int			column = -1;

	info->nroutes = 0;
	info->routes = NULL;
	if (!rel->rd_rel->relispartition)
		return;
	pull_varattnos((Node *) RelationGetPartitionQual(rel), 1, &columns);
	info->routes = palloc((bms_num_members(columns) + 1) * sizeof(AttrNumber));
	while ((column = bms_next_member(columns, column)) >= 0)
	{
		AttrNumber	attno = column + FirstLowInvalidHeapAttributeNumber;

		if (attno > 0)
			info->routes[info->nroutes++] = attno;
	}
}

/* The table of a task, or that of a partition below it. */
static bool
is_attached(const QcTask *task, Relation rel)
{
	if (task->source == RelationGetRelid(rel))
		return true;
	return OidIsValid(task->source) && rel->rd_rel->relispartition &&
		list_member_oid(get_partition_ancestors(RelationGetRelid(rel)), task->source);
}

static bool
all_there(const QcTriggerInfo *info)
{
	for (int i = 0; i < info->nkeys; i++)
		if (info->key[i] <= 0)
			return false;
	for (int i = 0; i < info->nreads; i++)
		if (info->reads[i] <= 0)
			return false;
	return info->label > 0 && info->confidence >= 0 && info->reason >= 0;
}

/* In info->cxt; true: the trigger is active. */
static bool
read_task(QcTriggerInfo *info, Relation rel)
{
	Oid			schema = get_namespace_oid("qwen", true);
	TupleDesc	desc = RelationGetDescr(rel);
	QcTask	   *task;
	char	   *why;

	/* an extension that is half restored, or gone with its triggers left */
	if (!OidIsValid(schema) || !OidIsValid(get_relname_relid("task", schema)) ||
		!OidIsValid(get_relname_relid("queue", schema)))
		return false;

	task = qc_task_by_id(info->task);
	if (task == NULL || !is_attached(task, rel))
		return false;
	info->source = task->source;
	info->plain_input = task->input == NULL ? task->input_column : 0;
	info->target = qc_target_to_note(task, &why);
	MemoryContextDelete(task->cxt);
	if (info->target == NULL || info->target->label <= 0)
		return false;
	map_columns(info, rel);
	info->plain_input = here(info, info->plain_input);
	read_key(info, desc);
	read_columns(info, desc);
	read_routes(info, rel);
	return all_there(info);
}

/*
 * What is wrong with a task must not fail its users' statements: an error here
 * goes to the log, and the trigger does nothing.  The snapshot is new: a
 * transaction's own may be older than the task.
 */
static void
read_safely(QcTriggerInfo *info, Relation rel)
{
	MemoryContext old = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		MemoryContextSwitchTo(info->cxt);
		PushActiveSnapshot(GetLatestSnapshot());
		info->active = read_task(info, rel);
		PopActiveSnapshot();
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(old);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(old);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(old);
		CurrentResourceOwner = owner;
		info->active = false;
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		ereport(LOG,
				(errmsg("task %d: new rows of \"%s\" are not queued: %s", info->task,
						RelationGetRelationName(rel), error->message)));
		FreeErrorData(error);
	}
	PG_END_TRY();
}

static void
read_info(QcTriggerInfo *info, Relation rel)
{
	info->active = false;
	info->valid = false;
	info->changed = false;
	info->source = InvalidOid;
	info->map = NULL;
	if (info->cxt)
		MemoryContextDelete(info->cxt);
	info->cxt = NULL;
	info->cxt = AllocSetContextCreate(TopMemoryContext, "qwen_classify trigger",
									  ALLOCSET_SMALL_SIZES);
	read_safely(info, rel);
	info->tried = GetCurrentTransactionStartTimestamp();
	info->valid = !info->changed;
}

static int32
task_argument(const Trigger *trigger)
{
	char	   *end;
	long		id;

	if (trigger->tgnargs != 1)
		return 0;
	errno = 0;
	id = strtol(trigger->tgargs[0], &end, 10);
	return errno == 0 && *end == '\0' && id > 0 && id <= PG_INT32_MAX ? (int32) id : 0;
}

QcTriggerInfo *
qc_trigger_info(FunctionCallInfo fcinfo, TriggerData *trigger)
{
	QcTriggerInfo *info = fcinfo->flinfo->fn_extra;

	if (info == NULL)
	{
		int32		task = task_argument(trigger->tg_trigger);

		if (task == 0)
			return NULL;
		info = find_info(task, RelationGetRelid(trigger->tg_relation));
		/* a task can come later than its trigger (a restore): look once a transaction */
		if (!info->active && info->tried != GetCurrentTransactionStartTimestamp())
			info->valid = false;
		fcinfo->flinfo->fn_extra = info;
	}
	if (!info->valid)
		read_info(info, trigger->tg_relation);
	return info->active ? info : NULL;
}

/* ---- keys ---- */

/* A field of a row's text, as record_out writes it. */
static void
append_field(StringInfo buf, const char *value)
{
	bool		quote = value[0] == '\0';

	for (const char *s = value; *s && !quote; s++)
		quote = *s == '"' || *s == '\\' || *s == '(' || *s == ')' || *s == ',' ||
			isspace((unsigned char) *s);
	if (!quote)
	{
		appendStringInfoString(buf, value);
		return;
	}
	appendStringInfoChar(buf, '"');
	for (const char *s = value; *s; s++)
	{
		if (*s == '"' || *s == '\\')
			appendStringInfoChar(buf, *s);
		appendStringInfoChar(buf, *s);
	}
	appendStringInfoChar(buf, '"');
}

/* heap_getattr, but in a row with a NULL somewhere that looks at each column before this one. */
static Datum
int_key_of(const QcTriggerInfo *info, HeapTuple tuple, TupleDesc desc)
{
	HeapTupleHeader data = tuple->t_data;
	bool		isnull;

	if (info->int_key == 1 && (!HeapTupleHasNulls(tuple) || !att_isnull(0, data->t_bits)))
		return fetchatt(TupleDescAttr(desc, 0), (char *) data + data->t_hoff);
	return heap_getattr(tuple, info->int_key, desc, &isnull);
}

int64
qc_trigger_key(QcTriggerInfo *info, HeapTuple tuple, TupleDesc desc, char **kx)
{
	int64		k;

	if (info->int_key != 0)
	{
		Datum		value = int_key_of(info, tuple, desc);

		*kx = NULL;
		switch (info->int_key_type)
		{
			case INT2OID:
				return DatumGetInt16(value);
			case INT4OID:
				return DatumGetInt32(value);
			default:
				return DatumGetInt64(value);
		}
	}
	if (info->key_out != NULL)
	{
		StringInfoData buf;

		initStringInfo(&buf);
		for (int i = 0; i < info->nkeys; i++)
		{
			bool		isnull;
			Datum		value = heap_getattr(tuple, info->key[i], desc, &isnull);

			appendStringInfoChar(&buf, i == 0 ? '(' : ',');
			if (!isnull)
				append_field(&buf, OutputFunctionCall(&info->key_out[i], value));
		}
		appendStringInfoChar(&buf, ')');
		*kx = buf.data;
		return qc_key_hash(*kx);
	}
	qc_key_of_tuple(info->target, tuple, desc, info->map, &k, kx);
	return k;
}
