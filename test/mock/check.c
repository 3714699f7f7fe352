/*-------------------------------------------------------------------------
 *
 * check.c
 *		What a server refuses before it generates anything.
 *
 * Each check fills a fault and returns true when it has found one. They run
 * in the order of a real server: what the body is, what it holds, whether
 * its values are allowed, whether the prompt fits.
 *
 *-------------------------------------------------------------------------
 */
#include "check.h"

#include <strings.h>

#include "arena.h"
#include "constraint.h"
#include "token.h"

/* The fields that OpenAI's chat API has; strict=1 refuses others. */
static const char *const openai_fields[] = {
	"model", "messages", "temperature", "top_p", "n", "stream", "stop", "max_tokens",
	"max_completion_tokens", "presence_penalty", "frequency_penalty", "logit_bias",
	"user", "seed", "logprobs", "top_logprobs", "response_format", "tools",
	"tool_choice", "service_tier", "store", "metadata", NULL
};

/* "Bearer <key>", or the bare key in a header of another name. */
bool
check_key(const HttpReq *req, const Behaviour *b)
{
	Str			name = b->auth_header.n ? b->auth_header : STR("Authorization");
	Str			value = http_header(req, name);

	if (b->need_key.n == 0)
		return true;
	if (value.n > 7 && strncasecmp(value.p, "Bearer ", 7) == 0)
		value = str_from(value, 7);
	else if (b->auth_header.n == 0)
		return false;
	return str_eq(value, b->need_key);
}

/* So that a check can end with its fault in one line. */
static bool
refuse(Fault *f, int status, Str message)
{
	f->status = status;
	f->message = message;
	return true;
}

/*
 * What is wrong before anybody looks at a field. vLLM and LMDeploy insist on
 * the content type, TGI on a size; invalid UTF-8 no server takes.
 */
static bool
bad_transport(Fault *f, const HttpReq *req, const Ask *ask)
{
	Kind		kind = ask->kind;
	Str			body = req->body;

	if ((kind == KIND_VLLM || kind == KIND_VLLM_OLD || kind == KIND_LMDEPLOY) &&
		!str_starts(req->content_type, STR("application/json")))
	{
		f->form = FORM_KIND;
		return refuse(f, 415, STR("Unsupported Media Type: Only 'application/json' is allowed"));
	}
	if (kind == KIND_TGI && body.n > 2000000)
	{
		f->form = FORM_PLAIN_TEXT;
		return refuse(f, 413, STR("Failed to buffer the request body: length limit exceeded"));
	}
	if (!utf8_valid(body))
		return refuse(f, 400, STR("The body is not valid UTF-8"));
	if (ask->body == NULL)
		return refuse(f, kind == KIND_PLAIN ? 422 : 400, STR("There was an error parsing the body"));
	return false;
}

/* Without messages there is nothing to answer. */
static bool
bad_messages(Fault *f, const Ask *ask)
{
	bool		plain = ask->kind == KIND_PLAIN;

	if (ask->has_messages)
		return false;
	if (ask->kind == KIND_LLAMACPP)
		return refuse(f, 400, STR("'messages' is required"));
	f->form = plain ? FORM_DETAIL : FORM_KIND;
	f->type = plain ? "missing" : NULL;
	f->param = plain ? STR("prompt") : STR("messages");
	return refuse(f, plain ? 422 : 400, plain ? STR("Field required") :
				  STR("[{'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required'}]"));
}

/* Servers that know their models by name; llama-server and TGI do not look. */
static bool
unknown_model(Fault *f, const Ask *ask, const Behaviour *b)
{
	Buf			text = {0};

	if (b->model.n == 0 || str_eq(ask->model, b->model) || ask->kind == KIND_LLAMACPP ||
		ask->kind == KIND_TGI || ask->kind == KIND_PLAIN)
		return false;
	if (ask->kind == KIND_OLLAMA)
		buf_fmt(&text, "model '%.*s' not found, try pulling it first", (int) ask->model.n, ask->model.p);
	else
		buf_fmt(&text, "The model `%.*s` does not exist.", (int) ask->model.n, ask->model.p);
	refuse(f, 404, arena_copy(buf_view(&text)));
	buf_free(&text);
	return true;
}

/* TGI takes a name for an adapter's, and has none: its shards fail, not its router. */
static bool
unknown_adapter(Fault *f, const Ask *ask)
{
	if (ask->kind != KIND_TGI || ask->model.n == 0 || str_eq(ask->model, STR("tgi")))
		return false;
	return refuse(f, 424, STR("Request failed during generation: Server error: adapter is not available"));
}

/* refuse_field=A,B: an older server or a stricter gateway. */
static bool
refused_field(Fault *f, const Ask *ask, Str fields)
{
	while (fields.n > 0)
	{
		ptrdiff_t	comma = str_find(fields, STR(","));
		Str			name = {fields.p, comma < 0 ? fields.n : (size_t) comma};

		if (json_get(ask->body, arena_copy(name).p))
		{
			fault_field(f, ask->kind, name);
			return true;
		}
		fields = str_from(fields, comma < 0 ? fields.n : name.n + 1);
	}
	return false;
}

/* strict=1: the first field that OpenAI's API does not have. */
static bool
unknown_field(Fault *f, const Ask *ask, const Behaviour *b)
{
	const cJSON *item;

	if (!b->strict)
		return false;
	cJSON_ArrayForEach(item, ask->body)
	{
		int			i = 0;

		while (openai_fields[i] && strcmp(openai_fields[i], item->string) != 0)
			i++;
		if (openai_fields[i] == NULL)
		{
			fault_field(f, ask->kind, str_of(item->string));
			return true;
		}
	}
	return false;
}

/*
 * top_logprobs needs logprobs, and each kind has a limit of its own; the
 * words name the field, as a client looks for it there.
 */
static bool
bad_top(Fault *f, const Ask *ask, const Behaviour *b)
{
	const KindInfo *k = &kinds[ask->kind];
	int			cap = b->topcap == -2 ? k->topcap : b->topcap;
	Buf			text = {0};

	if (ask->top > 0 && !ask->logprobs && ask->kind != KIND_OLLAMA && ask->kind != KIND_PLAIN)
		return refuse(f, 400, ask->kind == KIND_LLAMACPP ?
					  STR("top_logprobs requires logprobs to be set to true") :
					  STR("when using `top_logprobs`, `logprobs` must be set to true."));
	if (cap < 0 || ask->top <= cap || ask->kind == KIND_PLAIN)
		return false;
	if (ask->kind == KIND_OLLAMA)
		buf_fmt(&text, "top_logprobs must be between 0 and %d", cap);
	else if (ask->kind == KIND_DASHSCOPE)
		buf_fmt(&text, "<400> InternalError.Algo.InvalidParameter: Range of top_logprobs should be [0, %d]", cap);
	else if (ask->kind == KIND_TGI)
		buf_fmt(&text, "Input validation error: `top_n_tokens` must be >= 0 and <= %d. Given: %d", cap, ask->top);
	else
		buf_fmt(&text, "Requested sample logprobs of %d, which is greater than max allowed: %d "
				"(top_logprobs)", ask->top, cap);
	f->param = STR("top_logprobs");
	refuse(f, k->topcap_status ? k->topcap_status : 400, arena_copy(buf_view(&text)));
	buf_free(&text);
	return true;
}

/* TGI has no word for "off" here, and LMDeploy another one. */
static bool
bad_sampling(Fault *f, const Ask *ask)
{
	const cJSON *top_p = json_get(ask->body, "top_p");
	const cJSON *top_k = json_get(ask->body, "top_k");

	if (ask->kind == KIND_TGI && top_p && (top_p->valuedouble <= 0 || top_p->valuedouble >= 1))
		return refuse(f, 422, STR("Input validation error: `top_p` must be > 0.0 and < 1.0"));
	if (ask->kind == KIND_LMDEPLOY && top_k && top_k->valuedouble < 0)
		return refuse(f, 400, STR("The top_k -1 cannot be a negative integer."));
	return false;
}

/* Values that a kind does not take. */
static bool
bad_values(Fault *f, const Ask *ask, const Behaviour *b)
{
	const cJSON *temperature = json_get(ask->body, "temperature");
	const cJSON *priority = json_get(ask->body, "priority");

	if (temperature && !cJSON_IsNumber(temperature) && !cJSON_IsNull(temperature))
		return refuse(f, 400, STR("Field 'temperature': type must be number"));
	if (priority && priority->valueint != 0 && !b->priority &&
		(ask->kind == KIND_VLLM || ask->kind == KIND_VLLM_OLD))
		return refuse(f, 400, STR("Got priority but Priority scheduling is not enabled."));
	if (b->mintokens > 0 && ask->max_tokens >= 0 && ask->max_tokens < b->mintokens)
	{
		f->param = STR("max_tokens");
		f->code = "integer_below_min_value";
		return refuse(f, 400, STR("Invalid 'max_tokens': integer below minimum value."));
	}
	return false;
}

/* A constraint of a shape that the kind refuses. */
static bool
bad_constraint(Fault *f, const Ask *ask)
{
	Constraint	c = constraint_of(ask);

	if (c.type != CON_BAD)
		return false;
	f->form = ask->kind == KIND_TGI ? FORM_PLAIN_TEXT : FORM_KIND;
	f->param = STR("response_format");
	return refuse(f, ask->kind == KIND_TGI ? 422 : 400, c.text);
}

/* Ollama cuts a prompt that is too long, and says nothing. */
static bool
too_long(Fault *f, const Ask *ask, const Behaviour *b)
{
	if (b->context <= 0 || ask->prompt_tokens <= b->context || ask->kind == KIND_OLLAMA)
		return false;
	fault_context(f, ask->kind, ask->prompt_tokens, b->context);
	return true;
}

/* True, and a filled fault, if the request is to be refused. */
bool
check_request(Fault *f, const HttpReq *req, const Ask *ask, const Behaviour *b)
{
	return bad_transport(f, req, ask) ||
		bad_messages(f, ask) ||
		unknown_model(f, ask, b) ||
		unknown_adapter(f, ask) ||
		refused_field(f, ask, b->refuse_field) ||
		unknown_field(f, ask, b) ||
		bad_top(f, ask, b) ||
		bad_values(f, ask, b) ||
		bad_sampling(f, ask) ||
		bad_constraint(f, ask) ||
		too_long(f, ask, b);
}
