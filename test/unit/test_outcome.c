/*-------------------------------------------------------------------------
 *
 * test_outcome.c
 *	  A row for each line of the outcome rules and each server's error body.
 *
 * The bodies go through the real parser: what it finds is what is judged.
 * Those that name a server were read in its source, recorded from it, or are
 * its documentation's.
 *
 *-------------------------------------------------------------------------
 */
#include <curl/curl.h>
#include <string.h>

#include "net/outcome.h"

#include "tap.h"

#define READ		QC_ACT_READ
#define RETRY		QC_ACT_RETRY
#define RESEND		QC_ACT_RESEND
#define CUT			QC_ACT_CUT
#define DOWNGRADE	QC_ACT_DOWNGRADE
#define FAIL		QC_ACT_FAIL

#define VLLM		QC_API_VLLM
#define SGLANG		QC_API_SGLANG
#define LLAMA		QC_API_LLAMACPP
#define OLLAMA		QC_API_OLLAMA
#define OPENAI		QC_API_OPENAI
#define TGI			QC_API_TGI
#define LMDEPLOY	QC_API_LMDEPLOY
#define PLAIN		QC_API_INFERENCE

typedef struct Row
{
	const char *name;
	QcApi		api;
	int			status;
	const char *body;
	QcAction	action;
	QcFailKind	kind;
	uint32_t	refused;
	int			top_cap;
	long		limit;
	long		prompt;
	uint32_t	had_refused;	/* facts of the request */
	int			had_cap;
} Row;

static const Row rows[] = {
	/* answers */
	{"an answer", VLLM, 200, "{\"choices\":[{\"message\":{\"content\":\"bug\"},\"finish_reason\":\"stop\"}]}", READ, QC_FAIL_NONE, 0, 0, 0, 0, 0, 0},
	{"an answer that was cut", VLLM, 200, "{\"choices\":[{\"message\":{\"content\":\"{\\\"label\\\": \\\"bug\\\", \"},\"finish_reason\":\"length\"}]}", READ, QC_FAIL_NONE, 0, 0, 0, 0, 0, 0},
	{"an answer of the plain API", PLAIN, 200, "{\"response\":\"bug\"}", READ, QC_FAIL_NONE, 0, 0, 0, 0, 0, 0},
	{"an empty body with 200 is the reader's", VLLM, 200, "", READ, QC_FAIL_NONE, 0, 0, 0, 0, 0, 0},
	{"words that are not JSON with 200 are the reader's", VLLM, 200, "bug", READ, QC_FAIL_NONE, 0, 0, 0, 0, 0, 0},
	{"a page with 200 is no inference server", VLLM, 200, "\n<!DOCTYPE html><html>Sign in</html>", FAIL, QC_FAIL_PROTOCOL, 0, 0, 0, 0, 0, 0},
	{"SGLang: an error in a 200, its code counts", SGLANG, 200, "{\"error\":{\"message\":\"[503] The request queue is full.\"}}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"an error in a 200 with a code of its own", OPENAI, 200, "{\"error\":{\"message\":\"slow down\",\"code\":429}}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"an error in a 200 without a code: its words", OLLAMA, 200, "{\"error\":\"model 'x' not found\"}", FAIL, QC_FAIL_MODEL, 0, 0, 0, 0, 0, 0},
	{"an error in a 200 that says nothing is the server's", OPENAI, 200, "{\"error\":\"oops\"}", RETRY, QC_FAIL_SERVER, 0, 0, 0, 0, 0, 0},
	{"vLLM: EngineDeadError", VLLM, 500, "{\"error\":{\"message\":\"EngineDeadError: engine core died\",\"type\":\"InternalServerError\",\"code\":500}}", RETRY, QC_FAIL_SERVER, 0, 0, 0, 0, 0, 0},
	{"vLLM: GenerationError", VLLM, 500, "{\"error\":{\"message\":\"Generation failed\",\"type\":\"GenerationError\",\"code\":500}}", RETRY, QC_FAIL_SERVER, 0, 0, 0, 0, 0, 0},

	/* queue full, loading */
	{"vLLM: queue full", VLLM, 503, "{\"error\":{\"message\":\"The server is overloaded\",\"type\":\"ServiceUnavailable\",\"code\":503}}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"SGLang: queue full", SGLANG, 503, "{\"object\":\"error\",\"message\":\"The request queue is full.\",\"type\":\"ServiceUnavailable\",\"code\":503}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"llama.cpp: loading", LLAMA, 503, "{\"error\":{\"message\":\"Loading model\",\"type\":\"unavailable_error\",\"code\":503}}", RETRY, QC_FAIL_LOADING, 0, 0, 0, 0, 0, 0},
	{"Ollama: busy", OLLAMA, 503, "{\"error\":\"server busy, please try again.  maximum pending requests exceeded\"}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"TGI: overloaded", TGI, 429, "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"OpenAI: rate limit", OPENAI, 429, "{\"error\":{\"message\":\"Rate limit reached for requests\",\"type\":\"requests\",\"code\":\"rate_limit_exceeded\"}}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"DashScope: throttled", OPENAI, 429, "{\"error\":{\"message\":\"Requests rate limit exceeded, please try again later.\",\"type\":\"limit_requests\",\"code\":\"limit_requests\"}}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"DashScope: allocation quota comes back", OPENAI, 429, "{\"code\":\"Throttling.AllocationQuota\",\"message\":\"Allocated quota exceeded, please increase your quota limit.\"}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"TGI: generation failed", TGI, 424, "{\"error\":\"Request failed during generation: Server error: out of memory\",\"error_type\":\"generation\"}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"TGI: half an answer", TGI, 500, "{\"error\":\"Incomplete generation\",\"error_type\":\"incomplete_generation\"}", RETRY, QC_FAIL_SERVER, 0, 0, 0, 0, 0, 0},
	{"LMDeploy: engine gone", LMDEPLOY, 503, "{\"message\":\"The inference engine is unavailable.\",\"type\":\"server_error\",\"code\":503,\"param\":null,\"object\":\"error\"}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"LMDeploy: cancelled", LMDEPLOY, 499, "{\"message\":\"The request was cancelled.\",\"type\":\"invalid_request_error\",\"code\":499,\"param\":null,\"object\":\"error\"}", RETRY, QC_FAIL_TIMEOUT, 0, 0, 0, 0, 0, 0},
	{"DashScope: too many at once", OPENAI, 429, "{\"error\":{\"message\":\"Request rate increased too quickly. To ensure system stability, please adjust your client logic to scale requests more smoothly over time.\",\"type\":\"limit_burst_rate\",\"param\":null,\"code\":\"limit_burst_rate\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"DashScope: tokens a minute, as a quota", OPENAI, 429, "{\"error\":{\"message\":\"Allocated quota exceeded, please increase your quota limit.\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"insufficient_quota\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"DashScope: tokens a minute, in OpenAI's words", OPENAI, 429, "{\"error\":{\"message\":\"You exceeded your current quota, please check your plan and billing details.\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"insufficient_quota\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"DashScope: no room", OPENAI, 503, "{\"error\":{\"message\":\"Too many requests. Your requests are being throttled due to system capacity limits. Please try again later.\",\"type\":\"ModelServingError\",\"param\":null,\"code\":\"ModelServingError\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"DashScope: model is away", OPENAI, 503, "{\"error\":{\"message\":\"Model is unavailable, please try again later.\",\"type\":\"ModelUnavailable\",\"param\":null,\"code\":\"ModelUnavailable\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"a proxy's page with 502", VLLM, 502, "<html><h1>502 Bad Gateway</h1></html>", RETRY, QC_FAIL_SERVER, 0, 0, 0, 0, 0, 0},
	{"a proxy's page with 503", VLLM, 503, "<html><h1>503 Service Temporarily Unavailable</h1></html>", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"a proxy's page with 504", VLLM, 504, "<html>gateway time-out</html>", RETRY, QC_FAIL_TIMEOUT, 0, 0, 0, 0, 0, 0},
	{"408", OPENAI, 408, "", RETRY, QC_FAIL_TIMEOUT, 0, 0, 0, 0, 0, 0},
	{"409", OPENAI, 409, "", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"424", OPENAI, 424, "", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"425", OPENAI, 425, "", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"499", OPENAI, 499, "", RETRY, QC_FAIL_TIMEOUT, 0, 0, 0, 0, 0, 0},
	{"500 without a word", OPENAI, 500, "", RETRY, QC_FAIL_SERVER, 0, 0, 0, 0, 0, 0},
	{"529", OPENAI, 529, "{\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}", RETRY, QC_FAIL_OVERLOADED, 0, 0, 0, 0, 0, 0},
	{"520 of a proxy", OPENAI, 520, "", RETRY, QC_FAIL_SERVER, 0, 0, 0, 0, 0, 0},
	{"llama.cpp: 501 of a server without chat", LLAMA, 501, "{\"error\":{\"code\":501,\"message\":\"This server does not support completions.\",\"type\":\"not_supported_error\"}}", FAIL, QC_FAIL_PROTOCOL, 0, 0, 0, 0, 0, 0},

	/* context too long */
	{"vLLM: too long", VLLM, 400, "{\"error\":{\"message\":\"Input length (2500) exceeds model's maximum context length (2048).\",\"type\":\"BadRequestError\",\"code\":400}}", CUT, QC_FAIL_TOO_LONG, 0, 0, 2048, 2500, 0, 0},
	{"vLLM: too long, older words", VLLM, 400, "{\"object\":\"error\",\"message\":\"This model's maximum context length is 2048 tokens. However, you requested 2500 tokens (2340 in the messages, 160 in the completion). Please reduce the length of the messages or completion.\",\"type\":\"BadRequestError\",\"code\":400}", CUT, QC_FAIL_TOO_LONG, 0, 0, 2048, 2340, 0, 0},
	{"vLLM: too long for max_tokens", VLLM, 400, "{\"error\":{\"message\":\"'max_tokens' or 'max_completion_tokens' is too large: 160. This model's maximum context length is 2048 tokens and your request has 2000 input tokens (160 > 2048 - 2000).\",\"code\":400}}", CUT, QC_FAIL_TOO_LONG, 0, 0, 2048, 2000, 0, 0},
	{"vLLM: longer than the model", VLLM, 400, "{\"error\":{\"message\":\"The decoder prompt (length 40973) is longer than the maximum model length of 40960.\",\"code\":400}}", CUT, QC_FAIL_TOO_LONG, 0, 0, 40960, 40973, 0, 0},
	{"SGLang: too long", SGLANG, 400, "{\"object\":\"error\",\"message\":\"The input (8474 tokens) is longer than the model's context length (2048 tokens).\",\"type\":\"BadRequestError\",\"code\":400}", CUT, QC_FAIL_TOO_LONG, 0, 0, 2048, 8474, 0, 0},
	{"SGLang: too long in all", SGLANG, 400, "{\"object\":\"error\",\"message\":\"Requested token count exceeds the model's maximum context length of 2048 tokens. You requested a total of 2500 tokens: 2340 tokens from the input messages and 160 tokens for the completion.\",\"code\":400}", CUT, QC_FAIL_TOO_LONG, 0, 0, 2048, 2340, 0, 0},
	{"llama.cpp: too long", LLAMA, 400, "{\"error\":{\"code\":400,\"message\":\"request (8474 tokens) exceeds the available context size (2048 tokens), try increasing it\",\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":8474,\"n_ctx\":2048}}", CUT, QC_FAIL_TOO_LONG, 0, 0, 2048, 8474, 0, 0},
	{"TGI: too long", TGI, 422, "{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 160 `max_new_tokens`\",\"error_type\":\"validation\"}", CUT, QC_FAIL_TOO_LONG, 0, 0, 4096, 5000, 0, 0},
	{"TGI: input too long", TGI, 422, "{\"error\":\"Input validation error: `inputs` must have less than 1024 tokens. Given: 1800\",\"error_type\":\"validation\"}", CUT, QC_FAIL_TOO_LONG, 0, 0, 1024, 1800, 0, 0},
	{"TGI: too long, words not known", TGI, 422, "{\"error\":\"Input validation error: too many `inputs` tokens for this shard\",\"error_type\":\"validation\"}", CUT, QC_FAIL_TOO_LONG, 0, 0, 0, 0, 0, 0},
	{"OpenAI: too long", OPENAI, 400, "{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.\",\"type\":\"invalid_request_error\",\"code\":\"context_length_exceeded\"}}", CUT, QC_FAIL_TOO_LONG, 0, 0, 8192, 9000, 0, 0},
	{"LMDeploy: too long", LMDEPLOY, 400, "{\"object\":\"error\",\"message\":\"too long\",\"type\":\"context_length_exceeded\",\"code\":400}", CUT, QC_FAIL_TOO_LONG, 0, 0, 0, 0, 0, 0},
	{"LMDeploy: too long, its own words", LMDEPLOY, 400, "{\"message\":\"The request exceeds the model context length.\",\"type\":\"invalid_request_error\",\"code\":400,\"param\":null,\"object\":\"error\"}", CUT, QC_FAIL_TOO_LONG, 0, 0, 0, 0, 0, 0},
	{"DashScope: too long", OPENAI, 400, "{\"error\":{\"message\":\"Range of input length should be [1, 30720]\",\"code\":\"invalid_parameter_error\"}}", CUT, QC_FAIL_TOO_LONG, 0, 0, 30720, 0, 0, 0},

	/* unknown model, wrong path */
	{"vLLM: unknown model", VLLM, 404, "{\"object\":\"error\",\"message\":\"The model `x` does not exist.\",\"type\":\"NotFoundError\",\"code\":404}", FAIL, QC_FAIL_MODEL, 0, 0, 0, 0, 0, 0},
	{"Ollama: unknown model", OLLAMA, 404, "{\"error\":\"model \\\"x\\\" not found, try pulling it first\"}", FAIL, QC_FAIL_MODEL, 0, 0, 0, 0, 0, 0},
	{"OpenAI: unknown model", OPENAI, 404, "{\"error\":{\"message\":\"The model `x` does not exist or you do not have access to it.\",\"type\":\"invalid_request_error\",\"code\":\"model_not_found\"}}", FAIL, QC_FAIL_MODEL, 0, 0, 0, 0, 0, 0},
	{"DashScope: unknown model", OPENAI, 400, "{\"error\":{\"message\":\"Model not exist.\",\"code\":\"model_not_found\"}}", FAIL, QC_FAIL_MODEL, 0, 0, 0, 0, 0, 0},
	{"LMDeploy: unknown model", LMDEPLOY, 404, "{\"message\":\"The model 'x' does not exist.\",\"type\":\"not_found_error\",\"code\":404,\"param\":null,\"object\":\"error\"}", FAIL, QC_FAIL_MODEL, 0, 0, 0, 0, 0, 0},
	{"DashScope: model not for this API", OPENAI, 404, "{\"error\":{\"message\":\"Unsupported model `x` for OpenAI compatibility mode.\",\"type\":\"model_not_supported\",\"param\":null,\"code\":\"model_not_supported\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", FAIL, QC_FAIL_MODEL, 0, 0, 0, 0, 0, 0},
	{"LiteLLM: unknown model", OPENAI, 400, "{\"error\":{\"message\":\"/chat/completions: Invalid model name passed in model=x\",\"code\":\"400\"}}", FAIL, QC_FAIL_MODEL, 0, 0, 0, 0, 0, 0},
	{"llama.cpp: wrong path", LLAMA, 404, "{\"error\":{\"message\":\"File Not Found\",\"type\":\"not_found_error\",\"code\":404}}", FAIL, QC_FAIL_PATH, 0, 0, 0, 0, 0, 0},
	{"FastAPI: wrong path", VLLM, 404, "{\"detail\":\"Not Found\"}", FAIL, QC_FAIL_PATH, 0, 0, 0, 0, 0, 0},
	{"OpenAI: wrong path", OPENAI, 404, "{\"error\":{\"message\":\"Invalid URL (POST /v1/models/chat)\",\"type\":\"invalid_request_error\"}}", FAIL, QC_FAIL_PATH, 0, 0, 0, 0, 0, 0},
	{"a page with 404", VLLM, 404, "<html>no such model page</html>", FAIL, QC_FAIL_PATH, 0, 0, 0, 0, 0, 0},
	{"wrong method", VLLM, 405, "{\"detail\":\"Method Not Allowed\"}", FAIL, QC_FAIL_PATH, 0, 0, 0, 0, 0, 0},
	{"a redirect", VLLM, 302, "<html>moved</html>", FAIL, QC_FAIL_PATH, 0, 0, 0, 0, 0, 0},

	/* key, money, filter */
	{"vLLM: no key", VLLM, 401, "{\"error\":\"Unauthorized\"}", FAIL, QC_FAIL_AUTH, 0, 0, 0, 0, 0, 0},
	{"llama.cpp: wrong key", LLAMA, 401, "{\"error\":{\"message\":\"Invalid API Key\",\"type\":\"authentication_error\",\"code\":401}}", FAIL, QC_FAIL_AUTH, 0, 0, 0, 0, 0, 0},
	{"DashScope: wrong key", OPENAI, 401, "{\"error\":{\"message\":\"Incorrect API key provided.\",\"code\":\"invalid_api_key\"}}", FAIL, QC_FAIL_AUTH, 0, 0, 0, 0, 0, 0},
	{"a proxy's page with 403", VLLM, 403, "<html>forbidden</html>", FAIL, QC_FAIL_AUTH, 0, 0, 0, 0, 0, 0},
	{"OpenAI: 403 for logprobs", OPENAI, 403, "{\"error\":{\"message\":\"You are not allowed to request logprobs from this model.\",\"type\":\"invalid_request_error\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_LOGPROBS, 0, 0, 0, 0, 0},
	{"OpenAI: quota used up", OPENAI, 429, "{\"error\":{\"message\":\"You exceeded your current quota, please check your plan and billing details.\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}", FAIL, QC_FAIL_QUOTA, 0, 0, 0, 0, 0, 0},
	{"DashScope: arrears", OPENAI, 400, "{\"error\":{\"message\":\"Access denied, please make sure your account is in good standing.\",\"type\":\"Arrearage\",\"code\":\"Arrearage\"}}", FAIL, QC_FAIL_QUOTA, 0, 0, 0, 0, 0, 0},
	{"402", OPENAI, 402, "{\"error\":{\"message\":\"Insufficient Balance\"}}", FAIL, QC_FAIL_QUOTA, 0, 0, 0, 0, 0, 0},
	{"DashScope: inspection failed", OPENAI, 400, "{\"error\":{\"message\":\"Input data may contain inappropriate content.\",\"code\":\"data_inspection_failed\"}}", FAIL, QC_FAIL_REFUSED, 0, 0, 0, 0, 0, 0},
	{"DashScope: inspection failed, native code", OPENAI, 400, "{\"code\":\"DataInspectionFailed\",\"message\":\"Input data may contain inappropriate content.\"}", FAIL, QC_FAIL_REFUSED, 0, 0, 0, 0, 0, 0},
	{"DashScope: free tier spent", OPENAI, 403, "{\"error\":{\"message\":\"The free tier of the model has been exhausted. If you wish to continue access the model on a paid basis, please disable the mode in the management console.\",\"type\":\"AllocationQuota.FreeTierOnly\",\"param\":null,\"code\":\"AllocationQuota.FreeTierOnly\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", FAIL, QC_FAIL_QUOTA, 0, 0, 0, 0, 0, 0},
	{"DashScope: free quota spent", OPENAI, 429, "{\"error\":{\"message\":\"Free allocated quota exceeded.\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"insufficient_quota\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", FAIL, QC_FAIL_QUOTA, 0, 0, 0, 0, 0, 0},
	{"DashScope: bill overdue", OPENAI, 429, "{\"error\":{\"message\":\"The postpaid bill is overdue.\",\"type\":\"PostpaidBillOverdue\",\"param\":null,\"code\":\"PostpaidBillOverdue\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", FAIL, QC_FAIL_QUOTA, 0, 0, 0, 0, 0, 0},
	{"DashScope: not bought", OPENAI, 429, "{\"error\":{\"message\":\"Commodity has not purchased yet.\",\"type\":\"CommodityNotPurchased\",\"param\":null,\"code\":\"CommodityNotPurchased\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", FAIL, QC_FAIL_QUOTA, 0, 0, 0, 0, 0, 0},
	{"DashScope: model denied", OPENAI, 403, "{\"error\":{\"message\":\"Access to model denied. Please make sure you are eligible for using the model.\",\"type\":\"AccessDenied.Unpurchased\",\"param\":null,\"code\":\"AccessDenied.Unpurchased\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", FAIL, QC_FAIL_AUTH, 0, 0, 0, 0, 0, 0},
	{"DashScope: output inspected", OPENAI, 400, "{\"error\":{\"message\":\"Output data may contain inappropriate content.\",\"type\":\"data_inspection_failed\",\"param\":null,\"code\":\"data_inspection_failed\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", FAIL, QC_FAIL_REFUSED, 0, 0, 0, 0, 0, 0},
	{"DashScope: a rule of the account's own", OPENAI, 400, "{\"error\":{\"message\":\"Input or output data may contain inappropriate content with custom rule.\",\"type\":\"CustomRoleBlocked\",\"param\":null,\"code\":\"CustomRoleBlocked\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", FAIL, QC_FAIL_REFUSED, 0, 0, 0, 0, 0, 0},
	{"DashScope: a rule of questions", OPENAI, 400, "{\"error\":{\"message\":\"Input or output data is blocked by faq rule.\",\"type\":\"FaqRuleBlocked\",\"param\":null,\"code\":\"FaqRuleBlocked\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", FAIL, QC_FAIL_REFUSED, 0, 0, 0, 0, 0, 0},
	{"DashScope: rights of others", OPENAI, 400, "{\"error\":{\"message\":\"Input data is suspected of being involved in IP infringement.\",\"type\":\"IPInfringementSuspect\",\"param\":null,\"code\":\"IPInfringementSuspect\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", FAIL, QC_FAIL_REFUSED, 0, 0, 0, 0, 0, 0},
	{"Azure: content filter", OPENAI, 400, "{\"error\":{\"message\":\"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.\",\"code\":\"content_filter\"}}", FAIL, QC_FAIL_REFUSED, 0, 0, 0, 0, 0, 0},

	/* fields */
	{"OpenAI: logprobs unsupported", OPENAI, 400, "{\"error\":{\"message\":\"Unsupported parameter: 'logprobs' is not supported with this model.\",\"code\":\"unsupported_parameter\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_LOGPROBS, 0, 0, 0, 0, 0},
	{"LMDeploy: logprobs need a flag", LMDEPLOY, 400, "{\"message\":\"Logprobs(True)/top_logprobs(20) requested but not enabled logprobs_mode in engine configuration\",\"type\":\"invalid_request_error\",\"code\":400,\"param\":null,\"object\":\"error\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_LOGPROBS, 0, 0, 0, 0, 0},
	{"vLLM: fewer alternatives", VLLM, 400, "{\"error\":{\"message\":\"Requested sample logprobs of 20, which is greater than max allowed: 5\",\"code\":400}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TOP_LOGPROBS, 5, 0, 0, 0, 0},
	{"TGI: fewer alternatives", TGI, 422, "{\"error\":\"Input validation error: `top_n_tokens` must be >= 0 and <= 5. Given: 20\",\"error_type\":\"validation\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TOP_LOGPROBS, 5, 0, 0, 0, 0},
	{"Ollama: fewer alternatives", OLLAMA, 400, "{\"error\":\"top_logprobs must be between 0 and 10\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TOP_LOGPROBS, 10, 0, 0, 0, 0},
	{"DashScope: fewer alternatives", OPENAI, 400, "{\"error\":{\"message\":\"Range of top_logprobs should be [0, 5]\",\"code\":\"invalid_parameter_error\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TOP_LOGPROBS, 5, 0, 0, 0, 0},
	{"TGI: fewer alternatives than were asked for", TGI, 422, "{\"error\":\"Input validation error: `top_n_tokens` must be >= 0 and <= 5. Given: 9\",\"error_type\":\"validation\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TOP_LOGPROBS, 5, 0, 0, 0, 0},
	{"vLLM: fewer alternatives than were asked for", VLLM, 400, "{\"error\":{\"message\":\"Requested sample logprobs of 11, which is greater than max allowed: 5\",\"code\":400}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TOP_LOGPROBS, 5, 0, 0, 0, 0},
	{"from one to fewer alternatives", OPENAI, 400, "{\"error\":{\"message\":\"top_logprobs must be in [1, 5]\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TOP_LOGPROBS, 5, 0, 0, 0, 0},
	{"one alternative", OPENAI, 400, "{\"error\":{\"message\":\"top_logprobs must be at most 1\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TOP_LOGPROBS, 1, 0, 0, 0, 0},
	{"FastAPI: fewer alternatives", VLLM, 422, "{\"detail\":[{\"loc\":[\"body\",\"top_logprobs\"],\"msg\":\"Input should be less than or equal to 8\",\"type\":\"less_than_equal\",\"input\":20}]}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TOP_LOGPROBS, 8, 0, 0, 0, 0},
	{"fewer alternatives, no number", OPENAI, 400, "{\"error\":{\"message\":\"top_logprobs is too large\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TOP_LOGPROBS, 5, 0, 0, 0, 0},
	{"fewer alternatives, no number, again", OPENAI, 400, "{\"error\":{\"message\":\"top_logprobs is too large\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TOP_LOGPROBS, 1, 0, 0, QC_REFUSED_TOP_LOGPROBS, 5},
	{"not even one alternative", OPENAI, 400, "{\"error\":{\"message\":\"top_logprobs is too large\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_LOGPROBS, 0, 0, 0, QC_REFUSED_TOP_LOGPROBS, 1},
	{"top_logprobs alone is unknown", OPENAI, 400, "{\"error\":{\"message\":\"Unrecognized request argument supplied: top_logprobs\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TOP_LOGPROBS, 0, 0, 0, 0, 0},
	{"neither logprobs nor top_logprobs", OPENAI, 400, "{\"error\":{\"message\":\"logprobs and top_logprobs are not supported\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_LOGPROBS, 0, 0, 0, 0, 0},
	{"strict gateway: chat_template_kwargs", VLLM, 422, "{\"detail\":[{\"loc\":[\"body\",\"chat_template_kwargs\"],\"msg\":\"Extra inputs are not permitted\",\"type\":\"extra_forbidden\"}]}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TEMPLATE_KWARGS, 0, 0, 0, 0, 0},
	{"structured_outputs unknown", VLLM, 400, "{\"error\":{\"message\":\"structured_outputs: Extra inputs are not permitted\",\"code\":400}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_CONSTRAINT, 0, 0, 0, 0, 0},
	{"guided_choice unknown", VLLM, 400, "{\"error\":{\"message\":\"guided_choice is no longer supported\",\"code\":400}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_CONSTRAINT, 0, 0, 0, 0, 0},
	{"SGLang: regex", SGLANG, 400, "{\"object\":\"error\",\"message\":\"Failed to compile regex grammar\",\"code\":400}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_CONSTRAINT, 0, 0, 0, 0, 0},
	{"llama.cpp: grammar", LLAMA, 400, "{\"error\":{\"code\":400,\"message\":\"Failed to initialize samplers: failed to parse grammar\",\"type\":\"invalid_request_error\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_CONSTRAINT, 0, 0, 0, 0, 0},
	{"llama.cpp: grammar, as a 500", LLAMA, 500, "{\"error\":{\"code\":500,\"message\":\"Failed to parse grammar\",\"type\":\"server_error\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_CONSTRAINT, 0, 0, 0, 0, 0},
	{"llama.cpp: schema", LLAMA, 400, "{\"error\":{\"code\":400,\"message\":\"Unable to generate parser for this template. Automatic parser generation failed: JSON schema error at #: unrecognized type nonsense\",\"type\":\"invalid_request_error\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_RESPONSE_FORMAT, 0, 0, 0, 0, 0},
	{"llama.cpp: response_format", LLAMA, 400, "{\"error\":{\"code\":400,\"message\":\"response_format type must be one of \\\"text\\\" or \\\"json_object\\\", but got: json_schema\",\"type\":\"invalid_request_error\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_RESPONSE_FORMAT, 0, 0, 0, 0, 0},
	{"json_schema, then json_object", OPENAI, 400, "{\"error\":{\"message\":\"response_format is not supported\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_JSON_OBJECT, 0, 0, 0, QC_REFUSED_RESPONSE_FORMAT, 0},
	{"json_schema, json_object, then nothing more", OPENAI, 400, "{\"error\":{\"message\":\"response_format is not supported\"}}", FAIL, QC_FAIL_REJECTED, 0, 0, 0, 0, QC_REFUSED_RESPONSE_FORMAT | QC_REFUSED_JSON_OBJECT, 0},
	{"OpenAI: maxLength in the schema", OPENAI, 400, "{\"error\":{\"message\":\"Invalid schema for response_format 'c': In context=('properties', 'reason'), 'maxLength' is not permitted.\",\"code\":\"invalid_json_schema\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_MAX_LENGTH, 0, 0, 0, 0, 0},
	{"OpenAI: minimum in the schema", OPENAI, 400, "{\"error\":{\"message\":\"Invalid schema for response_format 'c': 'minimum' is not permitted.\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_MAX_LENGTH, 0, 0, 0, 0, 0},
	{"logprobs with response_format: the probability is kept", OPENAI, 400, "{\"error\":{\"message\":\"logprobs cannot be used with response_format\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_RESPONSE_FORMAT, 0, 0, 0, 0, 0},
	{"OpenAI: max_completion_tokens", OPENAI, 400, "{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.\",\"code\":\"unsupported_parameter\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_MAX_TOKENS, 0, 0, 0, 0, 0},
	{"OpenAI: max_tokens too small", OPENAI, 400, "{\"error\":{\"message\":\"Invalid 'max_tokens': integer below minimum value. Expected a value >= 16, but got 8 instead.\",\"code\":\"integer_below_min_value\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_SHORT_MAX, 0, 0, 0, 0, 0},
	{"OpenAI: temperature", OPENAI, 400, "{\"error\":{\"message\":\"Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.\",\"code\":\"unsupported_value\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TEMPERATURE, 0, 0, 0, 0, 0},
	{"seed", OPENAI, 400, "{\"error\":{\"message\":\"Unrecognized request argument supplied: seed\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_SEED, 0, 0, 0, 0, 0},
	{"seed, plain API", PLAIN, 400, "{\"error\":{\"message\":\"seed\"}}", FAIL, QC_FAIL_REJECTED, 0, 0, 0, 0, 0, 0},
	{"top_p", OPENAI, 400, "{\"error\":{\"message\":\"Unsupported parameter: 'top_p'\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_SAMPLING, 0, 0, 0, 0, 0},
	{"top_k", VLLM, 400, "{\"error\":{\"message\":\"top_k must be -1 or greater\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_SAMPLING, 0, 0, 0, 0, 0},
	{"cache_prompt", LLAMA, 400, "{\"error\":{\"message\":\"unknown field: cache_prompt\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_CACHE_PROMPT, 0, 0, 0, 0, 0},
	{"Ollama: think", OLLAMA, 400, "{\"error\":\"\\\"qwen2.5:7b\\\" does not support thinking\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_THINK, 0, 0, 0, 0, 0},
	{"Ollama: format", OLLAMA, 400, "{\"error\":\"invalid format: expected json\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_CONSTRAINT | QC_REFUSED_RESPONSE_FORMAT, 0, 0, 0, 0, 0},
	{"DashScope: thinking must be off", OPENAI, 400, "{\"error\":{\"message\":\"parameter.enable_thinking must be set to false for non-streaming calls\",\"code\":\"invalid_parameter_error\"}}", DOWNGRADE, QC_FAIL_REJECTED, QC_NEEDS_NO_THINKING, 0, 0, 0, 0, 0},
	{"TGI: no grammars", TGI, 422, "{\"error\":\"Input validation error: grammar is not supported\",\"error_type\":\"validation\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_CONSTRAINT | QC_REFUSED_RESPONSE_FORMAT, 0, 0, 0, 0, 0},
	{"TGI: an older response_format", TGI, 422, "Failed to deserialize the JSON body into the target type: response_format: unknown variant `json_schema`, expected `json` or `regex`", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_CONSTRAINT | QC_REFUSED_RESPONSE_FORMAT, 0, 0, 0, 0, 0},
	{"TGI: a schema that it cannot compile", TGI, 422, "{\"error\":\"Input validation error: cannot compile regex from schema: unsupported keyword\",\"error_type\":\"validation\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_RESPONSE_FORMAT, 0, 0, 0, 0, 0},
	{"TGI: a schema that it does not like", TGI, 422, "{\"error\":\"Input validation error: grammar is not valid: Grammar must have a 'properties' field\",\"error_type\":\"validation\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_RESPONSE_FORMAT, 0, 0, 0, 0, 0},
	{"TGI: no grammars, and none was sent", TGI, 422, "{\"error\":\"Input validation error: grammar is not supported\",\"error_type\":\"validation\"}", FAIL, QC_FAIL_REJECTED, 0, 0, 0, 0, QC_REFUSED_CONSTRAINT | QC_REFUSED_RESPONSE_FORMAT, 0},
	{"LMDeploy: response_format", LMDEPLOY, 422, "{\"detail\":[{\"type\":\"literal_error\",\"loc\":[\"body\",\"response_format\",\"type\"],\"msg\":\"Input should be 'text' or 'json_object'\"}]}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_CONSTRAINT | QC_REFUSED_RESPONSE_FORMAT, 0, 0, 0, 0, 0},
	{"LMDeploy: response_format again", LMDEPLOY, 422, "{\"detail\":[{\"type\":\"literal_error\",\"loc\":[\"body\",\"response_format\",\"type\"],\"msg\":\"Input should be 'text'\"}]}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_JSON_OBJECT, 0, 0, 0, QC_REFUSED_CONSTRAINT | QC_REFUSED_RESPONSE_FORMAT, 0},
	{"LMDeploy: top_k", LMDEPLOY, 400, "{\"message\":\"The top_k -1 cannot be a negative integer.\",\"type\":\"invalid_request_error\",\"code\":400,\"param\":null,\"object\":\"error\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_SAMPLING, 0, 0, 0, 0, 0},
	{"DashScope: fewer alternatives, as it says it", OPENAI, 400, "{\"error\":{\"message\":\"<400> InternalError.Algo.InvalidParameter: Range of top_logprobs should be [0, 5]\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_parameter_error\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_TOP_LOGPROBS, 5, 0, 0, 0, 0},
	{"DashScope: json_object needs the word", OPENAI, 400, "{\"error\":{\"message\":\"<400> InternalError.Algo.InvalidParameter: 'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_parameter_error\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_REFUSED_JSON_OBJECT, 0, 0, 0, QC_REFUSED_RESPONSE_FORMAT, 0},
	{"DashScope: thinking is streamed only", OPENAI, 400, "{\"error\":{\"message\":\"parameter.enable_thinking only support stream call\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_parameter_error\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_NEEDS_NO_THINKING, 0, 0, 0, 0, 0},
	{"DashScope: no JSON while it thinks", OPENAI, 400, "{\"error\":{\"message\":\"Json mode response is not supported when enable_thinking is true\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_parameter_error\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_NEEDS_NO_THINKING, 0, 0, 0, 0, 0},
	{"DashScope: a model that thinks by itself", OPENAI, 400, "{\"error\":{\"message\":\"This model only support stream mode, please enable the stream parameter to access the model. \",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_parameter_error\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", DOWNGRADE, QC_FAIL_REJECTED, QC_NEEDS_NO_THINKING, 0, 0, 0, 0, 0},
	{"DashScope: a model that thinks in any case", OPENAI, 400, "{\"error\":{\"message\":\"This model only support stream mode, please enable the stream parameter to access the model. \",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_parameter_error\"},\"id\":\"chatcmpl-1\",\"request_id\":\"1\"}", FAIL, QC_FAIL_REJECTED, 0, 0, 0, 0, QC_NEEDS_NO_THINKING, 0},
	{"SGLang: infinite logprobs", SGLANG, 500, "{\"object\":\"error\",\"message\":\"Out of range float values are not JSON compliant\",\"code\":500}", DOWNGRADE, QC_FAIL_SERVER, QC_REFUSED_TOP_LOGPROBS, 1, 0, 0, 0, 0},
	{"SGLang: infinite logprobs, not JSON", SGLANG, 500, "ValueError: Out of range float values are not JSON compliant: -inf", DOWNGRADE, QC_FAIL_SERVER, QC_REFUSED_TOP_LOGPROBS, 1, 0, 0, 0, 0},
	{"SGLang: infinite logprobs with one alternative", SGLANG, 500, "{\"object\":\"error\",\"message\":\"Out of range float values are not JSON compliant\",\"code\":500}", DOWNGRADE, QC_FAIL_SERVER, QC_REFUSED_LOGPROBS, 0, 0, 0, QC_REFUSED_TOP_LOGPROBS, 1},
	{"SGLang: infinite logprobs without any", SGLANG, 500, "{\"object\":\"error\",\"message\":\"Out of range float values are not JSON compliant\",\"code\":500}", RETRY, QC_FAIL_SERVER, 0, 0, 0, 0, QC_REFUSED_LOGPROBS, 0},

	/* no endless loop: a field that was not sent is the row's fault */
	{"a field dropped already", OPENAI, 400, "{\"error\":{\"message\":\"temperature is not supported\"}}", FAIL, QC_FAIL_REJECTED, 0, 0, 0, 0, QC_REFUSED_TEMPERATURE, 0},
	{"a field that this kind never gets", OPENAI, 400, "{\"error\":{\"message\":\"unknown field: cache_prompt\"}}", FAIL, QC_FAIL_REJECTED, 0, 0, 0, 0, 0, 0},
	{"the plain API has nothing to drop", PLAIN, 400, "{\"error\":\"temperature is not supported\"}", FAIL, QC_FAIL_REJECTED, 0, 0, 0, 0, 0, 0},
	{"words of the row are not the server's", VLLM, 400, "{\"error\":{\"message\":\"[{'type': 'missing', 'loc': ('body',), 'msg': 'bad', 'input': 'logprobs temperature maximum context length'}]\",\"code\":400}}", FAIL, QC_FAIL_REJECTED, 0, 0, 0, 0, 0, 0},

	/* the rest */
	{"another 400", VLLM, 400, "{\"error\":{\"code\":400,\"message\":\"'messages' is required\",\"type\":\"invalid_request_error\"}}", FAIL, QC_FAIL_REJECTED, 0, 0, 0, 0, 0, 0},
	{"413", OPENAI, 413, "<html>Request Entity Too Large</html>", FAIL, QC_FAIL_REJECTED, 0, 0, 0, 0, 0, 0},
	{"422", VLLM, 422, "{\"detail\":\"Unprocessable\"}", FAIL, QC_FAIL_REJECTED, 0, 0, 0, 0, 0, 0},
	{"418", VLLM, 418, "", FAIL, QC_FAIL_REJECTED, 0, 0, 0, 0, 0, 0},
};

typedef struct Wire
{
	const char *name;
	int			curl_code;
	int			status;
	bool		reused;
	bool		any_byte;
	bool		connecting;
	bool		too_large;
	QcAction	action;
	QcFailKind	kind;
} Wire;

static const Wire wires[] = {
	{"unknown host", CURLE_COULDNT_RESOLVE_HOST, 0, false, false, true, false, RETRY, QC_FAIL_CONNECT},
	{"refused", CURLE_COULDNT_CONNECT, 0, false, false, true, false, RETRY, QC_FAIL_CONNECT},
	{"no route in time", CURLE_OPERATION_TIMEDOUT, 0, false, false, true, false, RETRY, QC_FAIL_CONNECT},
	{"no answer in time", CURLE_OPERATION_TIMEDOUT, 0, false, false, false, false, RETRY, QC_FAIL_TIMEOUT},
	{"a slow drip", CURLE_OPERATION_TIMEDOUT, 200, false, true, false, false, RETRY, QC_FAIL_TIMEOUT},
	{"idle connection was closed: empty reply", CURLE_GOT_NOTHING, 0, true, false, false, false, RESEND, QC_FAIL_CONNECT},
	{"idle connection was closed: reset", CURLE_RECV_ERROR, 0, true, false, false, false, RESEND, QC_FAIL_CONNECT},
	{"idle connection was closed: broken pipe", CURLE_SEND_ERROR, 0, true, false, false, false, RESEND, QC_FAIL_CONNECT},
	{"empty reply on a new connection", CURLE_GOT_NOTHING, 0, false, false, false, false, RETRY, QC_FAIL_CONNECT},
	{"reset after the first byte", CURLE_RECV_ERROR, 200, true, true, false, false, RETRY, QC_FAIL_CONNECT},
	{"half a body", CURLE_PARTIAL_FILE, 200, false, true, false, false, RETRY, QC_FAIL_CONNECT},
	{"handshake cut off", CURLE_SSL_CONNECT_ERROR, 0, false, false, true, false, RETRY, QC_FAIL_CONNECT},
	{"certificate refused", CURLE_PEER_FAILED_VERIFICATION, 0, false, false, true, false, FAIL, QC_FAIL_TLS},
	{"CA file unreadable", CURLE_SSL_CACERT_BADFILE, 0, false, false, true, false, FAIL, QC_FAIL_TLS},
	{"client certificate unreadable", CURLE_SSL_CERTPROBLEM, 0, false, false, true, false, FAIL, QC_FAIL_TLS},
	{"client certificate wanted", 98, 0, false, false, false, false, FAIL, QC_FAIL_TLS},
	{"not HTTP", CURLE_UNSUPPORTED_PROTOCOL, 0, false, true, false, false, RETRY, QC_FAIL_SERVER},
	{"garbage for a status line", CURLE_WEIRD_SERVER_REPLY, 0, false, true, false, false, RETRY, QC_FAIL_SERVER},
	{"bad encoding", CURLE_BAD_CONTENT_ENCODING, 200, false, true, false, false, RETRY, QC_FAIL_SERVER},
	{"no URL", CURLE_URL_MALFORMAT, 0, false, false, true, false, FAIL, QC_FAIL_PATH},
	{"an answer without end", CURLE_WRITE_ERROR, 200, false, true, false, true, FAIL, QC_FAIL_BAD_ANSWER},
	{"an error page without end", CURLE_WRITE_ERROR, 502, false, true, false, true, RETRY, QC_FAIL_SERVER},
	{"no status", CURLE_OK, 0, false, true, false, false, RETRY, QC_FAIL_SERVER},
};

static void
check_row(const Row *row)
{
	QcReply		reply = {0};
	QcFacts		facts = {0};
	QcReceived	received = {0};
	QcOutcome	got;

	facts.api = row->api;
	facts.refused = row->had_refused;
	facts.top_cap = row->had_cap;
	received.http_status = row->status;
	received.any_byte = true;
	received.body = row->body;
	received.body_len = strlen(row->body);
	received.json = qc_reply_parse(row->body, strlen(row->body), &reply);
	received.reply = &reply;

	got = qc_outcome(&received, &facts);
	tap_ok(got.action == row->action && got.kind == row->kind &&
		   got.refused == row->refused && got.top_cap == row->top_cap &&
		   got.limit_tokens == row->limit && got.prompt_tokens == row->prompt, row->name,
		   "action %d, kind %d, refused %#x, cap %d, limit %ld, prompt %ld",
		   (int) got.action, (int) got.kind, (unsigned) got.refused, got.top_cap,
		   got.limit_tokens, got.prompt_tokens);
	qc_reply_free(&reply);
}

static void
check_wire(const Wire *wire)
{
	QcReply		reply = {0};
	QcFacts		facts = {0};
	QcReceived	received = {0};
	QcOutcome	got;

	received.curl_code = wire->curl_code;
	received.http_status = wire->status;
	received.reused = wire->reused;
	received.any_byte = wire->any_byte;
	received.connecting = wire->connecting;
	received.too_large = wire->too_large;
	received.reply = &reply;

	got = qc_outcome(&received, &facts);
	tap_ok(got.action == wire->action && got.kind == wire->kind, wire->name,
		   "action %d, kind %d", (int) got.action, (int) got.kind);
}

/*
 * Whatever a server refuses, again and again, it is asked for less each time:
 * all complaints at once come to an end.
 */
static void
check_end(QcApi api)
{
	static const char body[] = "{\"error\":{\"message\":\"logprobs top_logprobs regex response_format "
		"json_object maxLength chat_template_kwargs enable_thinking thinking top_k max_tokens >= "
		"max_completion_tokens temperature seed cache_prompt format\"}}";
	QcFacts		facts = {0};
	QcOutcome	got;
	int			rounds = 0;
	char		name[80];

	facts.api = api;
	do
	{
		QcReply		reply = {0};
		QcReceived	received = {0};

		received.http_status = 400;
		received.json = qc_reply_parse(body, strlen(body), &reply);
		received.reply = &reply;
		received.body = body;
		received.body_len = strlen(body);
		got = qc_outcome(&received, &facts);
		qc_reply_free(&reply);
		facts.refused |= got.refused;
		if (got.refused & QC_REFUSED_TOP_LOGPROBS)
			facts.top_cap = got.top_cap;
	} while (got.action == DOWNGRADE && ++rounds < 50);
	snprintf(name, sizeof(name), "downgrades of api %d come to an end", (int) api);
	tap_ok(got.action == FAIL && rounds <= 8, name, "%d rounds", rounds);
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
	for (size_t i = 0; i < sizeof(wires) / sizeof(wires[0]); i++)
		check_wire(&wires[i]);
	for (int api = QC_API_AUTO; api <= QC_API_INFERENCE; api++)
		check_end(api);
	return tap_end();
}
