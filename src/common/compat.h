/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every difference between versions of PostgreSQL (14 to 18) and libcurl.
 *
 * No other file tests PG_VERSION_NUM or LIBCURL_VERSION_NUM; the check script
 * sees to it.  Included right after postgres.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_COMPAT_H
#define QC_COMPAT_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

#if PG_VERSION_NUM < 140000
#error "qwen_classify needs PostgreSQL 14 or newer"
#endif

#if PG_VERSION_NUM < 180000 && !defined(pg_noreturn)
#define pg_noreturn pg_attribute_noreturn()
#endif

#endif							/* QC_COMPAT_H */
