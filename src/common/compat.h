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

/* Refuse settings under our prefix that nobody defined. */
#if PG_VERSION_NUM >= 150000
#define qc_reserve_prefix(prefix) MarkGUCPrefixReserved(prefix)
#else
#define qc_reserve_prefix(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* The executor's entry lost execute_once in 18. */
#if PG_VERSION_NUM >= 180000
#define QC_RUN_ARGS QueryDesc *query, ScanDirection direction, uint64 count
#define QC_RUN_PASS query, direction, count
#else
#define QC_RUN_ARGS QueryDesc *query, ScanDirection direction, uint64 count, bool once
#define QC_RUN_PASS query, direction, count, once
#endif

/* A utility command's arguments, the same since 14. */
#define QC_UTILITY_ARGS PlannedStmt *pstmt, const char *query_string, \
	bool read_only_tree, ProcessUtilityContext context, ParamListInfo params, \
	QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc
#define QC_UTILITY_PASS pstmt, query_string, read_only_tree, context, params, env, dest, qc

/* Rights on a foreign server: one function a catalog until 15. */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_foreign_server.h"
#define qc_server_aclcheck(serverid, roleid, mode) \
	object_aclcheck(ForeignServerRelationId, serverid, roleid, mode)
#else
#define qc_server_aclcheck(serverid, roleid, mode) \
	pg_foreign_server_aclcheck(serverid, roleid, mode)
#endif

/* The same of a database's owner. */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_database.h"
#define qc_owns_database(dbid, roleid) \
	object_ownercheck(DatabaseRelationId, dbid, roleid)
#else
#define qc_owns_database(dbid, roleid) pg_database_ownercheck(dbid, roleid)
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

/* What only a data-modifying node can evaluate in RETURNING; its kinds came in 17 and 18. */
#if PG_VERSION_NUM >= 180000
#define qc_is_returning_leaf(node) (IsA(node, ReturningExpr) || IsA(node, MergeSupportFunc))
#elif PG_VERSION_NUM >= 170000
#define qc_is_returning_leaf(node) IsA(node, MergeSupportFunc)
#else
#define qc_is_returning_leaf(node) false
#endif

/* JSON_VALUE and the like: expressions of their own for what is missing or wrong. */
#if PG_VERSION_NUM >= 170000
#define qc_is_json_expr(node) IsA(node, JsonExpr)
#else
#define qc_is_json_expr(node) false
#endif

/* Since 15 a window may end when a condition over it is false for good. */
#if PG_VERSION_NUM >= 150000
#define qc_window_may_end(window) ((window)->runCondition != NIL)
#else
#define qc_window_may_end(window) false
#endif

/* EXPLAIN's properties moved in 18. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#else
#include "commands/explain.h"
#endif

/*
 * Waiting.  A wait set that no resource owner and no transaction frees: it is
 * made once a process.  The header moved in 18; sets belong to a memory
 * context up to 16, to a resource owner after that.
 */
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM >= 170000
#define qc_create_wait_event_set(n) CreateWaitEventSet(NULL, (n))
#else
#define qc_create_wait_event_set(n) CreateWaitEventSet(TopMemoryContext, (n))
#endif

/*
 * The name that pg_stat_activity shows for a wait.  From 17 on it lives in
 * shared memory, so this is for first use, never for _PG_init.
 */
#if PG_VERSION_NUM >= 170000
#define qc_wait_event_new(name) WaitEventExtensionNew(name)
#else
#define qc_wait_event_new(name) PG_WAIT_EXTENSION
#endif

/* A number in [0, 1): the generator changed in 15. */
#if PG_VERSION_NUM >= 150000
#include "common/pg_prng.h"
#define qc_random() pg_prng_double(&pg_global_prng_state)
#else
#define qc_random() ((double) random() / ((double) MAX_RANDOM_VALUE + 1))
#endif

/* The primary key's index; 18 asks whether a deferrable one will do. */
#if PG_VERSION_NUM >= 180000
#define qc_primary_key_index(rel) RelationGetPrimaryKeyIndex((rel), false)
#else
#define qc_primary_key_index(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/* A process's number among the server's, and its latch by that number. */
#if PG_VERSION_NUM >= 170000
#define qc_my_proc_number() MyProcNumber
#else
#define qc_my_proc_number() (MyProc->pgprocno)
#endif

/* Where a process stands among all: its latch is found by that. */
#if PG_VERSION_NUM >= 170000
#define qc_my_proc_number() MyProcNumber
#else
#define qc_my_proc_number() (MyProc->pgprocno)
#endif

/* Which descriptor holds many sockets: epoll on Linux, kqueue on the BSDs. */
#if defined(HAVE_SYS_EPOLL_H)
#define QC_MUX_EPOLL
#elif defined(HAVE_SYS_EVENT_H)
#define QC_MUX_KQUEUE
#else
#error "qwen_classify needs epoll or kqueue"
#endif

/* Sockets do not outlive an exec; a system without the flag goes without. */
#ifdef SOCK_CLOEXEC
#define QC_SOCK_CLOEXEC SOCK_CLOEXEC
#else
#define QC_SOCK_CLOEXEC 0
#endif

/*
 * libcurl.  Only net/ includes it, and before this header; the macros are
 * empty elsewhere.  7.66 is the oldest with Retry-After and MAXAGE_CONN.
 */
#ifdef LIBCURL_VERSION_NUM
#if LIBCURL_VERSION_NUM < 0x074200
#error "qwen_classify needs libcurl 7.66 or newer"
#endif

/* http and https only, by name from 7.85 on. */
#if LIBCURL_VERSION_NUM >= 0x075500
#define QC_CURLOPT_PROTOCOLS CURLOPT_PROTOCOLS_STR
#define QC_HTTP_AND_HTTPS "http,https"
#else
#define QC_CURLOPT_PROTOCOLS CURLOPT_PROTOCOLS
#define QC_HTTP_AND_HTTPS ((long) (CURLPROTO_HTTP | CURLPROTO_HTTPS))
#endif

/*
 * Do not wait for a name lookup's thread when a transfer ends before it
 * (7.87).  An older libcurl joins the thread: a cancel during a lookup takes
 * as long as the lookup there, and a no-op option stands in.
 */
#if LIBCURL_VERSION_NUM >= 0x075700
#define QC_CURLOPT_QUICK_EXIT CURLOPT_QUICK_EXIT
#else
#define QC_CURLOPT_QUICK_EXIT CURLOPT_NOSIGNAL
#endif
#endif							/* LIBCURL_VERSION_NUM */

#endif							/* QC_COMPAT_H */
