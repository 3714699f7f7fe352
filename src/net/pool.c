/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  The process's one multi handle and the one loop that waits on it.
 *
 * A round is: let libcurl move what is ready, take ended transfers off it,
 * call their completions, fire timers of ours that are due; if none of that
 * did anything, sleep and do it again.  libcurl is on the stack only inside
 * qc_pool_drive; whatever may throw runs after it, and whatever it leaves
 * undone is done by the next round.
 *
 * Everything is made at first use and kept for the process's life: libcurl is
 * not fork safe, so nothing may exist in the postmaster.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>
#include <signal.h>

#include "common/compat.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/fd.h"

#include "net/easy.h"
#include "net/http.h"
#include "net/mux.h"
#include "net/pool.h"

#define QC_NEVER				PG_INT64_MAX

/*
 * Connections that are kept idle: as many as there are requests in flight, so
 * that none is closed between two of a statement, and at least this many.
 */
#define QC_MIN_CONNECTIONS		8

typedef struct QcPool
{
	int			pid;			/* whose pool this is */
	CURLM	   *multi;
	WaitEventSet *set;
	uint32		wait_event;
	int64		curl_due;		/* when libcurl wants to be called */
	int			in_flight;
	int			resolving;		/* of these, to hosts that a thread looks up */
	int			room;			/* most in flight, for want of descriptors; 0: no
								 * limit found */
	long		connections;	/* CURLMOPT_MAXCONNECTS as set */
	bool		latch_was_set;
	int			wanted;			/* in flight, soon again */
	uint64		armed;			/* timers so far */
	pairingheap timers;
	dlist_head	eager;			/* the eager ones of the armed timers */
	dlist_head	ended;			/* QcHttp: completion still to be called */
} QcPool;

static QcPool pool;

int64
qc_pool_now(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MICROSEC(now);
}

/* Callbacks of libcurl: notes only. */

static int
qc_on_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	int			wanted = 0;

	(void) curl;
	(void) arg;
	(void) socket_arg;
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		wanted |= QC_MUX_IN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		wanted |= QC_MUX_OUT;
	return qc_mux_want(fd, wanted) ? 0 : -1;
}

/* libcurl has one timer: each call replaces what the last one said. */
static int
qc_on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	(void) multi;
	(void) arg;
	pool.curl_due = timeout_ms < 0 ? QC_NEVER : qc_pool_now() + timeout_ms * INT64CONST(1000);
	return 0;
}

/* The earliest on top. */
static int
qc_timer_compare(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const QcTimer *x = pairingheap_const_container(QcTimer, node, a);
	const QcTimer *y = pairingheap_const_container(QcTimer, node, b);

	(void) arg;
	if (x->due != y->due)
		return x->due < y->due ? 1 : -1;
	return x->order < y->order ? 1 : x->order > y->order ? -1 : 0;
}

/* Those beyond are closed, the oldest first, when a transfer ends. */
static void
qc_pool_keep_connections(long n)
{
	pool.connections = n;
	curl_multi_setopt(pool.multi, CURLMOPT_MAXCONNECTS, n);
}

/* libcurl's allocator stays malloc: connections outlive every memory context. */
static void
qc_pool_make_multi(void)
{
	/* Counted by libcurl; never undone, since connections live on. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK
		|| (pool.multi = curl_multi_init()) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not initialize libcurl")));

	/* The pair of sockets by which libcurl wakes itself. */
	ReserveExternalFD();
	ReserveExternalFD();
	curl_multi_setopt(pool.multi, CURLMOPT_SOCKETFUNCTION, qc_on_socket);
	curl_multi_setopt(pool.multi, CURLMOPT_TIMERFUNCTION, qc_on_timer);
	qc_pool_keep_connections(QC_MIN_CONNECTIONS);
}

/* Each piece is made if it is missing, so an error in the middle is no harm. */
static void
qc_pool_ready(void)
{
	if (likely(pool.pid == MyProcPid && pool.set != NULL))
		return;

	if (pool.pid != MyProcPid)
	{
		memset(&pool, 0, sizeof(pool));
		pool.timers.ph_compare = qc_timer_compare;
		dlist_init(&pool.eager);
		dlist_init(&pool.ended);
		pool.curl_due = QC_NEVER;
		pool.pid = MyProcPid;
	}
	if (pool.multi == NULL)
		qc_pool_make_multi();
	if (pool.wait_event == 0)
		pool.wait_event = qc_wait_event_new("QwenClassifyAnswer");
	if (pool.set == NULL)
	{
		int			fd = qc_mux_open();
		WaitEventSet *set = qc_create_wait_event_set(3);

		AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
		if (IsUnderPostmaster)	/* a stand-alone backend has none */
			AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
		AddWaitEventToSet(set, WL_SOCKET_READABLE, fd, NULL, NULL);
		pool.set = set;
	}
}

/* Timers of ours. */

/* Armed anew, a timer forgets its old time.  Throws only in an unused pool. */
void
qc_timer_arm(QcTimer *timer, long ms, bool eager)
{
	qc_pool_ready();
	qc_timer_disarm(timer);
	timer->due = qc_pool_now() + Max(ms, 0) * INT64CONST(1000);
	timer->order = pool.armed++;
	timer->is_eager = eager;
	timer->armed = true;
	pairingheap_add(&pool.timers, &timer->node);
	if (eager)
		dlist_push_tail(&pool.eager, &timer->eager);
}

/* Does nothing to a timer that is not armed; no throw. */
void
qc_timer_disarm(QcTimer *timer)
{
	if (!timer->armed)
		return;
	pairingheap_remove(&pool.timers, &timer->node);
	if (timer->is_eager)
		dlist_delete(&timer->eager);
	timer->armed = false;
}

static QcTimer *
qc_timer_next(void)
{
	if (pairingheap_is_empty(&pool.timers))
		return NULL;
	return pairingheap_container(QcTimer, node, pairingheap_first(&pool.timers));
}

/* Disarmed first: fire may arm it again, free it, or throw. */
static void
qc_timer_fire(QcTimer *timer)
{
	qc_timer_disarm(timer);
	timer->fire(timer->arg);
}

/*
 * The clock is read once: a timer that arms itself for now waits for the next
 * round, so that nobody starves the sockets.
 */
static bool
qc_timers_fire_due(void)
{
	int64		now;
	bool		fired = false;
	QcTimer    *timer = qc_timer_next();

	if (timer == NULL)
		return false;
	now = qc_pool_now();
	while (timer != NULL && timer->due <= now)
	{
		qc_timer_fire(timer);
		fired = true;
		timer = qc_timer_next();
	}
	return fired;
}

/* Each once: one that arms itself again goes to the tail, behind the marker. */
static void
qc_timers_fire_eager(void)
{
	int			n = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &pool.eager)
		n++;
	while (n-- > 0 && !dlist_is_empty(&pool.eager))
		qc_timer_fire(dlist_head_element(QcTimer, eager, &pool.eager));
}

/*
 * A resolver thread inherits the signal mask.  The server's handlers must not
 * run in it, so while a request may start one, every signal is blocked; they
 * stay pending for the few microseconds.
 */
static void
qc_pool_action(curl_socket_t fd, int what)
{
	int			running;
	sigset_t	all,
				old;

	if (pool.resolving == 0)
	{
		(void) curl_multi_socket_action(pool.multi, fd, what, &running);
		return;
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	(void) curl_multi_socket_action(pool.multi, fd, what, &running);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* Let libcurl move what is ready: its timers, and sockets if there may be any. */
static void
qc_pool_drive(bool sockets)
{
	QcMuxEvent	event[64];
	int			n;

	do
	{
		n = sockets ? qc_mux_collect(event, lengthof(event)) : 0;
		for (int i = 0; i < n; i++)
			qc_pool_action(event[i].fd,
						   ((event[i].what & QC_MUX_IN) ? CURL_CSELECT_IN : 0)
						   | ((event[i].what & QC_MUX_OUT) ? CURL_CSELECT_OUT : 0)
						   | ((event[i].what & QC_MUX_ERR) ? CURL_CSELECT_ERR : 0));
	} while (n == lengthof(event));

	/* libcurl says when it wants the next call; it may be now again, once. */
	if (pool.curl_due <= qc_pool_now())
	{
		pool.curl_due = QC_NEVER;
		qc_pool_action(CURL_SOCKET_TIMEOUT, 0);
	}
}

/* Take ended transfers off the multi handle; their completions come later. */
static void
qc_pool_harvest(void)
{
	CURLMsg    *msg;
	int			left;

	while ((msg = curl_multi_info_read(pool.multi, &left)) != NULL)
	{
		QcEasy	   *easy;
		QcHttp	   *http;
		int			code;

		if (msg->msg != CURLMSG_DONE)
			continue;
		code = msg->data.result;	/* msg is gone after the removal */
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **) &easy);
		http = easy->http;
		qc_pool_remove(http);
		qc_http_ended(http, code);
		http->queued = true;
		dlist_push_tail(&pool.ended, &http->node);
	}

	/* A statement ends: what it kept beyond need is closed as its last end. */
	if (Max(pool.in_flight, pool.wanted) < pool.connections / 2 &&
		pool.connections > QC_MIN_CONNECTIONS)
		qc_pool_keep_connections(Max(pool.connections / 2, QC_MIN_CONNECTIONS));
}

void
qc_pool_want(int n)
{
	pool.wanted = n;
}

/* Call completions.  One that throws leaves the others for the next round. */
static bool
qc_pool_deliver(void)
{
	bool		any = false;

	while (!dlist_is_empty(&pool.ended))
	{
		QcHttp	   *http = dlist_head_element(QcHttp, node, &pool.ended);

		dlist_delete(&http->node);
		http->queued = false;
		http->done = true;
		any = true;
		http->on_done(http, http->arg);
	}
	return any;
}

/*
 * One round without waiting; true if something ended or fired.  In this order:
 * completions may free a place or teach a fact, which the eager timers want to
 * know; what is due comes last and sees all of it.
 */
static bool
qc_pool_round(bool sockets)
{
	bool		moved;

	qc_pool_drive(sockets);
	qc_pool_harvest();
	moved = qc_pool_deliver();
	if (moved || pool.latch_was_set)
		qc_timers_fire_eager();
	return qc_timers_fire_due() || moved;
}

/* Milliseconds until the next thing is due, at most limit_ms; -1: nothing is. */
static long
qc_pool_timeout(long limit_ms)
{
	QcTimer    *timer = qc_timer_next();
	int64		due = Min(pool.curl_due, timer ? timer->due : QC_NEVER);
	int64		ms;

	if (due == QC_NEVER)
		return limit_ms;
	ms = (due - qc_pool_now() + 999) / 1000;
	ms = Max(Min(ms, INT_MAX), 0);
	return limit_ms < 0 ? (long) ms : Min((long) ms, limit_ms);
}

/*
 * Sleep; true if sockets may be ready.  The latch is reset before anybody
 * looks for work, so that one set later ends the next sleep.
 */
static bool
qc_pool_sleep(long timeout_ms)
{
	WaitEvent	event[2];
	int			n = WaitEventSetWait(pool.set, qc_pool_timeout(timeout_ms), event,
									 lengthof(event), pool.wait_event);
	bool		sockets = false;

	for (int i = 0; i < n; i++)
	{
		if (event[i].events & WL_LATCH_SET)
		{
			ResetLatch(MyLatch);
			pool.latch_was_set = true;
		}
		if (event[i].events & WL_SOCKET_READABLE)
			sockets = true;
	}
	return sockets;
}

/*
 * First without waiting: a new request is sent before the first sleep.  An
 * interrupt is taken before each round, never with libcurl on the stack.
 */
void
qc_pool_wait(long timeout_ms)
{
	bool		sockets;

	qc_pool_ready();
	pool.latch_was_set = false;
	CHECK_FOR_INTERRUPTS();
	if (qc_pool_round(false))
		return;
	sockets = qc_pool_sleep(timeout_ms);
	CHECK_FOR_INTERRUPTS();
	(void) qc_pool_round(sockets);
}

int
qc_pool_in_flight(void)
{
	return pool.pid == MyProcPid ? pool.in_flight : 0;
}

/*
 * A request found no descriptor for its connection: as many as there are now
 * is as many as there can be.  Forgotten when nothing is in flight, since the
 * descriptors may have been somebody else's.
 */
void
qc_pool_starved(void)
{
	pool.room = Max(qc_easy_sockets(), 1);
}

bool
qc_pool_has_room(void)
{
	if (pool.in_flight == 0)
		pool.room = 0;
	return pool.room == 0 || pool.in_flight < pool.room;
}

/*
 * libcurl makes itself due at once for a new transfer, so the next round
 * starts it.
 */
void
qc_pool_add(QcHttp *http)
{
	CURLMcode	rc;

	qc_pool_ready();
	if (pool.in_flight >= pool.connections)
		qc_pool_keep_connections(2 * pool.connections);
	rc = curl_multi_add_handle(pool.multi, http->easy->curl);
	if (rc != CURLM_OK)
		ereport(ERROR,
				(errcode(rc == CURLM_OUT_OF_MEMORY ? ERRCODE_OUT_OF_MEMORY : ERRCODE_INTERNAL_ERROR),
				 errmsg("could not start a request: %s", curl_multi_strerror(rc))));
	pool.in_flight++;
	if (http->easy->resolves)
		pool.resolving++;
}

/* Off the multi handle, ended or not; no throw. */
void
qc_pool_remove(QcHttp *http)
{
	curl_multi_remove_handle(pool.multi, http->easy->curl);
	pool.in_flight--;
	if (http->easy->resolves)
		pool.resolving--;
}
