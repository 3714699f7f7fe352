/*-------------------------------------------------------------------------
 *
 * conn.c
 *		A client's connection, from accept to close.
 *
 * One request at a time: what a client sends before it has its reply stays
 * in the buffer. While a request waits the socket is still watched, so that
 * a client that gives up leaves its slot at once, as on a real server.
 *
 * A request goes through reading, waiting (for a slot, then for its delay)
 * and sending. Each step ends in a call of the next one; what has to wait
 * waits for the timer, for the ticket or for epoll, and for one of them only.
 *
 * Invariant: a closed connection is marked dead and freed only after the
 * batch of events, since the batch may still hold an event for it.
 *
 *-------------------------------------------------------------------------
 */
#include "conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena.h"
#include "score.h"
#include "stats.h"

#define READ_SIZE (16 * 1024)

/* A request beyond this is not one of ours. */
#define REQUEST_MAX (64 * 1024 * 1024)

/* Closed in this batch of events, to be freed after it. */
static Conn *dead;

static void read_requests(Conn *c);

/* ---- the end ---- */

/* Leaves slot and counters; aborted: the client went before its answer did. */
static void
settle(Conn *c, bool aborted)
{
	Endpoint   *e = c->ep;

	timer_clear(&c->timer);
	if (e == NULL)
		return;
	c->ep = NULL;
	stats_leave(e, c->status, aborted);
	if (c->ticket.slots)
		slots_leave(&c->ticket, c->b.slots);
	c->ticket.slots = NULL;
}

/* rst: with a reset instead of an orderly end. */
void
conn_close(Conn *c, bool rst)
{
	struct linger hard = {1, 0};

	if (c->state == CONN_DEAD)
		return;
	if (rst)
		setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(c->watch.fd);
	c->state = CONN_DEAD;
	c->next_dead = dead;
	dead = c;
	if (!c->own)
		stats.closed++;
	settle(c, true);
}

/* Runs after each batch: no event points to these any more. */
void
conn_free_dead(void)
{
	while (dead)
	{
		Conn	   *c = dead;

		dead = c->next_dead;
		buf_free(&c->in);
		buf_free(&c->out);
		buf_free(&c->unchunked);
		free(c);
	}
}

/* ---- one request ---- */

/* The reply is out. */
void
conn_sent(Conn *c)
{
	bool		closing = c->close_after || c->b.resetidle;

	settle(c, false);
	c->served++;
	c->continued = false;
	if (closing)
	{
		conn_close(c, false);
		return;
	}
	c->in.len -= c->request_len;
	memmove(c->in.data, c->in.data + c->request_len, c->in.len);
	c->state = CONN_READING;
	if (c->b.idle > 0)
		timer_set(&c->timer, (uint64_t) c->b.idle * MSEC);
}

/* The delay is over. */
static void
reply_now(Conn *c)
{
	if (c->b.reset)
	{
		c->status = 0;
		settle(c, false);
		conn_close(c, true);
	}
	else if (c->b.stall)
		c->state = CONN_STALLED;
	else
		outlet_go(c);
}

/*
 * One timer serves a connection's whole life: it is idle, or waits for a
 * delay, or drips. The state says which.
 */
static void
timer_fired(Timer *t)
{
	Conn	   *c = container_of(t, Conn, timer);

	if (c->state == CONN_READING)
		conn_close(c, false);
	else if (c->state == CONN_SENDING)
		outlet_go(c);
	else
		reply_now(c);
	/* What came meanwhile would not raise another event. */
	if (c->state == CONN_READING && c->in.len > 0)
		read_requests(c);
}

/* The jitter is a function of the text, so that a run can be repeated. */
static uint64_t
delay_of(const Conn *c, uint64_t text_hash)
{
	const Behaviour *b = &c->b;
	double		ms = c->status != 200 && b->faildelay >= 0 ? b->faildelay : b->delay;

	if (b->jitter > 0)
		ms += b->jitter * score_unit(text_hash);
	return ms > 0 ? (uint64_t) (ms * (double) MSEC) : 0;
}

/* A slot is free, or none is needed. */
static void
ticket_starts(Ticket *t)
{
	Conn	   *c = container_of(t, Conn, ticket);

	if (c->timer.due > 0)
		timer_set(&c->timer, c->timer.due);
	else
		reply_now(c);
}

/* Only what is served takes a slot: an error costs a server nothing. */
static void
start(Conn *c, const Exchange *x)
{
	c->state = CONN_WAITING;
	c->timer.due = delay_of(c, x->text_hash);
	if (x->generation && x->status == 200)
		slots_enter(&x->ep->slots, &c->ticket, c->b.slots);
	else
		ticket_starts(&c->ticket);
}

/* Connections of the tests' own questions are not the client's. */
static void
disown(Conn *c)
{
	if (c->served > 0 || c->own)
		return;
	c->own = true;
	stats.opened--;
}

/*
 * The reply is made at once and lies ready until its time has come: what a
 * request costs does not depend on how long it waits.
 */
static void
answer(Conn *c, const HttpReq *req)
{
	static Buf	body;
	static Buf	headers;
	Exchange	x = {.req = req,.reused = c->served > 0,.body = &body,.headers = &headers};

	body.len = 0;
	headers.len = 0;
	c->request_len = req->total;
	timer_clear(&c->timer);
	if (service_is_own(req->path))
		disown(c);
	service_answer(&x);
	if (x.drop)
	{
		conn_close(c, true);
		return;
	}
	c->b = x.b;
	c->status = x.status;
	c->ep = x.generation ? x.ep : NULL;
	outlet_build(c, &x);
	start(c, &x);
}

/* curl sends Expect for large bodies and waits a second for this line. */
static void
send_continue(Conn *c, const HttpReq *req)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!req->expects_continue || c->continued)
		return;
	c->continued = true;
	if (send(c->watch.fd, line, sizeof(line) - 1, MSG_NOSIGNAL) < 0)
		conn_close(c, false);
}

/* As many requests as have come whole and are answered at once. */
static void
read_requests(Conn *c)
{
	HttpReq		req;
	HttpState	state = HTTP_READY;

	while (c->state == CONN_READING && c->in.len > 0 && state == HTTP_READY)
	{
		state = http_parse(buf_view(&c->in), &req, &c->unchunked);
		if (state == HTTP_READY)
			answer(c, &req);
		else if (state == HTTP_BAD)
			conn_close(c, true);
		else if (req.path.n > 0)
			send_continue(c, &req);
	}
}

/* ---- events ---- */

/*
 * One read an event: epoll reports what is left. The end of the stream is
 * taken for the client's going, as nobody sends half-closed requests.
 */
static void
conn_read(Conn *c)
{
	ssize_t		n;

	buf_reserve(&c->in, READ_SIZE);
	n = recv(c->watch.fd, c->in.data + c->in.len, c->in.cap - c->in.len, 0);
	if (n > 0 && c->in.len + (size_t) n <= REQUEST_MAX)
	{
		c->in.len += (size_t) n;
		read_requests(c);
	}
	else if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		conn_close(c, false);
}

/* A handler may kill the connection, so the state is asked at each step. */
static void
conn_ready(Watch *w, uint32_t events)
{
	Conn	   *c = container_of(w, Conn, watch);

	if (c->state == CONN_DEAD)
		return;
	if (events & (EPOLLERR | EPOLLHUP))
		conn_close(c, false);
	else if (events & EPOLLIN)
		conn_read(c);
	if (c->state == CONN_SENDING && events & EPOLLOUT)
		outlet_go(c);
	if (c->state == CONN_READING && c->in.len > 0 && events & EPOLLOUT)
		read_requests(c);
}

/* Takes over an accepted socket. */
static void
conn_open(int fd)
{
	Conn	   *c = must_alloc(sizeof(Conn));
	int			on = 1;

	memset(c, 0, sizeof(*c));
	/* Fails on a Unix socket, which has no such delay. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->watch = (Watch) {fd, conn_ready};
	c->timer.fire = timer_fired;
	c->ticket.start = ticket_starts;
	stats.opened++;
	loop_add(&c->watch, EPOLLIN);
}

static void
listener_ready(Watch *w, uint32_t events)
{
	int			fd;

	(void) events;
	while ((fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		conn_open(fd);
}

void
conn_listen(Watch *listener)
{
	listener->ready = listener_ready;
	loop_add(listener, EPOLLIN);
}
