/*-------------------------------------------------------------------------
 *
 * support.c
 *	  The planner support function of the labelling functions.
 *
 * It supports nothing.  It is there because the planner calls it before it
 * estimates anything: in a session's first statement without preload this is
 * what loads the library in time, and what tells that the planner is at work.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "common/statement.h"

PG_FUNCTION_INFO_V1(qwen_classify_support);
Datum
qwen_classify_support(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	qc_statement_in_planner();
	PG_RETURN_POINTER(NULL);
}
