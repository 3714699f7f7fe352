/*-------------------------------------------------------------------------
 *
 * role.c
 *	  Running as somebody else: the extension's owner, a table's owner.
 *
 * Whatever runs between qc_as_role and qc_as_before is security-restricted
 * and sees only pg_catalog by name.  An error in between undoes both: user
 * and settings are restored when the (sub)transaction aborts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "catalog/namespace.h"
#include "commands/extension.h"
#include "common/compat.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "task/task.h"

static void
switch_to(QcAsOwner *saved, Oid roleid, int flags)
{
	GetUserIdAndSecContext(&saved->userid, &saved->sec_context);
	saved->guc_nest_level = NewGUCNestLevel();
	SetUserIdAndSecContext(roleid, saved->sec_context | flags);
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
}

/* The row of pg_extension; false: there is none. */
static bool
read_extension(Oid *oid, Oid *owner, bool *same_version)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("qwen_classify"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found)
	{
		Form_pg_extension form = (Form_pg_extension) GETSTRUCT(tuple);
		bool		isnull;
		Datum		version = heap_getattr(tuple, Anum_pg_extension_extversion,
										   RelationGetDescr(rel), &isnull);

		*oid = form->oid;
		*owner = form->extowner;
		*same_version = !isnull && strcmp(TextDatumGetCString(version), QC_VERSION) == 0;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

void
qc_as_extension_owner(QcAsOwner *saved)
{
	Oid			oid;
	Oid			owner;
	bool		same_version;

	if (!read_extension(&oid, &owner, &same_version))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" does not exist", "qwen_classify"),
				 errhint("Type: CREATE EXTENSION qwen_classify.")));
	switch_to(saved, owner, SECURITY_LOCAL_USERID_CHANGE);
}

void
qc_as_role(QcAsOwner *saved, Oid roleid)
{
	switch_to(saved, roleid,
			  SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

void
qc_as_before(const QcAsOwner *saved)
{
	AtEOXact_GUC(false, saved->guc_nest_level);
	SetUserIdAndSecContext(saved->userid, saved->sec_context);
}

/*
 * The lock keeps DROP EXTENSION waiting until the transaction ends; what was
 * dropped before it was taken is seen by the second look.
 */
bool
qc_extension_present(Oid *oid)
{
	Oid			first;
	Oid			owner;
	bool		same_version;

	if (!read_extension(&first, &owner, &same_version))
		return false;
	LockDatabaseObject(ExtensionRelationId, first, 0, AccessShareLock);
	if (!read_extension(oid, &owner, &same_version) || *oid != first)
		return false;
	return same_version;
}

Oid
qc_own_table(const char *name)
{
	Oid			schema = get_namespace_oid("qwen", true);
	Oid			table = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(table))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table qwen.%s of the extension does not exist", name),
				 errhint("Install it anew: DROP EXTENSION qwen_classify CASCADE, then "
						 "CREATE EXTENSION qwen_classify.")));
	return table;
}
