/*-------------------------------------------------------------------------
 *
 * stats.h
 *		What a test can ask about what has happened.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_STATS_H
#define MOCK_STATS_H

#include "buf.h"
#include "endpoint.h"
#include "http.h"

typedef struct Stats
{
	uint64_t	requests;		/* generation requests */
	uint64_t	gets;			/* to fake servers */
	uint64_t	others;			/* other POSTs: /tokenize, /api/show */
	uint64_t	answered;		/* with 200 */
	uint64_t	failed;			/* with another status */
	uint64_t	aborted;		/* the client went before its answer did */
	uint64_t	followed;		/* redirects that were followed */
	uint64_t	in_flight;		/* now */
	uint64_t	max_in_flight;
	uint64_t	opened;			/* connections */
	uint64_t	closed;
	uint64_t	prompt_tokens;
	uint64_t	output_tokens;
} Stats;

extern Stats stats;

extern void stats_arrive(Endpoint *e, const HttpReq *req);
extern void stats_leave(Endpoint *e, int status, bool aborted);
extern void stats_reset(void);
extern void stats_print(Buf *b);
extern void stats_last(Buf *b, Str count);
extern void stats_last_header(Buf *b);

#endif							/* MOCK_STATS_H */
