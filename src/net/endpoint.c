/*-------------------------------------------------------------------------
 *
 * endpoint.c
 *	  A foreign server of ours with the caller's user mapping, ready to use.
 *
 * An endpoint is built once for each (server, user) and never changed after;
 * when an option or a key file changes it becomes stale and the next
 * resolution builds another.  Stale ones are freed at the end of a
 * transaction, where nobody can hold a pointer without a pin, and never from a
 * callback of the caches, which can come at any time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/defrem.h"
#include "common/hashfn.h"
#include "foreign/foreign.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "common/compat.h"
#include "common/guc.h"
#include "net/endpoint.h"
#include "net/foreign.h"
#include "net/keyfile.h"
#include "net/option.h"
#include "net/probe.h"
#include "net/url.h"

/*
 * What was learnt of a server is looked at again after this time, if it is
 * idle then: it may have been restarted with another model or version.
 */
#define FACTS_MS (10 * 60 * 1000)

static QcEndpoint *endpoints = NULL;
static bool ready = false;

/*
 * A syscache callback: it may come while an endpoint is being built or used,
 * so that it only marks.  Mappings and the wrapper concern all endpoints; they
 * change too seldom to tell which.
 */
static void
mark_stale(int cacheid, uint32 hash)
{
	for (QcEndpoint *e = endpoints; e; e = e->next)
		if (cacheid != FOREIGNSERVEROID || hash == 0 || hash == e->server_hash)
			e->stale = true;
}

/* The context holds all of it but the slot. */
static void
free_endpoint(QcEndpoint *endpoint)
{
	qc_slot_release(endpoint->slot);
	MemoryContextDelete(endpoint->cxt);
}

/* Free what is stale and unused; later callbacks and contexts may still unpin. */
static void
sweep(XactEvent event, void *arg)
{
	QcEndpoint **link = &endpoints;

	(void) arg;
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	while (*link)
	{
		QcEndpoint *e = *link;

		if (e->stale && e->pins == 0)
		{
			*link = e->next;
			free_endpoint(e);
		}
		else
			link = &e->next;
	}
}

/* Callbacks are for the process's life: registered once, at first use. */
static void
get_ready(void)
{
	if (ready)
		return;
	qc_foreign_watch(mark_stale);
	RegisterXactCallback(sweep, NULL);
	ready = true;
}

/*
 * What facts and counts are about: the replicas, and what the server is asked
 * for.  Keys, limits and times may change without asking anew.
 */
static uint64
hash_options(List *options)
{
	static const char *const shaping[] = {"url", "api", "model", "extra_body"};
	uint64		hash = 0;

	for (size_t i = 0; i < lengthof(shaping); i++)
	{
		ListCell   *cell;

		foreach(cell, options)
		{
			DefElem    *option = lfirst_node(DefElem, cell);
			const char *value = defGetString(option);

			if (strcmp(option->defname, shaping[i]) == 0)
				hash = hash_bytes_extended((const unsigned char *) value, strlen(value),
										   hash + i + 1);
		}
	}
	return hash;
}

/* No mapping is fine: servers of one's own need no key. */
static void
read_key(QcEndpoint *endpoint)
{
	bool		is_public;
	List	   *options = qc_foreign_mapping(endpoint->userid, endpoint->serverid, &is_public);

	qc_options_read(endpoint, QC_OF_MAPPING, options);
	if (endpoint->api_key_file)
		qc_keyfile_read(endpoint);
}

/* The facts of an endpoint that needs no GET are known at once. */
static void
learn_given(QcEndpoint *endpoint)
{
	if (endpoint->api == QC_API_AUTO && qc_url_is_plain(&endpoint->replica[0]))
		endpoint->api = QC_API_INFERENCE;
	if (!qc_endpoint_facts(endpoint)->known && !qc_probe_needed(endpoint))
	{
		QcFacts		facts = endpoint->facts;

		facts.known = true;
		facts.api = endpoint->api;
		qc_endpoint_learn(endpoint, &facts);
	}
}

/*
 * Build it below the caller's context, so that an error frees what there is,
 * and move it to its place when it is whole.
 */
static QcEndpoint *
build(ForeignServer *server, Oid userid)
{
	uint64		before = qc_foreign_changes();
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "qwen_classify endpoint",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	QcEndpoint *endpoint = palloc0(sizeof(QcEndpoint));

	endpoint->cxt = cxt;
	endpoint->serverid = server->serverid;
	endpoint->userid = userid;
	endpoint->name = pstrdup(server->servername);
	endpoint->server_hash = GetSysCacheHashValue1(FOREIGNSERVEROID,
												  ObjectIdGetDatum(server->serverid));
	qc_options_read(endpoint, QC_OF_SERVER, server->options);
	read_key(endpoint);
	MemoryContextSwitchTo(old);

	if (endpoint->nreplicas == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("server \"%s\" has no url", endpoint->name),
				 errhint("Type: ALTER SERVER %s OPTIONS (ADD url 'http://127.0.0.1:8080/v1').",
						 quote_identifier(endpoint->name))));

	endpoint->slot = qc_slot_hold(endpoint->serverid, hash_options(server->options));
	MemoryContextSetParent(cxt, CacheMemoryContext);
	endpoint->next = endpoints;
	endpoints = endpoint;

	/* what changed while it was read is not in it */
	endpoint->stale = before != qc_foreign_changes();
	learn_given(endpoint);
	return endpoint;
}

/*
 * Not while requests are under way: a statement in the middle of its rows
 * would stop for a probe that tells it nothing new.
 */
static void
forget_if_old(QcEndpoint *endpoint)
{
	QcSharedEndpoint *at = endpoint->slot->at;
	TimestampTz now = GetCurrentStatementStartTimestamp();
	bool		old;

	SpinLockAcquire(&at->mutex);
	old = at->facts.known && at->in_flight == 0 &&
		TimestampDifferenceExceeds(at->facts_at, now, FACTS_MS);
	SpinLockRelease(&at->mutex);
	if (old)
	{
		qc_endpoint_forget(endpoint);
		learn_given(endpoint);
	}
}

bool
qc_endpoint_current(const QcEndpoint *endpoint)
{
	return !endpoint->stale &&
		(endpoint->api_key_file == NULL || !qc_keyfile_changed(endpoint));
}

/* The endpoint of a server for a user, from the cache or new. */
static QcEndpoint *
endpoint_for(ForeignServer *server, Oid userid)
{
	for (QcEndpoint *e = endpoints; e; e = e->next)
	{
		if (e->stale || e->serverid != server->serverid || e->userid != userid)
			continue;
		if (!qc_endpoint_current(e))
		{
			e->stale = true;
			continue;
		}
		forget_if_old(e);
		return e;
	}
	return build(server, userid);
}

/* The names of servers that the user may use, for a hint; "" if none. */
static char *
usable_names(void)
{
	int			n;
	const Oid  *list = qc_foreign_servers(&n);
	Oid		   *id = palloc(sizeof(Oid) * Max(n, 1));
	StringInfoData names;
	int			shown = 0;

	/* looking names up may throw the list away */
	if (n > 0)
		memcpy(id, list, sizeof(Oid) * n);
	initStringInfo(&names);
	for (int i = 0; i < n && shown < 10; i++)
	{
		ForeignServer *server;

		if (qc_server_aclcheck(id[i], GetUserId(), ACL_USAGE) != ACLCHECK_OK)
			continue;
		server = GetForeignServerExtended(id[i], FSV_MISSING_OK);
		if (server)
			appendStringInfo(&names, "%s%s", shown++ ? ", " : "", server->servername);
	}
	return names.data;
}

/* The extension is there, since we run, but its wrapper is not. */
static void
no_wrapper(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("foreign-data wrapper \"%s\" of the extension does not exist", "qwen_classify"),
			 errdetail("It was dropped, lost its validator, or is another's of the same name."),
			 errhint("Install it anew: DROP EXTENSION qwen_classify CASCADE, then "
					 "CREATE EXTENSION qwen_classify.")));
}

/* The first thing that a new user meets: the hint is the next statement. */
static void
no_server(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("no inference server is defined"),
			 errhint("Type: CREATE SERVER qwen FOREIGN DATA WRAPPER qwen_classify "
					 "OPTIONS (url 'http://127.0.0.1:8080/v1').")));
}

/* At each resolution: a grant may be revoked between two rows. */
static void
check_usage(ForeignServer *server)
{
	Oid			userid = GetUserId();

	if (qc_server_aclcheck(server->serverid, userid, ACL_USAGE) == ACLCHECK_OK)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for foreign server %s", server->servername),
			 errhint("Its owner types: GRANT USAGE ON FOREIGN SERVER %s TO %s.",
					 quote_identifier(server->servername),
					 quote_identifier(GetUserNameFromId(userid, false)))));
}

/* A server by name; from says who named it, NULL: the call itself. */
static ForeignServer *
named_server(const char *name, const char *from)
{
	Oid			id = get_foreign_server_oid(name, true);
	Oid			wrapper = qc_foreign_wrapper();
	ForeignServer *server;
	char	   *others;

	if (!OidIsValid(wrapper))
		no_wrapper();
	server = OidIsValid(id) ? GetForeignServerExtended(id, FSV_MISSING_OK) : NULL;
	if (server && server->fdwid == wrapper)
		return server;

	others = usable_names();
	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("server \"%s\" does not exist", name),
				 from ? errdetail("%s", from) : 0,
				 others[0] ? errhint("Servers that you may use: %s.", others) :
				 errhint("Type: CREATE SERVER %s FOREIGN DATA WRAPPER qwen_classify "
						 "OPTIONS (url 'http://127.0.0.1:8080/v1').", quote_identifier(name))));
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("server \"%s\" is not an inference server", name),
			 errdetail("It belongs to the foreign-data wrapper \"%s\".",
					   GetForeignDataWrapper(server->fdwid)->fdwname),
			 others[0] ? errhint("Servers that you may use: %s.", others) : 0));
	return NULL;				/* keep the compiler quiet */
}

/* The only server on which the user has USAGE. */
static ForeignServer *
only_server(void)
{
	int			n;
	const Oid  *list;
	Oid			only = InvalidOid;
	int			usable = 0;

	if (!OidIsValid(qc_foreign_wrapper()))
		no_wrapper();
	list = qc_foreign_servers(&n);
	if (n == 0)
		no_server();

	for (int i = 0; i < n && usable < 2; i++)
	{
		Oid			id = list[i];

		if (qc_server_aclcheck(id, GetUserId(), ACL_USAGE) == ACLCHECK_OK)
		{
			only = id;
			usable++;
		}
		/* the check reads catalogs, and may learn that the list is old */
		list = qc_foreign_servers(&n);
	}
	if (usable == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for all inference servers"),
				 errhint("The owner of one types: GRANT USAGE ON FOREIGN SERVER ... TO %s.",
						 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
	if (usable > 1)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_PARAMETER),
				 errmsg("there are several inference servers"),
				 errdetail("Servers that you may use: %s.", usable_names()),
				 errhint("Choose one for the session, SET qwen_classify.server = '...', "
						 "or for the call, server => '...'.")));
	return GetForeignServer(only);
}

QcEndpoint *
qc_endpoint_resolve(const char *name)
{
	ForeignServer *server;

	get_ready();
	if (name)
		server = named_server(name, NULL);
	else if (qc_server && qc_server[0])
		server = named_server(qc_server, "The setting qwen_classify.server names it.");
	else
		server = only_server();
	check_usage(server);
	return endpoint_for(server, GetUserId());
}

void
qc_endpoint_pin(QcEndpoint *endpoint)
{
	endpoint->pins++;
}

void
qc_endpoint_unpin(QcEndpoint *endpoint)
{
	Assert(endpoint->pins > 0);
	endpoint->pins--;
}

/* A copy: others learn while this process works with what it read. */
const QcFacts *
qc_endpoint_facts(QcEndpoint *endpoint)
{
	QcSharedEndpoint *at = endpoint->slot->at;

	SpinLockAcquire(&at->mutex);
	endpoint->facts = at->facts;
	SpinLockRelease(&at->mutex);
	return &endpoint->facts;
}

/*
 * Several processes learn at the same time, each from what it knew: what one
 * found out must not be undone by another that did not know it.
 */
static void
merge_facts(QcFacts *into, const QcFacts *facts)
{
	QcFacts		old = *into;

	*into = *facts;
	into->refused |= old.refused;

	/*
	 * A cap only goes down, 0 being the lowest (the field is left out): taking
	 * an old one back would be refused again, and so on for ever.
	 */
	if (old.refused & QC_REFUSED_TOP_LOGPROBS)
		into->top_cap = (facts->refused & QC_REFUSED_TOP_LOGPROBS) ?
			Min(old.top_cap, facts->top_cap) : old.top_cap;
	if (facts->stage == QC_STAGE_UNKNOWN)
		into->stage = old.stage;
	if (!facts->known && old.known)
	{
		into->known = true;
		into->api = old.api;
		into->old_guided = old.old_guided;
		into->context_tokens = old.context_tokens;
		into->slots = old.slots;
		memcpy(into->model, old.model, sizeof(into->model));
		memcpy(into->version, old.version, sizeof(into->version));
	}
}

/* The age of facts is that of the probe; answers add to them without end. */
void
qc_endpoint_learn(QcEndpoint *endpoint, const QcFacts *facts)
{
	QcSharedEndpoint *at = endpoint->slot->at;
	TimestampTz now = GetCurrentTimestamp();
	QcFacts		copy = *facts;

	SpinLockAcquire(&at->mutex);
	if (copy.known && !at->facts.known)
		at->facts_at = now;
	merge_facts(&at->facts, &copy);
	endpoint->facts = at->facts;
	SpinLockRelease(&at->mutex);
}

void
qc_endpoint_forget(QcEndpoint *endpoint)
{
	QcSharedEndpoint *at = endpoint->slot->at;

	SpinLockAcquire(&at->mutex);
	memset(&at->facts, 0, sizeof(at->facts));
	at->facts_at = 0;
	SpinLockRelease(&at->mutex);
	memset(&endpoint->facts, 0, sizeof(endpoint->facts));
}

const char *
qc_endpoint_model(QcEndpoint *endpoint)
{
	if (endpoint->model)
		return endpoint->model;
	qc_endpoint_facts(endpoint);
	return endpoint->facts.model[0] ? endpoint->facts.model : NULL;
}
