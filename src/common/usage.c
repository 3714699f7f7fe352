/*-------------------------------------------------------------------------
 *
 * usage.c
 *	  What was asked of each server by each role, until it is in qwen.usage.
 *
 * A place that was taken stays taken while the server runs; when all are, the
 * counts of further roles are not kept.  Without preload a session counts for
 * itself, in a small table of its own that nobody flushes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"

#include "common/shmem.h"
#include "common/usage.h"

typedef struct QcUsageTable
{
	QcUsagePlace place[QC_USAGE_PLACES];
} QcUsageTable;

static QcUsageTable *usage = NULL;	/* in shared memory */

#define OWN_PLACES	16
static QcUsagePlace own[OWN_PLACES];

QcUsageCounts qc_usage_own;

Size
qc_usage_size(void)
{
	return MAXALIGN(sizeof(QcUsageTable));
}

void
qc_usage_attach(void *at, bool fresh)
{
	usage = at;
	if (!fresh)
		return;
	memset(usage, 0, sizeof(*usage));
	for (int i = 0; i < QC_USAGE_PLACES; i++)
		SpinLockInit(&usage->place[i].mutex);
}

static QcUsagePlace *
find_place(Oid serverid, Oid userid, QcUsagePlace **unused)
{
	*unused = NULL;
	for (int i = 0; i < QC_USAGE_PLACES; i++)
	{
		QcUsagePlace *place = &usage->place[i];

		if (place->dbid == MyDatabaseId && place->serverid == serverid && place->userid == userid)
			return place;
		if (!OidIsValid(place->dbid))
		{
			*unused = place;
			return NULL;		/* places are taken in order */
		}
	}
	return NULL;
}

/* Without shared memory: no lock, and MyDatabaseId never changes. */
static QcUsagePlace *
own_place(Oid serverid, Oid userid)
{
	for (int i = 0; i < OWN_PLACES; i++)
	{
		QcUsagePlace *place = &own[i];

		if (!OidIsValid(place->dbid))
		{
			SpinLockInit(&place->mutex);
			place->serverid = serverid;
			place->userid = userid;
			place->dbid = MyDatabaseId;
		}
		if (place->serverid == serverid && place->userid == userid)
			return place;
	}
	return NULL;
}

/* The place, remembered from the last call: it never moves. */
static QcUsagePlace *
place_of(Oid serverid, Oid userid)
{
	static QcUsagePlace *last = NULL;
	QcUsagePlace *place;
	QcUsagePlace *unused;

	if (last != NULL && last->serverid == serverid && last->userid == userid)
		return last;
	if (usage == NULL)
		return own_place(serverid, userid);
	LWLockAcquire(qc_shared->lock, LW_EXCLUSIVE);
	place = find_place(serverid, userid, &unused);
	if (place == NULL && unused != NULL)
	{
		memset(&unused->total, 0, sizeof(QcUsageCounts));
		memset(&unused->flushed, 0, sizeof(QcUsageCounts));
		unused->serverid = serverid;
		unused->userid = userid;
		unused->dbid = MyDatabaseId;
		place = unused;
	}
	LWLockRelease(qc_shared->lock);
	if (place != NULL)
		last = place;
	return place;
}

static void
add_counts(QcUsageCounts *to, const QcUsageCounts *counts)
{
	to->requests += counts->requests;
	to->prompt_tokens += counts->prompt_tokens;
	to->cached_tokens += counts->cached_tokens;
	to->output_tokens += counts->output_tokens;
	to->errors += counts->errors;
	to->latency += counts->latency;
	for (int i = 0; i < QC_N_FAIL_KINDS; i++)
		to->by_class[i] += counts->by_class[i];
}

void
qc_usage_add(Oid serverid, Oid userid, const QcUsageCounts *counts)
{
	QcUsagePlace *place = place_of(serverid, userid);

	add_counts(&qc_usage_own, counts);
	if (place == NULL)
		return;
	SpinLockAcquire(&place->mutex);
	add_counts(&place->total, counts);
	SpinLockRelease(&place->mutex);
}

int
qc_usage_read(QcUsagePlace *out, int max)
{
	int			n = 0;

	if (usage == NULL)
	{
		while (n < Min(max, OWN_PLACES) && OidIsValid(own[n].dbid))
		{
			out[n] = own[n];
			n++;
		}
		return n;
	}
	LWLockAcquire(qc_shared->lock, LW_SHARED);
	for (int i = 0; i < QC_USAGE_PLACES && n < max; i++)
	{
		QcUsagePlace *place = &usage->place[i];

		if (place->dbid != MyDatabaseId)
			continue;
		SpinLockAcquire(&place->mutex);
		out[n++] = *place;
		SpinLockRelease(&place->mutex);
	}
	LWLockRelease(qc_shared->lock);
	return n;
}

/* Only the database's worker flushes, so what it read is what is added. */
void
qc_usage_flushed(const QcUsagePlace *read, int n)
{
	if (usage == NULL)
		return;
	for (int i = 0; i < n; i++)
	{
		QcUsagePlace *unused;
		QcUsagePlace *place;

		LWLockAcquire(qc_shared->lock, LW_SHARED);
		place = find_place(read[i].serverid, read[i].userid, &unused);
		LWLockRelease(qc_shared->lock);
		if (place == NULL)
			continue;
		SpinLockAcquire(&place->mutex);
		place->flushed = read[i].total;
		SpinLockRelease(&place->mutex);
	}
}
