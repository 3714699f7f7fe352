/*-------------------------------------------------------------------------
 *
 * node_ask.c
 *	  What a prefetch node asks for the rows that it reads.
 *
 * The arguments of a call are evaluated on the child's row; the function itself
 * is not run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"

#include "query/node.h"

static void
init_call(QcPrefetchState *state, QcNodeCall *call, FuncExpr *expr, List *guards)
{
	PlanState  *ps = &state->css.ss.ps;
	int			nargs = list_length(expr->args);
	int			i = 0;
	ListCell   *cell;

	call->labeller = qc_labeller(expr->funcid);
	if (call->labeller == NULL)
		return;					/* it is none of ours any more: nothing to ask */
	fmgr_info(expr->funcid, &call->flinfo);
	fmgr_info_set_expr((Node *) expr, &call->flinfo);
	call->fcinfo = (FunctionCallInfo) palloc0(SizeForFunctionCallInfo(nargs));
	InitFunctionCallInfoData(*call->fcinfo, &call->flinfo, nargs, expr->inputcollid, NULL, NULL);
	call->arg = (ExprState **) palloc0(sizeof(ExprState *) * Max(nargs, 1));
	foreach(cell, expr->args)
		call->arg[i++] = ExecInitExpr((Expr *) lfirst(cell), ps);
	if (guards != NIL)
		call->guard = ExecInitQual(guards, ps);
	state->pretends = state->pretends || call->labeller->pretended;
}

void
qc_node_init_calls(QcPrefetchState *state, List *exprs)
{
	List	   *calls = (List *) list_nth(exprs, QC_EXPRS_CALLS);
	List	   *guards = (List *) list_nth(exprs, QC_EXPRS_GUARDS);
	List	   *first = (List *) list_nth(exprs, QC_EXPRS_FIRST);

	state->ncalls = list_length(calls);
	state->call = (QcNodeCall *) palloc0(sizeof(QcNodeCall) * Max(state->ncalls, 1));
	for (int i = 0; i < state->ncalls; i++)
		init_call(state, &state->call[i], (FuncExpr *) list_nth(calls, i),
				  (List *) list_nth(guards, i));
	state->nfirst = list_length(first);
	state->first = (QcNodeCall *) palloc0(sizeof(QcNodeCall) * Max(state->nfirst, 1));
	for (int i = 0; i < state->nfirst; i++)
		init_call(state, &state->first[i], (FuncExpr *) list_nth(first, i), NIL);
	state->count = ExecInitExpr((Expr *) list_nth(exprs, QC_EXPRS_COUNT), &state->css.ss.ps);
	state->offset = ExecInitExpr((Expr *) list_nth(exprs, QC_EXPRS_OFFSET), &state->css.ss.ps);
}

/* May it be needed at all?  Where calls are guarded, most rows end here. */
static inline bool
is_wanted(const QcPrefetchState *state, const QcNodeCall *call)
{
	return call->labeller != NULL && (call->guard == NULL || ExecQual(call->guard, state->arg_context));
}

/* The answer that this call will need, held; NULL: none.  In per-row memory. */
static QcAnswer *
ask(QcPrefetchState *state, QcNodeCall *call)
{
	ExprContext *context = state->arg_context;
	QcQuestion	question;
	QcAnswer   *answer;
	bool		started;

	for (int i = 0; i < call->fcinfo->nargs; i++)
		call->fcinfo->args[i].value = ExecEvalExpr(call->arg[i], context,
												   &call->fcinfo->args[i].isnull);
	if (call->labeller->pretended || call->fcinfo->args[0].isnull ||
		qc_ahead_stopped(state->ahead))
		return NULL;
	qc_question_of(call->fcinfo, call->labeller->form, call->labeller->what, &call->task,
				   qc_ahead_context(state->ahead), &question);
	answer = qc_ahead_ask(state->ahead, &call->prompt, &question, state->counts, &started);
	state->room -= started;
	return answer;
}

void
qc_node_ask_first(QcPrefetchState *state)
{
	MemoryContext old = MemoryContextSwitchTo(state->arg_context->ecxt_per_tuple_memory);

	while (state->first_asked < state->nfirst && state->room > 0)
	{
		QcAnswer   *answer;

		QcNodeCall *call = &state->first[state->first_asked++];

		ResetExprContext(state->arg_context);
		answer = is_wanted(state, call) ? ask(state, call) : NULL;
		if (answer)
			qc_ahead_release(state->ahead, answer);
	}
	MemoryContextSwitchTo(old);
}

bool
qc_node_ask_row(QcPrefetchState *state, TupleTableSlot *slot, QcAnswer **answer)
{
	MemoryContext old;
	bool		any = false;

	reset_if_used(state->arg_context);
	state->arg_context->ecxt_outertuple = slot;
	old = MemoryContextSwitchTo(state->arg_context->ecxt_per_tuple_memory);
	for (int i = 0; i < state->ncalls; i++)
		if (is_wanted(state, &state->call[i]))
		{
			answer[i] = ask(state, &state->call[i]);
			any = any || answer[i] != NULL;
		}
	MemoryContextSwitchTo(old);
	return any;
}

bool
qc_node_answered(const QcPrefetchState *state, QcAnswer **answer)
{
	for (int i = 0; i < state->ncalls; i++)
		if (answer[i] && qc_answer_awaited(answer[i]))
			return false;
	return true;
}

void
qc_node_release(QcPrefetchState *state, QcAnswer **answer)
{
	for (int i = 0; i < state->ncalls; i++)
	{
		if (answer[i] != NULL)
			qc_ahead_release(state->ahead, answer[i]);
		answer[i] = NULL;
	}
}
