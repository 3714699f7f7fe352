/*-------------------------------------------------------------------------
 *
 * results.c
 *	  The results of one statement: equal requests are sent once.
 *
 * (f(x)).* is three calls in SQL, a join repeats rows, real tables repeat
 * texts.  The table lies in the statement's memory and dies with it.
 * Invariant: it holds at most work_mem; what it forgets is paid again, never
 * wrong.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "query/results.h"

typedef struct QcResults
{
	MemoryContext cxt;
	HTAB	   *table;
} QcResults;

static QcResults *
results_create(QcStatement *statement)
{
	MemoryContext cxt = AllocSetContextCreate(statement->cxt, "qwen_classify results",
											  ALLOCSET_DEFAULT_SIZES);
	QcResults  *results = (QcResults *) MemoryContextAllocZero(cxt, sizeof(QcResults));
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(QcResultKey);
	ctl.entrysize = sizeof(QcResult);
	ctl.hcxt = cxt;
	results->cxt = cxt;
	results->table = hash_create("qwen_classify results", 64, &ctl,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return results;
}

QcResult *
qc_result_find(QcStatement *statement, const QcResultKey *key)
{
	QcResults  *results = (QcResults *) statement->results;

	if (results == NULL)
		return NULL;
	return (QcResult *) hash_search(results->table, key, HASH_FIND, NULL);
}

static QcResults *
results_with_room(QcStatement *statement)
{
	QcResults  *results = (QcResults *) statement->results;

	if (results &&
		MemoryContextMemAllocated(results->cxt, true) > (Size) work_mem * 1024)
	{
		statement->results = NULL;
		MemoryContextDelete(results->cxt);
		results = NULL;
	}
	if (results == NULL)
		statement->results = results = results_create(statement);
	return results;
}

static void
fill_verdict(QcResult *result, MemoryContext cxt, const QcVerdict *verdict, int n)
{
	result->label = verdict->label;
	result->confidence = verdict->confidence;
	result->source = verdict->source;
	result->coverage = (float4) verdict->coverage;
	result->verbal = (float4) verdict->verbal;
	if (verdict->posterior)
	{
		result->posterior = (float4 *) MemoryContextAlloc(cxt, n * sizeof(float4));
		for (int i = 0; i < n; i++)
			result->posterior[i] = (float4) verdict->posterior[i];
	}
	if (verdict->reason)
		result->words = MemoryContextStrdup(cxt, verdict->reason);
}

void
qc_result_fill(QcResult *result, MemoryContext cxt, const QcVerdict *verdict,
			   int n, const QcFailure *failure)
{
	result->label = -1;
	if (failure)
	{
		result->failed = failure->kind;
		result->words = MemoryContextStrdup(cxt, qc_failure_reason(failure));
	}
	else
		fill_verdict(result, cxt, verdict, n);
}

/* Entered last and whole: an error before leaves no half entry. */
static QcResult *
enter_result(QcResults *results, const QcResult *filled)
{
	QcResult   *result = (QcResult *) hash_search(results->table, &filled->key, HASH_ENTER, NULL);

	*result = *filled;
	return result;
}

QcResult *
qc_result_keep(QcStatement *statement, const QcResultKey *key,
			   const QcVerdict *verdict, int n, const QcFailure *failure)
{
	QcResults  *results = results_with_room(statement);
	QcResult	filled = {0};

	filled.key = *key;
	qc_result_fill(&filled, results->cxt, verdict, n, failure);
	return enter_result(results, &filled);
}

QcResult *
qc_result_copy(QcStatement *statement, const QcResult *result, int n)
{
	QcResults  *results = results_with_room(statement);
	QcResult	filled = *result;

	if (filled.posterior)
	{
		filled.posterior = (float4 *) MemoryContextAlloc(results->cxt, n * sizeof(float4));
		memcpy(filled.posterior, result->posterior, n * sizeof(float4));
	}
	if (filled.words)
		filled.words = MemoryContextStrdup(results->cxt, result->words);
	return enter_result(results, &filled);
}
