/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Slots of endpoints, in shared memory or in this process alone.
 *
 * Lock order: the LWLock, then a slot's spinlock.  A slot without users keeps
 * its facts, so that the next session needs no probe; it is given to another
 * server only when no free one is left, the longest unused first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"

#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/board.h"
#include "common/shmem.h"
#include "common/usage.h"

#define TRANCHE "qwen_classify"

QcShared   *qc_shared = NULL;

static shmem_request_hook_type previous_request;
static shmem_startup_hook_type previous_startup;

/* The slots that this process holds. */
static QcSlot *held = NULL;
static bool exit_registered = false;

/* Called while the postmaster sizes shared memory. */
static void
shmem_request(void)
{
	if (previous_request)
		previous_request();
	RequestAddinShmemSpace(MAXALIGN(sizeof(QcShared)));
	RequestAddinShmemSpace(qc_board_size());
	RequestAddinShmemSpace(qc_usage_size());
	RequestNamedLWLockTranche(TRANCHE, 1);
}

/* Make a slot that nobody uses the slot of another server. */
static void
reset_endpoint(QcSharedEndpoint *at, Oid dbid, Oid serverid, uint64 version)
{
	at->dbid = dbid;
	at->serverid = serverid;
	at->version = version;
	at->users = 0;
	at->used_at = 0;
	at->in_flight = 0;
	at->background = 0;
	at->turn = 0;
	at->session_at = 0;
	at->paused_until = 0;
	memset(&at->pace, 0, sizeof(at->pace));
	memset(&at->bucket, 0, sizeof(at->bucket));
	at->facts_at = 0;
	memset(&at->facts, 0, sizeof(at->facts));
	memset(at->replica, 0, sizeof(at->replica));
}

/* Once in a slot's life: its lock and its list of waiters survive a reset. */
static void
init_endpoint(QcSharedEndpoint *at)
{
	memset(at, 0, sizeof(*at));
	SpinLockInit(&at->mutex);
	ConditionVariableInit(&at->given);
}

/* In the postmaster, and in each backend where those do not fork. */
static void
shmem_startup(void)
{
	bool		found;
	void	   *usage;

	if (previous_startup)
		previous_startup();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	qc_shared = ShmemInitStruct("qwen_classify", sizeof(QcShared), &found);
	if (!found)
	{
		qc_shared->lock = &GetNamedLWLockTranche(TRANCHE)->lock;
		for (int i = 0; i < QC_SHARED_ENDPOINTS; i++)
			init_endpoint(&qc_shared->endpoint[i]);
	}
	qc_board = ShmemInitStruct("qwen_classify board", qc_board_size(), &found);
	if (!found)
		qc_board_init(qc_board);
	usage = ShmemInitStruct("qwen_classify usage", qc_usage_size(), &found);
	qc_usage_attach(usage, !found);
	LWLockRelease(AddinShmemInitLock);
}

void
qc_shmem_init(void)
{
	qc_at_shmem_request(shmem_request, &previous_request);
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}

/* Give back what this process took of a slot. */
static void
give_all_back(QcSlot *slot)
{
	QcSharedEndpoint *at = slot->at;
	bool		any = false;

	SpinLockAcquire(&at->mutex);
	for (int i = 0; i < QC_SHARED_REPLICAS; i++)
	{
		any = any || slot->taken[i] > 0;
		at->replica[i].in_flight -= slot->taken[i];
		at->in_flight -= slot->taken[i];
	}
	at->background -= slot->background;
	SpinLockRelease(&at->mutex);

	slot->background = 0;
	memset(slot->taken, 0, sizeof(slot->taken));
	if (any)
		ConditionVariableBroadcast(&at->given);
}

/* The places go back before the slot does: a free slot has nothing in flight. */
static void
let_go(QcSlot *slot)
{
	give_all_back(slot);
	if (!slot->shared)
	{
		slot->at->users = 0;
		return;
	}
	LWLockAcquire(qc_shared->lock, LW_EXCLUSIVE);
	slot->at->users--;
	slot->at->used_at = GetCurrentTimestamp();
	LWLockRelease(qc_shared->lock);
}

/*
 * Runs before the transaction is aborted and its contexts are reset, so what
 * is given back a second time from there must find nothing: taken[] is zero.
 */
static void
release_at_exit(int code, Datum arg)
{
	QcSlot	   *slot = held;

	(void) code;
	(void) arg;
	held = NULL;
	for (; slot; slot = slot->next)
		let_go(slot);
}

static bool
is_slot_of(const QcSharedEndpoint *at, Oid serverid, uint64 version)
{
	return at->dbid == MyDatabaseId && at->serverid == serverid &&
		at->version == version;
}

/* Is a a better slot to take than b?  Neither has users. */
static bool
better_victim(const QcSharedEndpoint *a, const QcSharedEndpoint *b, Oid serverid)
{
	bool		a_old = a->dbid == MyDatabaseId && a->serverid == serverid;

	if (b == NULL || !OidIsValid(b->dbid))
		return b == NULL;
	/* an older version of the same server will not be asked for again */
	return a_old || !OidIsValid(a->dbid) || a->used_at < b->used_at;
}

/* The slot for a server in shared memory, counted as used; NULL: all are taken. */
static QcSharedEndpoint *
find_shared(Oid serverid, uint64 version)
{
	QcSharedEndpoint *found = NULL;
	QcSharedEndpoint *victim = NULL;

	LWLockAcquire(qc_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < QC_SHARED_ENDPOINTS && found == NULL; i++)
	{
		QcSharedEndpoint *at = &qc_shared->endpoint[i];

		if (is_slot_of(at, serverid, version))
			found = at;
		else if (at->users == 0 && better_victim(at, victim, serverid))
			victim = at;
	}
	if (found == NULL && victim != NULL)
	{
		reset_endpoint(victim, MyDatabaseId, serverid, version);
		found = victim;
	}
	if (found)
		found->users++;
	LWLockRelease(qc_shared->lock);
	return found;
}

/*
 * Our own slots outlive their holders, as shared ones do: facts stay known
 * although an endpoint was built anew.
 */
static QcSlot *
make_local(QcSlot *slot, Oid serverid, uint64 version)
{
	slot->shared = false;
	slot->at = MemoryContextAlloc(TopMemoryContext, sizeof(QcSharedEndpoint));
	init_endpoint(slot->at);
	reset_endpoint(slot->at, MyDatabaseId, serverid, version);
	slot->at->users = 1;
	return slot;
}

/* The slot of this process for a server; of an older version only if unused. */
static QcSlot *
find_held(Oid serverid, uint64 version)
{
	for (QcSlot *slot = held; slot; slot = slot->next)
		if (is_slot_of(slot->at, serverid, version))
			return slot;

	for (QcSlot *slot = held; slot; slot = slot->next)
	{
		if (!slot->shared && slot->holders == 0 && slot->at->serverid == serverid)
		{
			reset_endpoint(slot->at, MyDatabaseId, serverid, version);
			return slot;
		}
	}
	return NULL;
}

/*
 * Several endpoints of a process (one for each user) hold the same slot; in
 * shared memory the process counts once.
 */
QcSlot *
qc_slot_hold(Oid serverid, uint64 version)
{
	QcSlot	   *slot = find_held(serverid, version);

	if (slot == NULL)
	{
		/* before anything is taken, so that no end can miss it */
		if (!exit_registered)
		{
			before_shmem_exit(release_at_exit, (Datum) 0);
			exit_registered = true;
		}
		slot = MemoryContextAllocZero(TopMemoryContext, sizeof(QcSlot));
		slot->at = qc_shared ? find_shared(serverid, version) : NULL;
		slot->shared = slot->at != NULL;
		if (slot->at == NULL)
			make_local(slot, serverid, version);
		slot->next = held;
		held = slot;
	}
	slot->holders++;
	return slot;
}

/* Take a slot out of our list and let it go. */
static void
forget(QcSlot *slot)
{
	QcSlot	  **link = &held;

	while (*link && *link != slot)
		link = &(*link)->next;

	/* not in the list: the process is ending and has let go of it already */
	if (*link == NULL)
		return;
	*link = slot->next;
	let_go(slot);
	pfree(slot);
}

/* A slot of our own is kept without holders, for its facts. */
void
qc_slot_release(QcSlot *slot)
{
	Assert(slot->holders > 0);
	if (--slot->holders == 0 && slot->shared)
		forget(slot);
}

static void
copy_slot(QcSharedEndpoint *at, QcSharedEndpoint *copy)
{
	SpinLockAcquire(&at->mutex);
	*copy = *at;
	SpinLockRelease(&at->mutex);
}

/* Of several (options changed) the one in use, else the last one. */
static bool
is_later(const QcSharedEndpoint *a, const QcSharedEndpoint *b)
{
	if (b == NULL || (a->users > 0) != (b->users > 0))
		return b == NULL || a->users > 0;
	return a->used_at > b->used_at;
}

bool
qc_slot_read(Oid serverid, QcSharedEndpoint *copy)
{
	QcSharedEndpoint *found = NULL;

	if (qc_shared)
	{
		LWLockAcquire(qc_shared->lock, LW_SHARED);
		for (int i = 0; i < QC_SHARED_ENDPOINTS; i++)
		{
			QcSharedEndpoint *at = &qc_shared->endpoint[i];

			if (at->dbid == MyDatabaseId && at->serverid == serverid && is_later(at, found))
				found = at;
		}
		if (found)
			copy_slot(found, copy);
		LWLockRelease(qc_shared->lock);
	}
	/* all were taken, or there are none: what this process knows */
	for (QcSlot *slot = held; slot && found == NULL; slot = slot->next)
	{
		if (slot->at->serverid != serverid)
			continue;
		found = slot->at;
		copy_slot(found, copy);
	}
	return found != NULL;
}
