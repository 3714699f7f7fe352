/*-------------------------------------------------------------------------
 *
 * node_explain.c
 *	  What EXPLAIN says of a prefetch node.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"

#include "query/node.h"

void
qc_node_explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	QcPrefetchState *state = (QcPrefetchState *) node;
	const QcAheadCounts none = {0};
	const QcAheadCounts *counts = state->counts ? state->counts : &none;

	(void) ancestors;
	ExplainPropertyInteger("Prefetched Calls", NULL, Max(state->ncalls, state->nfirst), es);
	if (!es->analyze)
		return;
	ExplainPropertyInteger("Requests", NULL, counts->requests, es);
	ExplainPropertyInteger("Shared", NULL, counts->shared, es);
	ExplainPropertyInteger("Retried", NULL, counts->retried, es);
	ExplainPropertyInteger("Max In Flight", NULL, counts->most_in_flight, es);
	ExplainPropertyInteger("Max Rows Buffered", NULL, state->most_rows, es);
	if (counts->tokens > 0)
	{
		ExplainPropertyInteger("Tokens", NULL, counts->tokens, es);
		ExplainPropertyInteger("Cached Tokens", NULL, counts->cached_tokens, es);
	}
	if (es->timing)
		ExplainPropertyFloat("Wait Time", "ms", INSTR_TIME_GET_MILLISEC(state->waited), 1, es);
}
