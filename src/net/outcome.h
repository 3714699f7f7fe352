/*-------------------------------------------------------------------------
 *
 * outcome.h
 *	  What an answer (or its absence) means and what to do about it.
 *
 * The one place for the rules; plain C, so that one table-driven test has a
 * row for each.  It decides, call.c acts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_OUTCOME_H
#define QC_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>

#include "common/facts.h"
#include "common/failkind.h"
#include "prompt/reply.h"

typedef enum QcAction
{
	QC_ACT_READ,				/* 200: read the answer */
	QC_ACT_RETRY,				/* wait (back-off or Retry-After), send again */
	QC_ACT_RESEND,				/* send again at once, free, once: stale connection */
	QC_ACT_CUT,					/* cut the text to fit, send again, once */
	QC_ACT_DOWNGRADE,			/* drop the field(s) in refused, send again */
	QC_ACT_FAIL					/* give up: kind says whose fault */
} QcAction;

/* What came back, as the transport saw it. */
typedef struct QcReceived
{
	int			curl_code;		/* CURLcode */
	int			http_status;	/* 0: no answer */
	bool		reused;			/* on a connection that served before */
	bool		connecting;		/* time ran out before a connection stood */
	bool		any_byte;		/* some byte of an answer came */
	bool		too_large;		/* the body cap was hit */
	bool		json;			/* reply was parsed */
	const QcReply *reply;		/* never NULL */
	const char *body;			/* raw, for bodies that are not JSON */
	size_t		body_len;
} QcReceived;

typedef struct QcOutcome
{
	QcAction	action;
	QcFailKind	kind;			/* for all but READ; what it is if the action
								 * cannot be taken (a second CUT, a second RESEND) */
	uint32_t	refused;		/* for DOWNGRADE */
	int			top_cap;		/* for DOWNGRADE of top_logprobs: the new cap */
	long		limit_tokens;	/* for CUT: context size if told, else 0 */
	long		prompt_tokens;	/* for CUT: what was sent, if told, else 0 */
} QcOutcome;

/*
 * facts are those that the request was written with, not those of now: with
 * 64 requests under way one refused field comes back 64 times, and each of
 * them is to be sent again.  READ does not promise that the reply has a text.
 */
extern QcOutcome qc_outcome(const QcReceived *received, const QcFacts *facts);

#endif							/* QC_OUTCOME_H */
