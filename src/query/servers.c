/*-------------------------------------------------------------------------
 *
 * servers.c
 *	  The rows of qwen.servers: how each inference server does.
 *
 * A row a server of our wrapper on which the user has USAGE; pg_monitor sees
 * all.  What is shown is in shared memory, so that looking sends no request.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "common/compat.h"
#include "common/errors.h"
#include "common/shmem.h"
#include "common/usage.h"
#include "net/foreign.h"
#include "net/option.h"
#include "net/pool.h"
#include "net/window.h"

#define NCOLUMNS 13

typedef struct Servers
{
	int			n;
	Oid		   *id;
	int			nplaces;
	QcUsagePlace *place;
} Servers;

/* Looking names up may throw the list away: a copy. */
static Servers *
gather(void)
{
	Servers    *all = palloc0(sizeof(Servers));
	int			n;
	const Oid  *list = qc_foreign_servers(&n);
	Oid		   *candidate = palloc(sizeof(Oid) * Max(n, 1));
	Oid			userid = GetUserId();
	bool		monitor = has_privs_of_role(userid, ROLE_PG_MONITOR);

	if (n > 0)
		memcpy(candidate, list, sizeof(Oid) * n);
	all->id = palloc(sizeof(Oid) * Max(n, 1));
	for (int i = 0; i < n; i++)
		if (monitor || qc_server_aclcheck(candidate[i], userid, ACL_USAGE) == ACLCHECK_OK)
			all->id[all->n++] = candidate[i];
	all->place = palloc(sizeof(QcUsagePlace) * QC_USAGE_PLACES);
	all->nplaces = qc_usage_read(all->place, QC_USAGE_PLACES);
	return all;
}

/* All roles together. */
static void
sum_usage(const Servers *all, Oid serverid, QcUsageCounts *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (int i = 0; i < all->nplaces; i++)
	{
		const QcUsageCounts *c = &all->place[i].total;

		if (all->place[i].serverid != serverid)
			continue;
		sum->requests += c->requests;
		sum->prompt_tokens += c->prompt_tokens;
		sum->cached_tokens += c->cached_tokens;
		sum->output_tokens += c->output_tokens;
		sum->errors += c->errors;
		sum->latency += c->latency;
		for (int k = 0; k < QC_N_FAIL_KINDS; k++)
			sum->by_class[k] += c->by_class[k];
	}
}

/* {"overloaded": 3}; kinds may share a word. */
static Datum
classes(const QcUsageCounts *sum)
{
	StringInfoData json;
	int			n = 0;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int k = 0; k < QC_N_FAIL_KINDS; k++)
	{
		const char *word = qc_failure_word(k);
		int64		count = sum->by_class[k];

		for (int other = 0; other < k && count > 0; other++)
			if (sum->by_class[other] > 0 && strcmp(word, qc_failure_word(other)) == 0)
				count = 0;
		for (int other = k + 1; other < QC_N_FAIL_KINDS && count > 0; other++)
			if (strcmp(word, qc_failure_word(other)) == 0)
				count += sum->by_class[other];
		if (count > 0)
			appendStringInfo(&json, "%s\"%s\": " INT64_FORMAT, n++ ? ", " : "", word, count);
	}
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/* Down when every replica failed last; since the last of them did. */
static bool
is_down(const QcSharedEndpoint *at, int n, TimestampTz *since)
{
	*since = 0;
	for (int i = 0; i < n; i++)
	{
		if (at->replica[i].failures == 0)
			return false;
		*since = Max(*since, at->replica[i].failing_since);
	}
	return n > 0;
}

/* In a word; *since is 0 where it is not known. */
static const char *
state_of(QcSharedEndpoint *at, const QcEndpoint *options, TimestampTz *since)
{
	QcRates		rates = qc_window_rates(options);

	if (is_down(at, options->nreplicas, since))
		return "down";
	*since = 0;
	if (at->paused_until > GetCurrentTimestamp())
		return "asked to wait";
	qc_bucket_fill(&at->bucket, &rates, qc_pool_now());
	if (at->bucket.filled_at != 0 && qc_bucket_wait(&at->bucket, &rates, 1) > 0)
		return "limited";
	return "up";
}

/* What shared memory knows of it, as its options are now. */
static void
show_slot(ForeignServer *server, Datum *values, bool *nulls)
{
	QcEndpoint *options = palloc0(sizeof(QcEndpoint));
	QcSharedEndpoint *at = palloc(sizeof(QcSharedEndpoint));
	QcPaceTerms terms;
	TimestampTz since;

	qc_options_read(options, QC_OF_SERVER, server->options);
	if (!qc_slot_read(server->serverid, at))
	{
		values[1] = CStringGetTextDatum("not used yet");
		nulls[2] = nulls[3] = nulls[4] = true;
		return;
	}
	terms = qc_window_terms(options, &at->facts);
	values[1] = CStringGetTextDatum(state_of(at, options, &since));
	values[2] = TimestampTzGetDatum(since);
	nulls[2] = since == 0;
	values[3] = Int32GetDatum(at->in_flight);
	values[4] = Int32GetDatum(Max(qc_pace_window(&at->pace, &terms, false),
								  qc_pace_window(&at->pace, &terms, true)));
}

static void
show_usage(const QcUsageCounts *sum, Datum *values, bool *nulls)
{
	values[5] = Int64GetDatum(sum->requests);
	values[6] = Int64GetDatum(sum->prompt_tokens);
	values[7] = Int64GetDatum(sum->cached_tokens);
	values[8] = Int64GetDatum(sum->output_tokens);
	nulls[9] = sum->requests <= sum->errors;
	if (sum->requests > sum->errors)
		values[9] = Float8GetDatum(rint(sum->latency / (sum->requests - sum->errors) * 1e4) / 10);
	values[10] = Int64GetDatum(sum->errors);
	values[11] = classes(sum);
}

static HeapTuple
row_of(const Servers *all, ForeignServer *server, TupleDesc desc)
{
	Datum		values[NCOLUMNS] = {0};
	bool		nulls[NCOLUMNS] = {false};
	QcUsageCounts sum;

	sum_usage(all, server->serverid, &sum);
	values[0] = CStringGetTextDatum(server->servername);
	show_slot(server, values, nulls);
	show_usage(&sum, values, nulls);
	nulls[12] = qc_shared != NULL;
	if (qc_shared == NULL)
		values[12] = CStringGetTextDatum("counts of this session only: qwen_classify is not in "
										 "shared_preload_libraries");
	return heap_form_tuple(desc, values, nulls);
}

PG_FUNCTION_INFO_V1(qwen_classify_servers);
Datum
qwen_classify_servers(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	Servers    *all;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		context = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &context->tuple_desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		context->tuple_desc = BlessTupleDesc(context->tuple_desc);
		context->user_fctx = gather();
		MemoryContextSwitchTo(old);
	}
	context = SRF_PERCALL_SETUP();
	all = context->user_fctx;
	while (context->call_cntr < (uint64) all->n)
	{
		ForeignServer *server = GetForeignServerExtended(all->id[context->call_cntr],
														 FSV_MISSING_OK);

		if (server)
			SRF_RETURN_NEXT(context, HeapTupleGetDatum(row_of(all, server, context->tuple_desc)));
		context->call_cntr++;
	}
	SRF_RETURN_DONE(context);
}
