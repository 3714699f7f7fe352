/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  One slot an endpoint: what all processes know and count together.
 *
 * With shared_preload_libraries the slots lie in shared memory; without it
 * (qc_shared is NULL), or when all are taken, a process makes one for itself.
 * No pointer, descriptor or latch is kept in a slot.  A slot's fields are
 * guarded by its spinlock; giving slots out and taking them back by the one LWLock.
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
#include "common/pace.h"

#define QC_SHARED_ENDPOINTS	64
#define QC_SHARED_REPLICAS	16	/* QC_MAX_REPLICAS */

typedef struct QcSharedReplica
{
	int			in_flight;
	int			failures;		/* in a row */
	TimestampTz out_until;		/* left out until then; 0: up */
	TimestampTz failing_since;	/* first of these failures; 0: none */
	bool		trial;			/* left out, but one request was let through */
} QcSharedReplica;

typedef struct QcSharedEndpoint
{
	/* guarded by the LWLock */
	Oid			dbid;			/* InvalidOid: free slot */
	Oid			serverid;
	uint64		version;		/* hash of the options: others begin anew */
	int			users;			/* processes that hold the slot */
	TimestampTz used_at;		/* when the last one let go */

	/* guarded by the spinlock */
	slock_t		mutex;
	int			in_flight;
	int			background;		/* of these, workers' */
	int			turn;			/* where the search for a replica begins */
	QcFacts		facts;
	TimestampTz facts_at;		/* when they were learnt */
	QcPace		pace;			/* how many it takes at once ... */
	QcBucket	bucket;			/* ... and how often; clock of qc_pool_now() */
	int64		session_at;		/* a session used it last; the same clock */
	TimestampTz paused_until;	/* it asked all of us to wait (Retry-After), or 0 */
	QcSharedReplica replica[QC_SHARED_REPLICAS];

	ConditionVariable given;	/* a place was given back */
} QcSharedEndpoint;

typedef struct QcShared
{
	LWLock	   *lock;
	QcSharedEndpoint endpoint[QC_SHARED_ENDPOINTS];
} QcShared;

extern QcShared *qc_shared;

/*
 * A slot that this process holds, and what it took of it: that much, and no
 * more, is given back when the process ends, whatever ends it.
 */
typedef struct QcSlot
{
	QcSharedEndpoint *at;
	bool		shared;			/* in shared memory, or our own */
	int			holders;		/* endpoints of this process */
	int			taken[QC_SHARED_REPLICAS];
	int			background;		/* of these, for a worker's calls */
	int			calls;			/* not at their end, with a place or without */
	int			suspects;		/* of these, texts that may be at fault themselves */
	int64		begun_at;		/* the last call of all, of qc_pool_now() */
	struct QcSlot *next;
} QcSlot;

/* From _PG_init, only while shared_preload_libraries are processed. */
extern void qc_shmem_init(void);

/*
 * Hold the slot of a server of this database with these options.  Throws only
 * out of memory, before anything is held.
 */
extern QcSlot *qc_slot_hold(Oid serverid, uint64 version);
extern void qc_slot_release(QcSlot *slot);

/*
 * For a view: a copy of the latest slot of a server of this database, not to
 * be locked or waited on.  False: nobody has used the server yet.
 */
extern bool qc_slot_read(Oid serverid, QcSharedEndpoint *copy);

#endif							/* QC_SHMEM_H */
