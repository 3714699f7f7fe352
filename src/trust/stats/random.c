/*-------------------------------------------------------------------------
 *
 * random.c
 *	  Seeded random numbers: the same seed gives the same ones everywhere.
 *
 * xoshiro256** of Blackman and Vigna (2018), its state filled by splitmix64 as
 * its authors advise.  Not for secrets.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/random.h"

static uint64_t
rotate(uint64_t x, int by)
{
	return (x << by) | (x >> (64 - by));
}

void
qc_random_seed(QcRandom *random, uint64_t seed)
{
	int			i;

	for (i = 0; i < 4; i++)
	{
		uint64_t	z = (seed += UINT64_C(0x9E3779B97F4A7C15));

		z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
		random->s[i] = z ^ (z >> 31);
	}
}

uint64_t
qc_random_next(QcRandom *random)
{
	uint64_t   *s = random->s;
	uint64_t	result = rotate(s[1] * 5, 7) * 9;
	uint64_t	t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

double
qc_random_unit(QcRandom *random)
{
	return (double) (qc_random_next(random) >> 11) * 0x1.0p-53;
}

/* Lemire's multiplication (2019): the few products that would favour a number are drawn again. */
uint32_t
qc_random_below(QcRandom *random, uint32_t n)
{
	uint32_t	unfair = (uint32_t) -n % n;
	uint64_t	product;

	do
		product = (qc_random_next(random) >> 32) * n;
	while ((uint32_t) product < unfair);
	return (uint32_t) (product >> 32);
}

void
qc_random_shuffle(QcRandom *random, int *number, int n)
{
	int			i;

	for (i = n - 1; i > 0; i--)
	{
		int			k = (int) qc_random_below(random, (uint32_t) i + 1);
		int			swap = number[i];

		number[i] = number[k];
		number[k] = swap;
	}
}
