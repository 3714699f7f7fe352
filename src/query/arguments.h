/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  The arguments that all labelling functions share, by position:
 *	  input, labels, instructions, examples[, with_reason], server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_ARGUMENTS_H
#define QC_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"

#include "query/ask.h"

/*
 * Read a call's arguments (input not NULL); has_reason says whether the
 * function has the argument with_reason.  NULL labels are an error, any other
 * NULL means the default.
 */
extern void qc_question_of(FunctionCallInfo fcinfo, QcLabelForm form,
						   bool has_reason, QcQuestion *question);

#endif							/* QC_ARGUMENTS_H */
