/*-------------------------------------------------------------------------
 *
 * url.h
 *	  The server option url, taken apart and checked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_URL_H
#define QC_URL_H

#include "postgres.h"

#include "net/endpoint.h"

/*
 * Split value into replicas and check each; palloc's their strings.  An url
 * without a path gets /v1, where all servers have their API.  Errors name the
 * option url and never repeat a password or a query.
 */
extern int	qc_url_parse(const char *value, QcReplica replica[QC_MAX_REPLICAS]);

/* Does its path end in /inference: the plain API? */
extern bool qc_url_is_plain(const QcReplica *replica);

#endif							/* QC_URL_H */
