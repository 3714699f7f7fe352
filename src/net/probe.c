/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  Find out what an endpoint is: a few GETs, never a generation.
 *
 * GET /models comes first, since nearly all servers have it and say there who
 * they are.  Then one more GET for what the kind alone tells; where there are
 * no models, one GET for each kind that might be there all the same.
 *
 * One chain runs for an endpoint at a time, with a list of those that wait
 * for it.  It belongs to nobody's memory context: the last one to leave ends it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/describe.h"
#include "net/http.h"
#include "net/outcome.h"
#include "net/probe.h"
#include "net/url.h"

typedef enum QcStep
{
	QC_STEP_MODELS,
	QC_STEP_VLLM,				/* /version */
	QC_STEP_OLLAMA,				/* /api/version */
	QC_STEP_LLAMACPP,			/* /props */
	QC_STEP_TGI,				/* /info */
	QC_STEP_END
} QcStep;

struct QcProbe
{
	struct QcProbeRun *run;		/* NULL: done was called */
	QcProbeDone done;
	void	   *arg;
	QcProbe    *next;
};

typedef struct QcProbeRun
{
	QcEndpoint *endpoint;		/* pinned */
	int			replica;
	QcStep		step;
	bool		guessing;		/* no models: try one kind after the other */
	bool		owns_itself;	/* the model is named as its own owner */
	bool		resent;			/* this step was sent again already */
	QcHttp	   *http;
	QcFacts		facts;			/* as far as found out */
	bool		failed;
	QcFailure	failure;
	bool		ended;			/* waiters are being told */
	QcProbe    *waiting;		/* in the order in which they came */
} QcProbeRun;

static const struct
{
	const char *path;
	bool		at_root;
}			get[] =
{
	[QC_STEP_MODELS] = {"/models", false},
	[QC_STEP_VLLM] = {"/version", true},
	[QC_STEP_OLLAMA] = {"/api/version", true},
	[QC_STEP_LLAMACPP] = {"/props", true},
	[QC_STEP_TGI] = {"/info", true},
};

static void answered(QcHttp *http, void *arg);
static void go(QcProbeRun *run, QcStep step);

/*
 * A given api may still have something to tell: vLLM its version (which name
 * the constraint has), llama-server its slots, TGI the name of its own model,
 * all but OpenAI the context.
 */
bool
qc_probe_needed(const QcEndpoint *endpoint)
{
	switch (endpoint->api)
	{
		case QC_API_INFERENCE:
			return false;
		case QC_API_OPENAI:
		case QC_API_OLLAMA:
		case QC_API_LMDEPLOY:
			return endpoint->model == NULL;
		case QC_API_AUTO:
		case QC_API_TGI:
		case QC_API_VLLM:
		case QC_API_SGLANG:
		case QC_API_LLAMACPP:
			break;
	}
	return true;
}

/* Tell all that wait; they may free themselves, each other, and start anew. */
static void
end(QcProbeRun *run)
{
	run->ended = true;
	run->endpoint->probe = NULL;
	while (run->waiting)
	{
		QcProbe    *probe = run->waiting;

		run->waiting = probe->next;
		probe->run = NULL;
		probe->done(probe, run->failed ? &run->failure : NULL, probe->arg);
	}
	qc_endpoint_unpin(run->endpoint);
	free(run);
}

/* Write what was found out over what is known; what answers taught stays. */
static void
learn(QcProbeRun *run)
{
	QcFacts		facts = *qc_endpoint_facts(run->endpoint);

	facts.known = true;
	facts.api = run->facts.api == QC_API_AUTO ? QC_API_OPENAI : run->facts.api;
	facts.context_tokens = run->facts.context_tokens;
	facts.slots = run->facts.slots;
	facts.old_guided = run->facts.old_guided;
	memcpy(facts.model, run->facts.model, sizeof(facts.model));
	memcpy(facts.version, run->facts.version, sizeof(facts.version));
	qc_endpoint_learn(run->endpoint, &facts);
}

static void
send_get(QcProbeRun *run)
{
	run->http = qc_http_start(run->endpoint, run->replica, get[run->step].at_root,
							  get[run->step].path, NULL, answered, run);
}

/*
 * Start a GET.  A throw would leave those behind who wait from another
 * statement; qc_http_start throws before it has started anything, so that its
 * error can be turned into the probe's.
 */
static void
start_get(QcProbeRun *run)
{
	MemoryContext old = CurrentMemoryContext;

	PG_TRY();
	{
		send_get(run);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(old);
		error = CopyErrorData();
		FlushErrorState();
		run->failed = true;
		qc_failure_set(&run->failure, QC_FAIL_SERVER, 0, "%s", error->message);
		qc_failure_server(&run->failure, run->endpoint->name);
		FreeErrorData(error);
	}
	PG_END_TRY();
}

/* Take the next step, or end: with what is known, or with the failure. */
static void
go(QcProbeRun *run, QcStep step)
{
	run->step = step;
	run->resent = false;
	if (step != QC_STEP_END)
		start_get(run);
	else
		learn(run);
	if (step == QC_STEP_END || run->failed)
		end(run);
}

/* The GET that the kind needs after its models. */
static QcStep
step_of(QcApi api)
{
	switch (api)
	{
		case QC_API_VLLM:
			return QC_STEP_VLLM;
		case QC_API_OLLAMA:
			return QC_STEP_OLLAMA;
		case QC_API_LLAMACPP:
			return QC_STEP_LLAMACPP;
		case QC_API_TGI:
			return QC_STEP_TGI;
		default:
			return QC_STEP_END;
	}
}

static const char *
text_of(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return text ? text : "";
}

/* A count from a hostile server: what is no sensible number is not told. */
static int32
count_of(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNumber(item) && item->valuedouble >= 1 && item->valuedouble <= 1e9 ?
		(int32) item->valuedouble : 0;
}

/* Keep a text whole or not at all: half a model's name is another model. */
static void
keep_text(char *to, size_t room, const char *text)
{
	if (strlen(text) < room)
		strlcpy(to, text, room);
}

/* owned_by, which most servers fill with their own name. */
static QcApi
api_of_owner(const char *owner)
{
	static const struct
	{
		const char *owner;
		QcApi		api;
	}			known[] =
	{
		{"vllm", QC_API_VLLM},
		{"sglang", QC_API_SGLANG},
		{"llamacpp", QC_API_LLAMACPP},
		{"library", QC_API_OLLAMA},
		{"lmdeploy", QC_API_LMDEPLOY},
	};

	for (size_t i = 0; i < lengthof(known); i++)
		if (strcmp(known[i].owner, owner) == 0)
			return known[i].api;
	return QC_API_AUTO;
}

/* The list of models: who the server is, its first model, the context. */
static bool
read_models(QcProbeRun *run, const cJSON *root)
{
	const char *wanted = run->endpoint->model;
	const cJSON *data = cJSON_GetObjectItemCaseSensitive(root, "data");
	const cJSON *first = cJSON_IsArray(data) ? data->child : NULL;
	const cJSON *model = first;
	const cJSON *meta;

	if (!cJSON_IsArray(data))
		return false;
	for (const cJSON *item = first; wanted && item; item = item->next)
		if (strcmp(text_of(item, "id"), wanted) == 0)
			model = item;

	keep_text(run->facts.model, sizeof(run->facts.model), text_of(first, "id"));
	if (run->facts.api == QC_API_AUTO)
		run->facts.api = api_of_owner(text_of(model, "owned_by"));
	run->owns_itself = strcmp(text_of(model, "owned_by"), text_of(model, "id")) == 0;

	meta = cJSON_GetObjectItemCaseSensitive(model, "meta");
	run->facts.context_tokens = count_of(model, "max_model_len");
	if (run->facts.context_tokens == 0)
		run->facts.context_tokens = count_of(meta, "n_ctx");
	if (run->facts.context_tokens == 0)
		run->facts.context_tokens = count_of(meta, "n_ctx_train");
	return true;
}

/*
 * structured_outputs came in 0.10.2 and guided_choice went in 0.12: from 0.11
 * on the new name is safe.  A build from source may call itself 0.1.dev.
 */
static void
read_vllm(QcProbeRun *run, const cJSON *root)
{
	const char *version = text_of(root, "version");
	int			major;
	int			minor;

	keep_text(run->facts.version, sizeof(run->facts.version), version);
	run->facts.old_guided = sscanf(version, "%d.%d", &major, &minor) == 2 &&
		major == 0 && minor >= 2 && minor < 11;
}

/* Not only confirms: a version here is what tells Ollama from others. */
static bool
read_ollama(QcProbeRun *run, const cJSON *root)
{
	const char *version = text_of(root, "version");

	if (version[0] == '\0')
		return false;
	keep_text(run->facts.version, sizeof(run->facts.version), version);
	run->facts.api = QC_API_OLLAMA;
	return true;
}

static bool
read_llamacpp(QcProbeRun *run, const cJSON *root)
{
	const cJSON *settings = cJSON_GetObjectItemCaseSensitive(root, "default_generation_settings");
	int32		context = count_of(settings, "n_ctx");

	if (!cJSON_IsObject(settings))
		return false;
	run->facts.api = QC_API_LLAMACPP;
	run->facts.slots = count_of(root, "total_slots");
	keep_text(run->facts.version, sizeof(run->facts.version), text_of(root, "build_info"));

	/* what a slot holds, not what the model was trained with */
	if (context > 0)
		run->facts.context_tokens = context;
	return true;
}

/* The name is what requests must not say: TGI takes it for an adapter's. */
static bool
read_tgi(QcProbeRun *run, const cJSON *root)
{
	if (text_of(root, "model_id")[0] == '\0')
		return false;
	run->facts.api = QC_API_TGI;
	run->facts.context_tokens = count_of(root, "max_total_tokens");
	keep_text(run->facts.model, sizeof(run->facts.model), text_of(root, "model_id"));
	keep_text(run->facts.version, sizeof(run->facts.version), text_of(root, "version"));
	return true;
}

/* Take in a 200's body; false: it is not what this step looks for. */
static bool
read_body(QcProbeRun *run, const QcHttp *http)
{
	cJSON	   *root = http->body ? cJSON_ParseWithLength(http->body, http->body_len) : NULL;
	bool		found = root != NULL;

	switch (run->step)
	{
		case QC_STEP_MODELS:
			found = read_models(run, root);
			break;
		case QC_STEP_VLLM:
			read_vllm(run, root);
			break;
		case QC_STEP_OLLAMA:
			found = read_ollama(run, root);
			break;
		case QC_STEP_LLAMACPP:
			found = read_llamacpp(run, root);
			break;
		case QC_STEP_TGI:
			found = read_tgi(run, root);
			break;
		case QC_STEP_END:
			break;
	}
	cJSON_Delete(root);
	return found;
}

/* What comes next, after a step that found or did not find what it looked for. */
static QcStep
next_step(const QcProbeRun *run, bool found)
{
	QcStep		own = step_of(run->facts.api);

	if (run->step == QC_STEP_MODELS)
	{
		if (run->facts.api != QC_API_AUTO)
			return own;

		/* Ollama's models of other owners are told by their tag: name:tag */
		if (found && run->owns_itself)
			return QC_STEP_TGI;
		if (found)
			return strchr(run->facts.model, ':') ? QC_STEP_OLLAMA : QC_STEP_END;
		return QC_STEP_TGI;
	}
	if (!run->guessing || found)
		return QC_STEP_END;
	return run->step == QC_STEP_TGI ? QC_STEP_OLLAMA :
		run->step == QC_STEP_OLLAMA ? QC_STEP_LLAMACPP : QC_STEP_END;
}

/*
 * Faults that end the probe: of the transport, of the key, of a server that is
 * down.  A path that is not there only says what the server is not; and once
 * the models are known, what comes after them may be missing.
 */
static bool
is_fatal(const QcProbeRun *run, const QcOutcome *outcome)
{
	if (run->step != QC_STEP_MODELS && !run->guessing)
		return false;
	if (outcome->action == QC_ACT_RETRY || outcome->action == QC_ACT_RESEND)
		return true;

	/* a path of another kind may be forbidden: that says nothing of ours */
	return outcome->action == QC_ACT_FAIL &&
		((outcome->kind == QC_FAIL_AUTH && run->step == QC_STEP_MODELS) ||
		 outcome->kind == QC_FAIL_TLS || outcome->kind == QC_FAIL_QUOTA);
}

/*
 * Judge an answer.  True: the step is over and found tells how; false: the
 * step is sent again or the probe failed.
 */
static bool
judge(QcProbeRun *run, QcHttp *http, bool *found)
{
	QcReply		reply = {0};
	bool		json = http->body && qc_reply_parse(http->body, http->body_len, &reply);
	QcReceived	received = qc_describe_received(http, &reply, json);
	QcOutcome	outcome = qc_outcome(&received, &run->facts);
	bool		over = true;

	*found = false;
	if (http->curl_code == 0 && http->status == 200)
		*found = read_body(run, http);
	else if (outcome.action == QC_ACT_RESEND && !run->resent)
	{
		run->resent = true;
		start_get(run);
		over = false;
	}
	else if (is_fatal(run, &outcome))
	{
		run->failed = true;
		qc_describe_failure(&run->failure, outcome.kind, run->endpoint, run->replica,
						  http, &reply);
		over = false;
	}
	qc_reply_free(&reply);
	return over;
}

/* A GET came back.  The run may be gone after end() or go(). */
static void
answered(QcHttp *http, void *arg)
{
	QcProbeRun *run = arg;
	bool		found;
	bool		over;

	run->http = NULL;
	over = judge(run, http, &found);
	qc_http_free(http);

	if (run->failed)
		end(run);
	else if (over)
	{
		if (run->step == QC_STEP_MODELS && !found && run->facts.api == QC_API_AUTO)
			run->guessing = true;
		go(run, next_step(run, found));
	}
}

/* Start the chain of an endpoint; NULL: no memory. */
static QcProbeRun *
start_run(QcEndpoint *endpoint, int replica)
{
	QcProbeRun *run = calloc(1, sizeof(QcProbeRun));

	if (run == NULL)
		return NULL;
	run->endpoint = endpoint;
	run->replica = replica;
	run->facts.api = endpoint->api;
	run->step = QC_STEP_MODELS;
	return run;
}

/* The first GET is the caller's: what it throws is thrown. */
static pg_noinline void
start_first(QcProbeRun *run, QcProbe *probe)
{
	PG_TRY();
	{
		send_get(run);
	}
	PG_CATCH();
	{
		free(probe);
		free(run);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

QcProbe *
qc_probe_start(QcEndpoint *endpoint, int replica, QcProbeDone done, void *arg)
{
	QcProbe    *probe = calloc(1, sizeof(QcProbe));
	QcProbeRun *run = endpoint->probe;
	bool		is_new = run == NULL;
	QcProbe   **link;

	if (is_new && probe)
		run = start_run(endpoint, replica);
	if (probe == NULL || run == NULL)
	{
		free(probe);
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}

	if (is_new)
	{
		start_first(run, probe);
		qc_endpoint_pin(endpoint);
		endpoint->probe = run;
	}

	probe->run = run;
	probe->done = done;
	probe->arg = arg;
	link = &run->waiting;
	while (*link)
		link = &(*link)->next;
	*link = probe;
	return probe;
}

void
qc_probe_free(QcProbe *probe)
{
	QcProbeRun *run;

	if (probe == NULL)
		return;
	run = probe->run;
	if (run)
	{
		QcProbe   **link = &run->waiting;

		while (*link != probe)
			link = &(*link)->next;
		*link = probe->next;

		/* nobody waits any more: what for? */
		if (run->waiting == NULL && !run->ended)
		{
			if (run->http)
				qc_http_free(run->http);
			run->endpoint->probe = NULL;
			qc_endpoint_unpin(run->endpoint);
			free(run);
		}
	}
	free(probe);
}

bool
qc_probe_is_connected(const QcProbe *probe)
{
	return probe->run != NULL && probe->run->http != NULL
		&& qc_http_is_connected(probe->run->http);
}
