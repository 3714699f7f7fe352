/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  The arguments that all labelling functions share, by position:
 *	  input, labels, instructions, examples[, with_reason], server[, task][, abstain];
 *	  task where labels is text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_ARGUMENTS_H
#define QC_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"

#include "query/ask.h"

/* The task that a call site asks by, as it was read in this statement. */
typedef struct QcSiteTask QcSiteTask;

/*
 * Read a call's arguments (input not NULL); has_reason says whether the
 * function has the argument with_reason.  NULL labels without a task are an
 * error, any other NULL means the default.  *task (NULL at first) is kept
 * below parent from call to call.
 */
extern void qc_question_of(FunctionCallInfo fcinfo, QcLabelForm form,
						   bool has_reason, QcSiteTask **task,
						   MemoryContext parent, QcQuestion *question);

#endif							/* QC_ARGUMENTS_H */
