/*-------------------------------------------------------------------------
 *
 * results.h
 *	  The results of one statement: equal requests are sent once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_RESULTS_H
#define QC_RESULTS_H

#include "postgres.h"

#include "common/errors.h"
#include "common/statement.h"
#include "prompt/answer.h"
#include "task/prompts.h"

#define QC_RESULT_HASHES	2

/* Of all that shapes a request: an equal key is an equal request. */
typedef struct QcResultKey
{
	uint64		hash[QC_RESULT_HASHES];
} QcResultKey;

/* What a request came to; a failed one is a result too. */
typedef struct QcResult
{
	QcResultKey key;			/* first: the hash key */
	QcFailKind	failed;			/* QC_FAIL_NONE: it has a label */
	int			label;
	double		confidence;		/* NaN: nobody gave one */
	QcSource	source;
	float4	   *posterior;		/* or NULL */
	float4		coverage;		/* as of QcVerdict, like the next */
	float4		verbal;
	char	   *words;			/* reason, or the failure's message; UTF-8, or NULL */
} QcResult;

/* The statement's result of this request, or NULL. */
extern QcResult *qc_result_find(QcStatement *statement, const QcResultKey *key);

/* What a call came to, without its key; what it points to in cxt.  Exactly one of both is given. */
extern void qc_result_fill(QcResult *result, MemoryContext cxt, const QcVerdict *verdict,
						   int n, const QcFailure *failure);

/*
 * Keep a result; n is the length of its posterior.  The statement's results
 * are bounded by work_mem: when full they are forgotten and collected anew, so
 * a pointer is good only until the next call of this function.
 */
extern QcResult *qc_result_keep(QcStatement *statement, const QcResultKey *key,
								const QcVerdict *verdict, int n,
								const QcFailure *failure);

/* The same of one that is kept elsewhere. */
extern QcResult *qc_result_copy(QcStatement *statement, const QcResult *result, int n);

#endif							/* QC_RESULTS_H */
