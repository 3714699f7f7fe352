/*-------------------------------------------------------------------------
 *
 * usage.h
 *	  What was asked of each server by each role, until it is in qwen.usage.
 *
 * Counters in shared memory, a place for each (database, server, role); net/
 * adds at every answer, whoever asked; the database's worker takes them each
 * minute.  Without preload a session counts for itself; with all places taken
 * nothing is counted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_USAGE_H
#define QC_USAGE_H

#include "postgres.h"

#include "storage/spin.h"

#include "common/failkind.h"

#define QC_USAGE_PLACES	512

typedef struct QcUsageCounts
{
	int64		requests;
	int64		prompt_tokens;
	int64		cached_tokens;
	int64		output_tokens;
	int64		errors;			/* requests that ended without a usable answer */
	int64		by_class[QC_N_FAIL_KINDS];
	float8		latency;		/* seconds, of all usable answers together */
} QcUsageCounts;

typedef struct QcUsagePlace
{
	Oid			dbid;			/* InvalidOid: free; guarded by the LWLock of shmem.h */
	Oid			serverid;
	Oid			userid;
	slock_t		mutex;			/* guards the rest */
	QcUsageCounts total;		/* since the server started */
	QcUsageCounts flushed;		/* of these, in qwen.usage already */
} QcUsagePlace;

extern Size qc_usage_size(void);
extern void qc_usage_attach(void *at, bool fresh);

/* Add; no throw. */
extern void qc_usage_add(Oid serverid, Oid userid, const QcUsageCounts *counts);

/* What this process asked, in all. */
extern QcUsageCounts qc_usage_own;

/* Copies of this database's places, at most max. */
extern int	qc_usage_read(QcUsagePlace *out, int max);

/* What was read is in the table now (called after the commit). */
extern void qc_usage_flushed(const QcUsagePlace *read, int n);

#endif							/* QC_USAGE_H */
