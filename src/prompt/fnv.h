/*-------------------------------------------------------------------------
 *
 * fnv.h
 *	  FNV-1a of 64 bits: what is chosen by it must stay the same everywhere.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_FNV_H
#define QC_PROMPT_FNV_H

#include <stdint.h>

#define QC_FNV_START	UINT64_C(14695981039346656037)

static inline uint64_t
qc_fnv_add(uint64_t hash, unsigned char byte)
{
	return (hash ^ byte) * UINT64_C(1099511628211);
}

#endif							/* QC_PROMPT_FNV_H */
