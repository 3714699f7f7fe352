/*-------------------------------------------------------------------------
 *
 * endpoint.h
 *	  A foreign server of ours with the caller's user mapping, ready to use.
 *
 * Endpoints are cached for the session, one for each (server, user), and
 * forgotten when the server, the wrapper or the mapping changes; one that a
 * call still uses lives until that call ends (pins).  Facts live in shared
 * memory when preloaded, else here.  The right to use a server is checked at
 * each resolution, not cached.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_ENDPOINT_H
#define QC_ENDPOINT_H

#include "postgres.h"

#include <cjson/cJSON.h>

#include "common/facts.h"
#include "common/shmem.h"
#include "net/kind.h"

#define QC_MAX_REPLICAS QC_SHARED_REPLICAS

/* Which state of a file was read: another one means to read it again. */
typedef struct QcFileStamp
{
	int64		seconds;
	int64		nanoseconds;
	int64		size;
	uint64		inode;
} QcFileStamp;

typedef struct QcReplica
{
	char	   *base;			/* URL without a trailing slash */
	char	   *root;			/* the same without /v1, for probes */
	char	   *where;			/* HOST:PORT, for messages */
	bool		resolves;		/* host is a name that a resolver thread looks up */
} QcReplica;

typedef struct QcEndpoint
{
	Oid			serverid;
	Oid			userid;			/* whose mapping */
	char	   *name;			/* of the server */
	int			nreplicas;
	QcReplica	replica[QC_MAX_REPLICAS];
	QcSlot	   *slot;			/* counts and facts, in shared memory or local */
	struct QcProbeRun *probe;	/* the probe under way, or NULL: see probe.c */
	int			pins;
	bool		stale;			/* options changed: freed at the end of a
								 * transaction when no pin is left */
	MemoryContext cxt;			/* holds all of it */
	struct QcEndpoint *next;	/* in the cache */
	uint32		server_hash;	/* syscache hash, for invalidation */

	/* options */
	QcApi		api;			/* as given; QC_API_AUTO: look */
	char	   *model;			/* NULL: the first that the server lists */
	int			max_concurrency;	/* 0: the window finds it */
	int			requests_per_minute;	/* 0: no limit */
	int			tokens_per_minute;	/* 0: no limit */
	int			connect_timeout;	/* ms */
	int			request_timeout;	/* ms */
	int			retry_timeout;	/* ms */
	int			max_input_chars;	/* 0: as much as the context holds */
	int			max_tokens;
	double		temperature;
	bool		codes;
	bool		exact;
	bool		guard;			/* ask twice about texts that give orders */
	cJSON	   *extra_body;		/* or NULL */
	char	   *ca_file;
	char	   *client_cert;
	char	   *client_key;
	char	   *auth_header;	/* name of the header; NULL: Authorization: Bearer */
	char	   *api_key;		/* NULL: none; read from api_key_file if that is set */
	char	   *api_key_file;
	QcFileStamp key_stamp;		/* of the file when it was read */

	QcFacts		facts;			/* qc_endpoint_facts refreshes it from shared memory */

	/* kept by the calls of this process */
	TimestampTz answered_at;	/* last answer to any text */
	struct QcCall *suspect;		/* under way alone, or NULL */
	int			suspects;		/* calls that wait to be that */
} QcEndpoint;

/*
 * Strings that go into a request (model, extra_body) are UTF-8, names and
 * paths are in the server encoding.
 *
 * The endpoint that `server` names, or by the rules of design 3.1 if it is
 * NULL: the setting qwen_classify.server, else the only server of our wrapper
 * on which the current user has USAGE.  Errors with a hint when there is none,
 * several, no such name, another wrapper's, no USAGE, or an unreadable key file.
 * The pointer is good until the end of the transaction; pin it to keep it longer.
 */
extern QcEndpoint *qc_endpoint_resolve(const char *server);

/*
 * Is it what qc_endpoint_resolve would give, as far as can be told without a
 * transaction: by the invalidations that were taken in, and by the key file?
 */
extern bool qc_endpoint_current(const QcEndpoint *endpoint);

extern void qc_endpoint_pin(QcEndpoint *endpoint);
extern void qc_endpoint_unpin(QcEndpoint *endpoint);

/* The facts as known now (shared memory first); write back what was learnt. */
extern const QcFacts *qc_endpoint_facts(QcEndpoint *endpoint);
extern void qc_endpoint_learn(QcEndpoint *endpoint, const QcFacts *facts);

/* Forget what was learnt: the next call probes anew (check_server, a 404). */
extern void qc_endpoint_forget(QcEndpoint *endpoint);

/* The model name that goes into requests; NULL: none known. */
extern const char *qc_endpoint_model(QcEndpoint *endpoint);

#endif							/* QC_ENDPOINT_H */
