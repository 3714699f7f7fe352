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
	bool		reused;
	bool		any_byte;
	int64		retry_after_ms; /* -1: not told; capped at 60 s */
	double		seconds;		/* from start to completion */
	int			os_errno;		/* CURLINFO_OS_ERRNO of a failed connect, or 0 */
	bool		connecting;		/* it ended before a connection stood */
	char		error[256];		/* libcurl's own words */

	/* private to http.c and pool.c */
	void	   *easy;
	void	   *headers;
	char	   *request;		/* body being sent; owned */
	size_t		body_room;
	int			sockets;
	QcHttpDone	on_done;
	void	   *arg;
	struct QcHttp *next;
};

/*
 * Start a request to path below the base (or root) of one replica.  body is
 * malloc'ed JSON text and becomes the http object's, NULL means GET.  on_done
 * is called from qc_pool_wait, outside libcurl; it may start and free requests.
 * Errors: out of memory or of file descriptors (53000 class) is thrown before
 * anything was started.
 */
extern QcHttp *qc_http_start(QcEndpoint *endpoint, int replica, bool at_root,
							 const char *path, char *body,
							 QcHttpDone on_done, void *arg);

/* Abort if under way, and free.  Never throws; quick also during a name lookup. */
extern void qc_http_free(QcHttp *http);

#endif							/* QC_HTTP_H */
