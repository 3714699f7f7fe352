/*-------------------------------------------------------------------------
 *
 * trigger_info.h
 *	  What a trigger must know of its task and table, kept a session.
 *
 * Read once a session for each task and table, and again after the table
 * changed; the columns are numbered as in the table that the trigger fires on,
 * which may be a partition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRIGGER_INFO_H
#define QC_TRIGGER_INFO_H

#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"

#include "task/target.h"

typedef struct QcTriggerInfo
{
	/* the key of the cache */
	int32		task;
	Oid			relid;

	bool		valid;			/* nothing changed since it was read */
	bool		changed;		/* something did while it was being read */
	bool		active;			/* the task is attached to this table; else do nothing */
	TimestampTz tried;			/* the transaction that found it inactive */
	Oid			source;			/* the task's table: this one or its partition root */

	MemoryContext cxt;			/* holds what follows */
	QcTarget   *target;
	AttrNumber *map;			/* target's numbers to this table's, NULL: the same */
	AttrNumber	int_key;		/* 0: the key is kx */
	Oid			int_key_type;
	int			nkeys;
	AttrNumber *key;
	FmgrInfo   *key_out;		/* NULL: its text depends on settings, task/ makes it */
	int			nreads;
	AttrNumber *reads;
	AttrNumber	plain_input;	/* the input is this column; 0: an expression */
	AttrNumber	label;
	FmgrInfo	label_out;
	AttrNumber	confidence;		/* 0: none */
	Oid			confidence_type;
	Datum		one;			/* 1 in that type; valid if has_one */
	bool		has_one;
	AttrNumber	reason;			/* 0: none */
	int32		reason_limit;	/* characters; -1: none */
	int			nroutes;		/* columns that decide the partition of a row */
	AttrNumber *routes;
} QcTriggerInfo;

/* NULL: this trigger does nothing. */
extern QcTriggerInfo *qc_trigger_info(FunctionCallInfo fcinfo, TriggerData *trigger);

/* The key of a row; *kx (palloc'ed) is NULL for integer keys. */
extern int64 qc_trigger_key(QcTriggerInfo *info, HeapTuple tuple, TupleDesc desc, char **kx);

#endif							/* QC_TRIGGER_INFO_H */
