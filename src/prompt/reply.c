/*-------------------------------------------------------------------------
 *
 * reply.c
 *	  A server's answer body, whatever its kind, in one shape.
 *
 * The shape of a body decides, not the kind of the server: gateways answer in
 * another shape than what is behind them.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/reply.h"

#include <stdlib.h>
#include <string.h>

#include "prompt/buf.h"
#include "prompt/complaint.h"
#include "prompt/json.h"
#include "prompt/token.h"
#include "prompt/tree.h"

static const cJSON *
member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* The text of a "content": a string, or the texts of its parts joined. */
static char *
content_text(const cJSON *content)
{
	QcBuf		buf = {0};
	const cJSON *part;

	if (cJSON_IsString(content))
		return qc_strndup(content->valuestring, strlen(content->valuestring));
	if (!cJSON_IsArray(content))
		return NULL;
	cJSON_ArrayForEach(part, content)
	{
		const char *text = qc_json_string(part, "text");

		if (text != NULL)
			qc_buf_adds(&buf, text);
	}
	return qc_buf_take(&buf);
}

/* A member that is the answer: text, or an object that is printed again. */
static char *
string_or_object(const cJSON *value)
{
	if (cJSON_IsObject(value))
		return cJSON_PrintUnformatted(value);
	return content_text(value);
}

/* The texts that servers without "choices" give, by key. */
static char *
plain_text(const cJSON *body)
{
	static const char *const key[] = {"text", "generated_text", "response"};
	size_t		i;

	if (cJSON_IsObject(member(body, "message")))
		return content_text(member(member(body, "message"), "content"));
	for (i = 0; i < sizeof(key) / sizeof(key[0]); i++)
	{
		if (member(body, key[i]) != NULL)
			return string_or_object(member(body, key[i]));
	}
	return member(body, "label") != NULL ? cJSON_PrintUnformatted(body) : NULL;
}

/* Unknown names are no reason to refuse an answer. */
static QcFinish
finish_named(const char *name)
{
	static const struct
	{
		const char *name;
		QcFinish	finish;
	}			known[] =
	{
		{"stop", QC_FINISH_STOP}, {"eos_token", QC_FINISH_STOP},
		{"stop_sequence", QC_FINISH_STOP}, {"end_turn", QC_FINISH_STOP},
		{"length", QC_FINISH_LENGTH}, {"max_tokens", QC_FINISH_LENGTH},
		{"content_filter", QC_FINISH_FILTER}, {"sensitive", QC_FINISH_FILTER},
		{"abort", QC_FINISH_ABORT}, {"error", QC_FINISH_ABORT}
	};
	size_t		i;

	for (i = 0; name != NULL && i < sizeof(known) / sizeof(known[0]); i++)
	{
		if (strcmp(name, known[i].name) == 0)
			return known[i].finish;
	}
	return QC_FINISH_OTHER;
}

/* Why the answer ended: in the choice, or where a server without choices says it. */
static QcFinish
read_finish(const cJSON *body, const cJSON *choice)
{
	const cJSON *meta = member(member(body, "meta_info"), "finish_reason");
	const char *name = qc_json_string(choice, "finish_reason");

	if (name == NULL)
		name = qc_json_string(body, "done_reason");
	if (name == NULL)
		name = cJSON_IsObject(meta) ? qc_json_string(meta, "type") : cJSON_GetStringValue(meta);
	if (name == NULL)
		name = qc_json_string(member(body, "details"), "finish_reason");
	if (name == NULL)
		name = qc_json_string(body, "finish_reason");
	return finish_named(name);
}

/* The first of the values that is a number of tokens, -1 if none is. */
static long
count(const cJSON *a, const cJSON *b, const cJSON *c)
{
	const cJSON *value[3];
	int			i;

	value[0] = a;
	value[1] = b;
	value[2] = c;
	for (i = 0; i < 3; i++)
	{
		if (cJSON_IsNumber(value[i]) && value[i]->valuedouble >= 0 &&
			value[i]->valuedouble < 1e9)
			return (long) value[i]->valuedouble;
	}
	return -1;
}

static void
read_usage(const cJSON *body, QcReply *out)
{
	const cJSON *usage = member(body, "usage");
	const cJSON *meta = member(body, "meta_info");
	const cJSON *details = member(usage, "prompt_tokens_details");

	out->prompt_tokens = count(member(usage, "prompt_tokens"),
							   member(body, "prompt_eval_count"),
							   member(meta, "prompt_tokens"));
	out->cached_tokens = count(member(details, "cached_tokens"),
							   member(member(body, "timings"), "cache_n"),
							   member(meta, "cached_tokens"));
	out->output_tokens = count(member(usage, "completion_tokens"),
							   member(body, "eval_count"),
							   member(meta, "completion_tokens"));
}

/* Returns whether the body has the shape of an answer, with or without a text. */
static bool
read_answer(const cJSON *body, QcReply *out)
{
	const cJSON *choices = member(body, "choices");
	const cJSON *choice = cJSON_IsArray(choices) ? choices->child : NULL;
	const cJSON *logprobs = member(choice, "logprobs");

	if (choice == NULL)
		out->text = plain_text(body);
	else if (cJSON_IsObject(member(choice, "message")))
		out->text = content_text(member(member(choice, "message"), "content"));
	else
		out->text = content_text(member(choice, "text"));
	out->finish = read_finish(body, choice);

	/* A model's refusal takes the content's place, and the finish is "stop". */
	if (out->text == NULL && qc_json_string(member(choice, "message"), "refusal") != NULL)
		out->finish = QC_FINISH_FILTER;
	read_usage(body, out);
	if (out->text != NULL)
		out->text_len = strlen(out->text);
	if (out->text == NULL || out->text_len == 0)
		return out->text != NULL || cJSON_IsArray(choices) ||
			cJSON_IsObject(member(body, "message"));
	if (!cJSON_IsObject(logprobs) && !cJSON_IsArray(logprobs))
		logprobs = member(body, "logprobs");

	/* Without memory for them there is still an answer, without a number. */
	if (!qc_positions_read(logprobs, out))
		qc_positions_free(out);
	return true;
}

bool
qc_reply_parse(const char *body, size_t len, QcReply *out)
{
	QcTree		tree;
	const cJSON *root;
	bool		known;

	memset(out, 0, sizeof(*out));
	out->finish = QC_FINISH_OTHER;
	out->prompt_tokens = out->cached_tokens = out->output_tokens = -1;
	(void) qc_tree_parse(&tree, body, len);

	/* Some gateways answer with a list of one. */
	root = cJSON_IsArray(tree.root) ? tree.root->child : tree.root;
	known = cJSON_IsObject(root) && read_answer(root, out);
	known |= qc_complaint_read(root, out);
	if (out->npositions > 0)
		out->token_text = qc_tree_take_text(&tree);
	qc_tree_free(&tree);
	return known;
}

void
qc_reply_free(QcReply *reply)
{
	qc_positions_free(reply);
	free(reply->token_text);
	free(reply->text);
	free(reply->error);
	free(reply->error_type);
	memset(reply, 0, sizeof(*reply));
}
