/*-------------------------------------------------------------------------
 *
 * reply.h
 *		Bodies of successful generation requests, kind by kind.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_REPLY_H
#define MOCK_REPLY_H

#include "logprob.h"

extern const char *reply_write(Buf *out, const Answer *a, const Logprobs *l,
							   const Ask *ask, const Behaviour *b, int cached);

#endif							/* MOCK_REPLY_H */
