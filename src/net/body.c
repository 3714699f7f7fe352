/*-------------------------------------------------------------------------
 *
 * body.c
 *	  Writing a request body: what the kinds have in common.
 *
 * Schemas, grammars and the order of keys depend on the labels alone, never
 * on the row: servers keep compiled grammars by their text.
 *
 *-------------------------------------------------------------------------
 */
#include "net/body.h"

#include <stdlib.h>
#include <string.h>

/*
 * The longest answer that is accepted whole.  Each alternative of each token
 * takes some 100 bytes of the answer, and no more than 256 KiB of an answer is
 * read: tokens times alternatives must stay below 2,000.
 */
#define TOKENS_TIMES_TOP	2000
/* Some servers refuse a smaller max_tokens than this. */
#define LEAST_MAX_TOKENS	16
/* {"label": "", "confidence": 100}, and white space. */
#define OBJECT_TOKENS		32
/* A quote before and after, and the end. */
#define END_TOKENS			4
/* 20 words, as the prompt asks for, and some air. */
#define REASON_CHARS		200

const QcJoin qc_body_regex = {"(", "", "\\.^$|?*+()[]{}", "|", ")"};

void
qc_body_begin(QcBody *body, const QcBodySpec *spec)
{
	body->spec = spec;
	body->root = cJSON_CreateObject();
	body->failed = body->root == NULL;
}

bool
qc_body_refused(const QcBody *body, unsigned bit)
{
	return (body->spec->facts->refused & bit) != 0;
}

/* Takes the item, also when it cannot be added. */
void
qc_body_item(QcBody *body, cJSON *to, const char *name, cJSON *item)
{
	if (item == NULL || to == NULL || !cJSON_AddItemToObject(to, name, item))
	{
		cJSON_Delete(item);
		body->failed = true;
	}
}

void
qc_body_text(QcBody *body, cJSON *to, const char *name, const char *value)
{
	qc_body_item(body, to, name, cJSON_CreateString(value));
}

void
qc_body_number(QcBody *body, cJSON *to, const char *name, double value)
{
	qc_body_item(body, to, name, cJSON_CreateNumber(value));
}

void
qc_body_bool(QcBody *body, cJSON *to, const char *name, bool value)
{
	qc_body_item(body, to, name, cJSON_CreateBool(value));
}

cJSON *
qc_body_object(QcBody *body, cJSON *to, const char *name)
{
	cJSON	   *object = to ? cJSON_AddObjectToObject(to, name) : NULL;

	body->failed |= object == NULL;
	return object;
}

/* One message of the chat. */
static void
add_message(QcBody *body, cJSON *messages, const char *role, const char *content)
{
	cJSON	   *message = cJSON_CreateObject();

	if (message == NULL || !cJSON_AddItemToArray(messages, message))
	{
		cJSON_Delete(message);
		body->failed = true;
		return;
	}
	qc_body_text(body, message, "role", role);
	qc_body_text(body, message, "content", content);
}

/*
 * The system message is first and the same for all rows, then the examples that
 * are chosen for this one, the row's text last: servers keep what they computed
 * for a common start of their prompts.
 */
void
qc_body_chat(QcBody *body)
{
	const QcBodySpec *spec = body->spec;
	cJSON	   *messages;

	if (body->failed)
		return;
	if (spec->model)
		qc_body_text(body, body->root, "model", spec->model);

	messages = cJSON_AddArrayToObject(body->root, "messages");
	body->failed |= messages == NULL;
	if (messages)
	{
		add_message(body, messages, "system", spec->system);
		for (int i = 0; i < spec->nturns; i++)
		{
			add_message(body, messages, "user", spec->turn[i].user);
			add_message(body, messages, "assistant", spec->turn[i].answer);
		}
		add_message(body, messages, "user", spec->user);
	}
	qc_body_bool(body, body->root, "stream", false);
}

/* Said even where it is the default: servers take others from the model's files. */
void
qc_body_temperature(QcBody *body)
{
	if (!qc_body_refused(body, QC_REFUSED_TEMPERATURE))
		qc_body_number(body, body->root, "temperature", body->spec->temperature);
	if (body->spec->seed > 0 && !qc_body_refused(body, QC_REFUSED_SEED))
		qc_body_number(body, body->root, "seed", body->spec->seed);
}

void
qc_body_greedy(QcBody *body)
{
	qc_body_temperature(body);
	if (!qc_body_refused(body, QC_REFUSED_SAMPLING))
		qc_body_number(body, body->root, "top_p", 1);
}

void
qc_body_plain_sampling(QcBody *body, int no_top_k, const char *penalty)
{
	if (qc_body_refused(body, QC_REFUSED_SAMPLING))
		return;
	qc_body_number(body, body->root, "top_k", no_top_k);
	qc_body_number(body, body->root, penalty, 1);
}

int
qc_body_answers(const QcBodySpec *spec)
{
	return spec->asked->subset ? spec->asked->nsubset : spec->asked->labels->n;
}

/* The i-th answer as the model is to write it; buf holds a code. */
const char *
qc_body_answer(const QcBodySpec *spec, int i, char buf[4])
{
	const QcAsked *asked = spec->asked;
	int			label = asked->subset ? asked->subset[i] : i;

	if (asked->codes)
		return qc_label_code(label, asked->labels->n, buf);
	return asked->labels->label[label].name;
}

cJSON *
qc_body_answer_list(QcBody *body)
{
	cJSON	   *list = cJSON_CreateArray();
	char		code[4];

	body->failed |= list == NULL;
	for (int i = 0; list && i < qc_body_answers(body->spec); i++)
	{
		cJSON	   *item = cJSON_CreateString(qc_body_answer(body->spec, i, code));

		if (item == NULL || !cJSON_AddItemToArray(list, item))
		{
			cJSON_Delete(item);
			body->failed = true;
		}
	}
	return list;
}

/*
 * What the answer may take.  A token is a byte at least, so a label is never
 * cut; the limit costs nothing, since the answer ends after the label.
 */
int
qc_body_token_limit(const QcBodySpec *spec)
{
	size_t		longest = 0;
	int			limit;
	char		code[4];

	for (int i = 0; i < qc_body_answers(spec); i++)
	{
		size_t		len = strlen(qc_body_answer(spec, i, code));

		longest = len > longest ? len : longest;
	}

	if (spec->asked->mode == QC_MODE_LABEL)
		limit = (int) longest + END_TOKENS;
	else
		limit = (int) longest + OBJECT_TOKENS;

	if ((spec->asked->mode == QC_MODE_REASON ||
		 spec->asked->mode == QC_MODE_VERBAL_REASON) && limit < spec->max_tokens)
		limit = spec->max_tokens;
	if ((spec->facts->refused & QC_REFUSED_SHORT_MAX) && limit < LEAST_MAX_TOKENS)
		limit = LEAST_MAX_TOKENS;
	return limit;
}

/* OpenAI renamed the field for its reasoning models. */
void
qc_body_max_tokens(QcBody *body)
{
	const char *name = qc_body_refused(body, QC_REFUSED_MAX_TOKENS) ?
		"max_completion_tokens" : "max_tokens";

	qc_body_number(body, body->root, name, qc_body_token_limit(body->spec));
}

/*
 * Each token of an answer carries its alternatives, so the answer's size sets
 * a limit.  With a reason the label is one token of many: as many alternatives
 * as there are labels, and two more to see what else the model would say.
 */
static int
alternatives(const QcBodySpec *spec, int most)
{
	int			top = most;
	int			fit = TOKENS_TIMES_TOP / qc_body_token_limit(spec);

	if (spec->asked->mode == QC_MODE_LABEL)
		fit *= 2;				/* labels average two bytes a token at least */
	else
	{
		int			useful = qc_body_answers(spec) + 2;

		if (useful < 5)
			useful = 5;
		top = useful < top ? useful : top;
	}
	top = fit < top ? fit : top;
	if (spec->facts->top_cap > 0 && spec->facts->top_cap < top)
		top = spec->facts->top_cap;
	return top > 1 ? top : 1;
}

/*
 * A server that refused the number of alternatives may still give the chosen
 * token's probability: logprobs without top_logprobs.
 */
void
qc_body_logprobs(QcBody *body, cJSON *to, int most)
{
	const QcBodySpec *spec = body->spec;

	/* verbal modes are for servers that give none */
	if (spec->asked->mode == QC_MODE_VERBAL ||
		spec->asked->mode == QC_MODE_VERBAL_REASON ||
		qc_body_refused(body, QC_REFUSED_LOGPROBS))
		return;

	qc_body_bool(body, to, "logprobs", true);
	if (!qc_body_refused(body, QC_REFUSED_TOP_LOGPROBS) || spec->facts->top_cap > 0)
		qc_body_number(body, to, "top_logprobs", alternatives(spec, most));
}

/* Thinking first would put its tokens where the label's are looked for. */
void
qc_body_no_thinking(QcBody *body)
{
	cJSON	   *kwargs;

	if (qc_body_refused(body, QC_REFUSED_TEMPLATE_KWARGS | QC_REFUSED_THINK))
		return;
	kwargs = qc_body_object(body, body->root, "chat_template_kwargs");
	qc_body_bool(body, kwargs, "enable_thinking", false);
}

/*
 * A property of the answer object.  Bounds (lengths, ranges) are what strict
 * providers refuse most; without them the answer is checked all the same.
 */
static void
add_property(QcBody *body, cJSON *properties, cJSON *required,
			 const char *name, const char *type)
{
	cJSON	   *property = qc_body_object(body, properties, name);
	cJSON	   *item = cJSON_CreateString(name);
	bool		bounds = !qc_body_refused(body, QC_REFUSED_MAX_LENGTH);

	qc_body_text(body, property, "type", type);
	if (strcmp(name, "label") == 0)
		qc_body_item(body, property, "enum", qc_body_answer_list(body));
	else if (strcmp(name, "confidence") == 0 && bounds)
	{
		qc_body_number(body, property, "minimum", 0);
		qc_body_number(body, property, "maximum", 100);
	}
	else if (strcmp(name, "reason") == 0 && bounds)
		qc_body_number(body, property, "maxLength", REASON_CHARS);

	if (item == NULL || required == NULL || !cJSON_AddItemToArray(required, item))
	{
		cJSON_Delete(item);
		body->failed = true;
	}
}

/* The order of properties is the order of the answer: the label comes first. */
cJSON *
qc_body_schema(QcBody *body)
{
	QcMode		mode = body->spec->asked->mode;
	cJSON	   *schema = cJSON_CreateObject();
	cJSON	   *required = cJSON_CreateArray();
	cJSON	   *properties;

	qc_body_text(body, schema, "type", "object");
	properties = qc_body_object(body, schema, "properties");
	add_property(body, properties, required, "label", "string");
	if (mode == QC_MODE_VERBAL || mode == QC_MODE_VERBAL_REASON)
		add_property(body, properties, required, "confidence", "integer");
	if (mode == QC_MODE_REASON || mode == QC_MODE_VERBAL_REASON)
		add_property(body, properties, required, "reason", "string");
	qc_body_item(body, schema, "required", required);
	qc_body_bool(body, schema, "additionalProperties", false);
	return schema;
}

/* In label mode: none.  A refused schema becomes json_object, then nothing. */
void
qc_body_response_format(QcBody *body)
{
	bool		schema = !qc_body_refused(body, QC_REFUSED_RESPONSE_FORMAT);
	cJSON	   *format;

	if (body->spec->asked->mode == QC_MODE_LABEL ||
		(!schema && qc_body_refused(body, QC_REFUSED_JSON_OBJECT)))
		return;

	format = qc_body_object(body, body->root, "response_format");
	qc_body_text(body, format, "type", schema ? "json_schema" : "json_object");
	if (schema)
	{
		cJSON	   *inner = qc_body_object(body, format, "json_schema");

		qc_body_text(body, inner, "name", "c");
		qc_body_bool(body, inner, "strict", true);
		qc_body_item(body, inner, "schema", qc_body_schema(body));
	}
}

/* Write one answer escaped; with to NULL only count. */
static size_t
escape(char *to, const char *answer, const char *special)
{
	size_t		n = 0;

	for (; *answer; answer++)
	{
		if (strchr(special, *answer))
		{
			if (to)
				to[n] = '\\';
			n++;
		}
		if (to)
			to[n] = *answer;
		n++;
	}
	return n;
}

/* Append a text; with to NULL only count. */
static size_t
put(char *to, size_t n, const char *s)
{
	size_t		len = strlen(s);

	if (to)
		memcpy(to + n, s, len);
	return n + len;
}

/* Both passes, counting and writing, are this one: they cannot disagree. */
static size_t
write_joined(char *to, const QcBodySpec *spec, const QcJoin *join)
{
	size_t		n = put(to, 0, join->before);
	char		code[4];

	for (int i = 0; i < qc_body_answers(spec); i++)
	{
		n = put(to, n, i > 0 ? join->between : "");
		n = put(to, n, join->quote);
		n += escape(to ? to + n : NULL, qc_body_answer(spec, i, code), join->special);
		n = put(to, n, join->quote);
	}
	return put(to, n, join->after);
}

void
qc_body_joined(QcBody *body, cJSON *to, const char *name, const QcJoin *join)
{
	size_t		len = write_joined(NULL, body->spec, join);
	char	   *text = malloc(len + 1);

	if (text == NULL)
	{
		body->failed = true;
		return;
	}
	write_joined(text, body->spec, join);
	text[len] = '\0';
	qc_body_text(body, to, name, text);
	free(text);
}

/* Fields that carry the row's text or would change how the answer is read. */
bool
qc_body_owns(const char *name)
{
	static const char *const ours[] = {"messages", "prompt", "system", "stream", "model"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcmp(name, ours[i]) == 0)
			return true;
	return false;
}

/* Fields whose members are settings on their own. */
static bool
is_settings(const char *name)
{
	return strcmp(name, "options") == 0 || strcmp(name, "chat_template_kwargs") == 0;
}

/*
 * Merge one object into another: what it says wins, null takes the field out.
 * Settings are merged one level down: {"options": {"num_ctx": 16384}} keeps
 * our temperature.
 */
static bool
merge(cJSON *into, const cJSON *from, bool top)
{
	for (const cJSON *field = from->child; field; field = field->next)
	{
		cJSON	   *old = cJSON_GetObjectItemCaseSensitive(into, field->string);
		cJSON	   *copy;

		if (top && qc_body_owns(field->string))
			continue;
		if (top && cJSON_IsObject(old) && cJSON_IsObject(field) &&
			is_settings(field->string))
		{
			if (!merge(old, field, false))
				return false;
			continue;
		}
		if (old)
			cJSON_Delete(cJSON_DetachItemViaPointer(into, old));
		if (cJSON_IsNull(field))
			continue;
		copy = cJSON_Duplicate(field, true);
		if (copy == NULL || !cJSON_AddItemToObject(into, field->string, copy))
		{
			cJSON_Delete(copy);
			return false;
		}
	}
	return true;
}

/* The user's extra_body comes last, so that it wins. */
cJSON *
qc_body_end(QcBody *body)
{
	if (!body->failed && body->spec->extra_body)
		body->failed = !merge(body->root, body->spec->extra_body, true);
	if (body->failed)
	{
		cJSON_Delete(body->root);
		return NULL;
	}
	return body->root;
}
