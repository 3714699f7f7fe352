/*-------------------------------------------------------------------------
 *
 * outlet.c
 *		Sending a reply, whole or in the ways in which networks spoil it.
 *
 * A reply lies ready in the connection's buffer before its delay begins, so
 * that sending is a write and nothing else. Only huge= makes its bytes up
 * while sending: it must not cost the mock the memory that it is to cost the
 * client.
 *
 * Invariant: when outlet_go returns, either the reply is out and conn_sent
 * has been called, or a timer or EPOLLOUT will call outlet_go again, or the
 * connection is dead.
 *
 *-------------------------------------------------------------------------
 */
#include "conn.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEGABYTE (1024 * 1024)
#define FILLER (64 * 1024)

/* ---- building ---- */

/* Misuse closes, too: the next answer should not look like a success. */
static bool
closes_after(const Conn *c, const Exchange *x)
{
	const Behaviour *b = &x->b;

	return !x->req->keep_alive || b->close || b->noheader || x->status == 418 ||
		(b->maxreq > 0 && c->served + 1 >= (unsigned) b->maxreq);
}

/* A length, or chunks; and what the kind says of itself. */
static void
build_head(Conn *c, const Exchange *x, size_t body_len)
{
	const char *server = x->ep ? kinds[x->ep->kind].server : "qwen_mock";

	buf_fmt(&c->out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", x->status,
			http_reason(x->status), x->type);
	if (server)
		buf_fmt(&c->out, "Server: %s\r\n", server);
	if (x->b.chunked && c->huge_left == 0)
		buf_lit(&c->out, "Transfer-Encoding: chunked\r\n");
	else
	{
		buf_lit(&c->out, "Content-Length: ");
		buf_uint(&c->out, body_len);
		buf_lit(&c->out, "\r\n");
	}
	if (c->close_after)
		buf_lit(&c->out, "Connection: close\r\n");
	buf_str(&c->out, buf_view(x->headers));
	buf_lit(&c->out, "\r\n");
}

/* The first chunk is one byte long: a client must not take it for the whole. */
static void
build_chunks(Buf *out, Str body)
{
	size_t		size = 1;

	while (body.n > 0)
	{
		if (size > body.n)
			size = body.n;
		buf_fmt(out, "%zx\r\n", size);
		buf_add(out, body.p, size);
		buf_lit(out, "\r\n");
		body = str_from(body, size);
		size = 1000;
	}
	buf_lit(out, "0\r\n\r\n");
}

/* Lays the reply ready, with the faults that concern its length. */
void
outlet_build(Conn *c, const Exchange *x)
{
	uint64_t	huge = (uint64_t) x->b.huge * MEGABYTE;
	Str			body = buf_view(x->body);

	c->out.len = 0;
	c->sent = 0;
	c->close_after = closes_after(c, x);
	c->huge_left = huge > body.n ? huge - body.n : 0;
	/* A huge body has a length in front, chunks would have to be made up, too. */
	if (!x->b.noheader)
		build_head(c, x, body.n + c->huge_left);
	c->head_len = c->out.len;
	if (x->b.chunked && c->huge_left == 0)
		build_chunks(&c->out, body);
	else
		buf_str(&c->out, body);
	c->limit = x->b.half ? c->head_len + body.n / 2 : c->out.len;
}

/* ---- sending ---- */

/* EPOLLOUT costs a system call to switch: only when a socket is full. */
static void
want_write(Conn *c, bool on)
{
	if (c->wants_write == on)
		return;
	c->wants_write = on;
	loop_change(&c->watch, EPOLLIN | (on ? EPOLLOUT : 0));
}

/* Returns the bytes taken by the socket; 0: later, or the connection is dead. */
static size_t
push(Conn *c, const char *p, size_t n, bool more)
{
	ssize_t		sent = send(c->watch.fd, p, n, MSG_NOSIGNAL | (more ? MSG_MORE : 0));

	if (sent >= 0)
		return (size_t) sent;
	if (errno == EAGAIN || errno == EINTR)
		want_write(c, true);
	else
		conn_close(c, false);
	return 0;
}

/* How much may go now: one byte where the reply drips, else all of a part. */
static size_t
portion(const Conn *c, uint64_t *pause)
{
	int			ms = c->sent < c->head_len ? c->b.slowheader : c->b.drip;

	*pause = (uint64_t) ms * MSEC;
	if (ms > 0)
		return 1;
	return (c->sent < c->head_len && c->b.drip > 0 ? c->head_len : c->limit) - c->sent;
}

/* False when the rest has to wait. */
static bool
send_out(Conn *c)
{
	while (c->sent < c->limit)
	{
		uint64_t	pause;
		size_t		n = push(c, c->out.data + c->sent, portion(c, &pause), false);

		if (n == 0)
			return false;
		c->sent += n;
		if (pause > 0 && c->sent < c->limit)
		{
			timer_set(&c->timer, pause);
			return false;
		}
	}
	return true;
}

/* Blanks, which a JSON parser has to read all of. */
static bool
send_huge(Conn *c)
{
	static char filler[FILLER];

	if (filler[0] == 0)
		memset(filler, ' ', sizeof(filler));
	while (c->huge_left > 0)
	{
		size_t		n = push(c, filler, c->huge_left < FILLER ? c->huge_left : FILLER, false);

		if (n == 0)
			return false;
		c->huge_left -= n;
	}
	return true;
}

void
outlet_go(Conn *c)
{
	c->state = CONN_SENDING;
	if (!send_out(c))
		return;
	if (c->b.half)
	{
		c->close_after = true;
		c->huge_left = 0;
	}
	if (!send_huge(c))
		return;
	want_write(c, false);
	conn_sent(c);
}
