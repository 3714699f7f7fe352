/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  The statement that is running: its budget, its counts, its results.
 *
 * A statement is the outermost executor run or, where that is a utility
 * command (DO, CALL, EXPLAIN, COPY ...), the command.  FETCH is no statement:
 * what it runs belongs to the cursor's.  State of an executor run lies below
 * the executor's own memory, so that whatever ends the run frees it (end,
 * error, cancel, ROLLBACK TO, CLOSE); a command's is freed by the hook that
 * made it.
 *
 * Planning is the other thing to know about a call: the planner evaluates
 * STABLE functions of constants to estimate, and those calls must send nothing.
 * While the planner's hook is on the stack that is known by the error context:
 * whoever really executes something below it (a PL/pgSQL function that is
 * folded) has pushed a frame of its own.  In a session's first statement
 * without preload the library is loaded in mid-planning, too late for the
 * hook; the planner support function tells then (qc_statement_in_planner).
 * It is also called where a single expression is prepared to be executed
 * (arguments of CALL and EXECUTE, a column's default), so that alone says
 * nothing: but what the planner evaluates lies below the memory it plans in.
 *
 * A library that is loaded in the middle of a statement also missed where that
 * began; the portal that is active then tells when it ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "nodes/nodes.h"
#include "optimizer/planner.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/elog.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/timestamp.h"

#include "common/compat.h"
#include "common/guc.h"
#include "common/statement.h"

/* What is outermost now: an executor run, a utility command, or neither. */
typedef struct QcOwner
{
	QueryDesc  *query;			/* NULL: a utility command */
	bool		active;
} QcOwner;

/* A statement's state with what it belongs to. */
typedef struct QcOwned
{
	QcStatement statement;		/* first: qc_statement() gives its address */
	QueryDesc  *query;
	MemoryContextCallback forget;
	dlist_node	node;
} QcOwned;

static QcOwner outermost = {NULL, false};

/* Several can be alive at a time: each open cursor has its own. */
static dlist_head alive = DLIST_STATIC_INIT(alive);

/* When the statement began that we were loaded in the middle of; 0: none, or over. */
static TimestampTz begun_at = 0;

/* Counts statements; a run that goes on (FETCH) counts anew, which is no harm. */
static uint64 serial = 0;

static const QcRun *innermost = NULL;
static uint64 nruns = 0;

static int	planner_depth = 0;
static ErrorContextCallback *planner_frame = NULL;
static bool planner_missed = false; /* loaded in mid-planning */
static MemoryContext missed_cxt = NULL;

static planner_hook_type prev_planner = NULL;
static ExecutorStart_hook_type prev_start = NULL;
static ExecutorRun_hook_type prev_run = NULL;
static ExecutorFinish_hook_type prev_finish = NULL;
static ExecutorEnd_hook_type prev_end = NULL;
static ProcessUtility_hook_type prev_utility = NULL;

/* Memory context callback: the state is going away. */
static void
forget_owned(void *arg)
{
	QcOwned    *owned = (QcOwned *) arg;

	if (owned->statement.on_end)
		owned->statement.on_end(&owned->statement);
	dlist_delete(&owned->node);
}

static QcOwned *
find_owned(QueryDesc *query)
{
	dlist_iter	iter;

	dlist_foreach(iter, &alive)
	{
		QcOwned    *owned = dlist_container(QcOwned, node, iter.cur);

		if (owned->query == query)
			return owned;
	}
	return NULL;
}

static QcOwned *
make_owned(QueryDesc *query)
{
	MemoryContext parent;
	MemoryContext cxt;
	QcOwned    *owned;

	/* Outside of any statement (a worker's own code) a transaction is one. */
	if (query)
		parent = query->estate->es_query_cxt;
	else
		parent = outermost.active ? TopMemoryContext : TopTransactionContext;

	cxt = AllocSetContextCreate(parent, "qwen_classify statement",
								ALLOCSET_SMALL_SIZES);
	owned = (QcOwned *) MemoryContextAllocZero(cxt, sizeof(QcOwned));
	owned->query = query;
	owned->statement.cxt = cxt;
	owned->statement.budget.max_requests = qc_max_requests;
	owned->statement.budget.max_in_flight = qc_max_in_flight;
	dlist_init(&owned->statement.aheads);
	owned->forget.func = forget_owned;
	owned->forget.arg = owned;
	dlist_push_head(&alive, &owned->node);
	MemoryContextRegisterResetCallback(cxt, &owned->forget);
	return owned;
}

QcStatement *
qc_statement(void)
{
	QueryDesc  *query = outermost.active ? outermost.query : NULL;
	QcOwned    *owned = find_owned(query);

	if (owned == NULL)
		owned = make_owned(query);
	return &owned->statement;
}

bool
qc_statement_called(void)
{
	return find_owned(outermost.active ? outermost.query : NULL) != NULL;
}

uint64
qc_statement_serial(void)
{
	return serial;
}

bool
qc_planning(MemoryContext call_cxt)
{
	if (planner_depth > 0)
		return error_context_stack == planner_frame;
	return planner_missed && MemoryContextGetParent(call_cxt) == missed_cxt;
}

void
qc_statement_in_planner(void)
{
	if (planner_depth > 0)
		return;
	planner_missed = true;
	missed_cxt = CurrentMemoryContext;
}

/* "too long: 2, refused: 1" */
static char *
failure_counts(const QcStatement *statement, int64 *total)
{
	StringInfoData buf;

	initStringInfo(&buf);
	*total = 0;
	for (int kind = 0; kind < QC_N_FAIL_KINDS; kind++)
	{
		if (statement->failed[kind] == 0)
			continue;
		appendStringInfo(&buf, "%s%s: " INT64_FORMAT, buf.len > 0 ? ", " : "",
						 qc_failure_word((QcFailKind) kind), statement->failed[kind]);
		*total += statement->failed[kind];
	}
	return buf.data;
}

/* Tell once, at the end, what went wrong with rows and what was cut. */
static void
report(const QcStatement *statement)
{
	int64		total;
	char	   *counts = failure_counts(statement, &total);

	if (total > 0)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg_plural("%lld text could not be labelled",
							   "%lld texts could not be labelled",
							   (unsigned long) total, (long long) total),
				 errdetail("%s. The first: %s.", counts,
						   qc_utf8_to_server(statement->first_failure)),
				 errhint("The column reason of qwen_classify says why for each row; set qwen_classify.on_error = 'error' to stop at the first.")));

	if (statement->cut > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld input was longer than the limit and was cut",
							   "%lld inputs were longer than the limit and were cut",
							   (unsigned long) statement->cut, (long long) statement->cut),
				 errhint("The server option max_input_chars sets the limit; 0 means as much as the model's context holds.")));
}

static PlannedStmt *
planner(Query *parse, const char *query_string, int cursor_options,
		ParamListInfo params)
{
	ErrorContextCallback *save_frame = planner_frame;
	PlannedStmt *result;

	planner_missed = false;
	planner_frame = error_context_stack;
	planner_depth++;
	PG_TRY();
	{
		if (prev_planner)
			result = prev_planner(parse, query_string, cursor_options, params);
		else
			result = standard_planner(parse, query_string, cursor_options, params);
	}
	PG_FINALLY();
	{
		planner_depth--;
		planner_frame = save_frame;
	}
	PG_END_TRY();
	return result;
}

/* The command ended, well or not: its state goes. */
static void
drop_utility_state(void)
{
	QcOwned    *owned = find_owned(NULL);

	if (owned)
		MemoryContextDelete(owned->statement.cxt);
}

/* The statement that we were loaded in has ended. */
static void
end_begun(void)
{
	QcOwned    *owned = find_owned(NULL);

	begun_at = 0;
	outermost.active = false;
	if (owned && IsTransactionState())
		report(&owned->statement);
	drop_utility_state();
}

/* Its portal is going away. */
static void
begun_portal_ends(void *arg)
{
	(void) arg;
	if (begun_at != 0)
		end_begun();
}

/* A cursor's portal outlives the statement. */
static void
check_begun(void)
{
	if (begun_at != 0 && begun_at != GetCurrentStatementStartTimestamp())
		end_begun();
}

/* What a hook saves while something runs in its care. */
typedef struct QcSaved
{
	QcOwner		outermost;
	int			planner_depth;
	QcRun		run;
} QcSaved;

static void
enter(QcSaved *saved, QueryDesc *query, uint64 count)
{
	check_begun();
	saved->outermost = outermost;
	saved->planner_depth = planner_depth;
	if (!outermost.active)
	{
		outermost.active = true;
		outermost.query = query;
		serial++;
	}
	planner_depth = 0;
	planner_missed = false;
	saved->run.estate = query ? query->estate : NULL;
	saved->run.number = ++nruns;
	saved->run.count = count;
	saved->run.outer = innermost;
	innermost = &saved->run;
}

const QcRun *
qc_run_innermost(void)
{
	return innermost;
}

static void
leave(const QcSaved *saved)
{
	outermost = saved->outermost;
	planner_depth = saved->planner_depth;
	innermost = saved->run.outer;
}

static void
start(QueryDesc *query, int eflags)
{
	planner_missed = false;
	if (prev_start)
		prev_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

/*
 * It is never run again, but its memory may stay: that of a cursor which was
 * opened before the savepoint that is rolled back to.
 */
static void
run_failed(const QueryDesc *query)
{
	QcOwned    *owned = find_owned(outermost.query);

	if (owned && owned->statement.on_failure)
		owned->statement.on_failure(&owned->statement, query->estate);
}

static void
run(QC_RUN_ARGS)
{
	QcSaved		saved;
	volatile bool failed = true;

	enter(&saved, query, count);
	PG_TRY();
	{
		if (prev_run)
			prev_run(QC_RUN_PASS);
		else
			standard_ExecutorRun(QC_RUN_PASS);
		failed = false;
	}
	PG_FINALLY();
	{
		if (failed)
			run_failed(query);
		leave(&saved);
	}
	PG_END_TRY();
}

static void
finish(QueryDesc *query)
{
	QcSaved		saved;

	enter(&saved, query, 0);
	PG_TRY();
	{
		if (prev_finish)
			prev_finish(query);
		else
			standard_ExecutorFinish(query);
	}
	PG_FINALLY();
	{
		leave(&saved);
	}
	PG_END_TRY();
}

static void
end(QueryDesc *query)
{
	QcOwned    *owned = find_owned(query);

	if (owned)
		report(&owned->statement);
	if (prev_end)
		prev_end(query);
	else
		standard_ExecutorEnd(query);
}

static void
pass_utility(QC_UTILITY_ARGS)
{
	if (prev_utility)
		prev_utility(QC_UTILITY_PASS);
	else
		standard_ProcessUtility(QC_UTILITY_PASS);
}

static void
utility(QC_UTILITY_ARGS)
{
	bool		top;
	QcSaved		saved;

	check_begun();
	top = !outermost.active && !IsA(pstmt->utilityStmt, FetchStmt);
	if (!top)
	{
		pass_utility(QC_UTILITY_PASS);
		return;
	}
	enter(&saved, NULL, 0);
	PG_TRY();
	{
		QcOwned    *owned;

		pass_utility(QC_UTILITY_PASS);
		owned = find_owned(NULL);
		if (owned)
			report(&owned->statement);
	}
	PG_FINALLY();
	{
		drop_utility_state();
		leave(&saved);
	}
	PG_END_TRY();
}

/* Loaded in the middle of a statement: it counts as a command. */
static void
join_begun(void)
{
	MemoryContext cxt;
	MemoryContextCallback *callback;

	if (process_shared_preload_libraries_in_progress || ActivePortal == NULL)
		return;
	cxt = ActivePortal->portalContext;
	callback = MemoryContextAllocZero(cxt, sizeof(MemoryContextCallback));
	callback->func = begun_portal_ends;
	MemoryContextRegisterResetCallback(cxt, callback);
	outermost.active = true;
	outermost.query = NULL;
	begun_at = GetCurrentStatementStartTimestamp();
}

void
qc_statement_init(void)
{
	join_begun();
	prev_planner = planner_hook;
	planner_hook = planner;
	prev_start = ExecutorStart_hook;
	ExecutorStart_hook = start;
	prev_run = ExecutorRun_hook;
	ExecutorRun_hook = run;
	prev_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish;
	prev_end = ExecutorEnd_hook;
	ExecutorEnd_hook = end;
	prev_utility = ProcessUtility_hook;
	ProcessUtility_hook = utility;
}
