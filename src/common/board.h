/*-------------------------------------------------------------------------
 *
 * board.h
 *	  What sessions, the launcher and the workers tell each other.
 *
 * One place a database (who serves it, which blocks of its queue are new,
 * when it wants to be looked at) and one a task (what is happening, for the
 * views).  All of it is a hint: a fact that is lost here (crash, overflow,
 * no preload) is found again in the tables by the worker's sweep.  Without
 * shared_preload_libraries there is no board and every call does nothing.
 *
 * Locks: places are given out and taken back under the LWLock of shmem.h;
 * the fields of a place are guarded by its spinlock.  Nothing but
 * qc_board_task_claim throws, and announcing at commit never does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_BOARD_H
#define QC_BOARD_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/block.h"
#include "storage/spin.h"

#define QC_BOARD_DATABASES	64
#define QC_BOARD_TASKS		256
#define QC_BOARD_RANGES		1024	/* of each database: 8 kB */

/* Blocks of qwen.queue, both ends included. */
typedef struct QcRange
{
	BlockNumber first;
	BlockNumber last;
} QcRange;

typedef struct QcBoardDatabase
{
	Oid			dbid;			/* InvalidOid: free; guarded by the LWLock */

	slock_t		mutex;			/* guards the rest */
	int			worker_pid;		/* 0: none */
	int			worker_proc;	/* proc number, whose latch is set; valid with a pid */
	bool		wanted;			/* the launcher is to start a worker now */
	bool		away;			/* keep workers out (DROP DATABASE, template copy) ... */
	TimestampTz away_until;		/* ... until then at most */
	bool		absent;			/* the extension is not there (any more) */
	bool		sweep;			/* ranges were lost or never told: read all */
	uint32		config;			/* counts changes of tasks */
	TimestampTz due;			/* when a worker that left is wanted again; 0: never */
	TimestampTz started_at;		/* of the worker that is there or was the last */
	int			quick_deaths;	/* workers in a row that died within 60 s */
	bool		yield;			/* others wait for a slot: an idle worker leaves, a busy one after a while */
	bool		told;			/* the worker's latch was set, and it has not looked since */
	uint32		head;			/* ranges: next to write */
	uint32		tail;			/* next to read */
	QcRange		range[QC_BOARD_RANGES];
} QcBoardDatabase;

/* What a task is doing, in a word; the names are in the view's README table. */
typedef enum QcTaskActivity
{
	QC_TASK_IDLE,				/* nothing to do */
	QC_TASK_LABELLING,
	QC_TASK_BACKFILLING,
	QC_TASK_RECALIBRATING,
	QC_TASK_SERVER_DOWN,		/* why: the last failure */
	QC_TASK_LIMITED,			/* requests_per_minute or tokens_per_minute */
	QC_TASK_STOPPED,			/* a configuration fault; why says what to do */
	QC_TASK_SAFE_MODE			/* after two crashes: one request at a time */
} QcTaskActivity;

/* Written by the database's worker alone; counts are since the worker began. */
typedef struct QcBoardTask
{
	Oid			dbid;			/* InvalidOid: free; guarded by the LWLock */
	int32		task;

	slock_t		mutex;			/* guards the rest */
	QcTaskActivity activity;
	TimestampTz since;			/* in this activity */
	char		why[512];		/* server encoding; "" or the reason */
	char		last_error[256];
	char		source[16];		/* of the confidence: qc_source_name, or "" */
	bool		waiting_exact;	/* waiting counts all (no unread part of the queue) */
	int64		waiting;		/* entries known, not in flight */
	int64		in_flight;
	TimestampTz oldest;			/* enq of the oldest entry known; 0: none */
	float8		rate;			/* labels written a second, over the last minute */
	/* since the last flush into qwen.tally, so that table + these = all */
	int64		done;
	int64		undecided;
	int64		failed;
	int64		cut;
} QcBoardTask;

typedef struct QcBoard
{
	int			launcher_pid;	/* 0: none; guarded by launcher_mutex */
	int			launcher_proc;
	bool		look;			/* databases came or went: the launcher is to read their list */
	slock_t		launcher_mutex;
	TimestampTz begun_at;		/* set before anybody else reads it, as the next */
	bool		crashed_twice;	/* the server, within 60 s */
	QcBoardDatabase database[QC_BOARD_DATABASES];
	QcBoardTask task[QC_BOARD_TASKS];
} QcBoard;

extern QcBoard *qc_board;		/* NULL without preload */

/* From shmem.c: size, and one initialisation in the postmaster. */
extern Size qc_board_size(void);
extern void qc_board_init(QcBoard *board);

/*
 * The place of a database; made if asked for and one is free, else NULL (the
 * caller then relies on the launcher's visits).
 */
extern QcBoardDatabase *qc_board_database(Oid dbid, bool make);
extern void qc_board_forget_database(Oid dbid);

/*
 * At commit: rows were written to these blocks of qwen.queue (n = -1: too
 * scattered, sweep).  Wakes the worker, or the launcher to start one.
 */
extern void qc_board_announce(Oid dbid, const QcRange *range, int n);

/* A task changed, or somebody wants the worker to look (backfill, retry): at commit. */
extern void qc_board_config_changed(Oid dbid);

/* The same at the commit of the current transaction; registers once a process. */
extern void qc_board_config_changes(void);

/*
 * For the worker: up to max ranges, oldest first; *sweep is set (and cleared
 * on the board) if ranges were lost.  Returns how many.
 */
extern int	qc_board_take(QcBoardDatabase *place, QcRange *range, int max, bool *sweep);

/* Set a latch: of the worker if there is one, else the launcher's. */
extern void qc_board_wake(QcBoardDatabase *place);
extern void qc_board_wake_launcher(void);

/* Databases came, went or were renamed: the launcher reads their list anew. */
extern void qc_board_databases_changed(void);

/* The place of a task of this database: for the worker (made), for views (NULL: none). */
extern QcBoardTask *qc_board_task_claim(int32 task);
extern bool qc_board_task_read(Oid dbid, int32 task, QcBoardTask *copy);
extern void qc_board_task_forget(Oid dbid, int32 task);

#endif							/* QC_BOARD_H */
