/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  Which functions send requests.
 *
 * By their C entry, whatever schema the extension is in and whatever they are
 * called there.  Invariant: what is remembered of a function is forgotten when
 * pg_proc changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "common/compat.h"
#include "common/guc.h"
#include "query/calls.h"

static const QcLabeller labellers[] = {
	{"qwen_classify_array", QC_LABELS_ARRAY, QC_FOR_ROW, false},
	{"qwen_classify_jsonb", QC_LABELS_JSONB, QC_FOR_ROW, false},
	{"qwen_classify_text", QC_LABELS_TEXT, QC_FOR_ROW, false},
	{"qwen_classify_answer", QC_LABELS_TEXT, QC_FOR_ANSWER, false},
	{"qwen_classify_label_array", QC_LABELS_ARRAY, QC_FOR_LABEL, false},
	{"qwen_classify_label_jsonb", QC_LABELS_JSONB, QC_FOR_LABEL, false},
	{"qwen_classify_label_text", QC_LABELS_TEXT, QC_FOR_LABEL, false},
	{"qwen_classify_scores_array", QC_LABELS_ARRAY, QC_FOR_SCORES, false},
	{"qwen_classify_scores_jsonb", QC_LABELS_JSONB, QC_FOR_SCORES, false},
	{"qwen_classify_scores_text", QC_LABELS_TEXT, QC_FOR_SCORES, false},
	{"qwen_classify_labels_array", QC_LABELS_ARRAY, QC_FOR_LABELS, false},
	{"qwen_classify_labels_jsonb", QC_LABELS_JSONB, QC_FOR_LABELS, false},
	{"qwen_classify_labels_text", QC_LABELS_TEXT, QC_FOR_LABELS, false},
};

static const QcLabeller pretended = {"", QC_LABELS_ARRAY, QC_FOR_LABEL, true};

typedef struct QcKnown
{
	Oid			funcid;			/* hash key */
	const QcLabeller *labeller;
} QcKnown;

static HTAB *known = NULL;
static uint32 known_of = 0;		/* of which state of the setting */

static void forget_known(void);

static void
pg_proc_changed(Datum arg, int cache, uint32 hash)
{
	(void) arg;
	(void) cache;
	(void) hash;
	forget_known();
}

static void
forget_known(void)
{
	HASH_SEQ_STATUS seq;
	QcKnown    *entry;

	if (known == NULL)
		return;
	hash_seq_init(&seq, known);
	while ((entry = hash_seq_search(&seq)) != NULL)
		hash_search(known, &entry->funcid, HASH_REMOVE, NULL);
}

static void
make_known(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(QcKnown);
	known = hash_create("qwen_classify functions", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	CacheRegisterSyscacheCallback(PROCOID, pg_proc_changed, (Datum) 0);
}

/* Is a function of the server named in qwen_classify.prefetch_functions? */
static bool
is_pretended(const char *name)
{
	char	   *names;
	List	   *list = NIL;
	ListCell   *cell;
	bool		found = false;

	if (qc_prefetch_functions[0] == '\0')
		return false;
	names = pstrdup(qc_prefetch_functions);
	if (SplitIdentifierString(names, ',', &list))
	{
		foreach(cell, list)
			found = found || strcmp((char *) lfirst(cell), name) == 0;
	}
	list_free(list);
	pfree(names);
	return found;
}

static const QcLabeller *
by_entry(HeapTuple tuple)
{
	bool		isnull;
	Datum		symbol = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	Datum		library = isnull ? (Datum) 0 :
		SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_probin, &isnull);
	char	   *name;

	if (isnull || strstr(TextDatumGetCString(library), "qwen_classify") == NULL)
		return NULL;
	name = TextDatumGetCString(symbol);
	for (int i = 0; i < (int) lengthof(labellers); i++)
		if (strcmp(labellers[i].symbol, name) == 0)
			return &labellers[i];
	return NULL;
}

static const QcLabeller *
look_up(Oid funcid)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	const QcLabeller *labeller = NULL;
	Form_pg_proc proc;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	if (funcid < FirstNormalObjectId)
		labeller = !proc->proretset && is_pretended(NameStr(proc->proname)) ? &pretended : NULL;
	else if (proc->prolang == ClanguageId)
		labeller = by_entry(tuple);
	ReleaseSysCache(tuple);
	return labeller;
}

const QcLabeller *
qc_labeller(Oid funcid)
{
	QcKnown    *entry;
	const QcLabeller *labeller;

	if (funcid < FirstNormalObjectId && qc_prefetch_functions[0] == '\0')
		return NULL;
	if (known == NULL)
		make_known();
	if (known_of != qc_prefetch_functions_set)
		forget_known();
	known_of = qc_prefetch_functions_set;
	entry = hash_search(known, &funcid, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->labeller;
	labeller = look_up(funcid);
	entry = hash_search(known, &funcid, HASH_ENTER, NULL);
	entry->labeller = labeller;
	return labeller;
}

static bool
has_call_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && qc_labeller(((FuncExpr *) node)->funcid) != NULL)
		return true;
	return expression_tree_walker(node, has_call_walker, context);
}

bool
qc_has_call(Node *node)
{
	return has_call_walker(node, NULL);
}
