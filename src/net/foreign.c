/*-------------------------------------------------------------------------
 *
 * foreign.c
 *	  What the catalogs hold of our wrapper, its servers and their mappings.
 *
 * Read with scans and the syscache, never with SPI: these run for each row.
 * What is kept is thrown away by the syscache's callbacks; a change that
 * arrives while something is being read is seen by the counter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "foreign/foreign.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "common/compat.h"
#include "net/foreign.h"

#define NAME "qwen_classify"

static uint64 changes = 0;
static bool watching = false;
static QcForeignChanged watcher = NULL;

/* The wrapper, and at which count of changes it was looked up. */
static Oid	wrapper = InvalidOid;
static uint64 wrapper_at = 0;

static MemoryContext list_cxt = NULL;
static Oid *list = NULL;
static int	list_len = 0;
static uint64 list_at = 0;

/* One callback for the three caches: what is kept is small and made anew. */
static void
changed(Datum arg, int cacheid, uint32 hash)
{
	(void) arg;
	changes++;
	if (watcher)
		watcher(cacheid, hash);
}

/* Before anything is read, or a change in between would be missed. */
static void
watch(void)
{
	if (watching)
		return;
	CacheRegisterSyscacheCallback(FOREIGNDATAWRAPPEROID, changed, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, changed, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, changed, (Datum) 0);
	watching = true;
	changes++;					/* 0 means never looked up */
}

void
qc_foreign_watch(QcForeignChanged callback)
{
	watch();
	watcher = callback;
}

uint64
qc_foreign_changes(void)
{
	return changes;
}

/* A wrapper of our name could be anybody's: ask whose it is. */
static Oid
look_up_wrapper(void)
{
	Oid			extension = get_extension_oid(NAME, true);
	Oid			id = get_foreign_data_wrapper_oid(NAME, true);
	Oid			validator;

	if (!OidIsValid(extension) || !OidIsValid(id) ||
		getExtensionOfObject(ForeignDataWrapperRelationId, id) != extension)
		return InvalidOid;

	/* ALTER FOREIGN DATA WRAPPER ... NO VALIDATOR lets any file be named */
	validator = GetForeignDataWrapper(id)->fdwvalidator;
	if (!OidIsValid(validator) ||
		getExtensionOfObject(ProcedureRelationId, validator) != extension)
		return InvalidOid;
	return id;
}

/* Looked up with the count of before, so that a change during it is seen. */
Oid
qc_foreign_wrapper(void)
{
	watch();
	if (wrapper_at != changes)
	{
		uint64		before = changes;

		wrapper = look_up_wrapper();
		wrapper_at = before;
	}
	return wrapper;
}

/* Collect the servers of a wrapper in name order (the index's). */
static void
scan_servers(Oid wrapperid)
{
	Relation	rel = table_open(ForeignServerRelationId, AccessShareLock);
	Relation	index = index_open(ForeignServerNameIndexId, AccessShareLock);
	SysScanDesc scan = systable_beginscan_ordered(rel, index, NULL, 0, NULL);
	HeapTuple	tuple;
	int			room = 0;

	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		Form_pg_foreign_server server = (Form_pg_foreign_server) GETSTRUCT(tuple);

		if (server->srvfdw != wrapperid)
			continue;
		if (list_len == room)
		{
			room = room ? room * 2 : 8;
			list = list ? repalloc(list, room * sizeof(Oid)) :
				MemoryContextAlloc(list_cxt, room * sizeof(Oid));
		}
		list[list_len++] = server->oid;
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
}

/*
 * Kept, since a call that names no server asks for each row.  A scan that
 * throws half-way leaves list_at at 0, which no count of changes equals.
 */
const Oid *
qc_foreign_servers(int *n)
{
	Oid			wrapperid = qc_foreign_wrapper();

	if (list_at != changes)
	{
		uint64		before = changes;

		if (list_cxt == NULL)
			list_cxt = AllocSetContextCreate(TopMemoryContext, "qwen_classify servers",
											 ALLOCSET_SMALL_SIZES);
		list_at = 0;
		list_len = 0;
		list = NULL;
		MemoryContextReset(list_cxt);
		if (OidIsValid(wrapperid))
			scan_servers(wrapperid);
		list_at = before;
	}
	*n = list_len;
	return list;
}

static List *
options_of(HeapTuple tuple, int cacheid, AttrNumber attribute)
{
	bool		isnull;
	Datum		options = SysCacheGetAttr(cacheid, tuple, attribute, &isnull);

	return isnull ? NIL : untransformRelOptions(options);
}

/* GetUserMapping would throw where there is none, and none is fine with us. */
List *
qc_foreign_mapping(Oid userid, Oid serverid, bool *is_public)
{
	HeapTuple	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid),
										ObjectIdGetDatum(serverid));
	List	   *options;

	*is_public = false;
	if (!HeapTupleIsValid(tuple))
	{
		*is_public = true;
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
								ObjectIdGetDatum(serverid));
	}
	if (!HeapTupleIsValid(tuple))
		return NIL;
	options = options_of(tuple, USERMAPPINGUSERSERVER, Anum_pg_user_mapping_umoptions);
	ReleaseSysCache(tuple);
	return options;
}

static bool
has_option(List *options, const char *name, const char *value)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0 &&
			strcmp(defGetString(option), value) == 0)
			return true;
	}
	return false;
}

bool
qc_foreign_owns_option(Oid roleid, const char *name, const char *value)
{
	int			n;
	const Oid  *id = qc_foreign_servers(&n);
	Oid		   *copy = palloc(sizeof(Oid) * Max(n, 1));

	/* looking at them may throw the list away */
	memcpy(copy, id ? id : copy, sizeof(Oid) * n);
	for (int i = 0; i < n; i++)
	{
		ForeignServer *server = GetForeignServerExtended(copy[i], FSV_MISSING_OK);

		if (server && has_privs_of_role(roleid, server->owner) &&
			has_option(server->options, name, value))
			return true;
	}
	return false;
}
