/*-------------------------------------------------------------------------
 *
 * logprob.h
 *		The tokens of an answer and what could have stood in their place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_LOGPROB_H
#define MOCK_LOGPROB_H

#include "answer.h"

/* A token that could stand at a position. */
typedef struct Cand
{
	Str			token;
	double		p;				/* negative: masked by the grammar */
} Cand;

typedef struct Pos
{
	Str			token;			/* NULL pointer: end of turn */
	double		p;
	Cand	   *cand;			/* the most probable first; the token is one */
	size_t		n_cands;
} Pos;

typedef struct Logprobs
{
	Pos		   *pos;
	size_t		n;
	size_t		output_tokens;
	bool		masked;
	bool		starved;		/* more top_logprobs asked for than tokens were legal */
} Logprobs;

extern void logprob_make(Logprobs *l, Answer *a, const Ask *ask, const Behaviour *b);
extern void logprob_print(Buf *out, const Logprobs *l, const Ask *ask, const Behaviour *b);

#endif							/* MOCK_LOGPROB_H */
