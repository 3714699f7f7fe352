/*-------------------------------------------------------------------------
 *
 * conn.h
 *		A client's connection.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_CONN_H
#define MOCK_CONN_H

#include "exchange.h"
#include "loop.h"

typedef enum ConnState
{
	CONN_READING,
	CONN_WAITING,				/* for a slot or for the delay */
	CONN_STALLED,				/* never to be answered */
	CONN_SENDING,
	CONN_DEAD
} ConnState;

typedef struct Conn
{
	Watch		watch;
	Timer		timer;			/* idle, delay or drip */
	Ticket		ticket;			/* its place in the endpoint's line */
	struct Conn *next_dead;
	ConnState	state;
	Buf			in;				/* what came and is not taken */
	Buf			unchunked;		/* a chunked request's body */
	Buf			out;			/* head and body of the reply */
	size_t		head_len;		/* of out */
	size_t		sent;			/* of out */
	size_t		limit;			/* bytes of out to send before closing */
	uint64_t	huge_left;		/* bytes still to be made up */
	bool		wants_write;	/* EPOLLOUT is on */
	size_t		request_len;	/* to take from in when the reply is out */
	unsigned	served;			/* requests so far */
	bool		own;			/* only asks the mock itself: not counted */
	bool		continued;		/* 100 Continue was sent */
	bool		close_after;	/* the reply is the last */
	/* of the request being answered */
	Endpoint   *ep;				/* NULL: nothing to account for */
	Behaviour	b;				/* what it meets */
	int			status;
	bool		faulty;			/* its faults concern the wire, too */
} Conn;

extern void conn_listen(Watch *listener);
extern void conn_free_dead(void);

/* For outlet.c. */
extern void conn_close(Conn *c, bool rst);
extern void conn_sent(Conn *c);
extern void outlet_build(Conn *c, const Exchange *x);
extern void outlet_go(Conn *c);

#endif							/* MOCK_CONN_H */
