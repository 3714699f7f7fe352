/*-------------------------------------------------------------------------
 *
 * easy.h
 *	  libcurl's easy handles, kept and used again.
 *
 * Setting up a handle costs more than sending with it, so a handle keeps its
 * options as long as its route (address, path, headers, files, limits) is the
 * next request's too; only the body and the object to fill change.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_EASY_H
#define QC_EASY_H

#include "postgres.h"

#include <curl/curl.h>

#include "common/compat.h"
#include "net/http.h"

typedef struct QcRoute QcRoute;

typedef struct QcEasy
{
	CURL	   *curl;
	QcRoute    *route;			/* whose options are set; NULL: none */
	QcHttp	   *http;			/* being served; NULL: idle */
	bool		resolves;		/* the route's host is looked up by a thread */
	bool		limited;		/* connect timeout is not the route's */
	bool		doubting;		/* name cache is off for this request */
	struct QcEasy *next;		/* idle list */
	char		error[CURL_ERROR_SIZE];
} QcEasy;

/*
 * A handle ready to be added, for this path of this replica; NULL: no memory.
 * CURLINFO_PRIVATE gives the QcEasy back.
 */
extern QcEasy *qc_easy_take(QcEndpoint *endpoint, int replica, bool at_root,
							const char *path, bool post);

/* Give it back after it was removed from the multi handle. */
extern void qc_easy_give(QcEasy *easy);

/* Sockets that are open, those of idle connections too. */
extern int	qc_easy_sockets(void);

/* Less time to connect than the route says, for this request. */
extern void qc_easy_limit_connect(QcEasy *easy, int ms);

/* The next lookup of this handle's host shall not come from the cache. */
extern void qc_easy_doubt_name(QcEasy *easy);

#endif							/* QC_EASY_H */
