/*-------------------------------------------------------------------------
 *
 * tasks.c
 *	  Which tasks this database has, with what each needs to work.
 *
 * Read at the start and whenever the board says that tasks changed.  A task
 * whose row changed begins anew: what it had under way is taken back, since
 * an answer to an old question would be thrown away.  Its table is resolved
 * again after any invalidation that may concern it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "net/pool.h"
#include "worker/state.h"

QcWork *
qc_work_of(int32 task)
{
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		if (work->id == task)
			return work;
	}
	return NULL;
}

/* ---- invalidations: notes only ---- */

static void
on_relation(Datum arg, Oid relid)
{
	dlist_iter	iter;

	(void) arg;
	if (qc_state.cxt == NULL)
		return;
	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		if (!OidIsValid(relid) || work->target == NULL || work->target->relid == relid)
			work->target_stale = true;
	}
}

static void
on_names(Datum arg, int cache, uint32 hash)
{
	(void) cache;
	(void) hash;
	on_relation(arg, InvalidOid);
}

/* Once a process; a callback cannot be taken back. */
void
qc_works_watch(void)
{
	CacheRegisterRelcacheCallback(on_relation, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, on_names, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, on_names, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, on_names, (Datum) 0);
}

/* ---- loading ---- */

/* Does an answer to the old one's question do for the new one? */
static bool
same_question(const QcTask *a, const QcTask *b)
{
	return a->version == b->version && a->owner == b->owner && a->source == b->source &&
		a->with_reason == b->with_reason && a->keep == b->keep &&
		a->input_column == b->input_column && a->label_column == b->label_column &&
		a->confidence_column == b->confidence_column && a->reason_column == b->reason_column &&
		qc_same_text(a->labels, b->labels) && qc_same_text(a->instructions, b->instructions) &&
		qc_same_text(a->examples, b->examples) && qc_same_text(a->server, b->server) &&
		qc_same_text(a->input, b->input);
}

static QcWork *
make_work(const QcTask *task)
{
	MemoryContext cxt = AllocSetContextCreate(qc_state.cxt, "qwen_classify work",
											  ALLOCSET_SMALL_SIZES);
	QcWork	   *work = MemoryContextAllocZero(cxt, sizeof(QcWork));

	work->cxt = cxt;
	work->id = task->id;
	work->budget.patient = true;
	dlist_init(&work->fetched);
	dlist_init(&work->flying);
	dlist_init(&work->results);
	dlist_init(&work->blocked);
	dlist_init(&work->chunks);
	work->board = qc_board_task_claim(task->id);
	dlist_push_tail(&qc_state.works, &work->node);
	qc_state.nworks++;
	return work;
}

static void
drop_prompt(QcWork *work)
{
	if (work->prompt != NULL)
		MemoryContextDelete(work->prompt->cxt);
	work->prompt = NULL;
	if (work->endpoint != NULL)
		qc_endpoint_unpin(work->endpoint);
	work->endpoint = NULL;
}

/* All that was made of the old row; entries stay, ready. */
static void
begin_anew(QcWork *work)
{
	qc_flights_back(work);
	drop_prompt(work);
	work->target_stale = true;
	work->fault = QC_SOUND;
	work->again_at = 0;
	work->budget.succeeded = false;
	work->budget.failing_since = 0;
}

static void
forget_work(QcWork *work)
{
	begin_anew(work);
	qc_entries_forget(work);
	if (work->target_cxt != NULL)
		MemoryContextDelete(work->target_cxt);
	MemoryContextDelete(work->task->cxt);
	dlist_delete(&work->node);
	qc_state.nworks--;
	MemoryContextDelete(work->cxt);
}

/* In a transaction: its map, and what it accepts, as they are now. */
static void
take_calibration(QcWork *work)
{
	MemoryContext old = MemoryContextSwitchTo(work->task->cxt);

	work->acceptance = qc_acceptance_read(work->task);
	MemoryContextSwitchTo(old);
	qc_calibration_free(work->calibration);
	work->calibration = NULL;
	work->calibration = qc_calibration_read(work->task, work->cxt);
}

/* A task's row as it is now. */
static void
take_task(QcWork *work, QcTask *task)
{
	bool		took = work->task != NULL && qc_work_takes(work);

	MemoryContextSetParent(task->cxt, qc_state.cxt);
	if (work->task != NULL)
	{
		if (!same_question(work->task, task))
			begin_anew(work);
		else if (work->nchunks > 0)
			qc_flights_back(work);	/* the backfill is read anew */
		MemoryContextDelete(work->task->cxt);
	}
	work->task = task;
	take_calibration(work);
	qc_rewrite_look(work);
	work->again_at = 0;			/* whatever was wrong: try at once */
	qc_backfill_forget(work);
	if (!qc_work_takes(work))
	{
		qc_fetched_back(work);
		qc_entries_forget(work);
		work->missed = true;
	}
	else if (!took)
	{
		qc_state.sweep_wanted = true;
		qc_state.retry_at = 0;
	}
}

static bool
is_listed(List *tasks, int32 id)
{
	ListCell   *cell;

	foreach(cell, tasks)
		if (((QcTask *) lfirst(cell))->id == id)
			return true;
	return false;
}

/* In a transaction. */
static void
load(void *arg)
{
	List	   *tasks;
	ListCell   *cell;
	dlist_mutable_iter iter;

	(void) arg;
	qc_work_begin();
	qc_task_keep_columns();
	tasks = qc_task_all();
	dlist_foreach_modify(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		if (!is_listed(tasks, work->id))
		{
			qc_board_task_forget(MyDatabaseId, work->id);
			forget_work(work);
		}
	}
	foreach(cell, tasks)
	{
		QcTask	   *task = lfirst(cell);
		QcWork	   *work = qc_work_of(task->id);

		take_task(work ? work : make_work(task), task);
	}
	qc_work_end();
}

/* Did tasks change since they were read?  Then what is wrong now may be over. */
bool
qc_works_outdated(void)
{
	QcBoardDatabase *place = qc_worker_place();

	return qc_state.outdated || (place != NULL && place->config != qc_state.config);
}

/* The counter is read first: a change in between is seen again. */
void
qc_works_load(void)
{
	QcBoardDatabase *place = qc_worker_place();
	uint32		config = qc_state.config;
	ErrorData  *error;

	if (place != NULL)
	{
		SpinLockAcquire(&place->mutex);
		config = place->config;
		SpinLockRelease(&place->mutex);
	}
	error = qc_work_try(load, NULL);
	if (error != NULL)
		ReThrowError(error);
	qc_state.config = config;
	qc_state.outdated = false;
	qc_worker_config_seen(config);
}

/* ---- what a task needs ---- */

static void
resolve_target(QcWork *work)
{
	MemoryContext cxt;
	MemoryContext old;
	QcTarget   *target;
	char	   *why = NULL;

	work->target_stale = false;
	work->target = NULL;
	if (work->target_cxt != NULL)
		MemoryContextDelete(work->target_cxt);
	work->target_cxt = NULL;

	cxt = AllocSetContextCreate(CurrentMemoryContext, "qwen_classify target",
								ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(cxt);
	target = qc_target_resolve(work->task, &why);
	if (target != NULL && !qc_target_has_triggers(work->task, &why))
		target = NULL;
	MemoryContextSwitchTo(old);
	if (target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_internal("%s", why ? why : "its table cannot be labelled")));
	MemoryContextSetParent(cxt, qc_state.cxt);
	work->target_cxt = cxt;
	work->target = target;
}

/*
 * The right to use the server is the owner's and is looked at each time.  A
 * prompt that calls under way use is not replaced before they are taken back.
 */
static void
resolve_endpoint(QcWork *work)
{
	QcAsOwner	saved;
	QcEndpoint *endpoint;

	qc_as_role(&saved, work->task->owner);
	endpoint = qc_endpoint_resolve(work->task->server);
	qc_as_before(&saved);
	if (endpoint == work->endpoint && work->prompt != NULL)
		return;
	if (work->endpoint != NULL)
		qc_flights_back(work);	/* patient calls would stay with the old address for ever */
	qc_endpoint_pin(endpoint);
	if (work->endpoint != NULL)
		qc_endpoint_unpin(work->endpoint);
	work->endpoint = endpoint;
	take_calibration(work);		/* of another server, or model, it says nothing */
	(void) qc_task_prompt(&work->prompt, qc_state.cxt, work->task, endpoint->codes);
}

/* Throws what is wrong with the table, the server or the labels. */
void
qc_work_resolve(QcWork *work)
{
	if (work->target == NULL || work->target_stale)
		resolve_target(work);
	resolve_endpoint(work);
}

static void
check(void *arg)
{
	qc_work_begin();
	qc_work_resolve(arg);
	qc_work_end();
}

/* A fault that lasts takes back what is under way: its answers could not be written. */
static void
work_fails(QcWork *work, ErrorData *error)
{
	if (!qc_error_passes(error))
		qc_flights_back(work);
	qc_work_error(work, error);
}

/*
 * What is wrong with a task is told before a row waits for it: when tasks
 * changed, and once a minute.
 */
void
qc_works_check(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);
		ErrorData  *error;

		if (!qc_work_takes(work))
			continue;
		error = qc_work_try(check, work);
		if (error != NULL)
			work_fails(work, error);
		else
			qc_work_sound(work, QC_FAULT_SQL);
	}
}

/*
 * The board tells at another's commit, shortly before that one sends its
 * invalidations: what was looked at then may still have been the old, and is
 * looked at once more.
 */
void
qc_works_check_again(void)
{
	if (qc_state.told_at == 0 || qc_pool_now() < qc_state.told_at + QC_S)
		return;
	qc_state.told_at = 0;
	qc_works_check();
}

/* ---- calls that wait for a server ---- */

/* The transaction takes in what changed, and the right to the server is asked anew. */
static void
look_at_endpoint(void *arg)
{
	qc_work_begin();
	resolve_endpoint(arg);
	qc_work_end();
}

/*
 * A call keeps the address that it began with, and a patient one keeps it for
 * ever: whoever mends a server must not have to wait for an answer that never
 * comes.  But a stall must not cost a transaction a second either, so the
 * definition is looked at when there is a sign that it changed.
 */
void
qc_works_look_again(void)
{
	dlist_iter	iter;

	if (qc_state.nflying == 0 || qc_pool_now() < qc_state.look_at)
		return;
	qc_state.look_at = qc_pool_now() + QC_S;
	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);
		ErrorData  *error;

		if (work->nflying == 0 || qc_endpoint_current(work->endpoint))
			continue;
		error = qc_work_try(look_at_endpoint, work);
		if (error != NULL)
			work_fails(work, error);
	}
}
