/*-------------------------------------------------------------------------
 *
 * utility.c
 *	  Commands that need a database empty of us, or that bring us work.
 *
 * DROP DATABASE, a copy of a template, ALTER DATABASE ... RENAME and SET
 * TABLESPACE fail while anybody is connected.  Before such a command the
 * database's worker is sent away and waited for, and kept away until the
 * command ends.  CREATE, ALTER and DROP EXTENSION wake the worker at commit, and
 * so does what may mend a task that waits, as ALTER SERVER, or stop one, as ALTER
 * TABLE.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "worker/worker.h"

/* A place is kept free this long at most, should nobody give it back; microseconds. */
#define QC_AWAY_FOR			INT64CONST(10000000)

/* A worker that did not leave by itself is told to by a signal; milliseconds. */
#define QC_ASK_POLITELY		300
#define QC_WAIT_AT_MOST		5000
#define QC_WAIT_STEP		5

static ProcessUtility_hook_type previous_utility = NULL;

/*
 * What the transaction's end has to do: the place is opened again, or given
 * up with its database, and the launcher reads the list of databases.
 */
static bool list_changes = false;
static Oid	emptied = InvalidOid;
static bool dropped = false;

/* ---- sending a worker away ---- */

/* The worker's pid, with the place closed behind it; 0: none. */
static int
close_place(QcBoardDatabase *place)
{
	int			pid;

	SpinLockAcquire(&place->mutex);
	place->away = true;
	place->away_until = GetCurrentTimestamp() + QC_AWAY_FOR;
	pid = place->worker_pid;
	SpinLockRelease(&place->mutex);
	return pid;
}

/* A place that had no worker and knows nothing is not kept. */
static void
open_place(Oid dbid)
{
	QcBoardDatabase *place = qc_board_database(dbid, false);
	bool		empty;

	if (place == NULL)
		return;
	SpinLockAcquire(&place->mutex);
	place->away = false;
	place->away_until = 0;
	empty = place->started_at == 0 && !place->wanted && place->head == place->tail;
	place->wanted = !empty;
	SpinLockRelease(&place->mutex);
	if (empty)
		qc_board_forget_database(dbid);
	else
		qc_board_wake_launcher();
}

static bool
is_gone(QcBoardDatabase *place, int pid)
{
	bool		on_place;

	SpinLockAcquire(&place->mutex);
	on_place = place->worker_pid == pid;
	SpinLockRelease(&place->mutex);
	return !on_place && BackendPidGetProc(pid) == NULL;
}

/* While the place carries a pid the process is there: leaving clears it first. */
static void
signal_worker(QcBoardDatabase *place, int pid)
{
	SpinLockAcquire(&place->mutex);
	if (place->worker_pid == pid)
		kill(pid, SIGTERM);
	SpinLockRelease(&place->mutex);
}

static void
wait_until_gone(QcBoardDatabase *place, int pid)
{
	bool		told = false;

	for (int waited = 0; waited < QC_WAIT_AT_MOST && !is_gone(place, pid); waited += QC_WAIT_STEP)
	{
		if (waited >= QC_ASK_POLITELY && !told)
		{
			signal_worker(place, pid);
			told = true;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 QC_WAIT_STEP, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Its worker goes and none comes, until the transaction ends. */
static void
send_away(const char *dbname)
{
	Oid			dbid = get_database_oid(dbname, true);
	QcBoardDatabase *place;
	int			pid;

	place = OidIsValid(dbid) ? qc_board_database(dbid, true) : NULL;
	if (place == NULL)
		return;
	emptied = dbid;				/* an interrupt opens it again */
	pid = close_place(place);
	if (pid != 0)
	{
		qc_board_wake(place);
		wait_until_gone(place, pid);
	}
}

/* ---- which command ---- */

static const char *
template_of(CreatedbStmt *stmt)
{
	ListCell   *cell;

	foreach(cell, stmt->options)
	{
		DefElem    *option = lfirst(cell);

		if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return "template1";
}

static bool
moves_tablespace(AlterDatabaseStmt *stmt)
{
	ListCell   *cell;

	foreach(cell, stmt->options)
		if (strcmp(((DefElem *) lfirst(cell))->defname, "tablespace") == 0)
			return true;
	return false;
}

/* The database that must be empty for this command, or NULL. */
static const char *
database_to_empty(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) stmt)->dbname;
		case T_CreatedbStmt:
			return template_of((CreatedbStmt *) stmt);
		case T_AlterDatabaseStmt:
			return moves_tablespace((AlterDatabaseStmt *) stmt) ?
				((AlterDatabaseStmt *) stmt)->dbname : NULL;
		case T_RenameStmt:
			return ((RenameStmt *) stmt)->renameType == OBJECT_DATABASE ?
				((RenameStmt *) stmt)->subname : NULL;
		default:
			return NULL;
	}
}

static bool
is_our_extension(Node *stmt)
{
	if (IsA(stmt, CreateExtensionStmt))
		return strcmp(((CreateExtensionStmt *) stmt)->extname, "qwen_classify") == 0;
	if (IsA(stmt, AlterExtensionStmt))
		return strcmp(((AlterExtensionStmt *) stmt)->extname, "qwen_classify") == 0;
	return IsA(stmt, DropStmt) && ((DropStmt *) stmt)->removeType == OBJECT_EXTENSION;
}

/* What may mend a task that waits, or stop one: a server, a key, a right, an owner. */
static bool
may_mend(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_DropStmt:
			return ((DropStmt *) stmt)->removeType == OBJECT_FOREIGN_SERVER;
		case T_CreateForeignServerStmt:
		case T_AlterForeignServerStmt:
		case T_CreateUserMappingStmt:
		case T_AlterUserMappingStmt:
		case T_DropUserMappingStmt:
		case T_GrantStmt:
		case T_GrantRoleStmt:
		case T_AlterOwnerStmt:
		case T_AlterRoleStmt:
		case T_DropRoleStmt:
		case T_DropOwnedStmt:
		case T_ReassignOwnedStmt:
			return true;
		default:
			return false;
	}
}

/* A table whose change may stop a task, or rename its columns: it has triggers. */
static bool
has_triggers(const RangeVar *relation)
{
	Oid			relid = relation ? RangeVarGetRelid(relation, NoLock, true) : InvalidOid;
	HeapTuple	tuple = OidIsValid(relid) ?
		SearchSysCache1(RELOID, ObjectIdGetDatum(relid)) : NULL;
	bool		has = false;

	if (HeapTupleIsValid(tuple))
	{
		has = ((Form_pg_class) GETSTRUCT(tuple))->relhastriggers;
		ReleaseSysCache(tuple);
	}
	return has;
}

static bool
changes_table(Node *stmt)
{
	if (IsA(stmt, AlterTableStmt))
		return has_triggers(((AlterTableStmt *) stmt)->relation);
	if (IsA(stmt, RenameStmt))
		return has_triggers(((RenameStmt *) stmt)->relation);
	if (IsA(stmt, CreateTrigStmt))	/* the end of a restore */
		return strncmp(((CreateTrigStmt *) stmt)->trigname, "zz_qwen_", 8) == 0;
	return false;
}

static void
at_end(XactEvent event, void *arg)
{
	bool		committed = event == XACT_EVENT_COMMIT;

	(void) arg;
	if (!committed && event != XACT_EVENT_ABORT)
		return;
	if (OidIsValid(emptied))
	{
		if (committed && dropped)
			qc_board_forget_database(emptied);
		else
			open_place(emptied);
	}
	if (committed && list_changes)
		qc_board_databases_changed();
	list_changes = dropped = false;
	emptied = InvalidOid;
}

static void
pass(QC_UTILITY_ARGS)
{
	if (previous_utility)
		previous_utility(QC_UTILITY_PASS);
	else
		standard_ProcessUtility(QC_UTILITY_PASS);
}

/* The server's own function for this is not exported by all minor versions. */
static bool
may_create_databases(void)
{
	HeapTuple	role = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	bool		may = false;

	if (HeapTupleIsValid(role))
	{
		may = ((Form_pg_authid) GETSTRUCT(role))->rolcreatedb;
		ReleaseSysCache(role);
	}
	return may;
}

/*
 * The rights are the command's own to check, so a user who may not drop a
 * database must not be able to send its worker away either.
 */
static bool
may_empty(Node *stmt, const char *dbname)
{
	Oid			dbid = get_database_oid(dbname, true);

	if (!OidIsValid(dbid))
		return false;
	if (IsA(stmt, CreatedbStmt))
		return superuser() || may_create_databases();
	return qc_owns_database(dbid, GetUserId());
}

/*
 * What a user's trigger or expression does in a worker of ours wakes nobody: it
 * would have the worker look at its tasks at each row, and take back what it
 * has under way, for ever.  The look of each minute finds it.
 */
static void
utility(QC_UTILITY_ARGS)
{
	Node	   *stmt = pstmt->utilityStmt;
	const char *dbname = database_to_empty(stmt);

	if (dbname != NULL)
		list_changes = true;
	if (!IsBackgroundWorker &&
		(is_our_extension(stmt) || may_mend(stmt) || changes_table(stmt)))
		qc_board_config_changes();
	if (dbname != NULL && !OidIsValid(emptied) && may_empty(stmt, dbname))
	{
		dropped = IsA(stmt, DropdbStmt);
		send_away(dbname);
	}
	pass(QC_UTILITY_PASS);
}

/* Without a board there is no worker to send away. */
void
qc_utility_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	RegisterXactCallback(at_end, NULL);
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = utility;
}
