/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  The arguments that all labelling functions share, by position:
 *	  input, labels, instructions, examples[, with_reason or threshold], server, long_text
 *	  [, task][, abstain, tree, separator, min_confidence]; task where labels is text.
 *	  qwen.answer has input and task alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_ARGUMENTS_H
#define QC_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"

#include "query/ask.h"
#include "task/shown.h"

/* The task that a call site asks by, as it was read in this statement. */
typedef struct QcSiteTask QcSiteTask;

/*
 * Read a call's arguments (input not NULL).  NULL labels without a task are an
 * error, any other NULL means the default.  *task (NULL at first) is kept
 * below parent from call to call.
 */
extern void qc_question_of(FunctionCallInfo fcinfo, QcLabelForm form,
						   QcAskFor what, QcSiteTask **task,
						   MemoryContext parent, QcQuestion *question);

/*
 * What a question's answer is shown by, once it was asked: NULL if there is no
 * task, or no calibration of what was asked.
 */
extern const struct QcCalibration *qc_question_calibration(QcSiteTask *task, const QcQuestion *question);

/* From how probable on a label is given; raises what is no probability. */
extern double qc_threshold_of(FunctionCallInfo fcinfo);

#endif							/* QC_ARGUMENTS_H */
