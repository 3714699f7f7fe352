/*-------------------------------------------------------------------------
 *
 * fault.c
 *		Error bodies, in the words and the shape of each kind of server.
 *
 * The wording is the real servers' as far as it is known (servers.md, 1.e,
 * and the recorded llama-server replies): a client that looks for words must
 * find here what it finds there.
 *
 *-------------------------------------------------------------------------
 */
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

#include "arena.h"
#include "http.h"

/* A message made for this request. */
static Str	format(const char *fmt,...) __attribute__((format(printf, 1, 2)));

/* Cut at 512 bytes, far beyond any of the messages. */
static Str
format(const char *fmt,...)
{
	char		text[512];
	va_list		args;
	int			n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return arena_copy((Str) {text, (size_t) n < sizeof(text) ? (size_t) n : sizeof(text) - 1});
}

/* ---- what a status usually says ---- */

/* Each server has its own word for "come back later". */
static const char *
overload_words(Kind kind)
{
	switch (kind)
	{
		case KIND_SGLANG:
			return "The request queue is full.";
		case KIND_OLLAMA:
			return "server busy, please try again.  maximum pending requests exceeded";
		case KIND_TGI:
			return "Model is overloaded";
		case KIND_DASHSCOPE:
			return "Requests rate limit exceeded, please try again later.";
		case KIND_OPENAI:
			return "The engine is currently overloaded, please try again later";
		default:
			return "Server is overloaded, too many requests are queued";
	}
}

/* Where a server says nothing particular, something that reads like it. */
static const char *
status_words(Kind kind, int status)
{
	switch (status)
	{
		case 401:
			return kind == KIND_OPENAI ? "Incorrect API key provided: sk-mock." :
				kind == KIND_LLAMACPP ? "Invalid API Key" : "Unauthorized";
		case 403:
			return "You are not allowed to use this model.";
		case 404:
			return "The model `mock` does not exist.";
		case 408:
			return "Request timed out.";
		case 422:
			return "Input validation error: `inputs` cannot be empty";
		case 424:
			return "Request failed during generation: Server error";
		case 429:
			return kind == KIND_OPENAI ?
				"Rate limit reached for requests. Please try again in 1s." :
				overload_words(kind);
		case 499:
			return "Client closed request";
		case 500:
			return "Internal server error";
		case 503:
			return overload_words(kind);
		case 529:
			return "Overloaded";
		default:
			return "The request could not be handled.";
	}
}

/* The type member: OpenAI's. */
static const char *
openai_type(int status)
{
	switch (status)
	{
		case 400:
		case 401:
		case 404:
			return "invalid_request_error";
		case 403:
			return "permission_error";
		case 429:
			return "requests";
		case 529:
			return "overloaded_error";
		default:
			return status >= 500 ? "server_error" : "invalid_request_error";
	}
}

/* vLLM names its Python exceptions. */
static const char *
vllm_type(int status)
{
	switch (status)
	{
		case 404:
			return "NotFoundError";
		case 429:
			return "RateLimitError";
		case 500:
			return "InternalServerError";
		case 503:
			return "ServiceUnavailableError";
		default:
			return "BadRequestError";
	}
}

/* llama-server's, as recorded. */
static const char *
llamacpp_type(int status)
{
	switch (status)
	{
		case 401:
			return "authentication_error";
		case 403:
			return "permission_error";
		case 404:
			return "not_found_error";
		case 503:
			return "unavailable_error";
		default:
			return status >= 500 ? "server_error" : "invalid_request_error";
	}
}

/* TGI's error_type, which alone tells overload from a bad request. */
static const char *
tgi_type(int status)
{
	switch (status)
	{
		case 422:
			return "validation";
		case 424:
			return "generation";
		case 429:
			return "overloaded";
		default:
			return "incomplete_generation";
	}
}

/* The type member of any kind. */
static const char *
type_of(Kind kind, int status)
{
	switch (kind)
	{
		case KIND_VLLM:
		case KIND_VLLM_OLD:
			return vllm_type(status);
		case KIND_SGLANG:
			return status >= 500 ? "InternalServerError" : "BadRequest";
		case KIND_LLAMACPP:
			return llamacpp_type(status);
		case KIND_TGI:
			return tgi_type(status);
		case KIND_OLLAMA:
			return status == 404 ? "not_found_error" :
				status == 400 ? "invalid_request_error" : "api_error";
		default:
			return openai_type(status);
	}
}

/* ---- particular faults ---- */

/* A field that the server does not know or does not allow. */
void
fault_field(Fault *f, Kind kind, Str field)
{
	int			n = (int) field.n;

	f->status = kind == KIND_TGI || kind == KIND_PLAIN ? 422 : 400;
	f->param = field;
	switch (kind)
	{
		case KIND_DASHSCOPE:
			f->message = format("<400> InternalError.Algo.InvalidParameter: %.*s is not supported by this model.", n, field.p);
			f->type = "invalid_request_error";
			f->code = "invalid_parameter_error";
			break;
		case KIND_LMDEPLOY:
			f->message = str_eq(field, STR("logprobs")) ?
				STR("Logprobs(True)/top_logprobs(20) requested but not enabled logprobs_mode in engine configuration") :
				format("Invalid request: %.*s is not supported.", n, field.p);
			break;
		case KIND_OPENAI:
			f->message = format("Unsupported parameter: '%.*s' is not supported with this model.", n, field.p);
			f->code = "unsupported_parameter";
			break;
		case KIND_VLLM:
		case KIND_VLLM_OLD:
			f->message = format("[{'type': 'extra_forbidden', 'loc': ('body', '%.*s'), "
								"'msg': 'Extra inputs are not permitted'}]", n, field.p);
			break;
		case KIND_LLAMACPP:
			f->message = format("Unsupported param: %.*s", n, field.p);
			break;
		case KIND_OLLAMA:
			f->message = format("model does not support %.*s", n, field.p);
			break;
		case KIND_TGI:
			f->form = FORM_PLAIN_TEXT;
			f->message = format("Failed to deserialize the JSON body into the target type: "
								"%.*s: unknown field", n, field.p);
			break;
		case KIND_PLAIN:
			f->form = FORM_DETAIL;
			f->type = "extra_forbidden";
			f->message = STR("Extra inputs are not permitted");
			break;
		default:
			f->message = format("The parameter `%.*s` is not supported.", n, field.p);
	}
}

/* A prompt that does not fit. Ollama has none: it truncates. */
void
fault_context(Fault *f, Kind kind, int n_prompt, int n_ctx)
{
	f->status = kind == KIND_TGI ? 422 : kind == KIND_PLAIN ? 413 : 400;
	f->n_prompt = n_prompt;
	f->n_ctx = n_ctx;
	switch (kind)
	{
		case KIND_VLLM:
			f->message = format("Input length (%d) exceeds model's maximum context length (%d).", n_prompt, n_ctx);
			break;
		case KIND_SGLANG:
			f->message = format("The input (%d tokens) is longer than the model's context length (%d tokens).", n_prompt, n_ctx);
			break;
		case KIND_LLAMACPP:
			f->message = format("request (%d tokens) exceeds the available context size (%d tokens), try increasing it", n_prompt, n_ctx);
			f->type = "exceed_context_size_error";
			break;
		case KIND_TGI:
			f->message = format("Input validation error: `inputs` must have less than %d tokens. Given: %d", n_ctx, n_prompt);
			break;
		case KIND_LMDEPLOY:
			f->message = STR("The request exceeds the model context length.");
			f->type = "invalid_request_error";
			break;
		case KIND_DASHSCOPE:
			f->message = format("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, %d]", n_ctx);
			f->type = "invalid_request_error";
			f->code = "invalid_parameter_error";
			break;
		default:
			f->message = format("This model's maximum context length is %d tokens. However, your messages "
								"resulted in %d tokens. Please reduce the length of the messages.", n_ctx, n_prompt);
			if (kind != KIND_VLLM_OLD)
				f->code = "context_length_exceeded";
	}
}

/* No room for another request. */
void
fault_busy(Fault *f, Kind kind)
{
	f->status = kind == KIND_TGI || kind == KIND_OPENAI || kind == KIND_DASHSCOPE ? 429 : 503;
	f->message = str_of(overload_words(kind));
}

/* Faults that body= asks for by name. */
typedef struct NamedFault
{
	const char *name;
	Fault		fault;
} NamedFault;

#define TEXT(literal) {literal, sizeof(literal) - 1}

static const NamedFault named[] = {
	{"html", {.status = 502,.form = FORM_HTML}},
	{"empty", {.status = 500,.form = FORM_EMPTY}},
	{"text", {.status = 500,.form = FORM_PLAIN_TEXT}},
	{"string", {.status = 500,.form = FORM_STRING}},
	{"auth", {.status = 401}},
	{"model", {.status = 404}},
	{"loading", {.status = 503,.form = FORM_OPENAI,.message = TEXT("Loading model"),
	.type = "unavailable_error"}},
	{"quota", {.status = 429,.form = FORM_OPENAI,
			.message = TEXT("You exceeded your current quota, please check your plan and billing details."),
	.type = "insufficient_quota",.code = "insufficient_quota"}},
	{"arrearage", {.status = 400,.form = FORM_OPENAI,
			.message = TEXT("Access denied, please make sure your account is in good standing."),
	.type = "Arrearage",.code = "Arrearage"}},
	{"inspection", {.status = 400,.form = FORM_OPENAI,
			.message = TEXT("Input data may contain inappropriate content."),
	.type = "data_inspection_failed",.code = "DataInspectionFailed"}},
	{"throttling", {.status = 429,.form = FORM_OPENAI,
			.message = TEXT("Requests rate limit exceeded, please try again later."),
	.type = "limit_requests",.code = "Throttling.RateQuota"}},
	{"burst", {.status = 429,.form = FORM_DASHSCOPE,
			.message = TEXT("Request rate increased too quickly. To ensure system stability, please adjust "
							"your client logic to scale requests more smoothly over time."),
	.type = "limit_burst_rate",.code = "limit_burst_rate"}},
	{"tokenrate", {.status = 429,.form = FORM_DASHSCOPE,
			.message = TEXT("You exceeded your current quota, please check your plan and billing details."),
	.type = "insufficient_quota",.code = "insufficient_quota"}},
	{"freequota", {.status = 403,.form = FORM_DASHSCOPE,
			.message = TEXT("The free tier of the model has been exhausted."),
	.type = "AllocationQuota.FreeTierOnly",.code = "AllocationQuota.FreeTierOnly"}},
	{"thinking", {.status = 400,.form = FORM_DASHSCOPE,
			.message = TEXT("parameter.enable_thinking must be set to false for non-streaming calls"),
	.type = "invalid_request_error",.code = "invalid_parameter_error"}},
	{"outofrange", {.status = 500,.message = TEXT("Out of range float values are not JSON compliant"),
	.type = "InternalServerError"}},
	{"detail", {.status = 422,.form = FORM_DETAIL,.message = TEXT("Field required"),
	.type = "missing",.param = TEXT("messages")}},
	{"error200", {.status = 200,.form = FORM_OPENAI,
			.message = TEXT("The request queue is full. [503]"),
	.type = "ServiceUnavailableError",.code = NULL}},
};

/* The body asked for by name; false names end as 418 with the name in it. */
void
fault_named(Fault *f, Kind kind, Str name)
{
	if (str_starts(name, STR("field:")))
	{
		fault_field(f, kind, str_from(name, 6));
		return;
	}
	if (str_eq(name, STR("toolong")))
	{
		fault_context(f, kind, 9000, 4096);
		return;
	}
	if (str_eq(name, STR("busy")))
	{
		fault_busy(f, kind);
		return;
	}
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (str_eq(name, str_of(named[i].name)))
		{
			*f = named[i].fault;
			return;
		}
	f->status = 418;
	f->message = format("qwen_mock: unknown body %.*s", (int) name.n, name.p);
}

/* ---- writing ---- */

/* What nginx puts in front of a server that does not answer. */
static void
write_html(Buf *b, int status)
{
	buf_fmt(b, "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n"
			"<center><h1>%d %s</h1></center>\r\n<hr><center>nginx</center>\r\n"
			"</body>\r\n</html>\r\n",
			status, http_reason(status), status, http_reason(status));
}

/*
 * The code member: a word where a provider has one, else the status as a
 * number, else null. A client must take all three.
 */
static void
write_code(Buf *b, Kind kind, const Fault *f)
{
	if (f->status == 200)
		buf_lit(b, "503");		/* an error inside a success */
	else if (f->code)
		buf_quoted(b, str_of(f->code));
	else if (kind == KIND_OPENAI)
		buf_str(b, f->status == 401 ? STR("\"invalid_api_key\"") :
				f->status == 404 ? STR("\"model_not_found\"") :
				f->status == 429 ? STR("\"rate_limit_exceeded\"") : STR("null"));
	else if (kind == KIND_OLLAMA)
		buf_lit(b, "null");
	else
		buf_uint(b, (unsigned) f->status);
}

/* The param member, which names a field that is at fault. */
static void
write_param(Buf *b, const Fault *f)
{
	buf_lit(b, "\"param\":");
	if (f->param.n)
		buf_quoted(b, f->param);
	else
		buf_lit(b, "null");
}

/* The members that the OpenAI shape and the top-level shape share. */
static void
write_members(Buf *b, Kind kind, const Fault *f, Str message)
{
	buf_lit(b, "\"message\":");
	buf_quoted(b, message);
	buf_lit(b, ",\"type\":");
	buf_quoted(b, str_of(f->type ? f->type : type_of(kind, f->status)));
	if (kind != KIND_LLAMACPP)
	{
		buf_char(b, ',');
		write_param(b, f);
	}
	buf_lit(b, ",\"code\":");
	write_code(b, kind, f);
	if (kind == KIND_LLAMACPP && f->n_ctx > 0)
		buf_fmt(b, ",\"n_prompt_tokens\":%d,\"n_ctx\":%d", f->n_prompt, f->n_ctx);
	buf_char(b, '}');
}

/* An object with one text in it. */
static void
write_one_text(Buf *b, const char *name, Str message)
{
	buf_fmt(b, "{\"%s\":", name);
	buf_quoted(b, message);
	buf_char(b, '}');
}

/* FastAPI's report on a body that does not validate. */
static void
write_detail_list(Buf *b, const Fault *f, Str message)
{
	buf_lit(b, "{\"detail\":[{\"type\":");
	buf_quoted(b, str_of(f->type ? f->type : "value_error"));
	buf_lit(b, ",\"loc\":[\"body\",");
	buf_quoted(b, f->param);
	buf_lit(b, "],\"msg\":");
	buf_quoted(b, message);
	buf_lit(b, "}]}");
}

/* The message in the shape of a kind. */
static void
write_shape(Buf *b, Kind kind, ErrorShape shape, const Fault *f, Str message)
{
	switch (shape)
	{
		case SHAPE_OPENAI:
			buf_lit(b, "{\"error\":{");
			write_members(b, kind, f, message);
			buf_char(b, '}');
			break;
		case SHAPE_DASHSCOPE:
			buf_lit(b, "{\"error\":{");
			write_members(b, kind, f, message);
			buf_lit(b, ",\"id\":\"chatcmpl-mock\",\"request_id\":\"mock\"}");
			break;
		case SHAPE_TOP_LEVEL:
			buf_lit(b, "{\"object\":\"error\",");
			write_members(b, kind, f, message);
			break;
		case SHAPE_TEXT:
			write_one_text(b, "error", message);
			break;
		case SHAPE_TGI:
			write_one_text(b, "error", message);
			b->len--;
			buf_fmt(b, ",\"error_type\":\"%s\"}", type_of(kind, f->status));
			break;
		case SHAPE_DETAIL:
			write_one_text(b, "detail", message);
			break;
	}
}

/* Which shape a kind uses depends on the status and on its API, too. */
static ErrorShape
shape_of(Kind kind, bool native, int status)
{
	if (native)
		return SHAPE_TEXT;
	if (status == 401 && (kind == KIND_VLLM || kind == KIND_VLLM_OLD || kind == KIND_SGLANG))
		return SHAPE_TEXT;
	return kinds[kind].shape;
}

/* Gateways answer for the server behind them, whatever its kind. */
static FaultForm
form_of(const Fault *f)
{
	if (f->form == FORM_KIND && f->message.n == 0 &&
		(f->status == 502 || f->status == 504 || f->status == 413))
		return FORM_HTML;
	return f->form;
}

/* Returns the content type. */
const char *
fault_write(Buf *b, Kind kind, bool native, const Fault *f)
{
	Str			message = f->message.n ? f->message : str_of(status_words(kind, f->status));

	switch (form_of(f))
	{
		case FORM_HTML:
			write_html(b, f->status);
			return "text/html";
		case FORM_EMPTY:
			return "text/plain";
		case FORM_PLAIN_TEXT:
			buf_str(b, message);
			return "text/plain; charset=utf-8";
		case FORM_DETAIL:
			write_detail_list(b, f, message);
			break;
		case FORM_STRING:
			write_shape(b, kind, SHAPE_TEXT, f, message);
			break;
		case FORM_OPENAI:
			write_shape(b, kind, SHAPE_OPENAI, f, message);
			break;
		case FORM_DASHSCOPE:
			write_shape(b, kind, SHAPE_DASHSCOPE, f, message);
			break;
		case FORM_KIND:
			write_shape(b, kind, shape_of(kind, native, f->status), f, message);
			break;
	}
	return "application/json";
}
