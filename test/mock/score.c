/*-------------------------------------------------------------------------
 *
 * score.c
 *		The rule that gives a text its label and its probabilities.
 *
 * Everything here is a pure function of the text, the labels and the key
 * conf=, so that a checker which knows the text knows the whole answer; the
 * README states the rule for those who compute it elsewhere.
 *
 * Invariant: neither the order of the labels nor anything that was asked
 * before changes a result.
 *
 *-------------------------------------------------------------------------
 */
#include "score.h"

#include <stdlib.h>

#include "arena.h"

#define FNV_BASIS UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

/* FNV-1a, 64 bits. */
static uint64_t
fnv(uint64_t h, Str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char) s.p[i]) * FNV_PRIME;
	return h;
}

uint64_t
score_hash(Str s)
{
	return fnv(FNV_BASIS, s);
}

/* MurmurHash3's finalizer: FNV's high bits are poor on short strings. */
uint64_t
score_mix(uint64_t h)
{
	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

/* A number in [0, 1) from a hash. */
double
score_unit(uint64_t h)
{
	return (double) (score_mix(h) >> 11) * 0x1p-53;
}

/* The byte 0xff, which no text holds, keeps ("ab","c") from ("a","bc"). */
static uint64_t
pair_hash(uint64_t text_hash, Str label)
{
	return fnv((text_hash ^ 0xff) * FNV_PRIME, label);
}

static int
by_bytes(const void *a, const void *b)
{
	const Str  *x = a;
	const Str  *y = b;
	int			c = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	return c ? c : (x->n > y->n) - (x->n < y->n);
}

/* The label that the text names first; of two at one place, the longer. */
static bool
named_label(Str text, const Str *labels, size_t n, size_t *winner)
{
	ptrdiff_t	best = -1;

	for (size_t i = 0; i < n; i++)
	{
		ptrdiff_t	at = labels[i].n ? str_find(text, labels[i]) : -1;

		if (at < 0)
			continue;
		if (best < 0 || at < best ||
			(at == best && labels[i].n > labels[*winner].n))
		{
			best = at;
			*winner = i;
		}
	}
	return best >= 0;
}

size_t
score_winner(Str text, const Str *labels, size_t n)
{
	size_t		winner = 0;
	Str		   *sorted;
	Str			chosen;

	if (named_label(text, labels, n, &winner))
		return winner;
	sorted = arena_alloc(n * sizeof(Str));
	memcpy(sorted, labels, n * sizeof(Str));
	qsort(sorted, n, sizeof(Str), by_bytes);
	chosen = sorted[score_hash(text) % n];
	while (!str_eq(labels[winner], chosen))
		winner++;
	return winner;
}

/* conf <= 0 means the text's own probability, between 0.55 and 0.99. */
void
score_posterior(Str text, const Str *labels, size_t n, double conf, double *p)
{
	size_t		winner = score_winner(text, labels, n);
	uint64_t	h = score_hash(text);
	double		sum = 0;

	if (conf <= 0)
		conf = 0.55 + 0.44 * score_unit(h);
	if (n == 1)
		conf = 1;
	for (size_t i = 0; i < n; i++)
	{
		p[i] = i == winner ? 0 : 0.02 + score_unit(pair_hash(h, labels[i]));
		sum += p[i];
	}
	for (size_t i = 0; i < n; i++)
		p[i] = i == winner ? conf : (1 - conf) * p[i] / sum;
}

/* The probability of "true" where each label is a yes/no question. */
double
score_true(Str text, Str label)
{
	double		u = score_unit(pair_hash(score_hash(text), label));

	return str_find(text, label) >= 0 ? 0.75 + 0.24 * u : 0.01 + 0.44 * u;
}
