/*-------------------------------------------------------------------------
 *
 * state.h
 *	  A worker from the inside: what it holds in memory.  For worker/ only.
 *
 *	  queue rows ─► QcEntry (feed.c) ─► QcFlight (fetch.c) ─► call (send.c)
 *	  qwen.retry ─►   ready, per task     text fetched          │
 *	  backfill   ────────────────────────►                      ▼
 *	  tables     ◄── write-back (flush.c) ◄── result ◄──────────┘
 *
 * An entry is a key that is to be labelled, however many queue rows it has.
 * It is ready (in one of its task's lists) or taken (a flight has it).  A
 * flight takes along the queue rows that the entry had when its text was
 * fetched; rows that come later stay with the entry and make a new turn.
 *
 * All of it may be thrown away at any moment (qc_state_reset): the tables know
 * everything that matters.  Nothing here is kept across a wait that needs a
 * transaction, a snapshot or a lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_STATE_H
#define QC_STATE_H

#include "postgres.h"

#include "lib/ilist.h"
#include "utils/hsearch.h"

#include "net/inquiry.h"
#include "queue/read.h"
#include "queue/write.h"
#include "task/prompts.h"
#include "trust/acceptance.h"
#include "trust/calibration.h"
#include "worker/worker.h"

#define QC_MOST_ENTRIES		200000	/* in memory: about 100 bytes each */
#define QC_BULK_ENTRIES		100000	/* of these, from a backlog */
#define QC_MOST_IN_FLIGHT	512
#define QC_BATCH			256	/* rows of one fetch, of one write-back */
#define QC_BACKLOG_RANGES	64
#define QC_UNKNOWN			16

typedef struct QcFlight QcFlight;
typedef struct QcEntry QcEntry;

typedef struct QcEntryKey
{
	int32		task;
	int64		k;
	char	   *kx;				/* NULL for integer keys */
} QcEntryKey;

struct QcEntry
{
	QcEntryKey	key;
	QcEntry    *next;			/* in the ready list */
	QcFlight   *flight;			/* taken by; NULL: ready */
	QcPlace		place;			/* the first of its queue rows ... */
	QcPlace    *more;			/* ... and the others */
	int32		nplaces;
	int32		room;			/* of more */
	TimestampTz first_enq;
	uint8		origin;			/* QcOrigin */
	bool		live;			/* from a small range that was just announced */
	bool		relabel;		/* of a retry: its label is to be replaced */
	int16		attempts;
};

typedef struct QcReady
{
	QcEntry    *head;
	QcEntry    *tail;
	int64		n;
} QcReady;

/* What was fetched together lies in one context, until the last of it is done. */
typedef struct QcBatch
{
	MemoryContext cxt;
	int			refs;
} QcBatch;

/* Rows of a backfill that were read together; its cursor moves when all are done. */
typedef struct QcChunk
{
	dlist_node	node;
	char	   *cursor;			/* after it */
	int			open;			/* rows that are not done */
	int			nrows;
} QcChunk;

struct QcFlight
{
	dlist_node	node;			/* in one of its task's lists */
	struct QcWork *work;
	QcEntry    *entry;
	QcBatch    *batch;
	QcChunk    *chunk;			/* or NULL */
	QcItem		item;
	QcInquiry  *inquiry;		/* under way, or NULL */
	uint64		text_key;		/* under which it is known to equal texts; 0: not */
	QcFlight   *followers;		/* equal texts that take its answer */
	QcFlight   *next_follower;
	const char *utf8;			/* the text as it is sent */
	size_t		len;
	int64		since;			/* answered, or to be handed in again; of qc_pool_now() */
};

/* Why a task waits. */
typedef enum QcFaultOf
{
	QC_SOUND,
	QC_FAULT_SQL,				/* its table, expression, server, labels */
	QC_FAULT_WRITE,				/* labels cannot be written */
	QC_FAULT_SERVER				/* the server refuses us: key, model, path */
} QcFaultOf;

#define QC_RATE_SECONDS 60

/* A task at work. */
typedef struct QcWork
{
	dlist_node	node;
	int32		id;
	MemoryContext cxt;			/* all but the task and the target */
	QcTask	   *task;
	QcTarget   *target;			/* NULL: to be resolved */
	MemoryContext target_cxt;
	bool		target_stale;
	QcEndpoint *endpoint;		/* pinned; NULL: none yet */
	QcSitePrompt *prompt;
	QcCalibration *calibration; /* NULL: none */
	QcAcceptance acceptance;	/* its source: below the task's context */
	QcBudget	budget;

	QcReady		live;
	QcReady		bulk;
	int			turn;			/* of live and bulk */
	bool		missed;			/* rows were left in the queue unread */
	dlist_head	fetched;		/* flights with a text, not sent */
	int			nfetched;
	dlist_head	flying;			/* calls under way, and their followers are not here */
	int			nflying;
	int			nfollowing;
	dlist_head	results;		/* answered, to be written */
	int			nresults;
	dlist_head	blocked;		/* rows that somebody has locked */
	int			nblocked;
	double		pass;			/* whose turn it is: the smallest */
	bool		working;		/* takes turns; else it rests and its pass stands still */
	bool		skipped;		/* had nothing to send in this round */

	QcFaultOf	fault;
	char	   *why;
	int64		again_at;		/* after a fault; of qc_pool_now() */
	bool		reported;

	QcBackfill *backfill;		/* NULL: none open */
	MemoryContext backfill_cxt;
	bool		backfill_known;
	char	   *cursor;			/* after the last chunk that was read */
	bool		read_all;
	bool		broken;			/* rows of a chunk came back: read it again */
	dlist_head	chunks;			/* in order */
	int			nchunks;

	bool		rewriting;		/* confidences of rows that are there */
	int64		rewritten;
	int			rewrite_rows;	/* of the next transaction */
	int64		rewrite_at;		/* not before; of qc_pool_now() */

	/* counts for the board */
	QcBoardTask *board;
	int64		done;
	int64		drifting;		/* labels since the last look for drift */
	int64		drift_at;		/* no look before; of qc_pool_now() */
	int64		undecided;
	int64		failed;
	int64		cut;
	char		last_error[256];
	const char *source;
	int32		second[QC_RATE_SECONDS];	/* labels written */
	int64		second_at;
	QcTaskActivity activity;
} QcWork;

/* What this worker holds. */
typedef struct QcState
{
	MemoryContext cxt;			/* all that qc_state_reset throws away */
	MemoryContext round;		/* emptied each round */
	MemoryContext entry_cxt;
	MemoryContext call_cxt;
	HTAB	   *entry;
	HTAB	   *text;			/* texts under way */
	dlist_head	works;
	int			nworks;

	int64		nbulk;			/* ready, from backlogs */
	int			nflying;		/* calls */
	int			nresults;
	int			in_work;		/* flights in any state */

	/* the queue on disk */
	QcRange		backlog[QC_BACKLOG_RANGES];	/* the latest last, and read first */
	int			nbacklog;
	QcRange		sweep;			/* what is left of it */
	bool		sweeping;
	bool		sweep_wanted;
	int64		sweep_at;
	int64		feed_at;		/* no reading before: our tables were locked */
	int32		unknown[QC_UNKNOWN];	/* tasks that were not found, latest first */
	bool		outdated;		/* one is new, or another than we read: look at the tasks again */

	uint32		config;			/* as on the board when the tasks were read */
	int64		nretry;			/* entries from qwen.retry */
	int			nretry_left;	/* due, but their task may not run */
	int64		retry_at;		/* of qc_pool_now(); QC_NEVER_AT: none waits */
	TimestampTz retry_due;		/* the same for the launcher; 0: none */

	int64		begun;			/* of qc_pool_now() */
	int64		busy_at;		/* when there was work, last */
	int64		minute_at;		/* next housekeeping */
	int64		drift_at;		/* next look for drift at all tasks */
	int64		look_at;		/* when the servers of calls are looked at again */
	int64		told_at;		/* the board's last word of a change; 0: looked at since */
	int64		shown_at;
	int			housekept;		/* whose turn it was */
	int64		safe_until;		/* one request at a time; 0: no */
} QcState;

#define QC_NEVER_AT		PG_INT64_MAX
#define QC_MS			INT64CONST(1000)
#define QC_S			INT64CONST(1000000)

extern QcState qc_state;

/* work.c: transactions, and errors that must not end the worker. */
extern void qc_work_begin(void);
extern void qc_work_end(void);
extern ErrorData *qc_work_try(void (*step) (void *), void *arg);
extern void qc_work_fault(QcWork *work, QcFaultOf fault, const char *why);
extern bool qc_error_passes(const ErrorData *error);
extern void qc_work_error(QcWork *work, ErrorData *error);
extern void qc_work_sound(QcWork *work, QcFaultOf fault);
extern bool qc_work_takes(const QcWork *work);
extern bool qc_work_may_run(const QcWork *work);

/* tasks.c: which tasks there are. */
extern void qc_works_load(void);
extern bool qc_works_outdated(void);
extern QcWork *qc_work_of(int32 task);
extern void qc_work_resolve(QcWork *work);	/* in a transaction; throws */
extern void qc_works_watch(void);
extern void qc_works_check(void);
extern void qc_works_check_again(void);
extern void qc_works_look_again(void);

/* entries.c */
extern void qc_entries_init(void);
extern QcEntry *qc_entry_find(int32 task, int64 k, char *kx);
extern QcEntry *qc_entry_make(QcWork *work, int64 k, const char *kx, TimestampTz enq);
extern void qc_entry_queue_row(QcWork *work, const QcQueueRow *row, bool live);
extern void qc_entry_ready(QcWork *work, QcEntry *entry);
extern QcEntry *qc_entry_next(QcWork *work);
extern void qc_entry_done(QcFlight *flight);
extern void qc_entry_back(QcFlight *flight);
extern void qc_entries_forget(QcWork *work);

/* feed.c: from the tables to entries. */
extern bool qc_feed(void);
extern int64 qc_feed_due(void);
extern bool qc_feed_all_read(void);

/* fetch.c: from entries to flights. */
extern bool qc_fetch(QcWork *work, int n);
extern QcBatch *qc_batch_make(void);
extern void qc_batch_release(QcBatch *batch);
extern QcFlight *qc_flight_make(QcWork *work, QcBatch *batch, QcEntry *entry);
extern void qc_flight_read(QcFlight *flight);
extern void qc_flight_sort(QcFlight *flight);
extern void qc_flight_done(QcFlight *flight);
extern void qc_flight_back(QcFlight *flight);
extern void qc_flights_back(QcWork *work);
extern void qc_fetched_back(QcWork *work);

/* backfill.c: from existing rows to flights. */
extern bool qc_backfill_feed(QcWork *work);
extern void qc_backfill_settle(QcWork *work);
extern void qc_backfill_forget(QcWork *work);

/* rewrite.c: calibrated confidences for existing rows. */
extern void qc_rewrite_look(QcWork *work);
extern bool qc_rewrite(bool *any);
extern int64 qc_rewrite_due(void);

/* send.c: calls. */
extern bool qc_send(void);
extern bool qc_collect(void);
extern int64 qc_send_due(void);

/* flush.c: write-back. */
extern void qc_result_add(QcFlight *flight);
extern bool qc_flush(bool all);
extern bool qc_write_cursor(QcWork *work, const char *cursor);
extern int64 qc_flush_due(void);

/* loops.c: rows that change whenever they are labelled. */
extern void qc_loops_watch(void);
extern bool qc_loop_found(int32 task, int64 k);
extern void qc_loops_forget_old(void);

/* show.c: the board and pg_stat_activity. */
extern void qc_show(bool now);
extern void qc_show_session(void);
extern void qc_show_failed(QcWork *work, const QcItem *item);
extern void qc_show_written(QcWork *work, const QcItem *item);

/* loop.c */
extern void qc_state_reset(void);

#endif							/* QC_STATE_H */
