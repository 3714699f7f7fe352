/*-------------------------------------------------------------------------
 *
 * ask.h
 *	  One text to a result: the engine under the SQL functions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_ASK_H
#define QC_ASK_H

#include "postgres.h"

#include "common/statement.h"
#include "net/inquiry.h"
#include "task/prompts.h"
#include "query/results.h"

/* A question as the SQL call puts it. */
typedef struct QcQuestion
{
	text	   *input;			/* server encoding, detoasted */
	QcPromptArgs prompt;		/* codes is filled in by qc_ask */
	bool		with_reason;
	const char *server;			/* NULL: by the rules of the endpoint */
	bool		as_task;		/* what the task asks, nothing else said by the call */
	QcEndpoint *endpoint;		/* that it goes to: filled in by qc_ask */
} QcQuestion;

/* What a question comes to: a request, or why none can be made. */
typedef struct QcRequest
{
	QcCallSpec	spec;			/* text NULL: unreadable says why */
	QcFailure	unreadable;
	QcSitePrompt *prompt;
	QcResultKey key;
} QcRequest;

extern void qc_request_of(QcSitePrompt **site, MemoryContext site_cxt, QcQuestion *question,
						  QcStatement *statement, QcRequest *request);

/* Does such a failure stop the statement, as the settings and its course so far are? */
extern bool qc_failure_stops(const QcStatement *statement, const QcFailure *failure);

/*
 * Ask, or take the statement's result of an equal request.  Faults of the
 * server and of the user raise; a fault of the row raises only if
 * qwen_classify.on_error says so, else it is the result.  The pointer is good
 * until the next call.
 */
extern QcResult *qc_ask(QcSitePrompt **site, MemoryContext site_cxt,
						QcQuestion *question);

#endif							/* QC_ASK_H */
