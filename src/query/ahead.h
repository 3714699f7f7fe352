/*-------------------------------------------------------------------------
 *
 * ahead.h
 *	  The answers of one query that were asked for before their rows are
 *	  reached.
 *
 * Its prefetch nodes ask, its functions take.  All of it lies below the
 * executor's memory of that query: whatever ends the query ends the requests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_AHEAD_H
#define QC_AHEAD_H

#include "postgres.h"

#include "lib/ilist.h"
#include "nodes/execnodes.h"

#include "net/inquiry.h"
#include "query/ask.h"
#include "query/results.h"

typedef struct QcAhead QcAhead;

/* What a node's requests came to; for EXPLAIN.  Lives as long as the query. */
typedef struct QcAheadCounts
{
	int64		requests;		/* sent; tries and follow-ups are not counted */
	int64		shared;			/* rows that needed none of their own */
	int64		retried;		/* tries beyond the first */
	int64		tokens;			/* of prompts and replies, where the server tells */
	int64		cached_tokens;
	int			in_flight;
	int			most_in_flight;
} QcAheadCounts;

/*
 * An answer, awaited or there.  It stays while somebody holds it; after that
 * it may be forgotten for lack of memory, and the function asks again.
 */
typedef struct QcAnswer
{
	QcResultKey key;
	QcInquiry  *inquiry;		/* under way; NULL: settled */
	bool		gone;			/* never to be found again: its statement ended first, or
								 * its failure was raised */
	bool		taken;			/* its failure was counted or raised */
	bool		cut;
	int			holders;
	QcResult	result;			/* of a settled one */
	QcFailure  *failure;		/* of a settled one; NULL: none */
	int			nlabels;
	QcEndpoint *endpoint;
	QcSitePrompt *prompt;		/* held while it is awaited */
	QcAheadCounts *counts;		/* of the node that asked */
	Size		bytes;
	dlist_node	node;			/* awaited, or settled and held by nobody */
} QcAnswer;

/* The query's, made if need be; in an EvalPlanQual the outer query's. */
extern QcAhead *qc_ahead_of(EState *estate);
extern QcAheadCounts *qc_ahead_counts(QcAhead *ahead);

/* Where prompts of call sites live that ask ahead. */
extern MemoryContext qc_ahead_context(QcAhead *ahead);

/*
 * How many requests a node may start now: within qwen_classify.max_in_flight
 * and the window of the server asked last, and at least its share of them.
 */
extern int	qc_ahead_room(QcAhead *ahead, const QcAheadCounts *counts);

/*
 * May a node read on, with that much in rows and answers?  What a row still
 * needs of nodes below, whose answers are held no longer, must not be forgotten
 * before it goes out.
 */
extern bool qc_ahead_has_memory(const QcAhead *ahead, Size row_bytes, int answers);

/* An answer failed in a way that stops the statement: nothing more is asked ahead. */
extern bool qc_ahead_stopped(const QcAhead *ahead);

/* No more will be asked for the rows of a node. */
extern void qc_ahead_last(void);

/*
 * Ask, or hold the answer to an equal question; *started tells whether a
 * request was started for it.  NULL: none is needed, or none can be made.
 */
extern QcAnswer *qc_ahead_ask(QcAhead *ahead, QcSitePrompt **site,
							  QcQuestion *question, QcAheadCounts *counts,
							  bool *started);
extern void qc_ahead_release(QcAhead *ahead, QcAnswer *answer);

static inline bool
qc_answer_awaited(const QcAnswer *answer)
{
	return answer->inquiry != NULL;
}

/* Move what can be moved; timeout as of qc_pool_wait. */
extern void qc_ahead_wait(QcAhead *ahead, long timeout_ms);

/*
 * What the running query was answered to this request, waited for if it is
 * under way; NULL: it did not ask.  For the functions.
 */
extern QcAnswer *qc_ahead_find(const QcResultKey *key);

#endif							/* QC_AHEAD_H */
