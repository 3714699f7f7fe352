/*-------------------------------------------------------------------------
 *
 * ask.c
 *		What a generation request asks for, whatever its kind.
 *
 * Reads the messages, takes the markers out of the row's text and collects
 * the options. Reading is lenient; what a real server would refuse is
 * refused in check.c.
 *
 * Invariant: text, system and the rest point into the parsed body or into
 * the request arena.
 *
 *-------------------------------------------------------------------------
 */
#include "ask.h"

#include "arena.h"
#include "buf.h"
#include "score.h"

/* What the chat template adds to a prompt. */
#define TEMPLATE_TOKENS 12

const cJSON *
json_get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

Str
json_text(const cJSON *item)
{
	return str_of(cJSON_GetStringValue(item));
}

/*
 * Roughly as Qwen's tokenizer counts: four ASCII bytes or one other character
 * a token. Tests of a context limit need a number that they can predict.
 */
int
count_tokens(Str s)
{
	int			ascii = 0;
	int			wide = 0;

	for (size_t i = 0; i < s.n; i++)
	{
		unsigned char c = s.p[i];

		ascii += c < 0x80;
		wide += c >= 0xc0;
	}
	return (ascii + 3) / 4 + wide;
}

/* ---- messages ---- */

/* A message's content: a string, or parts of which the texts count. */
static Str
content_text(const cJSON *content)
{
	Buf			all = {0};
	const cJSON *part;
	Str			joined;

	if (!cJSON_IsArray(content))
		return json_text(content);
	cJSON_ArrayForEach(part, content)
		buf_str(&all, json_text(json_get(part, "text")));
	joined = arena_copy(buf_view(&all));
	buf_free(&all);
	return joined;
}

/*
 * The last user message is the row; the first message of another role is the
 * system's. An assistant message counts only if it comes last.
 */
static void
read_messages(Ask *ask, const cJSON *messages)
{
	const cJSON *m;

	ask->has_messages = cJSON_IsArray(messages) && messages->child != NULL;
	cJSON_ArrayForEach(m, messages)
	{
		Str			role = json_text(json_get(m, "role"));
		Str			content = content_text(json_get(m, "content"));

		if (ask->prefill.n > 0)
		{
			ask->shown = ask->prefill;
			ask->shown_tokens += count_tokens(ask->shown) + count_tokens(ask->user) + TEMPLATE_TOKENS;
		}
		ask->prefill = NO_STR;
		if (str_eq(role, STR("user")))
			ask->user = content;
		else if (str_eq(role, STR("assistant")))
			ask->prefill = content;
		else if (ask->system.n == 0)
			ask->system = content;
	}
}

/* The pair between "@@" and "@@" at the start of s, or nothing. */
static Str
marker_at(Str s)
{
	ptrdiff_t	end;
	Str			inner;

	if (!str_starts(s, STR("@@")))
		return NO_STR;
	inner = str_from(s, 2);
	end = str_find(inner, STR("@@"));
	if (end <= 0)
		return NO_STR;
	inner.n = (size_t) end;
	return str_find(inner, STR("=")) > 0 && str_find(inner, STR(" ")) < 0 ? inner : NO_STR;
}

/* Separates @@key=value@@ from the text; nearly all texts have none. */
static void
split_markers(Ask *ask)
{
	char	   *text;
	char	   *markers;
	size_t		at = 0;

	ask->text = ask->user;
	if (str_find(ask->user, STR("@@")) < 0)
		return;
	text = arena_alloc(ask->user.n + 1);
	markers = arena_alloc(ask->user.n + 1);
	ask->text = (Str) {text, 0};
	ask->markers = (Str) {markers, 0};
	while (at < ask->user.n)
	{
		Str			m = marker_at(str_from(ask->user, at));

		if (m.n == 0)
			text[ask->text.n++] = ask->user.p[at++];
		else
		{
			memcpy(markers + ask->markers.n, m.p, m.n);
			markers[ask->markers.n + m.n] = ';';
			ask->markers.n += m.n + 1;
			at += m.n + 4;
		}
	}
}

/* "name;key=value": the part before the semicolon is the name. */
static void
read_model(Ask *ask)
{
	Str			name = json_text(json_get(ask->body, "model"));
	ptrdiff_t	semi = str_find(name, STR(";"));

	ask->model = (Str) {name.p, semi < 0 ? name.n : (size_t) semi};
	if (semi >= 0)
		ask->model_keys = str_from(name, (size_t) semi + 1);
}

/* Messages and model; the options come later. */
void
ask_read(Ask *ask, Kind kind, bool native, Str body)
{
	*ask = (Ask) {.kind = kind,.native = native,.top = -1,.max_tokens = -1};
	ask->body = cJSON_ParseWithLength(body.p, body.n);
	if (!cJSON_IsObject(ask->body))
	{
		ask->body = NULL;
		return;
	}
	read_model(ask);
	if (kind == KIND_PLAIN)
	{
		ask->user = json_text(json_get(ask->body, "prompt"));
		ask->system = json_text(json_get(ask->body, "system"));
		ask->has_messages = cJSON_IsString(json_get(ask->body, "prompt"));
	}
	else
		read_messages(ask, json_get(ask->body, "messages"));
	split_markers(ask);
	ask->system_hash = score_hash(ask->system);
	ask->system_tokens = count_tokens(ask->system);
	ask->prompt_tokens = ask->system_tokens + ask->shown_tokens + count_tokens(ask->text) + TEMPLATE_TOKENS;
}

/* ---- options ---- */

/* As if the comma-separated fields were not there. */
void
ask_ignore(Ask *ask, Str fields)
{
	while (fields.n > 0)
	{
		ptrdiff_t	comma = str_find(fields, STR(","));
		Str			name = {fields.p, comma < 0 ? fields.n : (size_t) comma};

		cJSON_DeleteItemFromObjectCaseSensitive(ask->body, arena_copy(name).p);
		fields = str_from(fields, comma < 0 ? fields.n : name.n + 1);
	}
}

/* A number's whole part, or what stands for its absence. */
static int
int_option(const cJSON *object, const char *name, int absent)
{
	const cJSON *item = json_get(object, name);

	return cJSON_IsNumber(item) ? item->valueint : absent;
}

static double
double_option(const cJSON *object, const char *name)
{
	const cJSON *item = json_get(object, name);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

/* After ask_ignore, so that an ignored field has no effect at all. */
void
ask_options(Ask *ask)
{
	const cJSON *options = ask->native ? json_get(ask->body, "options") : ask->body;
	const cJSON *stream = json_get(ask->body, "stream");

	ask->logprobs = cJSON_IsTrue(json_get(ask->body, "logprobs"));
	ask->top = int_option(ask->body, "top_logprobs", -1);
	ask->token_ids = cJSON_IsTrue(json_get(ask->body, "return_tokens_as_token_ids"));
	ask->max_tokens = int_option(options, ask->native ? "num_predict" : "max_tokens", -1);
	if (ask->max_tokens < 0)
		ask->max_tokens = int_option(options, "max_completion_tokens", -1);
	ask->temperature = double_option(options, "temperature");
	ask->seed = int_option(options, "seed", -1);
	ask->num_ctx = ask->native ? int_option(options, "num_ctx", 0) : 0;
	/* Ollama's own API streams unless told not to. */
	ask->stream = cJSON_IsTrue(stream) || (ask->native && !cJSON_IsFalse(stream));
}
