/*-------------------------------------------------------------------------
 *
 * call_steps.c
 *	  A call's way to its next request: a place, the facts, the body.
 *
 * qc_call_proceed may be called in any state that holds nothing under way; it
 * goes as far as it can and leaves the call waiting for one thing, with a
 * timer, a probe or a request that will call back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "utils/timestamp.h"

#include "net/call_state.h"

/*
 * A place that is given back wakes one waiter, which may not be us or may not
 * want it any more: look again after this time whatever happens.
 */
#define QC_PLACE_POLL_MS	250

/* Calls of this process that wait for a place. */
static int	nwaiting = 0;

/*
 * The last of them leaves the server's queue, so that no wake-up goes to a
 * process that wants nothing.
 */
void
qc_call_stop_waiting(QcCall *call)
{
	if (call->waiting_alone)
		call->endpoint->suspects--;
	call->waiting_alone = false;
	if (!call->waiting)
		return;
	call->waiting = false;
	if (--nwaiting == 0)
		qc_replica_wait_cancel();
}

/* The window is full: come again when a place is given back. */
static void
qc_call_wait_place(QcCall *call)
{
	call->state = QC_CALL_PLACE;
	if (!call->waiting)
	{
		call->waiting = true;
		nwaiting++;
	}
	qc_timer_arm(&call->timer, QC_PLACE_POLL_MS, true);
}

/*
 * Suspects go one at a time; those that may have broken connections go with
 * nothing else of this process under way, and nothing starts beside them.
 */
static bool
qc_call_may_go(QcCall *call)
{
	QcEndpoint *endpoint = call->endpoint;
	const QcCall *suspect = endpoint->suspect;

	switch (call->suspicion)
	{
		case QC_TRUSTED:
			return endpoint->suspects == 0
				&& (suspect == NULL || suspect->suspicion != QC_SUSPECT_ALONE);
		case QC_SUSPECT:
			return endpoint->suspects == 0 && suspect == NULL;
		case QC_SUSPECT_ALONE:
			return suspect == NULL && qc_window_ours(endpoint) == 0;
	}
	return true;
}

/* As many of the statement's are in flight as may be. */
static bool
qc_call_budget_full(const QcCall *call)
{
	const QcBudget *budget = call->budget;

	return budget->max_in_flight > 0 && budget->in_flight >= budget->max_in_flight;
}

/* Only where there is a limit: a budget without one may be gone before its calls. */
static void
qc_call_enter_budget(QcCall *call)
{
	call->in_budget = call->budget->max_in_flight > 0;
	if (call->in_budget)
		call->budget->in_flight++;
}

/* As the only one, or not; the others wait behind the next one. */
static void
qc_call_wait_turn(QcCall *call)
{
	if (call->suspicion == QC_SUSPECT_ALONE && !call->waiting_alone)
	{
		call->waiting_alone = true;
		call->endpoint->suspects++;
	}
	qc_call_wait_place(call);
}

/* Before the first answer, what a request costs is a guess by its length. */
#define QC_GUESSED_TOKENS(len)	(200 + (len) / 4.0)

/* Take a place; waiting for one is prepared before the last look. */
static int
qc_call_take(QcCall *call, long *wait_ms)
{
	QcEndpoint *endpoint = call->endpoint;
	QcTake		how = {0};
	int			replica;

	how.background = call->background;
	how.tokens = QC_GUESSED_TOKENS(call->len);
	replica = qc_replica_take(endpoint, &how);
	if (replica == QC_TAKE_FULL)
	{
		qc_replica_wait_prepare(endpoint);
		replica = qc_replica_take(endpoint, &how);
	}

	/* Whoever has had no answer yet wants to know now, not in 30 s. */
	if (replica == QC_TAKE_OUT && qc_call_impatient(call))
	{
		how.any = true;
		replica = qc_replica_take(endpoint, &how);
	}
	call->tokens = how.tokens;
	*wait_ms = how.wait_ms;
	return replica;
}

/* It is no fault to have spent the minute's requests: wait for the next. */
static void
qc_call_wait_limit(QcCall *call, long ms)
{
	qc_call_stop_waiting(call);
	call->state = QC_CALL_PLACE;
	qc_timer_arm(&call->timer, ms, false);
}

/*
 * Whoever may have broken the server is not the one to try whether it is back:
 * it would be again and again, and nobody else.
 */
#define QC_SUSPECT_LATE_MS	1000

/* The server asked all of us to wait (Retry-After), or failed a moment ago. */
static void
qc_call_wait_out(QcCall *call, QcFailKind kind, long ms)
{
	if (call->failure.kind == QC_FAIL_NONE)
	{
		qc_failure_set(&call->failure, kind, 0, kind == QC_FAIL_OVERLOADED ?
					   "inference server %s asked to wait" :
					   "inference server %s is left alone after failures",
					   call->endpoint->replica[0].where);
		qc_failure_server(&call->failure, call->endpoint->name);
	}
	qc_call_stop_waiting(call);
	qc_call_note_fault(call);
	if (call->suspicion == QC_SUSPECT_ALONE)
		ms += QC_SUSPECT_LATE_MS;
	qc_call_pause(call, ms);
}

/* What was taken, or for what to wait. */
static void
qc_call_took(QcCall *call, int replica, long wait_ms)
{
	switch (replica)
	{
		case QC_TAKE_FULL:
			qc_call_wait_place(call);
			return;
		case QC_TAKE_OUT:
			qc_call_wait_out(call, QC_FAIL_CONNECT, wait_ms);
			return;
		case QC_TAKE_LIMITED:
			qc_call_wait_limit(call, wait_ms);
			return;
	}
	call->replica = replica;
	qc_call_enter_budget(call);
	qc_call_stop_waiting(call);
	call->alone = call->suspicion == QC_SUSPECT_ALONE;
	if (call->suspicion != QC_TRUSTED)
		call->endpoint->suspect = call;
}

/*
 * Get a place at a replica, or wait for one: for descriptors of this process,
 * for the statement's own limit,
 * for the end of a pause that the server asked for, for the window, for the
 * minute's rates, for a replica that is not left out.  False: the call waits.
 */
static bool
qc_call_get_place(QcCall *call)
{
	long		wait_ms;
	int			replica;

	if (call->replica >= 0)
		return true;
	if (!qc_pool_has_room() || qc_call_budget_full(call))
	{
		qc_call_wait_place(call);
		return false;
	}
	wait_ms = qc_window_paused_ms(call->endpoint);
	if (wait_ms > 0)
	{
		qc_call_wait_out(call, QC_FAIL_OVERLOADED, wait_ms);
		return false;
	}
	if (!qc_call_may_go(call))
	{
		qc_call_wait_turn(call);
		return false;
	}
	replica = qc_call_take(call, &wait_ms);
	qc_call_took(call, replica, wait_ms);
	return call->replica >= 0;
}

/* Runs within the probe's own loop: notes only, the timer goes on from here. */
static void
qc_call_probed(QcProbe *probe, const QcFailure *failure, void *arg)
{
	QcCall	   *call = arg;

	call->probe = NULL;
	qc_probe_free(probe);
	call->probed = true;
	call->probe_failed = failure != NULL;
	if (failure != NULL)
		call->failure = *failure;
	qc_call_pause(call, 0);
}

/*
 * Know what the server is, or join in finding out.  The probe goes to the
 * replica whose place is held.  False: the call waits.
 */
static bool
qc_call_get_facts(QcCall *call)
{
	QcEndpoint *endpoint = call->endpoint;

	if (qc_endpoint_facts(endpoint)->known || !qc_probe_needed(endpoint))
		return true;

	/* A probe that found nothing out is not made twice. */
	if (call->probed && !call->probe_failed)
		return true;
	call->state = QC_CALL_PROBE;
	call->probed = false;
	call->probe_mine = endpoint->probe == NULL;
	call->probe = qc_probe_start(endpoint, call->replica, qc_call_probed, call);
	if (call->unconnected > 0)
		qc_timer_arm(&call->timer, qc_call_connect_ms(call), false);
	else
		qc_call_watch(call);
	return false;
}

/*
 * The timer of a probe.  After a replica where nobody listened, the next must
 * be reached within what is left of the promise.
 */
static void
qc_call_watch_probe(QcCall *call)
{
	if (call->unconnected > 0 && qc_call_impatient(call)
		&& !qc_probe_is_connected(call->probe))
		qc_call_fail(call);
	else
		qc_call_watch(call);
}

/* The probe's failure is the call's; a joined probe says nothing of our replica. */
static void
qc_call_probe_fault(QcCall *call)
{
	QcFailKind	kind = call->failure.kind;

	call->probe_failed = false;
	call->probed = false;
	if (qc_failure_charge(kind) == QC_CHARGE_SERVER
		&& (call->probe_mine || call->endpoint->nreplicas == 1))
		qc_replica_failed(call->endpoint, call->replica);
	qc_call_give_place(call);
	if (qc_failure_charge(kind) == QC_CHARGE_SERVER)
		qc_call_fault(call, NULL);
	else
		qc_call_fail(call);
}

/*
 * What the request asks for: by the facts as they are now, since every answer
 * to any call may have taught something.
 */
static void
qc_call_shape(QcCall *call)
{
	QcShape    *shape = &call->shape;

	memset(shape, 0, sizeof(*shape));
	shape->facts = *qc_endpoint_facts(call->endpoint);
	shape->strict = call->strict;
	shape->draw = call->draw;
	shape->asked.labels = call->prompt->labels;
	shape->asked.codes = call->prompt->codes;
	shape->asked.mode = qc_shape_mode(&shape->facts, call->with_reason);
	if (call->refining >= 0)
	{
		shape->asked.subset = call->verdict.subtree[call->refining].member;
		shape->asked.nsubset = call->verdict.subtree[call->refining].n;
	}
	shape->max_chars = call->max_chars;
	qc_shape_take(shape, call->prompt, &call->chosen);
}

/* malloc'ed, for qc_http_start, which takes it over whatever happens. */
static char *
qc_call_body(QcCall *call)
{
	QcShape    *shape = &call->shape;
	const char *system = qc_prompt_system(call->prompt, shape->asked.mode, shape->strict);
	char	   *body = NULL;

	if (system != NULL)
	{
		if (shape->max_chars == 0)
			shape->max_chars = qc_shape_max_chars(shape, call->endpoint, call->prompt, system,
												  call->with_reason, call->text, call->len);
		body = qc_shape_body(shape, call->endpoint, call->prompt,
							 qc_endpoint_model(call->endpoint), call->text, call->len);
	}
	if (body == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Could not write a request to an inference server.")));
	return body;
}

/* A follow-up that may not be sent leaves the verdict as it is. */
static void
qc_call_over_budget(QcCall *call)
{
	if (call->refining >= 0)
	{
		qc_call_finish(call);
		return;
	}
	qc_failure_set(&call->failure, QC_FAIL_BUDGET, 0,
				   "statement reached the limit of " INT64_FORMAT " requests to inference servers",
				   call->budget->max_requests);
	qc_failure_server(&call->failure, call->endpoint->name);
	qc_call_fail(call);
}

/* It would have to be cut: whoever wants the whole asks about less at a time. */
static void
qc_call_too_long(QcCall *call)
{
	qc_failure_set(&call->failure, QC_FAIL_TOO_LONG, 0,
				   "text does not fit into the context of the model");
	qc_failure_server(&call->failure, call->endpoint->name);
	qc_call_fail(call);
}

/*
 * Send.  The budget is looked at before each request, tries included: they
 * cost what a request costs.
 */
static void
qc_call_send(QcCall *call)
{
	QcBudget   *budget = call->budget;
	const QcKind *kind;
	char	   *body;

	if (budget->max_requests > 0 && budget->requests >= budget->max_requests)
	{
		qc_call_over_budget(call);
		return;
	}

	qc_call_shape(call);
	body = qc_call_body(call);
	if (call->whole && call->shape.was_cut)
	{
		free(body);
		qc_call_too_long(call);
		return;
	}
	kind = qc_kind_of(call->shape.facts.api);
	call->http = qc_http_start(call->endpoint, call->replica, kind->at_root, kind->path,
							   body, qc_call_answered, call);
	call->state = QC_CALL_FLIGHT;
	call->sent_at = GetCurrentTimestamp();
	call->was_cut |= call->shape.was_cut;

	budget->requests++;
	if (call->sends++ > 0 && call->refining < 0)
	{
		budget->retried++;
		call->cost.retried++;
	}
	if (call->unconnected > 0)
		qc_http_limit_connect(call->http, (int) qc_call_connect_ms(call));
	qc_call_watch(call);
}

/* Go on; first_sent is where the promise of 3 s begins. */
void
qc_call_proceed(QcCall *call)
{
	if (call->first_sent == 0)
		call->first_sent = qc_pool_now();
	if (qc_call_get_place(call) && qc_call_get_facts(call))
		qc_call_send(call);
}

/*
 * The call's timer.  A notice comes last: it may end in an interrupt, and the
 * call must be whole then.
 */
void
qc_call_tick(void *arg)
{
	QcCall	   *call = arg;

	switch (call->state)
	{
		case QC_CALL_PLACE:
			qc_call_proceed(call);
			break;
		case QC_CALL_PROBE:
			qc_call_watch_probe(call);
			break;
		case QC_CALL_FLIGHT:
			qc_call_watch(call);
			break;
		case QC_CALL_PAUSE:
			if (call->probe_failed)
				qc_call_probe_fault(call);
			else if (call->replica < 0 && qc_call_out_of_patience(call))
				qc_call_give_up(call);
			else if (qc_pool_now() < call->resume_at)
				qc_call_sleep(call);
			else
				qc_call_proceed(call);
			break;
		case QC_CALL_DONE:
			return;
	}
	if (call->state != QC_CALL_DONE)
		qc_call_notice(call);
}
