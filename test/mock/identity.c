/*-------------------------------------------------------------------------
 *
 * identity.c
 *		What each kind of server says of itself.
 *
 * The paths by which a client tells the kinds apart (servers.md, 1.f), and
 * 404 in the kind's own words where the real one has nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "identity.h"

#include <cjson/cJSON.h>

#include "ask.h"
#include "fault.h"
#include "token.h"

#define CREATED "1750000000"

typedef void (*Writer) (Exchange *x);

typedef struct Route
{
	Kind		kind;
	const char *method;
	const char *path;
	Writer		write;
} Route;

/* Each kind names a model in its own way: a file, a tag, a repository. */
static Str
model_name(const Exchange *x)
{
	static const char *const names[N_KINDS] = {
		[KIND_LLAMACPP] = "qwen2.5-7b-instruct-q4_k_m.gguf",
		[KIND_OLLAMA] = "qwen2.5:7b",
		[KIND_TGI] = "Qwen/Qwen2.5-7B-Instruct",
	};

	if (x->b.model.n > 0)
		return x->b.model;
	return str_of(names[x->ep->kind] ? names[x->ep->kind] : "qwen2.5-7b-instruct");
}

/* context= shows wherever the real server shows its limit. */
static int
context_of(const Exchange *x, int usual)
{
	return x->b.context > 0 ? x->b.context : usual;
}

static void
write_model(Exchange *x)
{
	buf_quoted(x->body, model_name(x));
}

/* ---- model lists ---- */

/* What stands in front of "data" on llama-server, which answers Ollama's clients too. */
static void
write_llamacpp_models(Exchange *x)
{
	buf_lit(x->body, "\"models\":[{\"name\":");
	write_model(x);
	buf_lit(x->body, ",\"model\":");
	write_model(x);
	buf_lit(x->body, ",\"modified_at\":\"\",\"size\":\"\",\"digest\":\"\",\"type\":\"model\","
			"\"capabilities\":[\"completion\"],\"details\":{\"format\":\"gguf\"}}],");
}

/* owned_by tells most kinds apart; TGI gives the model's name there. */
static void
write_models(Exchange *x)
{
	Kind		kind = x->ep->kind;
	const char *owner = kinds[kind].owned_by;

	buf_char(x->body, '{');
	if (kind == KIND_LLAMACPP)
		write_llamacpp_models(x);
	buf_lit(x->body, "\"object\":\"list\",\"data\":[{\"id\":");
	write_model(x);
	buf_lit(x->body, ",\"object\":\"model\",\"created\":" CREATED ",\"owned_by\":");
	buf_quoted(x->body, owner ? str_of(owner) : model_name(x));
	if (kind == KIND_VLLM || kind == KIND_VLLM_OLD || kind == KIND_SGLANG)
	{
		buf_lit(x->body, ",\"root\":");
		write_model(x);
		buf_fmt(x->body, ",\"parent\":null,\"max_model_len\":%d", context_of(x, 32768));
	}
	if (kind == KIND_VLLM || kind == KIND_VLLM_OLD || kind == KIND_LMDEPLOY)
		buf_lit(x->body, ",\"permission\":[{\"object\":\"model_permission\",\"allow_sampling\":true}]");
	if (kind == KIND_LLAMACPP)
		buf_fmt(x->body, ",\"meta\":{\"vocab_type\":2,\"n_vocab\":152064,\"n_ctx\":%d,"
				"\"n_ctx_train\":32768,\"n_embd\":3584,\"n_params\":7615616512,\"size\":4677120000}",
				context_of(x, 4096));
	buf_lit(x->body, "}]}");
}

/* ---- versions and settings ---- */

/* vLLM's version decides the name of its constraint field. */
static void
write_version(Exchange *x)
{
	const char *usual = x->ep->kind == KIND_VLLM ? "0.12.0" :
		x->ep->kind == KIND_VLLM_OLD ? "0.8.5" : "0.33.0";

	buf_lit(x->body, "{\"version\":");
	buf_quoted(x->body, x->b.version.n ? x->b.version : str_of(usual));
	buf_char(x->body, '}');
}

/* llama-server's slots are what a client may have in flight. */
static void
write_props(Exchange *x)
{
	buf_fmt(x->body, "{\"default_generation_settings\":{\"id\":0,\"params\":{\"temperature\":0.8},\"n_ctx\":%d},"
			"\"total_slots\":%d,\"model_path\":", context_of(x, 4096), x->b.slots > 0 ? x->b.slots : 4);
	write_model(x);
	buf_lit(x->body, ",\"chat_template\":\"{%- for message in messages -%}<|im_start|>...\","
			"\"modalities\":{\"vision\":false,\"audio\":false},\"build_info\":\"b6000-mock\"}");
}

/* TGI is known by this path alone. */
static void
write_tgi_info(Exchange *x)
{
	int			context = context_of(x, 32768);

	buf_lit(x->body, "{\"model_id\":");
	write_model(x);
	buf_fmt(x->body, ",\"model_sha\":null,\"model_pipeline_tag\":\"text-generation\",\"max_concurrent_requests\":128,"
			"\"max_best_of\":2,\"max_stop_sequences\":4,\"max_input_tokens\":%d,\"max_total_tokens\":%d,"
			"\"validation_workers\":2,\"max_client_batch_size\":4,\"router\":\"text-generation-router\",\"version\":",
			context, context + 1024);
	buf_quoted(x->body, x->b.version.n ? x->b.version : STR("3.3.7"));
	buf_char(x->body, '}');
}

static void
write_sglang_model_info(Exchange *x)
{
	buf_lit(x->body, "{\"model_path\":");
	write_model(x);
	buf_lit(x->body, ",\"tokenizer_path\":");
	write_model(x);
	buf_lit(x->body, ",\"is_generation\":true}");
}

static void
write_sglang_server_info(Exchange *x)
{
	buf_lit(x->body, "{\"model_path\":");
	write_model(x);
	buf_fmt(x->body, ",\"context_length\":%d,\"max_running_requests\":%d,\"version\":",
			context_of(x, 32768), x->b.slots > 0 ? x->b.slots : 256);
	buf_quoted(x->body, x->b.version.n ? x->b.version : STR("0.5.2"));
	buf_char(x->body, '}');
}

static void
write_sglang_load(Exchange *x)
{
	buf_fmt(x->body, "{\"load\":%d}", x->ep->slots.busy + x->ep->slots.waiting);
}

/* One entry a slot, busy ones first. */
static void
write_slots(Exchange *x)
{
	int			n = x->b.slots > 0 ? x->b.slots : 4;

	buf_char(x->body, '[');
	for (int i = 0; i < n; i++)
		buf_fmt(x->body, "%s{\"id\":%d,\"n_ctx\":%d,\"is_processing\":%s}", i ? "," : "", i,
				context_of(x, 4096), i < x->ep->slots.busy ? "true" : "false");
	buf_char(x->body, ']');
}

/* Prometheus text, as far as a client reads it. */
static void
write_metrics(Exchange *x)
{
	const char *prefix = x->ep->kind == KIND_TGI ? "tgi_queue_size" : "vllm:num_requests_waiting";

	x->type = "text/plain; version=0.0.4";
	buf_fmt(x->body, "%s %d\n", prefix, x->ep->slots.waiting);
	if (x->ep->kind != KIND_TGI)
		buf_fmt(x->body, "vllm:num_requests_running %d\n", x->ep->slots.busy);
}

/* ---- Ollama's own ---- */

static void
write_ollama_root(Exchange *x)
{
	x->type = "text/plain; charset=utf-8";
	buf_lit(x->body, "Ollama is running");
}

/* The list of /api/tags and, with the context, of /api/ps. */
static void
write_tags(Exchange *x)
{
	buf_lit(x->body, "{\"models\":[{\"name\":");
	write_model(x);
	buf_lit(x->body, ",\"model\":");
	write_model(x);
	buf_fmt(x->body, ",\"size\":4683087332,\"digest\":\"845dbda0ea48\",\"context_length\":%d,"
			"\"details\":{\"format\":\"gguf\",\"family\":\"qwen2\",\"parameter_size\":\"7.6B\","
			"\"quantization_level\":\"Q4_K_M\"}}]}", context_of(x, 4096));
}

/* The capabilities say that this model does not think. */
static void
write_show(Exchange *x)
{
	buf_fmt(x->body, "{\"license\":\"Apache License\",\"parameters\":\"num_ctx %d\",\"template\":\"{{ .Prompt }}\","
			"\"details\":{\"format\":\"gguf\",\"family\":\"qwen2\",\"parameter_size\":\"7.6B\","
			"\"quantization_level\":\"Q4_K_M\"},\"model_info\":{\"general.architecture\":\"qwen2\","
			"\"qwen2.context_length\":32768},\"capabilities\":[\"completion\",\"tools\"]}",
			context_of(x, 4096));
}

/* ---- the tokenizer ---- */

/* vLLM calls the text prompt, llama-server content. */
static void
write_tokenize(Exchange *x)
{
	cJSON	   *body = cJSON_ParseWithLength(x->req->body.p, x->req->body.n);
	Str			text = json_text(json_get(body, "prompt"));
	Str			tokens[512];
	size_t		n;

	if (text.p == NULL)
		text = json_text(json_get(body, "content"));
	if (text.n > 512)
		text.n = 512;
	n = token_split(text, x->b.fragments > 0, tokens);
	buf_fmt(x->body, "{\"count\":%zu,\"max_model_len\":%d,\"tokens\":[", n, context_of(x, 32768));
	for (size_t i = 0; i < n; i++)
		buf_fmt(x->body, "%s%d", i ? "," : "", token_id(tokens[i]));
	buf_lit(x->body, "]}");
}

static void
write_detokenize(Exchange *x)
{
	cJSON	   *body = cJSON_ParseWithLength(x->req->body.p, x->req->body.n);
	const cJSON *id;

	buf_str(x->body, x->ep->kind == KIND_LLAMACPP ? STR("{\"content\":\"") : STR("{\"prompt\":\""));
	cJSON_ArrayForEach(id, json_get(body, "tokens"))
		buf_json(x->body, token_of_id(id->valueint));
	buf_lit(x->body, "\"}");
}

static void
write_health(Exchange *x)
{
	if (x->ep->kind == KIND_LLAMACPP || x->ep->kind == KIND_LMDEPLOY || x->ep->kind == KIND_PLAIN)
		buf_lit(x->body, "{\"status\":\"ok\"}");
}

/* What exists where; vllm-old has the paths of vllm. */
static const Route routes[] = {
	{KIND_OPENAI, "GET", "/v1/models", write_models},
	{KIND_DASHSCOPE, "GET", "/v1/models", write_models},
	{KIND_VLLM, "GET", "/v1/models", write_models},
	{KIND_VLLM, "GET", "/version", write_version},
	{KIND_VLLM, "GET", "/health", write_health},
	{KIND_VLLM, "GET", "/ping", write_health},
	{KIND_VLLM, "GET", "/metrics", write_metrics},
	{KIND_VLLM, "POST", "/tokenize", write_tokenize},
	{KIND_VLLM, "POST", "/detokenize", write_detokenize},
	{KIND_SGLANG, "GET", "/v1/models", write_models},
	{KIND_SGLANG, "GET", "/get_model_info", write_sglang_model_info},
	{KIND_SGLANG, "GET", "/get_server_info", write_sglang_server_info},
	{KIND_SGLANG, "GET", "/server_info", write_sglang_server_info},
	{KIND_SGLANG, "GET", "/get_load", write_sglang_load},
	{KIND_SGLANG, "GET", "/health", write_health},
	{KIND_SGLANG, "GET", "/health_generate", write_health},
	{KIND_LLAMACPP, "GET", "/v1/models", write_models},
	{KIND_LLAMACPP, "GET", "/models", write_models},
	{KIND_LLAMACPP, "GET", "/props", write_props},
	{KIND_LLAMACPP, "GET", "/slots", write_slots},
	{KIND_LLAMACPP, "GET", "/health", write_health},
	{KIND_LLAMACPP, "GET", "/v1/health", write_health},
	{KIND_LLAMACPP, "POST", "/tokenize", write_tokenize},
	{KIND_LLAMACPP, "POST", "/detokenize", write_detokenize},
	{KIND_OLLAMA, "GET", "", write_ollama_root},
	{KIND_OLLAMA, "GET", "/", write_ollama_root},
	{KIND_OLLAMA, "GET", "/api/version", write_version},
	{KIND_OLLAMA, "GET", "/api/tags", write_tags},
	{KIND_OLLAMA, "GET", "/api/ps", write_tags},
	{KIND_OLLAMA, "POST", "/api/show", write_show},
	{KIND_OLLAMA, "GET", "/v1/models", write_models},
	{KIND_TGI, "GET", "/v1/models", write_models},
	{KIND_TGI, "GET", "/info", write_tgi_info},
	{KIND_TGI, "GET", "/health", write_health},
	{KIND_TGI, "GET", "/metrics", write_metrics},
	{KIND_LMDEPLOY, "GET", "/v1/models", write_models},
	{KIND_LMDEPLOY, "GET", "/health", write_health},
	{KIND_PLAIN, "GET", "/health", write_health},
};

/* Each framework has its own way to say that there is nothing. */
static void
write_not_found(Exchange *x)
{
	Fault		f = {.status = 404};

	x->status = 404;
	switch (x->ep->kind)
	{
		case KIND_OPENAI:
			f.message = STR("Invalid URL");
			break;
		case KIND_LLAMACPP:
			f.message = STR("File Not Found");
			break;
		case KIND_OLLAMA:
			f.form = FORM_PLAIN_TEXT;
			f.message = STR("404 page not found");
			break;
		case KIND_TGI:
			f.form = FORM_EMPTY;
			break;
		default:
			buf_lit(x->body, "{\"detail\":\"Not Found\"}");
			return;
	}
	x->type = fault_write(x->body, x->ep->kind, false, &f);
}

/* Anything that is no generation request. */
void
identity_answer(Exchange *x)
{
	Kind		kind = x->ep->kind == KIND_VLLM_OLD ? KIND_VLLM : x->ep->kind;

	x->status = 200;
	x->type = "application/json";
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (routes[i].kind == kind && str_eq(x->rest, str_of(routes[i].path)) &&
			str_eq(x->req->method, str_of(routes[i].method)))
		{
			routes[i].write(x);
			return;
		}
	write_not_found(x);
}
