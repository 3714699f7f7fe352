/*-------------------------------------------------------------------------
 *
 * budget.h
 *	  What a statement (or a worker's batch) may still spend: requests, time.
 *
 * Owned by the statement, counted by net/.  It outlives the calls that use it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_BUDGET_H
#define QC_BUDGET_H

#include "datatype/timestamp.h"

typedef struct QcBudget
{
	int64		requests;		/* generation requests sent so far, tries included */
	int64		max_requests;	/* 0: no limit */
	int64		retried;		/* of these, sent again */
	int			in_flight;		/* of requests with a place; kept only with a limit */
	int			max_in_flight;	/* 0: no limit */
	bool		succeeded;		/* an answer came: from now on faults of the
								 * server are waited out */
	bool		patient;		/* wait them out from the start (a worker) */
	TimestampTz failing_since;	/* first fault since the last answer, or 0 */
	TimestampTz notice_at;		/* when the next NOTICE of waiting is due */
} QcBudget;

#endif							/* QC_BUDGET_H */
