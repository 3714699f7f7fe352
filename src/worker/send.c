/*-------------------------------------------------------------------------
 *
 * send.c
 *	  Requests: whose turn it is, starting them, taking their answers.
 *
 * Tasks take turns weighted by priority: each request moves its task's pass
 * by 1/priority, and the smallest pass is next.  A text that is under way for
 * the same task is not sent twice; the second flight follows the first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/compat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "net/pool.h"
#include "net/window.h"
#include "task/several.h"
#include "worker/state.h"

#define QC_LEAST_FETCH		16
#define QC_SERVER_PAUSE		(1 * QC_S)

typedef struct QcUnderWay
{
	uint64		key;
	QcFlight   *flight;
} QcUnderWay;

/* ---- room ---- */

/* How many more requests this task may send now. */
static int
room_of(const QcWork *work)
{
	int			room;

	if (!qc_work_may_run(work) || work->fault == QC_FAULT_WRITE)
		return 0;
	room = QC_MOST_IN_FLIGHT - qc_state.nflying;
	if (qc_state.safe_until != 0)
		room = Min(room, 1 - qc_state.nflying);
	if (work->fault == QC_FAULT_SERVER)
		room = Min(room, 1 - work->nflying);
	if (work->endpoint == NULL || room <= 0)
		return Min(room, 1);
	return Min(room, qc_window_room(work->endpoint, true));
}

/* ---- equal texts ---- */

/* The flight that carries the same text for this task, or NULL: this one is noted. */
static QcFlight *
find_equal(QcFlight *flight)
{
	uint64		key = qc_hash64(flight->utf8, flight->len, (uint64) flight->work->id);
	QcUnderWay *under_way;
	bool		found;

	if (key == 0)
		return NULL;
	under_way = hash_search(qc_state.text, &key, HASH_ENTER, &found);
	if (found && under_way->flight->len == flight->len &&
		memcmp(under_way->flight->utf8, flight->utf8, flight->len) == 0)
		return under_way->flight;
	if (!found)
	{
		under_way->flight = flight;
		flight->text_key = key;
	}
	return NULL;
}

static void
forget_text(QcFlight *flight)
{
	if (flight->text_key != 0)
		hash_search(qc_state.text, &flight->text_key, HASH_REMOVE, NULL);
	flight->text_key = 0;
}

/* ---- sending ---- */

/* It is counted as flying before anything may throw. */
static void
start(QcFlight *flight)
{
	QcWork	   *work = flight->work;
	QcFlight   *equal = find_equal(flight);
	QcCallSpec	spec = {0};

	if (equal != NULL)
	{
		flight->next_follower = equal->followers;
		equal->followers = flight;
		work->nfollowing++;
		return;
	}
	dlist_push_tail(&work->flying, &flight->node);
	work->nflying++;
	qc_state.nflying++;
	spec.endpoint = work->endpoint;
	spec.prompt = work->prompt->prompt;
	spec.text = flight->utf8;
	spec.len = flight->len;
	spec.with_reason = work->task->with_reason && work->task->reason_column != 0;
	spec.budget = &work->budget;
	flight->inquiry = qc_inquiry_start(qc_state.call_cxt, &spec);
	work->pass += 1.0 / Max(work->task->priority, 1);
}

/*
 * As many as are sent within a tenth of a second, at the rate of this second
 * or the last one: fewer would cost a transaction each, more would grow old.
 */
static int
how_many(const QcWork *work, int room)
{
	int64		at = work->second_at;
	int32		rate = Max(work->second[at % QC_RATE_SECONDS],
						   work->second[(at + QC_RATE_SECONDS - 1) % QC_RATE_SECONDS]);

	return Max(Max(room, QC_LEAST_FETCH), rate / 10);
}

/* A text to send, read if need be; NULL: there is none now. */
static QcFlight *
next_flight(QcWork *work, int room)
{
	while (work->nfetched == 0)
	{
		if (work->live.n + work->bulk.n > 0)
		{
			if (!qc_fetch(work, how_many(work, room)))
				return NULL;
		}
		else if (!qc_backfill_feed(work))
			return NULL;
		if (!qc_work_may_run(work))
			return NULL;
	}
	work->nfetched--;
	return dlist_container(QcFlight, node, dlist_pop_head_node(&work->fetched));
}

static bool
has_more(const QcWork *work)
{
	return work->nfetched > 0 || work->live.n + work->bulk.n > 0 ||
		!work->backfill_known || (work->backfill != NULL && !work->read_all);
}

/* Of those that can send, the one with the smallest pass. */
static QcWork *
whose_turn(int *room)
{
	QcWork	   *best = NULL;
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);
		int			its;

		if (work->skipped || !has_more(work) || (its = room_of(work)) <= 0 ||
			(best != NULL && work->pass >= best->pass))
			continue;
		best = work;
		*room = its;
	}
	return best;
}

static void
skip_none(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
		dlist_container(QcWork, node, iter.cur)->skipped = false;
}

/* Nothing under way, and nothing to send or not allowed to. */
static bool
rests(const QcWork *work)
{
	return work->nflying == 0 && (!has_more(work) || !qc_work_may_run(work));
}

/*
 * Who rested for a while does not catch up at the others' expense, and is one
 * turn behind them at most.  (Who merely waits for its turn has no request under
 * way either: it must not lose it.)
 */
static void
level_passes(void)
{
	double		least = -1;
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		if (rests(work))
			work->working = false;
		else if (work->working && (least < 0 || work->pass < least))
			least = work->pass;
	}
	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		if (work->working || rests(work))
			continue;
		work->working = true;
		work->pass = least < 0 ? 0 :
			Max(least, Min(work->pass, least + 1.0 / Max(work->task->priority, 1)));
	}
}

/* True if anything was sent (or taken as a follower). */
bool
qc_send(void)
{
	bool		any = false;
	int			room = 0;
	int			n = 0;
	QcWork	   *work;

	level_passes();
	skip_none();
	while (n < QC_MOST_IN_FLIGHT && (work = whose_turn(&room)) != NULL)
	{
		QcFlight   *flight = next_flight(work, room);

		if (flight == NULL)
		{
			work->skipped = true;
			continue;
		}
		start(flight);
		any = true;
		n++;
	}
	qc_pool_want(any ? qc_state.nflying : 0);
	return any;
}

/* Something that ends wakes us anyway. */
static int64
window_due(QcEndpoint *endpoint, int64 now)
{
	long		ms = qc_window_wait_ms(endpoint);

	return ms <= 0 ? QC_NEVER_AT : now + ms * QC_MS;
}

/* When a task that waits after a fault is to be tried again. */
int64
qc_send_due(void)
{
	int64		due = QC_NEVER_AT;
	int64		now = qc_pool_now();
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
	{
		QcWork	   *work = dlist_container(QcWork, node, iter.cur);

		if (!has_more(work))
			continue;
		if (work->again_at > now)
			due = Min(due, work->again_at);
		else if (work->endpoint != NULL && qc_work_takes(work))
			due = Min(due, window_due(work->endpoint, now));
	}
	return due;
}

/* ---- answers ---- */

static float4 *
copy_top(const QcVerdict *verdict, MemoryContext cxt)
{
	float4	   *top = MemoryContextAlloc(cxt, sizeof(float4) * verdict->nlabels);

	for (int i = 0; i < verdict->nlabels; i++)
		top[i] = (float4) verdict->posterior[i];
	return top;
}

/* Of several labels those that are rather there than not. */
static char *
fitting_labels(const QcWork *work, const QcVerdict *verdict)
{
	const char **name = palloc(sizeof(char *) * verdict->nlabels);
	int			n = 0;

	for (int i = 0; i < verdict->nlabels; i++)
		if (verdict->posterior[i] >= 0.5)
			name[n++] = text_to_cstring(work->prompt->label[i]);
	return qc_several_text(name, n);
}

/* What the row gets; in the batch's context. */
static void
take_verdict(QcFlight *flight, const QcVerdict *verdict, bool cut)
{
	QcWork	   *work = flight->work;
	QcItem	   *item = &flight->item;
	MemoryContext old = MemoryContextSwitchTo(flight->batch->cxt);

	item->undecided = qc_label_is_none(work->prompt->prompt->labels, verdict->label);
	if (work->task->multi)
		item->label = fitting_labels(work, verdict);
	else if (!item->undecided)
		item->label = TextDatumGetCString(PointerGetDatum(work->prompt->label[verdict->label]));
	item->confidence = verdict->confidence;
	item->reason = verdict->reason ? qc_utf8_to_server(verdict->reason) : NULL;
	item->source = qc_source_name(verdict->source);
	item->coverage = verdict->coverage;
	item->suspect = verdict->suspect;
	item->verbal = verdict->source == QC_SOURCE_VOTE ? verdict->verbal : NAN;
	if ((work->task->keep || work->calibration != NULL) && verdict->posterior != NULL &&
		!isnan(verdict->confidence))
	{
		item->top = copy_top(verdict, flight->batch->cxt);
		item->ntop = verdict->nlabels;
	}
	item->shown = item->undecided ? item->confidence :
		qc_calibrated(work->calibration, &(QcRawAnswer) {item->source, item->label, item->confidence,
													  item->top, item->ntop, item->coverage, item->verbal});
	MemoryContextSwitchTo(old);
	if (cut)
		work->cut++;
	qc_result_add(flight);
}

static void
take_failure(QcFlight *flight, const QcFailure *failure)
{
	MemoryContext old = MemoryContextSwitchTo(flight->batch->cxt);

	flight->item.failed = failure->kind;
	flight->item.error = qc_failure_reason(failure);
	MemoryContextSwitchTo(old);
	qc_result_add(flight);
}

/* Not the row's fault: it waits, and with it its task. */
static void
put_off(QcWork *work, const QcFailure *failure)
{
	if (qc_failure_charge(failure->kind) == QC_CHARGE_USER)
	{
		char	   *reason = qc_failure_reason(failure);
		char	   *hint = qc_failure_hint(failure);

		qc_work_fault(work, QC_FAULT_SERVER,
					  hint ? psprintf("%s. %s", reason, hint) : reason);
	}
	else
		work->again_at = qc_pool_now() + QC_SERVER_PAUSE;
}

/* One flight (a leader or a follower of it) of an inquiry that ended. */
static void
settle(QcFlight *flight, QcInquiry *inquiry, bool charged)
{
	const QcFailure *failure = qc_inquiry_failure(inquiry);

	if (failure == NULL)
		take_verdict(flight, qc_inquiry_verdict(inquiry), qc_inquiry_was_cut(inquiry));
	else if (charged)
		take_failure(flight, failure);
	else
		qc_flight_back(flight);
}

static void
take_answer(QcFlight *flight)
{
	QcWork	   *work = flight->work;
	QcInquiry  *inquiry = flight->inquiry;
	const QcFailure *failure = qc_inquiry_failure(inquiry);
	bool		charged = failure != NULL && qc_failure_charge(failure->kind) == QC_CHARGE_ROW;

	dlist_delete(&flight->node);
	work->nflying--;
	qc_state.nflying--;
	forget_text(flight);
	flight->inquiry = NULL;

	if (failure != NULL && !charged)
		put_off(work, failure);
	else
		qc_work_sound(work, QC_FAULT_SERVER);
	while (flight->followers != NULL)
	{
		QcFlight   *follower = flight->followers;

		flight->followers = follower->next_follower;
		work->nfollowing--;
		settle(follower, inquiry, charged);
	}
	settle(flight, inquiry, charged);
	qc_inquiry_free(inquiry);
}

static bool
collect_of(QcWork *work)
{
	bool		any = false;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &work->flying)
	{
		QcFlight   *flight = dlist_container(QcFlight, node, iter.cur);

		if (flight->inquiry != NULL && qc_inquiry_done(flight->inquiry))
		{
			take_answer(flight);
			any = true;
		}
	}
	if (work->fault == QC_FAULT_SERVER && !qc_work_may_run(work))
		qc_fetched_back(work);
	return any;
}

static void
collect_all(void *arg)
{
	bool	   *any = arg;
	dlist_iter	iter;

	dlist_foreach(iter, &qc_state.works)
		*any |= collect_of(dlist_container(QcWork, node, iter.cur));
}

/* A conversion from UTF-8 asks the catalog. */
static void
collect_in_transaction(void *arg)
{
	qc_work_begin();
	collect_all(arg);
	qc_work_end();
}

static bool
any_done(void)
{
	dlist_iter	iter;
	dlist_iter	inner;

	dlist_foreach(iter, &qc_state.works)
		dlist_foreach(inner, &dlist_container(QcWork, node, iter.cur)->flying)
			if (qc_inquiry_done(dlist_container(QcFlight, node, inner.cur)->inquiry))
				return true;
	return false;
}

/* True if any answer came. */
bool
qc_collect(void)
{
	bool		any = false;
	bool		same = GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII;

	if (same)
		collect_all(&any);
	else if (any_done())
	{
		ErrorData  *error = qc_work_try(collect_in_transaction, &any);

		if (error != NULL)
			ReThrowError(error);
	}
	return any;
}
