/*-------------------------------------------------------------------------
 *
 * similar.c
 *	  Texts that are nearly the same: one of them is enough for a person.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/compat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "trust/similar.h"

#define NEAR	0.8				/* similarity above which two texts are one */
#define HEAD	500				/* characters that are compared */

/*
 * similarity(text, text) that belongs to pg_trgm, wherever that was put; not
 * one of the same name that somebody else wrote.
 */
static Oid
similarity_function(void)
{
	Oid			extension = get_extension_oid("pg_trgm", true);
	Oid			found = InvalidOid;
	CatCList   *list;

	if (!OidIsValid(extension))
		return InvalidOid;
	list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum("similarity"));
	for (int i = 0; i < list->n_members && !OidIsValid(found); i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (proc->pronargs == 2 && proc->proargtypes.values[0] == TEXTOID &&
			proc->proargtypes.values[1] == TEXTOID && proc->prorettype == FLOAT4OID &&
			getExtensionOfObject(ProcedureRelationId, proc->oid) == extension)
			found = proc->oid;
	}
	ReleaseSysCacheList(list);
	return found;
}

void
qc_similar_begin(QcSimilar *seen)
{
	Oid			function = similarity_function();

	memset(seen, 0, sizeof(*seen));
	seen->has_trgm = OidIsValid(function);
	if (seen->has_trgm)
		fmgr_info(function, &seen->similarity);
	seen->size = 64;
	seen->hash = palloc(sizeof(int64) * seen->size);
	seen->head = palloc(sizeof(Datum) * seen->size);
}

static Datum
head_of(const char *text)
{
	int			len = pg_mbcharcliplen(text, (int) strlen(text), HEAD);

	return PointerGetDatum(cstring_to_text_with_len(text, len));
}

bool
qc_similar_seen(QcSimilar *seen, const char *text, int64 hash)
{
	Datum		head = seen->has_trgm ? head_of(text) : (Datum) 0;

	for (int i = 0; i < seen->n; i++)
	{
		if (seen->hash[i] == hash)
			return true;
		if (seen->has_trgm &&
			DatumGetFloat4(FunctionCall2Coll(&seen->similarity, DEFAULT_COLLATION_OID,
											 head, seen->head[i])) > NEAR)
			return true;
	}
	return false;
}

void
qc_similar_add(QcSimilar *seen, const char *text, int64 hash)
{
	if (seen->n == seen->size)
	{
		seen->size *= 2;
		seen->hash = repalloc(seen->hash, sizeof(int64) * seen->size);
		seen->head = repalloc(seen->head, sizeof(Datum) * seen->size);
	}
	seen->hash[seen->n] = hash;
	seen->head[seen->n++] = head_of(text);
}
