/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The background: one launcher, one worker a database.
 *
 *	  launcher (launcher.c) ── starts ──► worker (session.c) ──► loop.c
 *
 * The launcher knows databases and nothing of tasks; a worker serves one
 * database and leaves when it has nothing to do.  All that they tell each
 * other is on the board (common/board.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_WORKER_H
#define QC_WORKER_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "common/board.h"

#define QC_WORKER_NAME		"qwen_classify worker"
#define QC_LAUNCHER_NAME	"qwen_classify launcher"

/* Each database is looked at this often even if nothing is known of it; microseconds. */
#define QC_VISIT_EVERY		INT64CONST(300000000)

/* From _PG_init: the launcher (with preload) and the hook on utility commands. */
extern void qc_launcher_init(void);
extern void qc_utility_init(void);

/* Where the processes start; the server finds them by name. */
extern PGDLLEXPORT void qwen_classify_launcher_main(Datum arg);
extern PGDLLEXPORT void qwen_classify_worker_main(Datum arg);

/* session.c: this worker's place on the board; NULL: all are taken. */
extern QcBoardDatabase *qc_worker_place(void);

/* So far the changes of tasks are known here: later ones want another worker. */
extern void qc_worker_config_seen(uint32 config);

/* Handlers, signals open; SIGTERM ends the process from wherever it waits. */
extern void qc_worker_signals(void);

/* In a transaction: is the extension still the one that this worker found? */
extern bool qc_worker_extension_same(void);

/* Leave for good; due: when a worker is wanted again (0: at the next visit). */
pg_noreturn extern void qc_worker_leave(TimestampTz due, bool absent);

/* loop.c: serve this database; comes back when the worker is to leave. */
extern TimestampTz qc_loop_run(void);

#endif							/* QC_WORKER_H */
