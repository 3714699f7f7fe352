/*-------------------------------------------------------------------------
 *
 * endpoint.h
 *		One fake server: a base path with its keys, counters and slots.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_ENDPOINT_H
#define MOCK_ENDPOINT_H

#include "behaviour.h"
#include "kind.h"
#include "slots.h"

typedef struct Endpoint
{
	struct Endpoint *next;
	struct Endpoint *chained;	/* same bucket of the hash table */
	uint64_t	hash;
	Str			base;			/* "/vllm/delay=50" */
	Kind		kind;
	Behaviour	keys;			/* as in the path */
	Slots		slots;
	uint64_t	first_seen;		/* when, for loading=; 0 = not yet */
	uint64_t	requests;		/* generation requests */
	uint64_t	counted;		/* those that times=, every=, after= count */
	uint64_t	answered;		/* with 200 */
	uint64_t	failed;			/* with another status */
	uint64_t	aborted;		/* the client went first */
	uint64_t	in_flight;
	uint64_t	max_in_flight;
	uint64_t	last_system;	/* hash of the last system message: the cache */
	uint64_t	rps_second;		/* rps=: the second being counted */
	int			rps_count;
} Endpoint;

extern Endpoint *endpoint_of(Str path, Str *rest);
extern Endpoint *endpoint_first(void);
extern void endpoint_reset_all(void);
extern uint64_t text_count(uint64_t text_hash);

#endif							/* MOCK_ENDPOINT_H */
