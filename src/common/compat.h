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
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"

#if PG_VERSION_NUM < 140000
#error "qwen_classify needs PostgreSQL 14 or newer"
#endif

#if PG_VERSION_NUM < 180000 && !defined(pg_noreturn)
#define pg_noreturn pg_attribute_noreturn()
#endif

/* Rights on a foreign server: one function a catalog until 15. */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_foreign_server.h"
#define qc_server_aclcheck(serverid, roleid, mode) \
	object_aclcheck(ForeignServerRelationId, serverid, roleid, mode)
#else
#define qc_server_aclcheck(serverid, roleid, mode) \
	pg_foreign_server_aclcheck(serverid, roleid, mode)
#endif

/* Shared memory is asked for in a hook since 15, before that in _PG_init. */
#if PG_VERSION_NUM < 150000
typedef void (*shmem_request_hook_type) (void);
#endif

static inline void
qc_at_shmem_request(shmem_request_hook_type request, shmem_request_hook_type *previous)
{
#if PG_VERSION_NUM >= 150000
	*previous = shmem_request_hook;
	shmem_request_hook = request;
#else
	*previous = NULL;
	request();
#endif
}

#endif							/* QC_COMPAT_H */
