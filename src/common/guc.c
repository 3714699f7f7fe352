/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  The settings of qwen_classify, in one place.
 *
 * Few on purpose: what concerns one endpoint is an option of its server.  Each
 * carries the context that it has and why.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_db_role_setting.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "common/compat.h"
#include "common/guc.h"

char	   *qc_server = NULL;
int			qc_on_error = QC_ON_ERROR_NULL;
int			qc_max_requests = 0;

static const struct config_enum_entry on_error_options[] = {
	{"null", QC_ON_ERROR_NULL, false},
	{"error", QC_ON_ERROR_ERROR, false},
	{"label", QC_ON_ERROR_LABEL, false},
	{NULL, 0, false}
};

/*
 * What somebody set before we were loaded is refused now if it was not theirs
 * to set.  Where it came with the connection (PGOPTIONS) it has displaced the
 * role's or the database's own value, which is to hold all the same.
 */
static void
apply_role_settings(void)
{
	Oid			database = MyDatabaseId;
	Oid			role = GetSessionUserId();
	Relation	rel = table_open(DbRoleSettingRelationId, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(DbRoleSettingRelationId));

	ApplySetting(snapshot, database, role, rel, PGC_S_DATABASE_USER);
	ApplySetting(snapshot, InvalidOid, role, rel, PGC_S_USER);
	ApplySetting(snapshot, database, InvalidOid, rel, PGC_S_DATABASE);
	ApplySetting(snapshot, InvalidOid, InvalidOid, rel, PGC_S_GLOBAL);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
}

void
qc_guc_init(void)
{
	const char *before = process_shared_preload_libraries_in_progress ? NULL :
		GetConfigOption("qwen_classify.max_requests", true, false);

	/* USERSET: it only chooses among the servers that the role was granted. */
	DefineCustomStringVariable("qwen_classify.server",
							   "Foreign server that labels when a call names none.",
							   "Empty: the only server of the wrapper qwen_classify on which the role has USAGE.",
							   &qc_server, "",
							   PGC_USERSET, 0, NULL, NULL, NULL);

	/* USERSET: it concerns the rows of one's own statement. */
	DefineCustomEnumVariable("qwen_classify.on_error",
							 "What a row that could not be labelled gets.",
							 "null: NULL with the message as reason; error: an error; label: the label 'error' with the message as reason.",
							 &qc_on_error, QC_ON_ERROR_NULL, on_error_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	/* SUSET: whoever pays for the server sets it for a role or a database. */
	DefineCustomIntVariable("qwen_classify.max_requests",
							"Most requests that one statement may send; 0 means no limit.",
							NULL,
							&qc_max_requests, 0, 0, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);

	if (before && IsTransactionState() && !superuser())
		apply_role_settings();
	qc_reserve_prefix("qwen_classify");
}
