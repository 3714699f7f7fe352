/*-------------------------------------------------------------------------
 *
 * exchange.h
 *		One request and the reply that is made for it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_EXCHANGE_H
#define MOCK_EXCHANGE_H

#include "buf.h"
#include "endpoint.h"
#include "http.h"

typedef struct Exchange
{
	const HttpReq *req;
	bool		reused;			/* not the first on its connection */

	Endpoint   *ep;				/* NULL: for the mock itself */
	Str			rest;			/* path on the fake server */
	Behaviour	b;				/* what this request meets */
	bool		generation;		/* asks the model */
	uint64_t	text_hash;		/* of the row, for jitter= */
	bool		drop;			/* reset without an answer */

	int			status;			/* of the reply */
	const char *type;			/* its content type */
	Buf		   *headers;		/* further ones, each with its line end */
	Buf		   *body;
} Exchange;

extern void service_answer(Exchange *x);
extern bool service_is_own(Str path);

#endif							/* MOCK_EXCHANGE_H */
