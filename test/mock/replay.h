/*-------------------------------------------------------------------------
 *
 * replay.h
 *		Replies that a real model gave once, found by the text they are of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_REPLAY_H
#define MOCK_REPLAY_H

#include "ask.h"

extern void replay_load(const char *path);
extern bool replay_on(void);
extern Str	replay_find(const Ask *ask);

#endif							/* MOCK_REPLAY_H */
