/*-------------------------------------------------------------------------
 *
 * score.h
 *		The rule that gives a text its label and its probabilities.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_SCORE_H
#define MOCK_SCORE_H

#include <stdint.h>

#include "str.h"

extern uint64_t score_hash(Str s);
extern uint64_t score_mix(uint64_t h);
extern double score_unit(uint64_t h);
extern size_t score_winner(Str text, const Str *labels, size_t n);
extern void score_posterior(Str text, const Str *labels, size_t n, double conf,
							double *p);
extern double score_true(Str text, Str label);

#endif							/* MOCK_SCORE_H */
