/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  Shared memory: one slot an endpoint.  Only with
 *	  shared_preload_libraries; without it qc_shared is NULL.
 *
 * No pointer, descriptor or latch is kept in it.  A slot's fields are
 * guarded by its spinlock; taking and freeing slots by the one LWLock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_SHMEM_H
#define QC_SHMEM_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/spin.h"

#include "common/facts.h"

#define QC_SHARED_ENDPOINTS	64
#define QC_SHARED_REPLICAS	16	/* QC_MAX_REPLICAS */

typedef struct QcSharedReplica
{
	int			in_flight;
	int			failures;		/* in a row */
	TimestampTz out_until;		/* left out until then; 0: up */
} QcSharedReplica;

typedef struct QcSharedEndpoint
{
	Oid			dbid;			/* InvalidOid: free slot */
	Oid			serverid;
	uint64		version;		/* hash of the options: others begin anew */
	slock_t		mutex;
	int			users;			/* processes that hold the slot */
	int			in_flight;
	QcFacts		facts;
	QcSharedReplica replica[QC_SHARED_REPLICAS];
	ConditionVariable given;	/* a place was given back */
} QcSharedEndpoint;

typedef struct QcShared
{
	LWLock	   *lock;
	QcSharedEndpoint endpoint[QC_SHARED_ENDPOINTS];
} QcShared;

extern QcShared *qc_shared;

/* From _PG_init, only while shared_preload_libraries are processed. */
extern void qc_shmem_init(void);

#endif							/* QC_SHMEM_H */
