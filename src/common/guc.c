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
#include "utils/plancache.h"
#include "utils/snapmgr.h"

#include "common/compat.h"
#include "common/guc.h"

char	   *qc_server = NULL;
int			qc_on_error = QC_ON_ERROR_NULL;
int			qc_max_requests = 0;
int			qc_max_in_flight = 64;
bool		qc_prefetch = true;
char	   *qc_prefetch_functions = NULL;
int			qc_author = QC_SET_BY_AUTO;
bool		qc_enabled = true;
int			qc_max_workers = 4;
int			qc_worker_idle_timeout = 60;

uint32		qc_prefetch_functions_set = 0;

static const struct config_enum_entry on_error_options[] = {
	{"null", QC_ON_ERROR_NULL, false},
	{"error", QC_ON_ERROR_ERROR, false},
	{"label", QC_ON_ERROR_LABEL, false},
	{NULL, 0, false}
};

static const struct config_enum_entry author_options[] = {
	{"auto", QC_SET_BY_AUTO, false},
	{"person", QC_SET_BY_PERSON, false},
	{"machine", QC_SET_BY_MACHINE, false},
	{NULL, 0, false}
};

/* Plans that were made are with or without the node. */
static void
prefetch_set(bool value, void *extra)
{
	(void) extra;
	if (value != qc_prefetch)
		ResetPlanCache();
}

static void
functions_set(const char *value, void *extra)
{
	(void) value;
	(void) extra;
	qc_prefetch_functions_set++;
}

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

	/* USERSET: the server's own option and its window hold below it. */
	DefineCustomIntVariable("qwen_classify.max_in_flight",
							"Most requests of one statement that are under way at once.",
							NULL,
							&qc_max_in_flight, 64, 1, 1024,
							PGC_USERSET, 0, NULL, NULL, NULL);

	/* USERSET: off is slower and nothing else. */
	DefineCustomBoolVariable("qwen_classify.prefetch",
							 "Send the requests of a query before its rows are reached.",
							 NULL,
							 &qc_prefetch, true,
							 PGC_USERSET, 0, NULL, prefetch_set, NULL);

	/* SUSET: for tests of the prefetch node on plans without a request. */
	DefineCustomStringVariable("qwen_classify.prefetch_functions",
							   "Built-in functions whose calls are treated as if they were to be prefetched.",
							   "For developers: nothing is sent for them.",
							   &qc_prefetch_functions, "",
							   PGC_SUSET, GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL,
							   NULL, functions_set, NULL);

	/* SUSET: whoever pays for the server sets it for a role or a database. */
	DefineCustomIntVariable("qwen_classify.max_requests",
							"Most requests that one statement may send; 0 means no limit.",
							NULL,
							&qc_max_requests, 0, 0, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);

	/* USERSET: whoever may change the label may say who did. */
	DefineCustomEnumVariable("qwen_classify.author",
							 "Whose a label is that is set in a table with a task.",
							 "auto: a person's if confidence stays or becomes 1; person, machine: as it says.",
							 &qc_author, QC_SET_BY_AUTO, author_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	/* SIGHUP: one switch for all, without a restart. */
	DefineCustomBoolVariable("qwen_classify.enabled",
							 "Queue new rows and label them in the background.",
							 "Off: triggers do nothing and workers idle; qwen.backfill and qwen.relabel catch up.",
							 &qc_enabled, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);

	/* SIGHUP: the launcher reads it each round. */
	DefineCustomIntVariable("qwen_classify.max_workers",
							"Most databases that are labelled at once.",
							"Each takes one of max_worker_processes.",
							&qc_max_workers, 4, 1, 64,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	/* SIGHUP: a worker that stays keeps its database from being dropped. */
	DefineCustomIntVariable("qwen_classify.worker_idle_timeout",
							"How long a worker without work stays connected.",
							NULL,
							&qc_worker_idle_timeout, 60, 1, 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);

	if (before && IsTransactionState() && !superuser())
		apply_role_settings();
	qc_reserve_prefix("qwen_classify");
}
