/*-------------------------------------------------------------------------
 *
 * random.h
 *	  Seeded random numbers: the same seed gives the same ones everywhere.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_RANDOM_H
#define QC_TRUST_STATS_RANDOM_H

#include <stdint.h>

typedef struct QcRandom
{
	uint64_t	s[4];
} QcRandom;

/* Any seed will do, 0 too. */
extern void qc_random_seed(QcRandom *random, uint64_t seed);

/* 64 random bits. */
extern uint64_t qc_random_next(QcRandom *random);

/* Uniform in [0, 1), in steps of 2^-53. */
extern double qc_random_unit(QcRandom *random);

/* Uniform among 0 .. n-1; n must be positive. */
extern uint32_t qc_random_below(QcRandom *random, uint32_t n);

/* Put the n numbers into a random order, each order as likely. */
extern void qc_random_shuffle(QcRandom *random, int *number, int n);

#endif							/* QC_TRUST_STATS_RANDOM_H */
