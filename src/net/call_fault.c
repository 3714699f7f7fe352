/*-------------------------------------------------------------------------
 *
 * call_fault.c
 *	  A call and the faults of its server: when to wait, when to give up.
 *
 * The rules of design 3.2: before a statement's first answer an address where
 * nobody listens fails at once; everything else, and that too after an answer,
 * is waited out for retry_timeout, counted from the first fault since the last
 * answer to any text of the statement.  A worker (budget->patient) waits for
 * ever, and says nothing.  A text on which the server fails while it answers
 * others is charged itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "utils/timestamp.h"

#include "net/backoff.h"
#include "net/call_state.h"

/* The longest pause between two tries. */
#define QC_LONGEST_PAUSE_MS		30000

/* A model that is being loaded is there at once when it is there. */
#define QC_LONGEST_LOADING_MS	2000

/*
 * 3 s are promised for addresses where nobody listens, all replicas together;
 * the rest is for what stands around it.
 */
#define QC_CONNECT_PROMISE_MS	2800
#define QC_LEAST_CONNECT_MS		100

#define QC_NOTICE_EVERY_US		(30 * USECS_PER_SEC)

/*
 * How often a text may time out, or get a 5xx, while others pass, before it is
 * charged.  A server that fails at random fails twice on some text now and then.
 */
#define QC_TEXT_TIMEOUTS		2
#define QC_TEXT_ERRORS			5

/* How often a text that was sent alone may end a connection. */
#define QC_TEXT_RESETS			2

/* A person waits for the first answer and wants to know what is wrong. */
bool
qc_call_impatient(const QcCall *call)
{
	return !call->budget->succeeded && !call->budget->patient;
}

/*
 * The time is the statement's, not the call's: rows that come later do not
 * wait for retry_timeout once more.  A worker's time does not end; it takes its
 * calls back itself when the server's options change.
 */
bool
qc_call_out_of_patience(const QcCall *call)
{
	TimestampTz since = call->budget->failing_since;

	return since != 0 && !call->budget->patient
		&& GetCurrentTimestamp() - since >= call->endpoint->retry_timeout * INT64CONST(1000);
}

/* Left of the promise for connecting. */
long
qc_call_connect_ms(const QcCall *call)
{
	long		left = QC_CONNECT_PROMISE_MS - (long) ((qc_pool_now() - call->first_sent) / 1000);

	return Max(left, QC_LEAST_CONNECT_MS);
}

/*
 * Texts that may be at fault themselves do not count against the room of
 * others: those would never pass, and show that the server is well.
 */
void
qc_call_count_suspect(QcCall *call, bool suspect)
{
	if (call->counted_suspect != suspect)
		call->endpoint->slot->suspects += suspect ? 1 : -1;
	call->counted_suspect = suspect;
}

/* An answer to any text ends the time of faults for all texts. */
void
qc_call_note_answer(QcCall *call)
{
	call->budget->succeeded = true;
	call->budget->failing_since = 0;
	call->endpoint->answered_at = GetCurrentTimestamp();
	call->faults = 0;
	call->suspicion = QC_TRUSTED;
	qc_call_count_suspect(call, false);
}

/* The first fault since an answer starts the clock of retry_timeout. */
void
qc_call_note_fault(QcCall *call)
{
	QcBudget   *budget = call->budget;

	if (budget->failing_since != 0)
		return;
	budget->failing_since = GetCurrentTimestamp();
	budget->notice_at = budget->failing_since + QC_NOTICE_EVERY_US;
}

static long
qc_call_ms_until(TimestampTz then, TimestampTz now)
{
	return then <= now ? 0 : (long) ((then - now + 999) / 1000);
}

/* Sleep until the pause ends, a notice is due or patience ends. */
void
qc_call_sleep(QcCall *call)
{
	const QcBudget *budget = call->budget;
	long		ms = (long) Max(0, (call->resume_at - qc_pool_now() + 999) / 1000);

	if (budget->failing_since != 0 && !budget->patient)
	{
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz end = budget->failing_since
			+ call->endpoint->retry_timeout * INT64CONST(1000);

		ms = Min(ms, qc_call_ms_until(budget->notice_at, now));
		ms = Min(ms, qc_call_ms_until(end, now));
	}
	qc_timer_arm(&call->timer, ms, false);
}

/* Nothing is under way until the timer says so. */
void
qc_call_pause(QcCall *call, long ms)
{
	call->state = QC_CALL_PAUSE;
	call->resume_at = qc_pool_now() + ms * INT64CONST(1000);
	qc_call_sleep(call);
}

/* While a request is under way only a notice may be due. */
void
qc_call_watch(QcCall *call)
{
	const QcBudget *budget = call->budget;

	if (budget->failing_since != 0 && !budget->patient)
		qc_timer_arm(&call->timer,
					 Max(1, qc_call_ms_until(budget->notice_at, GetCurrentTimestamp())), false);
	else
		qc_timer_disarm(&call->timer);
}

/* One for all calls of the statement.  May end in an interrupt. */
void
qc_call_notice(QcCall *call)
{
	QcBudget   *budget = call->budget;
	TimestampTz now;
	MemoryContext old;
	const char *why = call->failure.message;

	if (budget->failing_since == 0 || budget->patient)
		return;
	now = GetCurrentTimestamp();
	if (now < budget->notice_at)
		return;
	budget->notice_at = now + QC_NOTICE_EVERY_US;

	old = MemoryContextSwitchTo(call->cxt);
	ereport(NOTICE,
			(errmsg("still waiting for server \"%s\": %s, %d s so far",
					call->endpoint->name, why[0] ? qc_utf8_to_server(why) : "no answer",
					(int) ((now - budget->failing_since) / USECS_PER_SEC))));
	MemoryContextSwitchTo(old);
}

/* The last fault is the reason, with the time that was spent on it. */
void
qc_call_give_up(QcCall *call)
{
	TimestampTz failing = GetCurrentTimestamp() - call->budget->failing_since;

	qc_failure_append(&call->failure, ", gave up after %d s", (int) (failing / USECS_PER_SEC));
	qc_call_fail(call);
}

/*
 * Is it the text's fault?  True if the server failed on it often enough, with
 * an answer to another text between each two times.
 */
static bool
qc_call_suspect(QcCall *call)
{
	QcFailKind	kind = call->failure.kind;

	if (kind != QC_FAIL_TIMEOUT && kind != QC_FAIL_SERVER)
		return false;
	if (call->suspect_since == 0 || call->endpoint->answered_at > call->suspect_since)
		call->suspicions++;
	if (kind == QC_FAIL_TIMEOUT && call->endpoint->answered_at > call->sent_at
		&& call->suspicion == QC_TRUSTED)
		call->suspicion = QC_SUSPECT;
	call->suspect_since = GetCurrentTimestamp();
	return call->suspicions >= (kind == QC_FAIL_TIMEOUT ? QC_TEXT_TIMEOUTS : QC_TEXT_ERRORS);
}

/*
 * A connection broke while the server had the text: then each of those that
 * were under way may be the one that kills it, and goes alone from now on.  A
 * request that was sent anew because its connection was stale, and then found
 * nobody, is one of them.  True if this text did it often enough, alone, and
 * others passed in between: a server that is going away kills every text.
 */
static bool
qc_call_kills(QcCall *call, const QcHttp *http)
{
	bool		connected = http != NULL && http->connected;

	if (call->failure.kind != QC_FAIL_CONNECT
		|| !(connected || (call->resent && call->faults == 1)))
		return false;
	if (call->alone && connected)
	{
		if (call->reset_since == 0 || call->endpoint->answered_at > call->reset_since)
			call->resets++;
		call->reset_since = GetCurrentTimestamp();
	}
	call->suspicion = QC_SUSPECT_ALONE;
	return call->resets >= QC_TEXT_RESETS;
}

static void
qc_call_charge_killer(QcCall *call)
{
	qc_failure_set(&call->failure, QC_FAIL_REJECTED, 0,
				   "text kills server: the connection broke %d times while it was sent alone",
				   call->resets);
	qc_failure_server(&call->failure, call->endpoint->name);
	qc_call_fail(call);
}

/* From a fault of the server to one of the row: the others go on. */
static void
qc_call_charge_text(QcCall *call)
{
	bool		timeout = call->failure.kind == QC_FAIL_TIMEOUT;

	qc_failure_set(&call->failure, timeout ? QC_FAIL_ROW_TIMEOUT : QC_FAIL_REJECTED,
				   call->failure.http_status, timeout ?
				   "text timed out %d times while others were answered" :
				   "inference server failed on this text %d times while others were answered",
				   call->suspicions);
	qc_failure_server(&call->failure, call->endpoint->name);
	qc_call_fail(call);
}

/* Nobody listens, and the statement has had no answer: other replicas, or the end. */
static void
qc_call_unconnected(QcCall *call)
{
	call->unconnected++;
	if (call->unconnected < call->endpoint->nreplicas
		&& qc_call_connect_ms(call) > QC_LEAST_CONNECT_MS)
		qc_call_proceed(call);
	else
		qc_call_fail(call);
}

/* With one replica a Retry-After holds for all calls, else for its replica. */
static long
qc_call_next_pause(QcCall *call, int64 retry_after_ms)
{
	long		ms = qc_backoff_ms(call->faults, retry_after_ms,
								   call->failure.kind == QC_FAIL_LOADING ?
								   QC_LONGEST_LOADING_MS : QC_LONGEST_PAUSE_MS);

	if (retry_after_ms > 0 && call->endpoint->nreplicas == 1)
		qc_window_pause(call->endpoint, retry_after_ms);
	return ms;
}

/*
 * A fault of the server happened to this call.  In this order: is nobody
 * there, is it the text, has it lasted too long; else try again later.
 */
void
qc_call_fault(QcCall *call, const QcHttp *http)
{
	bool		unconnected = call->failure.kind == QC_FAIL_CONNECT
		&& (http == NULL || !http->connected);

	call->faults++;
	qc_call_note_fault(call);

	if (unconnected && qc_call_impatient(call))
		qc_call_unconnected(call);
	else if (qc_call_suspect(call))
		qc_call_charge_text(call);
	else if (qc_call_kills(call, http))
		qc_call_charge_killer(call);
	else if (qc_call_out_of_patience(call))
		qc_call_give_up(call);
	else
	{
		qc_call_count_suspect(call, call->suspicions > 0 || call->suspicion != QC_TRUSTED);
		qc_call_pause(call, qc_call_next_pause(call, http ? http->retry_after_ms : -1));
	}
}
