/*-------------------------------------------------------------------------
 *
 * describe.h
 *	  The words for a request that failed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_DESCRIBE_H
#define QC_DESCRIBE_H

#include "postgres.h"

#include "common/errors.h"
#include "net/endpoint.h"
#include "net/http.h"
#include "net/outcome.h"

/* What came back, in the shape that qc_outcome reads; reply must outlive it. */
extern QcReceived qc_describe_received(const QcHttp *http, const QcReply *reply, bool json);

/*
 * Fill a failure of this kind: what was being done and where, the status or
 * libcurl's words, and the server's own words as detail.  Never throws.
 */
extern void qc_describe_failure(QcFailure *failure, QcFailKind kind,
							  QcEndpoint *endpoint, int replica,
							  const QcHttp *http, const QcReply *reply);

#endif							/* QC_DESCRIBE_H */
