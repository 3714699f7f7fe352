/*-------------------------------------------------------------------------
 *
 * probe.h
 *	  Find out what an endpoint is: a few GETs, never a generation.
 *
 * Asynchronous like everything on the pool: calls that need the facts join
 * the probe under way for their endpoint.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROBE_H
#define QC_PROBE_H

#include "postgres.h"

#include "common/errors.h"
#include "net/endpoint.h"

typedef struct QcProbe QcProbe;
typedef void (*QcProbeDone) (QcProbe *probe, const QcFailure *failure, void *arg);

/*
 * Does the endpoint need GETs at all?  Not if the url ends in /inference, nor
 * if api and model are given and the kind has nothing else to tell; its facts
 * are then known from the start.
 */
extern bool qc_probe_needed(const QcEndpoint *endpoint);

/*
 * Start a probe of one replica, or join the one under way.  done is called from qc_pool_wait with NULL
 * (facts are in the endpoint) or the failure of the transport or of
 * authentication.  A 404 on every path is no failure: the kind is then generic.
 * malloc'ed; free with qc_probe_free on every path, also within done, which
 * must not throw.  The GETs are aborted when the last that waits is freed.
 */
extern QcProbe *qc_probe_start(QcEndpoint *endpoint, int replica,
							   QcProbeDone done, void *arg);
extern void qc_probe_free(QcProbe *probe);

/* Did the GET under way reach the server already? */
extern bool qc_probe_is_connected(const QcProbe *probe);

#endif							/* QC_PROBE_H */
