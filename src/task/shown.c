/*-------------------------------------------------------------------------
 *
 * shown.c
 *	  From a task's answer to the confidence that is shown.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "task/shown.h"

QcShowing	qc_showing;
