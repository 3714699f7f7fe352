/*-------------------------------------------------------------------------
 *
 * test_reply.c
 *	  Bodies of every server kind, their errors, and what is no body at all.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/reply.h"

#include "tap.h"

#define N(x) (sizeof(x) / sizeof((x)[0]))

#define CHAT(content, rest) \
	"{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":" content "}" rest "}]}"
#define ENTRIES(e) ",\"finish_reason\":\"stop\",\"logprobs\":{\"content\":[" e "]}"

typedef struct Row
{
	const char *name;
	const char *body;
	bool		known;
	const char *text;			/* NULL: none */
	QcFinish	finish;
	int			npositions;
	bool		bad;
	const char *error;			/* NULL: none */
	const char *type;
	int			code;
} Row;

static const Row rows[] = {
	/* where texts are */
	{"chat", CHAT("\"a\"", ",\"finish_reason\":\"stop\""), true, "a", QC_FINISH_STOP, 0, false, NULL, NULL, 0},
	{"chat, cut", CHAT("\"a\"", ",\"finish_reason\":\"length\""), true, "a", QC_FINISH_LENGTH, 0, false, NULL, NULL, 0},
	{"chat, refused", CHAT("null,\"refusal\":\"I'm sorry\"", ",\"finish_reason\":\"stop\""), true, NULL, QC_FINISH_FILTER, 0, false, NULL, NULL, 0},
	{"chat, filtered", CHAT("\"\"", ",\"finish_reason\":\"content_filter\""), true, "", QC_FINISH_FILTER, 0, false, NULL, NULL, 0},
	{"chat, aborted", CHAT("\"\"", ",\"finish_reason\":\"abort\""), true, "", QC_FINISH_ABORT, 0, false, NULL, NULL, 0},
	{"chat, vLLM's error", CHAT("\"\"", ",\"finish_reason\":\"error\""), true, "", QC_FINISH_ABORT, 0, false, NULL, NULL, 0},
	{"chat, no reason given", CHAT("\"a\"", ",\"finish_reason\":null"), true, "a", QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"chat, thoughts only", CHAT("null", ",\"reasoning\":\"x\""), true, NULL, QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"chat, parts", CHAT("[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"x\"},{\"text\":\"b\"}]", ""), true, "ab", QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"chat, a NUL", CHAT("\"a\\u0000b\"", ""), true, "a", QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"chat, not UTF-8", CHAT("\"a\xFF\"", ""), true, "a\xFF", QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"chat, half a surrogate pair", CHAT("\"a\\ud83d\\ude00\\ud83db\\ude00\\ud83d\\u0041\"", ""), true, "a\xF0\x9F\x98\x80\xEF\xBF\xBD" "b\xEF\xBF\xBD\xEF\xBF\xBD" "A", QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"chat, escapes", CHAT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00E9\"", ""), true, "\"\\/\b\f\n\r\t\xC3\xA9", QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"chat, no escape", CHAT("\"\\x\"", ""), false, NULL, QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"chat, BOM", "\xEF\xBB\xBF" CHAT("\"a\"", ""), true, "a", QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"no choice", "{\"choices\":[]}", true, NULL, QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"content is a number", CHAT("1", ""), true, NULL, QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"completions", "{\"choices\":[{\"text\":\"a\",\"finish_reason\":\"stop\",\"logprobs\":null}]}", true, "a", QC_FINISH_STOP, 0, false, NULL, NULL, 0},
	{"Ollama", "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\\\"a\\\"\"},\"done_reason\":\"stop\",\"done\":true}", true, "\"a\"", QC_FINISH_STOP, 0, false, NULL, NULL, 0},
	{"SGLang /generate", "{\"text\":\"a\",\"meta_info\":{\"finish_reason\":{\"type\":\"length\",\"length\":1}}}", true, "a", QC_FINISH_LENGTH, 0, false, NULL, NULL, 0},
	{"TGI", "{\"generated_text\":\"a\",\"details\":{\"finish_reason\":\"eos_token\"}}", true, "a", QC_FINISH_STOP, 0, false, NULL, NULL, 0},
	{"a list of one", "[{\"generated_text\":\"a\"}]", true, "a", QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"/inference", "{\"response\":\"a\"}", true, "a", QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"/inference, an object", "{\"response\":{\"label\":\"a\",\"confidence\":0.5}}", true, "{\"label\":\"a\",\"confidence\":0.5}", QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"/inference, the answer itself", "{\"label\":\"a\"}", true, "{\"label\":\"a\"}", QC_FINISH_OTHER, 0, false, NULL, NULL, 0},

	/* errors */
	{"vLLM, OpenAI", "{\"error\":{\"message\":\"too long\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"context_length_exceeded\"}}", true, NULL, QC_FINISH_OTHER, 0, false, "too long", "context_length_exceeded", 0},
	{"vLLM, a number", "{\"error\":{\"message\":\"no model\",\"type\":\"NotFoundError\",\"code\":404}}", true, NULL, QC_FINISH_OTHER, 0, false, "no model", "NotFoundError", 404},
	{"a number in quotes", "{\"error\":{\"message\":\"x\",\"type\":\"t\",\"code\":\"429\"}}", true, NULL, QC_FINISH_OTHER, 0, false, "x", "t", 429},
	{"vLLM 401, Ollama", "{\"error\":\"Unauthorized\"}", true, NULL, QC_FINISH_OTHER, 0, false, "Unauthorized", NULL, 0},
	{"TGI", "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}", true, NULL, QC_FINISH_OTHER, 0, false, "Model is overloaded", "overloaded", 0},
	{"SGLang, LMDeploy", "{\"object\":\"error\",\"message\":\"m\",\"type\":\"BadRequest\",\"code\":400}", true, NULL, QC_FINISH_OTHER, 0, false, "m", "BadRequest", 400},
	{"DashScope", "{\"code\":\"InvalidApiKey\",\"message\":\"m\",\"request_id\":\"r\"}", true, NULL, QC_FINISH_OTHER, 0, false, "m", "InvalidApiKey", 0},
	{"FastAPI", "{\"detail\":\"Not Found\"}", true, NULL, QC_FINISH_OTHER, 0, false, "Not Found", NULL, 0},
	{"FastAPI, fields", "{\"detail\":[{\"loc\":[\"body\",\"top_logprobs\"],\"msg\":\"too large\",\"type\":\"t\"},{\"msg\":\"b\"}]}", true, NULL, QC_FINISH_OTHER, 0, false, "body.top_logprobs: too large; b", NULL, 0},
	{"SGLang, in a stream", "{\"error\":{\"message\":\"[503] The request queue is full.\"}}", true, NULL, QC_FINISH_OTHER, 0, false, "[503] The request queue is full.", NULL, 503},
	{"a bracket that is no status", "{\"error\":\"[5031] x\"}", true, NULL, QC_FINISH_OTHER, 0, false, "[5031] x", NULL, 0},
	{"an error without words", "{\"error\":{\"status\":1}}", true, NULL, QC_FINISH_OTHER, 0, false, "{\"status\":1}", NULL, 0},
	{"an error beside an answer", "{\"choices\":[{\"message\":{\"content\":\"a\"}}],\"error\":\"x\"}", true, "a", QC_FINISH_OTHER, 0, false, "x", NULL, 0},
	{"error: null", "{\"response\":\"a\",\"error\":null}", true, "a", QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"an error not in UTF-8", "{\"error\":\"a\xFF" "b\"}", true, NULL, QC_FINISH_OTHER, 0, false, "a\xEF\xBF\xBD" "b", NULL, 0},

	/* what is no body */
	{"nothing", "", false, NULL, QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"HTML", "<html>502 Bad Gateway</html>", false, NULL, QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"cut", "{\"choices\":[{\"message\":{\"content\":\"a\"", false, NULL, QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"a string", "\"a\"", false, NULL, QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"null", "null", false, NULL, QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"an empty list", "[]", false, NULL, QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"unknown members", "{\"status\":\"ok\"}", false, NULL, QC_FINISH_OTHER, 0, false, NULL, NULL, 0},

	/* logprobs */
	{"positions", CHAT("\"ab\"", ENTRIES("{\"token\":\"a\",\"logprob\":-0.1},{\"token\":\"b\",\"logprob\":0}")), true, "ab", QC_FINISH_STOP, 2, false, NULL, NULL, 0},
	{"rounded over zero", CHAT("\"a\"", ENTRIES("{\"token\":\"a\",\"logprob\":0.0009}")), true, "a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"positive", CHAT("\"a\"", ENTRIES("{\"token\":\"a\",\"logprob\":0.1}")), true, "a", QC_FINISH_STOP, 0, true, NULL, NULL, 0},
	{"null", CHAT("\"a\"", ENTRIES("{\"token\":\"a\",\"logprob\":null}")), true, "a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"missing", CHAT("\"a\"", ENTRIES("{\"token\":\"a\"}")), true, "a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"a word", CHAT("\"a\"", ENTRIES("{\"token\":\"a\",\"logprob\":\"-0.1\"}")), true, "a", QC_FINISH_STOP, 0, true, NULL, NULL, 0},
	{"NaN", CHAT("\"a\"", ENTRIES("{\"token\":\"a\",\"logprob\":NaN}")), true, "a", QC_FINISH_STOP, 0, true, NULL, NULL, 0},
	{"-Infinity", CHAT("\"NaN a\"", ENTRIES("{\"token\":\"NaN a\",\"logprob\":0,\"top_logprobs\":[{\"token\":\"b\",\"logprob\":-Infinity}]}")), true, "NaN a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"Infinity", CHAT("\"a\"", ENTRIES("{\"token\":\"a\",\"logprob\":Infinity}")), true, "a", QC_FINISH_STOP, 0, true, NULL, NULL, 0},
	{"of another text", CHAT("\"ab\"", ENTRIES("{\"token\":\"a\",\"logprob\":0},{\"token\":\"c\",\"logprob\":0}")), true, "ab", QC_FINISH_STOP, 0, true, NULL, NULL, 0},
	{"of less text at the end", CHAT("\"ab\"", ENTRIES("{\"token\":\"a\",\"logprob\":0}")), true, "ab", QC_FINISH_STOP, 0, true, NULL, NULL, 0},
	{"of less text at the start", CHAT("\"ab\"", ENTRIES("{\"token\":\"b\",\"logprob\":0}")), true, "ab", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"of a text that was trimmed", CHAT("\"ab\"", ENTRIES("{\"token\":\" a\",\"logprob\":0},{\"token\":\"b\\n\",\"logprob\":0}")), true, "ab", QC_FINISH_STOP, 2, false, NULL, NULL, 0},
	{"an empty list", CHAT("\"ab\"", ENTRIES("")), true, "ab", QC_FINISH_STOP, 0, false, NULL, NULL, 0},
	{"token ids for tokens", CHAT("\"a\"", ENTRIES("{\"token\":\"token_id:32\",\"logprob\":0}")), true, "a", QC_FINISH_STOP, 0, true, NULL, NULL, 0},
	{"bytes of another token", CHAT("\"a\"", ENTRIES("{\"token\":\"xa\",\"bytes\":[97],\"logprob\":0}")), true, "a", QC_FINISH_STOP, 0, true, NULL, NULL, 0},
	{"bytes of a fragment, OpenAI's spelling", CHAT("\"\xE4\xB8\xAD\"", ENTRIES("{\"token\":\"bytes:\\\\xe4\\\\xb8\",\"bytes\":[228,184],\"logprob\":0},{\"token\":\"<0xAD>\",\"bytes\":[173],\"logprob\":0}")), true, "\xE4\xB8\xAD", QC_FINISH_STOP, 2, false, NULL, NULL, 0},
	{"bytes with the space that the text lost", CHAT("\" a\"", ENTRIES("{\"token\":\"a\",\"bytes\":[32,97],\"logprob\":0}")), true, " a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"bytes with spaces", CHAT("\"ab\"", ENTRIES("{\"bytes\":[ 97 , 98 ],\"token\":\"ab\",\"logprob\":0}")), true, "ab", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"bytes with more white space", CHAT("\" a\"", ENTRIES("{\"bytes\":[\t32,\r\n97\n],\"token\":\"a\",\"logprob\":0}")), true, " a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"no bytes", CHAT("\"a\"", ENTRIES("{\"bytes\":[],\"token\":\"a\",\"logprob\":0}")), true, "a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"no bytes at all", CHAT("\"a\"", ENTRIES("{\"bytes\":null,\"token\":\"a\",\"logprob\":0}")), true, "a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"bytes in an array", CHAT("\"a\"", ENTRIES("{\"bytes\":[[97]],\"token\":\"a\",\"logprob\":0}")), true, "a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"bytes that are no integers", CHAT("\"a\"", ENTRIES("{\"bytes\":[97.0],\"token\":\"a\",\"logprob\":0}")), true, "a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"bytes and a word", CHAT("\"a\"", ENTRIES("{\"bytes\":[97,null],\"token\":\"a\",\"logprob\":0}")), true, "a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"a byte that is negative", CHAT("\"a\"", ENTRIES("{\"bytes\":[-97],\"token\":\"a\",\"logprob\":0}")), true, "a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"bytes that are another text", CHAT("\"a\"", ENTRIES("{\"bytes\":[98],\"token\":\"a\",\"logprob\":0}")), true, "a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"bytes of a fragment that vLLM lost", CHAT("\"a\"", ENTRIES("{\"bytes\":[239,191,189],\"token\":\"\uFFFD\",\"logprob\":0}")), true, "a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"bytes without an end", CHAT("\"a\"", ENTRIES("{\"bytes\":[97,")), false, NULL, QC_FINISH_OTHER, 0, false, NULL, NULL, 0},
	{"bytes that are none", CHAT("\"a\"", ENTRIES("{\"token\":\"a\",\"bytes\":[300],\"logprob\":0}")), true, "a", QC_FINISH_STOP, 1, false, NULL, NULL, 0},
	{"entries that are none", CHAT("\"a\"", ENTRIES("1,null")), true, "a", QC_FINISH_STOP, 0, true, NULL, NULL, 0}
};

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
test_rows(void)
{
	size_t		i;

	for (i = 0; i < N(rows); i++)
	{
		const Row  *row = &rows[i];
		size_t		len = strlen(row->body);
		char	   *body = malloc(len + 1);	/* to the byte, for the sanitizer */
		QcReply		reply;
		bool		known;

		memcpy(body, row->body, len);
		body = realloc(body, len > 0 ? len : 1);
		known = qc_reply_parse(body, len, &reply);
		tap_ok(known == row->known && same(reply.text, row->text) &&
			   reply.text_len == (row->text ? strlen(row->text) : 0) &&
			   reply.finish == row->finish && reply.npositions == row->npositions &&
			   (reply.position != NULL) == (row->npositions > 0) &&
			   reply.bad_logprobs == row->bad && same(reply.error, row->error) &&
			   same(reply.error_type, row->type) && reply.error_code == row->code,
			   row->name, "known %d text %s finish %d positions %d bad %d error %s type %s code %d",
			   known, reply.text ? reply.text : "-", reply.finish, reply.npositions,
			   reply.bad_logprobs, reply.error ? reply.error : "-",
			   reply.error_type ? reply.error_type : "-", reply.error_code);
		qc_reply_free(&reply);
		free(body);
	}
}

static void
test_usage(void)
{
	static const struct
	{
		const char *name;
		const char *body;
		long		prompt;
		long		cached;
		long		output;
	}			usage[] =
	{
		{"OpenAI", "{\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":8}}}", 10, 8, 2},
		{"vLLM by default", "{\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":2,\"prompt_tokens_details\":null}}", 10, -1, 2},
		{"Ollama", "{\"response\":\"a\",\"prompt_eval_count\":10,\"eval_count\":2}", 10, -1, 2},
		{"SGLang", "{\"text\":\"a\",\"meta_info\":{\"prompt_tokens\":10,\"completion_tokens\":2,\"cached_tokens\":0}}", 10, 0, 2},
		{"llama.cpp's timings", "{\"choices\":[],\"timings\":{\"cache_n\":5}}", -1, 5, -1},
		{"nonsense", "{\"choices\":[],\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":\"2\",\"prompt_tokens_details\":1e300}}", -1, -1, -1},
		{"none", "{\"choices\":[]}", -1, -1, -1}
	};
	size_t		i;

	for (i = 0; i < N(usage); i++)
	{
		QcReply		reply;

		qc_reply_parse(usage[i].body, strlen(usage[i].body), &reply);
		tap_ok(reply.prompt_tokens == usage[i].prompt && reply.cached_tokens == usage[i].cached &&
			   reply.output_tokens == usage[i].output, usage[i].name, "%ld %ld %ld",
			   reply.prompt_tokens, reply.cached_tokens, reply.output_tokens);
		qc_reply_free(&reply);
	}
}

/* Depth is refused before anything recurses. */
static void
test_depth(void)
{
	static char body[200100];
	QcReply		reply;
	int			depth;

	for (depth = 60; depth <= 100000; depth = depth < 70 ? depth + 1 : depth * 10)
	{
		bool		known;
		size_t		n = strlen(strcpy(body, "{\"response\":\"a\",\"x\":"));

		memset(body + n, '[', (size_t) depth);
		memset(body + n + depth, ']', (size_t) depth);
		strcpy(body + n + 2 * depth, "}");
		known = qc_reply_parse(body, strlen(body), &reply);
		if (depth == 63 || depth == 64 || depth > 70)
			tap_ok(known == (depth < 64), "depth", "%d: %d", depth, known);
		qc_reply_free(&reply);
	}
	strcpy(body, "{\"response\":\"");
	memset(body + 13, '[', 1000);
	strcpy(body + 1013, "\\\"[\"}");
	tap_ok(qc_reply_parse(body, strlen(body), &reply) && reply.text_len == 1002,
		   "brackets in strings are none", "%zu", reply.text_len);
	qc_reply_free(&reply);
}

/* A long message is kept to what fits a report. */
static void
test_long_error(void)
{
	static char body[10000] = "{\"error\":\"";
	QcReply		reply;
	int			i;

	for (i = 0; i < 1000; i++)
		strcat(body, "\xE4\xB8\xAD");
	strcat(body, "\"}");
	qc_reply_parse(body, strlen(body), &reply);
	tap_ok(reply.error != NULL && strlen(reply.error) == 1998, "a long error is clipped", "%zu",
		   reply.error ? strlen(reply.error) : 0);
	qc_reply_free(&reply);
}

int
main(void)
{
	test_rows();
	test_usage();
	test_depth();
	test_long_error();
	return tap_end();
}
