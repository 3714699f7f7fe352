/*-------------------------------------------------------------------------
 *
 * constraint.c
 *		Which constraint a request carries that its kind of server obeys.
 *
 * A field that a kind does not know is not looked at: that is how a client
 * which sends the wrong one finds out that nothing was enforced.
 *
 *-------------------------------------------------------------------------
 */
#include "constraint.h"

/* An absent field is no constraint, which keeps the callers to one line. */
static Constraint
from_json(ConstraintType type, const cJSON *json)
{
	return (Constraint) {.type = json ? type : CON_NONE,.json = json};
}

static Constraint
from_text(ConstraintType type, const cJSON *item)
{
	return (Constraint) {.type = item ? type : CON_NONE,.text = json_text(item)};
}

static Constraint
bad(Str why)
{
	return (Constraint) {.type = CON_BAD,.text = why};
}

/* The members choice, regex, json, grammar with a prefix; one only. */
static Constraint
vllm_members(const cJSON *object, const char *names[4])
{
	Constraint	c = {CON_NONE, NULL, {NULL, 0}};
	int			n = 0;

	for (int i = 0; i < 4; i++)
	{
		const cJSON *item = json_get(object, names[i]);

		if (item == NULL || cJSON_IsNull(item))
			continue;
		n++;
		c = i == 0 ? from_json(CON_CHOICE, item) :
			i == 1 ? from_text(CON_REGEX, item) :
			i == 2 ? from_json(CON_SCHEMA, item) : from_text(CON_GBNF, item);
	}
	if (n > 1)
		return bad(STR("You can only use one kind of constraints for structured outputs"));
	return c;
}

/* OpenAI's response_format; schema_too: json_object may carry a schema. */
static Constraint
response_format(const Ask *ask, bool schema_too)
{
	const cJSON *format = json_get(ask->body, "response_format");
	const cJSON *schema = json_get(json_get(format, "json_schema"), "schema");
	Str			type = json_text(json_get(format, "type"));

	if (format == NULL || cJSON_IsNull(format) || str_eq(type, STR("text")))
		return (Constraint) {0};
	if (schema_too && schema == NULL)
		schema = json_get(format, "schema");
	if (str_eq(type, STR("json_schema")))
		return schema ? from_json(CON_SCHEMA, schema) :
			bad(STR("Missing required parameter: 'response_format.json_schema'."));
	if (str_eq(type, STR("json_object")))
		return schema_too && schema ? from_json(CON_SCHEMA, schema) :
			(Constraint) {.type = CON_JSON};
	return bad(STR("response_format type must be one of \"text\" or \"json_object\" or \"json_schema\""));
}

/* The first of two fields that a kind looks at. */
static Constraint
first_of(Constraint a, Constraint b)
{
	return a.type != CON_NONE ? a : b;
}

/* TGI calls the member value and refuses OpenAI's spelling with 422. */
static Constraint
tgi(const Ask *ask)
{
	const cJSON *format = json_get(ask->body, "response_format");
	const cJSON *value = json_get(format, "value");
	Str			type = json_text(json_get(format, "type"));

	if (format == NULL || cJSON_IsNull(format))
		return (Constraint) {0};
	if (value == NULL)
		return bad(STR("Failed to deserialize the JSON body into the target type: "
					   "response_format: missing field `value`"));
	if (str_eq(type, STR("regex")))
		return from_text(CON_REGEX, value);
	if (str_eq(type, STR("json_schema")))
		return from_json(CON_SCHEMA, json_get(value, "schema"));
	return from_json(CON_SCHEMA, value);
}

/* LMDeploy has a type of its own beside OpenAI's. */
static Constraint
lmdeploy(const Ask *ask)
{
	const cJSON *format = json_get(ask->body, "response_format");

	if (str_eq(json_text(json_get(format, "type")), STR("regex_schema")))
		return from_text(CON_REGEX, json_get(format, "regex_schema"));
	return response_format(ask, false);
}

/* "json" asks for any object, a schema for that one. */
static Constraint
ollama_format(const Ask *ask)
{
	const cJSON *format = json_get(ask->body, "format");

	if (cJSON_IsString(format))
		return format->valuestring[0] ? (Constraint) {.type = CON_JSON} : (Constraint) {0};
	return from_json(CON_SCHEMA, format);
}

/* Which field binds the answer on this kind of server. */
Constraint
constraint_of(const Ask *ask)
{
	static const char *structured[] = {"choice", "regex", "json", "grammar"};
	static const char *guided[] = {"guided_choice", "guided_regex", "guided_json", "guided_grammar"};

	switch (ask->kind)
	{
		case KIND_VLLM:
			return first_of(vllm_members(json_get(ask->body, "structured_outputs"), structured),
							response_format(ask, false));
		case KIND_VLLM_OLD:
			return first_of(vllm_members(ask->body, guided), response_format(ask, false));
		case KIND_SGLANG:
			return first_of(from_text(CON_REGEX, json_get(ask->body, "regex")),
							first_of(from_text(CON_GBNF, json_get(ask->body, "ebnf")),
									 response_format(ask, false)));
		case KIND_LLAMACPP:		/* with a schema and a grammar the schema wins */
			return first_of(response_format(ask, true),
							first_of(from_json(CON_SCHEMA, json_get(ask->body, "json_schema")),
									 from_text(CON_GBNF, json_get(ask->body, "grammar"))));
		case KIND_OLLAMA:
			return ask->native ? ollama_format(ask) : response_format(ask, false);
		case KIND_TGI:
			return tgi(ask);
		case KIND_LMDEPLOY:
			return lmdeploy(ask);
		case KIND_OPENAI:
		case KIND_DASHSCOPE:
			return response_format(ask, false);
		default:
			return (Constraint) {0};
	}
}
