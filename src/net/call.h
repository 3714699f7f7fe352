/*-------------------------------------------------------------------------
 *
 * call.h
 *	  One text to label: a request with its retries until a verdict or a
 *	  failure.
 *
 * A call is a state machine that qc_pool_wait drives; many may be under way.
 * It lives in a memory context of its own below its creator's: when that is
 * reset (error, cancel, subtransaction abort, portal drop) the request is
 * aborted and every count that it held is given back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_CALL_H
#define QC_CALL_H

#include "postgres.h"

#include "common/budget.h"
#include "common/errors.h"
#include "net/endpoint.h"
#include "prompt/answer.h"

typedef struct QcCall QcCall;

typedef struct QcCallSpec
{
	QcEndpoint *endpoint;
	QcPrompt   *prompt;			/* must outlive the call */
	const char *text;			/* valid UTF-8, NUL-terminated; copied */
	size_t		len;
	bool		with_reason;
	bool		whole;			/* what does not fit is too long, never cut */
	int			draw;			/* the how many-th of several, at temperature 1; 0: one answer
								 * by the server's options */
	QcBudget   *budget;			/* must outlive the call */
} QcCallSpec;

/* Start; the call belongs to parent.  Throws nothing that waiting would not. */
extern QcCall *qc_call_start(MemoryContext parent, const QcCallSpec *spec);

/* Drive the pool until this call is done. */
extern void qc_call_wait(QcCall *call);

extern bool qc_call_done(const QcCall *call);

/* After it is done: NULL or the failure; the verdict is valid only without one. */
extern const QcFailure *qc_call_failure(const QcCall *call);
extern const QcVerdict *qc_call_verdict(const QcCall *call);

/* Hand the verdict over: free it with qc_verdict_free. */
extern QcVerdict qc_call_take_verdict(QcCall *call);
extern bool qc_call_was_cut(const QcCall *call);

/* What it cost so far, follow-up requests included; tokens as far as the server told. */
typedef struct QcCallCost
{
	int			requests;		/* as many as questions; tries and follow-ups not counted */
	int			retried;		/* tries beyond the first */
	int64		tokens;			/* of prompts and replies */
	int64		cached_tokens;
} QcCallCost;

extern QcCallCost qc_call_cost(const QcCall *call);

/*
 * While it is not done: the server's fault that it waits out, or NULL.  For a
 * worker's view, since its calls (budget->patient) wait without a word.
 */
extern const QcFailure *qc_call_trouble(const QcCall *call);

/* Abort if under way, and free at once. */
extern void qc_call_free(QcCall *call);

/*
 * How many characters of such a text a request takes, as far as is known of
 * the endpoint yet; 0: all.
 */
extern size_t qc_call_max_chars(const QcCallSpec *spec);

/*
 * The body that a first request for this text would have, as JSON text
 * (palloc'ed, UTF-8); sends nothing.  What is not known of the endpoint yet is
 * assumed as its option api says (auto: openai).
 */
extern char *qc_call_preview(const QcCallSpec *spec);

#endif							/* QC_CALL_H */
