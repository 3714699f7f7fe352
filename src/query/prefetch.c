/*-------------------------------------------------------------------------
 *
 * prefetch.c
 *	  When plans are rewritten: after the planner, or before the first run.
 *
 * Without preload the library comes in while the session's first statement
 * with a call is being planned, too late for the planner's hook.  That plan is
 * rewritten when it begins to run, on a copy, since it may be a cached one; and
 * cached plans of that time are made again, through the hook.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "executor/executor.h"
#include "optimizer/planner.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

#include "common/guc.h"
#include "common/statement.h"
#include "query/prefetch.h"

static planner_hook_type prev_planner = NULL;
static ExecutorStart_hook_type prev_start = NULL;
static bool planner_seen = false;	/* plans that begin to run came through the hook */

static PlannedStmt *
planner(Query *parse, const char *query_string, int cursor_options, ParamListInfo params)
{
	PlannedStmt *stmt;

	planner_seen = true;
	if (prev_planner)
		stmt = prev_planner(parse, query_string, cursor_options, params);
	else
		stmt = standard_planner(parse, query_string, cursor_options, params);
	if (qc_prefetch)
		qc_prefetch_plan(stmt, cursor_options);
	return stmt;
}

static void
rewrite_copy(QueryDesc *query, int cursor_options)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(query));

	query->plannedstmt = copyObject(query->plannedstmt);
	qc_prefetch_plan(query->plannedstmt, cursor_options);
	MemoryContextSwitchTo(old);
	ResetPlanCache();
}

static void
start(QueryDesc *query, int eflags)
{
	if (!planner_seen && qc_prefetch)
		rewrite_copy(query, eflags & EXEC_FLAG_BACKWARD ? CURSOR_OPT_SCROLL : 0);
	if (prev_start)
		prev_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

void
qc_prefetch_init(void)
{
	RegisterCustomScanMethods(&qc_prefetch_methods);
	planner_seen = process_shared_preload_libraries_in_progress;
	prev_planner = planner_hook;
	planner_hook = planner;
	prev_start = ExecutorStart_hook;
	ExecutorStart_hook = start;
}
