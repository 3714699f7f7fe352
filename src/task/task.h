/*-------------------------------------------------------------------------
 *
 * task.h
 *	  A task as it stands in qwen.task.
 *
 * Configuration belongs to the extension's owner; the functions here read and
 * write it by SPI under that role and check the caller's rights first.
 * Invariant: version counts up in the transaction that changes what shapes a
 * request, under qc_task_lock(id, AccessExclusiveLock).
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TASK_H
#define QC_TASK_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"

#include "prompt/how.h"

typedef struct QcTask
{
	MemoryContext cxt;			/* holds all of it */
	int32		id;
	char	   *name;
	Oid			owner;
	int32		version;
	char	   *labels;			/* JSON text in the order written: object or array */
	char	   *instructions;	/* NULL: none */
	char	   *examples;		/* JSON text, NULL: none */
	char	   *server;			/* name; NULL: by the rules of design 3.1, as the owner */
	bool		with_reason;
	double		accept_above;	/* NaN: as certified */
	int			priority;		/* 1 to 100: share of the worker's turns; 10 */
	bool		keep;			/* write qwen.result */
	int			drift_every;	/* labels between two looks for drift */
	int			votes;			/* draws where a server gives no probabilities; 0: none */
	bool		abstain;		/* the answer may be that no label fits */
	bool		multi;			/* a text may have several labels: the column is text[] */
	int			orders;			/* of the labels, a text's by its hash; 1: as written */
	int			tree;			/* QcTreeWay: how a tree of labels is asked about */
	char	   *separator;		/* of paths in it */
	double		min_confidence; /* that a node in it needs to be the label */
	int			shots;			/* examples that are chosen for each text; 0: none */
	QcLongText	long_text;
	bool		paused;

	/* what it is attached to; source InvalidOid: nothing */
	Oid			source;
	char	   *existing;		/* keep, people, relabel */
	char	   *input;			/* SQL expression, or NULL: input_column */
	int16		input_column;
	int16		label_column;
	int16		confidence_column;	/* 0: none */
	int16		reason_column;	/* 0: none */
	char	   *input_reads;	/* "2 3": what input read when it was attached; or NULL */
} QcTask;

/* Of texts that a task may lack. */
static inline bool
qc_same_text(const char *a, const char *b)
{
	return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

/* NULL with missing_ok; else an error with the names that the user may see as a hint. */
extern QcTask *qc_task_by_name(const char *name, bool missing_ok);
/* The same of the name in an argument of an SQL function; a NULL is an error. */
extern QcTask *qc_task_argument(FunctionCallInfo fcinfo, int arg);

extern QcTask *qc_task_by_id(int32 id);	/* NULL: none */

/* All tasks of this database, List of QcTask *. */
extern List *qc_task_all(void);

/* Current user must be (a member of) the owner; 42501 with a hint. */
extern void qc_task_check_owner(const QcTask *task);

/*
 * May the current user see what the task says and ask by it?  Its owner (and
 * members) may, and who may read the table that it labels.
 */
extern bool qc_task_visible(const QcTask *task);

/* accept_above => 'certified' */
extern bool qc_task_accepts_certified(const QcTask *task);

/* A task of the user's under AccessExclusiveLock, as it is now; to change it. */
extern QcTask *qc_task_for_change(const char *name);

/*
 * The lock on a task until the end of the transaction.  AccessShareLock: its
 * version stays (write-back); AccessExclusiveLock: to change it.  Returns the
 * version as it is under the lock, 0 if the task is gone.
 */
extern int32 qc_task_lock(int32 id, LOCKMODE mode);

/* The lock alone, for who reads the task under it. */
extern void qc_task_hold(int32 id, LOCKMODE mode);

/* The columns' numbers follow a restore, their names a rename.  Needs a snapshot. */
extern void qc_task_keep_columns(void);

/*
 * What this process writes into a task's table is nobody's decision about a
 * text (the worker's labels, new names): the triggers record no annotation.
 * Defined with the triggers.
 */
extern bool qc_writing_back;

/*
 * The examples that a task chooses from, JSON text in the current memory
 * context; NULL: none.  Frozen: they change with the version alone.
 */
extern text *qc_task_pool(const QcTask *task);

/* ---- our own tables by SPI ---- */

/*
 * Run as the extension's owner with a safe search_path; from begin to end
 * nothing of a user's runs.  Errors in between undo it at abort.
 */
typedef struct QcAsOwner
{
	Oid			userid;
	int			sec_context;
	int			guc_nest_level;
} QcAsOwner;

extern void qc_as_extension_owner(QcAsOwner *saved);

/* Run as a role, security-restricted, search_path pg_catalog, pg_temp. */
extern void qc_as_role(QcAsOwner *saved, Oid roleid);
extern void qc_as_before(const QcAsOwner *saved);

/* Is the extension there, and of this library's version?  Locks it until the end of the transaction. */
extern bool qc_extension_present(Oid *oid);

/*
 * A statement prepared once a session; within SPI.  Its plan is made without
 * looking at the arguments, so it expects few rows and goes by the primary key
 * however large the table is.
 */
struct _SPI_plan;
extern struct _SPI_plan *qc_plan_once(struct _SPI_plan **plan, const char *sql, int nargs,
									  const Oid *types);

/* OID of a table of schema qwen by name, cached by relcache. */
extern Oid	qc_own_table(const char *name);

#endif							/* QC_TASK_H */
