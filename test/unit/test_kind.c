/*-------------------------------------------------------------------------
 *
 * test_kind.c
 *	  For each kind and mode: which fields a body has, and what binds it.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "net/kind.h"

#include "tap.h"

static const char *const mode_name[QC_N_MODES] = {
	"label", "reason", "verbal", "verbal and reason"
};

/* What all chats have. */
#define CHAT "model messages stream temperature top_p max_tokens "
#define LOGPROBS "logprobs top_logprobs "
#define FORMAT "response_format "
#define KWARGS "chat_template_kwargs "
#define VLLM CHAT "top_k repetition_penalty "
#define LLAMA CHAT "top_k repeat_penalty cache_prompt "
#define TGI "model messages stream temperature max_tokens "
#define OLLAMA "model messages stream think format "

static const struct
{
	const char *api;
	const char *keys[QC_N_MODES];
}			expected[] =
{
	{"openai", {CHAT LOGPROBS, CHAT LOGPROBS FORMAT, CHAT FORMAT, CHAT FORMAT}},
	{"vllm", {VLLM LOGPROBS "structured_outputs " KWARGS, VLLM LOGPROBS FORMAT KWARGS,
	VLLM FORMAT KWARGS, VLLM FORMAT KWARGS}},
	{"sglang", {VLLM LOGPROBS "regex " KWARGS, VLLM LOGPROBS FORMAT KWARGS,
	VLLM FORMAT KWARGS, VLLM FORMAT KWARGS}},
	{"llamacpp", {LLAMA LOGPROBS "grammar " KWARGS, LLAMA LOGPROBS FORMAT KWARGS,
	LLAMA FORMAT KWARGS, LLAMA FORMAT KWARGS}},
	{"ollama", {OLLAMA LOGPROBS "keep_alive options ", OLLAMA LOGPROBS "keep_alive options ",
	OLLAMA "keep_alive options ", OLLAMA "keep_alive options "}},
	{"tgi", {TGI LOGPROBS FORMAT, TGI LOGPROBS FORMAT, TGI FORMAT, TGI FORMAT}},
	{"lmdeploy", {VLLM LOGPROBS FORMAT KWARGS, VLLM LOGPROBS FORMAT KWARGS,
	VLLM FORMAT KWARGS, VLLM FORMAT KWARGS}},
	{"inference", {"prompt system temperature max_tokens ", "prompt system temperature max_tokens ",
	"prompt system temperature max_tokens ", "prompt system temperature max_tokens "}},
};

static QcLabel three[] = {
	{(char *) "refund", NULL}, {(char *) "a \"b\\c\" (d|e)", NULL}, {(char *) "差评", NULL}
};
static QcLabels labels = {.n = 3,.label = three};

static QcAsked asked;
static QcFacts facts;
static QcBodySpec spec;

static void
reset(QcApi api, QcMode mode)
{
	memset(&facts, 0, sizeof(facts));
	facts.known = true;
	facts.api = api;
	memset(&asked, 0, sizeof(asked));
	asked.labels = &labels;
	asked.mode = mode;
	memset(&spec, 0, sizeof(spec));
	spec.model = "m";
	spec.system = "SYSTEM";
	spec.user = "USER";
	spec.asked = &asked;
	spec.max_tokens = 160;
	spec.facts = &facts;
}

static char *
keys_of(const cJSON *object)
{
	static char keys[1000];

	keys[0] = '\0';
	for (const cJSON *item = object ? object->child : NULL; item; item = item->next)
	{
		strcat(keys, item->string);
		strcat(keys, " ");
	}
	return keys;
}

/* The body printed, which the caller frees. */
static char *
print_body(const QcKind *kind)
{
	cJSON	   *body = kind->body(&spec);
	char	   *text = cJSON_PrintUnformatted(body);

	cJSON_Delete(body);
	return text;
}

static void
check_keys(const char *api, QcMode mode, const char *keys)
{
	const QcKind *kind = qc_kind_named(api);
	cJSON	   *body;
	char		name[100];

	reset(kind->api, mode);
	body = kind->body(&spec);
	snprintf(name, sizeof(name), "%s, %s: fields", api, mode_name[mode]);
	tap_ok(strcmp(keys_of(body), keys) == 0, name, "%s", keys_of(body));
	cJSON_Delete(body);
}

static void
check_text(const char *api, QcMode mode, const char *what, const char *part, bool there)
{
	char	   *text = print_body(qc_kind_named(api));
	char		name[200];

	snprintf(name, sizeof(name), "%s, %s: %s", api, mode_name[mode], what);
	tap_ok((strstr(text, part) != NULL) == there, name, "%s", text);
	free(text);
}

/* Reset, then look for a part of the body. */
static void
check_part(const char *api, QcMode mode, const char *what, const char *part)
{
	reset(qc_kind_named(api)->api, mode);
	check_text(api, mode, what, part, true);
}

static void
check_refused(const char *api, QcMode mode, unsigned refused, const char *what,
			  const char *part, bool there)
{
	reset(qc_kind_named(api)->api, mode);
	facts.refused = refused;
	check_text(api, mode, what, part, there);
}

#define LABEL	QC_MODE_LABEL
#define REASON	QC_MODE_REASON
#define VERBAL	QC_MODE_VERBAL
#define BOTH	QC_MODE_VERBAL_REASON
#define NAMES	"[\"refund\",\"a \\\"b\\\\c\\\" (d|e)\",\"差评\"]"

static void
check_constraints(void)
{
	check_part("vllm", LABEL, "choice", "\"structured_outputs\":{\"choice\":" NAMES "}");
	check_part("sglang", LABEL, "regex, escaped",
			   "\"regex\":\"(refund|a \\\"b\\\\\\\\c\\\" \\\\(d\\\\|e\\\\)|差评)\"");
	check_part("llamacpp", LABEL, "grammar, escaped",
			   "\"grammar\":\"root ::= \\\"refund\\\" | \\\"a \\\\\\\"b\\\\\\\\c\\\\\\\" (d|e)\\\" | \\\"差评\\\"\"");
	check_part("tgi", LABEL, "regex, escaped",
			   "\"response_format\":{\"type\":\"regex\",\"value\":\"(refund|a \\\"b\\\\\\\\c\\\" \\\\(d\\\\|e\\\\)|差评)\"}");
	check_part("tgi", REASON, "the schema is called value",
			   "\"response_format\":{\"type\":\"json_schema\",\"value\":{\"name\":\"c\",\"schema\":{\"type\":\"object\",\"properties\":{\"label\":");
	check_part("lmdeploy", LABEL, "regex",
			   "\"response_format\":{\"type\":\"regex_schema\",\"regex_schema\":\"(refund|");
	check_part("lmdeploy", REASON, "OpenAI's schema",
			   "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"c\"");
	check_part("ollama", LABEL, "format", "\"format\":{\"type\":\"string\",\"enum\":" NAMES "}");
	check_part("openai", REASON, "strict schema, label first",
			   "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"c\",\"strict\":true,"
			   "\"schema\":{\"type\":\"object\",\"properties\":{\"label\":{\"type\":\"string\",\"enum\":" NAMES "},"
			   "\"reason\":{\"type\":\"string\",\"maxLength\":200}},\"required\":[\"label\",\"reason\"],"
			   "\"additionalProperties\":false}}}");
	check_part("openai", BOTH, "confidence between label and reason",
			   "\"confidence\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":100},\"reason\":");
	check_part("openai", BOTH, "all are required", "\"required\":[\"label\",\"confidence\",\"reason\"]");
	check_part("openai", VERBAL, "no reason", "\"required\":[\"label\",\"confidence\"]");
	check_part("ollama", REASON, "the schema itself", "\"format\":{\"type\":\"object\",\"properties\":{\"label\":");

	reset(QC_API_VLLM, LABEL);
	facts.old_guided = true;
	check_text("vllm", LABEL, "guided_choice before 0.11", "\"guided_choice\":" NAMES, true);
	check_text("vllm", LABEL, "not both", "structured_outputs", false);
}

static void
check_subsets(void)
{
	static const int subset[] = {2, 0};

	reset(QC_API_VLLM, LABEL);
	asked.subset = subset;
	asked.nsubset = 2;
	check_text("vllm", LABEL, "a subset", "\"choice\":[\"差评\",\"refund\"]", true);

	reset(QC_API_LLAMACPP, LABEL);
	asked.codes = true;
	check_text("llamacpp", LABEL, "codes", "\"root ::= \\\"A\\\" | \\\"B\\\" | \\\"C\\\"\"", true);
	asked.subset = subset;
	asked.nsubset = 2;
	check_text("llamacpp", LABEL, "codes of a subset", "\"root ::= \\\"C\\\" | \\\"A\\\"\"", true);
	asked.mode = REASON;
	check_text("llamacpp", REASON, "codes of a subset", "\"enum\":[\"C\",\"A\"]", true);
}

static void
check_sampling(void)
{
	check_part("vllm", LABEL, "the model's own sampling is off", "\"temperature\":0,\"top_p\":1");
	check_part("vllm", LABEL, "top_k off", "\"top_k\":-1,\"repetition_penalty\":1");
	check_part("llamacpp", LABEL, "top_k off", "\"top_k\":0,\"repeat_penalty\":1,\"cache_prompt\":true");
	check_part("ollama", LABEL, "options",
			   "\"options\":{\"temperature\":0,\"top_p\":1,\"top_k\":0,\"repeat_penalty\":1,\"num_predict\":21,\"num_ctx\":8192}");
	check_part("lmdeploy", LABEL, "greedy has no other word", "\"top_k\":1,\"repetition_penalty\":1");
	reset(QC_API_LMDEPLOY, LABEL);
	spec.temperature = 0.7;
	check_text("lmdeploy", LABEL, "no limit", "\"top_k\":0,", true);
	check_part("vllm", LABEL, "a token a byte", "\"max_tokens\":17");
	check_part("vllm", REASON, "max_tokens", "\"max_tokens\":160");
	check_part("vllm", VERBAL, "no reason: computed", "\"max_tokens\":45");
	check_part("inference", LABEL, "four fields",
			   "{\"prompt\":\"USER\",\"system\":\"SYSTEM\",\"temperature\":0,\"max_tokens\":17}");
	check_part("vllm", LABEL, "messages",
			   "\"messages\":[{\"role\":\"system\",\"content\":\"SYSTEM\"},{\"role\":\"user\",\"content\":\"USER\"}]");

	/* TGI takes the name of a model for an adapter's */
	reset(QC_API_TGI, LABEL);
	strcpy(facts.model, "m");
	check_text("tgi", LABEL, "the model's own name is not said", "\"model\":\"tgi\"", true);
	spec.model = NULL;
	check_text("tgi", LABEL, "no model known", "\"model\":\"tgi\"", true);
	spec.model = "adapter";
	check_text("tgi", LABEL, "an adapter", "\"model\":\"adapter\"", true);

	reset(QC_API_VLLM, LABEL);
	spec.model = NULL;
	check_text("vllm", LABEL, "no model known", "\"model\"", false);
}

/* A draw has a seed where the server takes one; nothing else does. */
static void
check_seed(void)
{
	static const char *const api[] = {"openai", "vllm", "sglang", "llamacpp", "ollama"};

	for (size_t i = 0; i < sizeof(api) / sizeof(api[0]); i++)
	{
		reset(qc_kind_named(api[i])->api, REASON);
		check_text(api[i], REASON, "no draw, no seed", "seed", false);
		spec.seed = 7;
		check_text(api[i], REASON, "the seed of a draw", "\"seed\":7", true);
	}
	facts.api = QC_API_OPENAI;
	facts.refused = QC_REFUSED_SEED;
	check_text("openai", REASON, "a seed that was refused", "seed", false);
	reset(QC_API_INFERENCE, REASON);
	spec.seed = 7;
	check_text("inference", REASON, "the plain API has no seed", "seed", false);
}

static void
check_alternatives(void)
{
	check_part("vllm", LABEL, "20 alternatives", "\"top_logprobs\":20");
	check_part("sglang", LABEL, "as many as labels", "\"top_logprobs\":3");
	check_part("tgi", LABEL, "as many as it usually gives", "\"top_logprobs\":5");
	check_part("vllm", REASON, "5 with a reason", "\"top_logprobs\":5");
	check_part("sglang", REASON, "as many as labels", "\"top_logprobs\":3");

	reset(QC_API_VLLM, REASON);
	spec.max_tokens = 1000;
	check_text("vllm", REASON, "fewer in a long answer", "\"top_logprobs\":2,", true);

	reset(QC_API_OPENAI, LABEL);
	facts.refused = QC_REFUSED_TOP_LOGPROBS;
	facts.top_cap = 5;
	check_text("openai", LABEL, "the server's cap", "\"top_logprobs\":5", true);
	facts.top_cap = 0;
	check_text("openai", LABEL, "none at all", "top_logprobs", false);
	check_text("openai", LABEL, "but the chosen one", "\"logprobs\":true", true);
}

static void
check_downgrades(void)
{
	static const char *const all[] = {"openai", "vllm", "sglang", "llamacpp", "ollama", "tgi", "lmdeploy"};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
	{
		check_refused(all[i], LABEL, QC_REFUSED_LOGPROBS, "without logprobs", "logprobs", false);
		check_refused(all[i], REASON, QC_REFUSED_MAX_LENGTH, "without maxLength", "maxLength", false);
		check_refused(all[i], BOTH, QC_REFUSED_MAX_LENGTH, "without minimum", "minimum", false);
	}
	check_refused("vllm", LABEL, QC_REFUSED_CONSTRAINT, "without choice", "choice", false);
	check_refused("sglang", LABEL, QC_REFUSED_CONSTRAINT, "without regex", "regex", false);
	check_refused("llamacpp", LABEL, QC_REFUSED_CONSTRAINT, "without grammar", "grammar", false);
	check_refused("ollama", LABEL, QC_REFUSED_CONSTRAINT, "without format", "format", false);
	check_refused("tgi", LABEL, QC_REFUSED_CONSTRAINT, "without regex", "response_format", false);
	check_refused("tgi", LABEL, QC_REFUSED_RESPONSE_FORMAT, "regex is another form", "regex", true);
	check_refused("tgi", REASON, QC_REFUSED_RESPONSE_FORMAT, "without a schema", "response_format", false);
	check_refused("lmdeploy", LABEL, QC_REFUSED_CONSTRAINT, "without regex", "response_format", false);
	check_refused("lmdeploy", REASON, QC_REFUSED_RESPONSE_FORMAT, "json_object instead",
				  "\"response_format\":{\"type\":\"json_object\"}", true);
	check_refused("vllm", REASON, QC_REFUSED_RESPONSE_FORMAT, "json_object instead",
				  "\"response_format\":{\"type\":\"json_object\"}", true);
	check_refused("vllm", REASON, QC_REFUSED_RESPONSE_FORMAT | QC_REFUSED_JSON_OBJECT,
				  "then nothing", "response_format", false);
	check_refused("ollama", REASON, QC_REFUSED_RESPONSE_FORMAT, "json instead",
				  "\"format\":\"json\"", true);
	check_refused("ollama", REASON, QC_REFUSED_RESPONSE_FORMAT | QC_REFUSED_JSON_OBJECT,
				  "then nothing", "format", false);
	check_refused("ollama", LABEL, QC_REFUSED_THINK, "without think", "think", false);
	check_refused("vllm", LABEL, QC_REFUSED_TEMPLATE_KWARGS, "without chat_template_kwargs",
				  "enable_thinking", false);
	check_refused("openai", LABEL, QC_REFUSED_SAMPLING, "without top_p", "top_p", false);
	check_refused("vllm", LABEL, QC_REFUSED_SAMPLING, "without top_k", "top_k", false);
	check_refused("openai", LABEL, QC_REFUSED_TEMPERATURE, "without temperature", "temperature", false);
	check_refused("openai", LABEL, QC_REFUSED_MAX_TOKENS, "max_completion_tokens",
				  "\"max_completion_tokens\":17", true);
	check_refused("llamacpp", LABEL, QC_REFUSED_CACHE_PROMPT, "without cache_prompt",
				  "cache_prompt", false);
	check_refused("openai", LABEL, QC_NEEDS_NO_THINKING, "thinking off",
				  "\"enable_thinking\":false", true);

	reset(QC_API_OPENAI, LABEL);
	asked.codes = true;
	facts.refused = QC_REFUSED_SHORT_MAX;
	check_text("openai", LABEL, "16 tokens at least", "\"max_tokens\":16", true);
}

static void
check_extra(const char *api, QcMode mode, const char *what, const char *extra, const char *part)
{
	cJSON	   *tree = cJSON_Parse(extra);

	reset(qc_kind_named(api)->api, mode);
	spec.extra_body = tree;
	check_text(api, mode, what, part, true);
	cJSON_Delete(tree);
}

static void
check_extra_body(void)
{
	check_extra("vllm", LABEL, "extra_body adds", "{\"seed\": 7}", "\"seed\":7}");
	check_extra("vllm", LABEL, "extra_body wins", "{\"top_p\": 0.5}", "\"top_p\":0.5}");
	check_extra("vllm", LABEL, "null takes a field out",
				"{\"repetition_penalty\": null}", "\"top_k\":-1,\"logprobs\":true");
	check_extra("ollama", LABEL, "options are merged",
				"{\"options\": {\"num_ctx\": 16384}}", "\"num_predict\":21,\"num_ctx\":16384}");
	check_extra("vllm", LABEL, "a constraint is replaced as a whole",
				"{\"structured_outputs\": {\"regex\": \"x\"}}", "\"structured_outputs\":{\"regex\":\"x\"}");
	check_extra("vllm", LABEL, "the row stays ours", "{\"messages\": []}", "\"content\":\"USER\"");
	check_extra("inference", LABEL, "the row stays ours", "{\"prompt\": \"x\"}", "\"prompt\":\"USER\"");
}

/* Only the user's message may differ from row to row. */
static void
check_constant(const QcKind *kind, QcMode mode)
{
	char	   *one;
	char	   *two;
	char	   *at;
	char		name[100];

	reset(kind->api, mode);
	one = print_body(kind);
	spec.user = "OTHER";
	two = print_body(kind);
	at = strstr(two, "OTHER");
	if (at)
	{
		memcpy(at, "USER", 4);
		memmove(at + 4, at + 5, strlen(at + 5) + 1);
	}
	snprintf(name, sizeof(name), "%s, %s: the same for all rows", kind->name, mode_name[mode]);
	tap_ok(at && strcmp(one, two) == 0, name, "%s", two);
	free(one);
	free(two);
}

static void
check_names(void)
{
	tap_ok(qc_kind_named("auto") == NULL, "auto is no kind", "it is");
	tap_ok(qc_kind_of(QC_API_AUTO) == &qc_kind_openai, "not known yet: openai", "another");
	tap_ok(qc_kind_ollama.at_root && strcmp(qc_kind_ollama.path, "/api/chat") == 0,
		   "Ollama's own path", "%s", qc_kind_ollama.path);
	tap_ok(qc_kind_inference.path[0] == '\0', "/inference is the url itself", "%s",
		   qc_kind_inference.path);
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		for (int mode = 0; mode < QC_N_MODES; mode++)
			check_keys(expected[i].api, (QcMode) mode, expected[i].keys[mode]);
	for (int i = 0; qc_kinds[i]; i++)
		for (int mode = 0; mode < QC_N_MODES; mode++)
			check_constant(qc_kinds[i], (QcMode) mode);
	check_constraints();
	check_subsets();
	check_sampling();
	check_seed();
	check_alternatives();
	check_downgrades();
	check_extra_body();
	check_names();
	return tap_end();
}
