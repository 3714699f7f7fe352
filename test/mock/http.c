/*-------------------------------------------------------------------------
 *
 * http.c
 *		HTTP/1.1 as far as a client of an inference server uses it.
 *
 * Parses a request from the bytes that have come so far. Nothing is kept
 * between calls: most requests arrive in one read, and parsing a head again
 * is cheaper than a resumable parser. It is no validator: what a sane client
 * would not send may be read in any way that does not harm the mock.
 *
 * Invariant: a HttpReq points into the connection's input buffer and is
 * valid until bytes are taken from it.
 *
 *-------------------------------------------------------------------------
 */
#include "http.h"

#include <stdlib.h>
#include <strings.h>

/* A head beyond this is not one of ours; servers refuse at 8 to 64 KiB. */
#define HEAD_MAX (64 * 1024)

/* How long the body is. */
typedef struct Framing
{
	size_t		length;
	bool		chunked;
} Framing;

/* Header names and their words know no case. */
static bool
same_word(Str a, Str b)
{
	return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* Cuts s at the first c: returns what is before, leaves what is after. */
static Str
cut(Str *s, char c)
{
	const char *at = s->n ? memchr(s->p, c, s->n) : NULL;
	Str			before = *s;

	if (at == NULL)
	{
		*s = NO_STR;
		return before;
	}
	before.n = (size_t) (at - s->p);
	*s = str_from(*s, before.n + 1);
	return before;
}

/* The headers that matter to everybody; others are looked up when needed. */
static void
take_header(HttpReq *req, Framing *f, Str name, Str value)
{
	if (same_word(name, STR("Content-Length")))
		f->length = strtoul(value.p, NULL, 10);
	else if (same_word(name, STR("Transfer-Encoding")))
		f->chunked = same_word(value, STR("chunked"));
	else if (same_word(name, STR("Content-Type")))
		req->content_type = value;
	else if (same_word(name, STR("Connection")))
		req->keep_alive = !same_word(value, STR("close"));
	else if (same_word(name, STR("Expect")))
		req->expects_continue = true;
}

/* One pass over the head, for it is most of a small request. */
static bool
parse_head(Str head, HttpReq *req, Framing *f)
{
	Str			line = cut(&head, '\n');

	req->method = cut(&line, ' ');
	req->query = cut(&line, ' ');
	req->path = cut(&req->query, '?');
	req->keep_alive = str_starts(line, STR("HTTP/1.1"));
	if (!str_starts(line, STR("HTTP/1.")) || req->path.n == 0)
		return false;
	while (head.n > 0)
	{
		Str			name;

		line = cut(&head, '\n');
		name = cut(&line, ':');
		take_header(req, f, name, str_trim(line));
	}
	return true;
}

/* Returns the bytes used, 0 when more are needed, -1 when it is no chunk. */
static ptrdiff_t
unchunk(Str in, Buf *out)
{
	size_t		at = 0;

	out->len = 0;
	for (;;)
	{
		ptrdiff_t	eol = str_find(str_from(in, at), STR("\r\n"));
		char	   *end;
		size_t		size;

		if (eol < 0)
			return in.n - at > 32 ? -1 : 0;
		size = strtoul(in.p + at, &end, 16);
		if (end == in.p + at)
			return -1;
		at += (size_t) eol + 2;
		if (in.n - at < size + 2)
			return 0;
		buf_add(out, in.p + at, size);
		at += size + 2;
		if (size == 0)
			return (ptrdiff_t) at;
	}
}

/* The length wins if both are given, as long as no chunk was promised. */
static HttpState
take_body(Str rest, Framing f, HttpReq *req, Buf *unchunked)
{
	ptrdiff_t	used;

	if (!f.chunked)
	{
		req->body = (Str) {rest.p, f.length};
		req->total += f.length;
		return rest.n < f.length ? HTTP_MORE : HTTP_READY;
	}
	used = unchunk(rest, unchunked);
	req->body = buf_view(unchunked);
	req->total += used > 0 ? (size_t) used : 0;
	return used > 0 ? HTTP_READY : used < 0 ? HTTP_BAD : HTTP_MORE;
}

/* MORE means: nothing was taken, call again with more bytes. */
HttpState
http_parse(Str in, HttpReq *req, Buf *unchunked)
{
	ptrdiff_t	end = str_find(in, STR("\r\n\r\n"));
	Framing		f = {0};

	*req = (HttpReq) {0};
	if (end < 0)
		return in.n > HEAD_MAX ? HTTP_BAD : HTTP_MORE;
	req->head = (Str) {in.p, (size_t) end + 2};
	req->total = (size_t) end + 4;
	if (!parse_head(req->head, req, &f))
		return HTTP_BAD;
	return take_body(str_from(in, req->total), f, req, unchunked);
}

/* A header by its name; empty when it is not there. */
Str
http_header(const HttpReq *req, Str name)
{
	Str			head = req->head;

	while (head.n > 0)
	{
		Str			line = cut(&head, '\n');
		Str			key = cut(&line, ':');

		if (same_word(key, name))
			return str_trim(line);
	}
	return NO_STR;
}

/* A parameter of the query, undecoded: they are numbers. */
Str
http_query(const HttpReq *req, Str name)
{
	Str			query = req->query;

	while (query.n > 0)
	{
		Str			value = cut(&query, '&');
		Str			key = cut(&value, '=');

		if (str_eq(key, name))
			return value;
	}
	return NO_STR;
}

const char *
http_reason(int status)
{
	switch (status)
	{
		case 200:
			return "OK";
		case 302:
			return "Found";
		case 400:
			return "Bad Request";
		case 401:
			return "Unauthorized";
		case 403:
			return "Forbidden";
		case 404:
			return "Not Found";
		case 405:
			return "Method Not Allowed";
		case 413:
			return "Payload Too Large";
		case 415:
			return "Unsupported Media Type";
		case 422:
			return "Unprocessable Entity";
		case 429:
			return "Too Many Requests";
		case 500:
			return "Internal Server Error";
		case 502:
			return "Bad Gateway";
		case 503:
			return "Service Unavailable";
		case 504:
			return "Gateway Timeout";
		default:
			return "Status";
	}
}
