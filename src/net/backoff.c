/*-------------------------------------------------------------------------
 *
 * backoff.c
 *	  How long to wait before the next try.
 *
 * Full jitter (a uniform share of the bound) spreads the rows that failed
 * together; the lower bound keeps a share near zero from being a tight loop.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "net/backoff.h"

#define QC_BACKOFF_BASE_MS		500
#define QC_BACKOFF_LEAST_MS		50

/* xorshift64*: no more than an even spread is needed, and no state to share. */
static uint64
qc_backoff_random(void)
{
	static uint64 state = 0;

	if (state == 0)
		state = ((uint64) GetCurrentTimestamp() ^ ((uint64) MyProcPid << 32)) | 1;
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64CONST(2685821657736338717);
}

long
qc_backoff_ms(int tries, int64 retry_after_ms, long longest_ms)
{
	long		bound = QC_BACKOFF_BASE_MS;
	uint64		share = qc_backoff_random() >> 11;	/* 53 bits */

	while (--tries > 0 && bound < longest_ms)
		bound *= 2;
	bound = Min(bound, longest_ms);

	/* Those who were told the same time do not come back in one instant. */
	if (retry_after_ms >= 0)
		return (long) (retry_after_ms + share % QC_BACKOFF_BASE_MS);
	return QC_BACKOFF_LEAST_MS + (long) (share % (uint64) bound);
}
