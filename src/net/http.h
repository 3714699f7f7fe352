/*-------------------------------------------------------------------------
 *
 * http.h
 *	  One HTTP request on the pool, from start to completion or abort.
 *
 * Nothing here throws while libcurl is on the stack: callbacks only copy
 * bytes with malloc and set flags.  An http object is malloc'ed and belongs
 * to its caller, who must finish it with qc_http_free on every path (call.c
 * does so from a memory context reset callback).
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_HTTP_H
#define QC_HTTP_H

#include "postgres.h"

#include "lib/ilist.h"

#include "net/endpoint.h"

#define QC_BODY_CAP (256 * 1024)	/* bytes of an answer; a label needs < 64 kB */

typedef struct QcHttp QcHttp;
typedef void (*QcHttpDone) (QcHttp *http, void *arg);

struct QcHttp
{
	/* set by completion */
	bool		done;
	int			curl_code;
	int			status;			/* 0: no answer */
	char	   *body;			/* NUL-terminated; NULL: empty */
	size_t		body_len;
	bool		too_large;
	bool		reused;			/* on a connection that served before */
	bool		connected;		/* as far as sending: TLS was through too */
	bool		any_byte;		/* of an answer came */
	bool		starved;		/* no connection because no descriptor was left */
	int64		retry_after_ms; /* -1: not told; capped at 60 s */
	double		seconds;		/* from start to completion */
	int			os_error;		/* errno of a failed connect, or 0 */
	char		error[256];		/* libcurl's own words */

	/* private to http.c and pool.c */
	struct QcEasy *easy;		/* NULL: not under way */
	char	   *request;		/* body being sent; owned */
	size_t		body_room;
	QcHttpDone	on_done;
	void	   *arg;
	bool		queued;			/* ended, completion not called yet */
	dlist_node	node;			/* in the pool's list of these */
};

/*
 * Start a request to path below the base (or root) of one replica.  body is
 * malloc'ed JSON text and becomes the http object's (also when this throws),
 * NULL means GET.  on_done is called from qc_pool_wait, outside libcurl; it
 * may start and free requests, and throw.
 * Errors: out of memory or of file descriptors (53000 class) is thrown before
 * anything was started.
 */
extern QcHttp *qc_http_start(QcEndpoint *endpoint, int replica, bool at_root,
							 const char *path, char *body,
							 QcHttpDone on_done, void *arg);

/* Of a request under way: is it through to the server already? */
extern bool qc_http_is_connected(const QcHttp *http);

/* Right after the start: less time to connect than the endpoint's option says. */
extern void qc_http_limit_connect(QcHttp *http, int ms);

/*
 * Why there is no answer, in lower-case words that name no address: the
 * operating system's reason if there is one, else libcurl's.  buf of 256.
 */
extern const char *qc_http_words(const QcHttp *http, char *buf);

/* Abort if under way, and free.  Never throws; quick also during a name lookup. */
extern void qc_http_free(QcHttp *http);

/* For pool.c: the transfer ended and was taken off the multi handle. */
extern void qc_http_ended(QcHttp *http, int curl_code);

#endif							/* QC_HTTP_H */
