/*-------------------------------------------------------------------------
 *
 * foreign.h
 *	  What the catalogs hold of our wrapper, its servers and their mappings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_FOREIGN_H
#define QC_FOREIGN_H

#include "postgres.h"

#include "nodes/pg_list.h"

/*
 * Our foreign-data wrapper in this database: the one of that name that
 * belongs to the extension and has its validator.  InvalidOid: none.
 */
extern Oid	qc_foreign_wrapper(void);

/* Its servers, by name; the array is good until the next invalidation. */
extern const Oid *qc_foreign_servers(int *n);

/*
 * The options of the user's mapping for a server, else of the PUBLIC one,
 * else NIL; *is_public says which.
 */
extern List *qc_foreign_mapping(Oid userid, Oid serverid, bool *is_public);

/* Has a server of ours that the role owns this option with this value? */
extern bool qc_foreign_owns_option(Oid roleid, const char *name, const char *value);

/* Counts up whenever something of this kind changed in the catalogs. */
extern uint64 qc_foreign_changes(void);

/* Called at each change with the cache and the hash of syscache callbacks. */
typedef void (*QcForeignChanged) (int cacheid, uint32 hash);
extern void qc_foreign_watch(QcForeignChanged changed);

#endif							/* QC_FOREIGN_H */
