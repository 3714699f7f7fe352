/*-------------------------------------------------------------------------
 *
 * backoff.h
 *	  How long to wait before the next try.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_BACKOFF_H
#define QC_BACKOFF_H

#include "postgres.h"

/*
 * Milliseconds to wait after the given number of failed tries (from 1): what
 * the server asked for (retry_after_ms, -1: nothing), else full jitter below a
 * bound that doubles up to longest_ms.
 */
extern long qc_backoff_ms(int tries, int64 retry_after_ms, long longest_ms);

#endif							/* QC_BACKOFF_H */
