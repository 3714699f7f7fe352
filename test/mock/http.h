/*-------------------------------------------------------------------------
 *
 * http.h
 *		HTTP/1.1 as far as a client of an inference server uses it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_HTTP_H
#define MOCK_HTTP_H

#include "buf.h"

typedef struct HttpReq
{
	Str			method;
	Str			path;			/* without the query */
	Str			query;
	Str			head;			/* request line and headers, as they came */
	Str			body;
	Str			content_type;
	bool		keep_alive;
	bool		expects_continue;
	size_t		total;			/* bytes of the whole request on the wire */
} HttpReq;

typedef enum HttpState
{
	HTTP_MORE,
	HTTP_READY,
	HTTP_BAD
} HttpState;

extern HttpState http_parse(Str in, HttpReq *req, Buf *unchunked);
extern Str	http_header(const HttpReq *req, Str name);
extern Str	http_query(const HttpReq *req, Str name);
extern const char *http_reason(int status);

#endif							/* MOCK_HTTP_H */
