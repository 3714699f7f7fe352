/*-------------------------------------------------------------------------
 *
 * reply.c
 *		Bodies of successful generation requests, kind by kind.
 *
 * The OpenAI layout with each kind's own additions, Ollama's own layout, and
 * the plain one of /inference. They are printed member by member into the
 * body: a reply is the one thing that is made for each request anew.
 *
 *-------------------------------------------------------------------------
 */
#include "reply.h"

#include <time.h>

#define NEST_DEPTH 10000

static unsigned long long n_replies;

/* A refusal has no content, and null is not the empty string. */
static void
write_content(Buf *out, const Answer *a, const Behaviour *b)
{
	buf_lit(out, "\"content\":");
	if (b->answer == ANSWER_NULL || b->answer == ANSWER_REFUSAL)
		buf_lit(out, "null");
	else
		buf_quoted(out, a->content);
}

/* The members that a kind adds are null, but there: parsers meet them. */
static void
write_message(Buf *out, const Answer *a, const Ask *ask, const Behaviour *b)
{
	buf_lit(out, "\"message\":{\"role\":\"assistant\",");
	/* llama-server repeats a prefill in front of what it adds. */
	if (ask->kind == KIND_LLAMACPP && ask->prefill.n > 0)
	{
		buf_lit(out, "\"content\":\"");
		buf_json(out, ask->prefill);
		buf_json(out, a->content);
		buf_char(out, '"');
	}
	else
		write_content(out, a, b);
	if (b->answer == ANSWER_REFUSAL)
		buf_lit(out, ",\"refusal\":\"I'm sorry, but I cannot assist with that request.\"");
	else if (ask->kind == KIND_OPENAI)
		buf_lit(out, ",\"refusal\":null,\"annotations\":[]");
	else if (ask->kind == KIND_VLLM || ask->kind == KIND_VLLM_OLD)
		buf_lit(out, ",\"reasoning_content\":null,\"tool_calls\":[]");
	else if (ask->kind == KIND_SGLANG)
		buf_lit(out, ",\"reasoning_content\":null,\"tool_calls\":null");
	else if (ask->kind == KIND_LMDEPLOY)
		buf_lit(out, ",\"gen_tokens\":null,\"reasoning_content\":null,\"tool_calls\":null");
	buf_char(out, '}');
}

/* Not asked for, most kinds say null and llama-server nothing. */
static void
write_logprobs(Buf *out, const Logprobs *l, const Ask *ask, const Behaviour *b)
{
	if (b->logprobs & LP_NONE)
		return;
	if (!ask->logprobs || b->logprobs & LP_NULLFIELD)
	{
		if (ask->kind != KIND_LLAMACPP && ask->kind != KIND_OLLAMA)
			buf_lit(out, ",\"logprobs\":null");
		return;
	}
	buf_lit(out, ",\"logprobs\":{\"content\":");
	logprob_print(out, l, ask, b);
	if (ask->kind == KIND_OPENAI)
		buf_lit(out, ",\"refusal\":null");
	buf_char(out, '}');
}

/* One choice: a client of ours never asks for more. */
static void
write_choices(Buf *out, const Answer *a, const Logprobs *l, const Ask *ask, const Behaviour *b)
{
	buf_lit(out, "\"choices\":[");
	if (b->answer == ANSWER_NESTEDBODY)
	{
		for (int i = 0; i < NEST_DEPTH; i++)
			buf_char(out, '[');
		for (int i = 0; i < NEST_DEPTH; i++)
			buf_char(out, ']');
	}
	else if (b->answer != ANSWER_NOCHOICES)
	{
		buf_lit(out, "{\"index\":0,");
		write_message(out, a, ask, b);
		write_logprobs(out, l, ask, b);
		buf_fmt(out, ",\"finish_reason\":\"%s\"", a->finish);
		if (ask->kind == KIND_VLLM || ask->kind == KIND_VLLM_OLD)
			buf_lit(out, ",\"stop_reason\":null");
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

/* Of the prefix cache some servers say nothing. */
static bool
reports_cached(Kind kind)
{
	return kind != KIND_OLLAMA && kind != KIND_TGI && kind != KIND_VLLM_OLD;
}

/* Tokens in OpenAI's words, then llama-server's timings. */
static void
write_usage(Buf *out, const Logprobs *l, const Ask *ask, int cached)
{
	int			prompt = ask->prompt_tokens;
	int			output = (int) l->output_tokens;

	buf_fmt(out, ",\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d",
			prompt, output, prompt + output);
	if (reports_cached(ask->kind))
		buf_fmt(out, ",\"prompt_tokens_details\":{\"cached_tokens\":%d}", cached);
	buf_char(out, '}');
	if (ask->kind == KIND_LLAMACPP)
		buf_fmt(out, ",\"timings\":{\"cache_n\":%d,\"prompt_n\":%d,\"prompt_ms\":1.0,"
				"\"predicted_n\":%d,\"predicted_ms\":1.0}", cached, prompt - cached, output);
}

/* The layout that all but two share. */
static void
write_openai(Buf *out, const Answer *a, const Logprobs *l, const Ask *ask,
			 const Behaviour *b, int cached)
{
	buf_fmt(out, "{\"id\":\"chatcmpl-%llu\",\"object\":\"chat.completion\",\"created\":%lld,\"model\":",
			++n_replies, (long long) time(NULL));
	buf_quoted(out, ask->model);
	buf_char(out, ',');
	write_choices(out, a, l, ask, b);
	write_usage(out, l, ask, cached);
	if (ask->kind == KIND_OPENAI || ask->kind == KIND_LLAMACPP)
		buf_lit(out, ",\"system_fingerprint\":\"qwen_mock\"");
	buf_char(out, '}');
}

/* Ollama's own: one message, logprobs at the top, times in nanoseconds. */
static void
write_ollama(Buf *out, const Answer *a, const Logprobs *l, const Ask *ask, const Behaviour *b)
{
	buf_lit(out, "{\"model\":");
	buf_quoted(out, ask->model);
	buf_lit(out, ",\"created_at\":\"2026-01-01T00:00:00.000000Z\",");
	write_message(out, a, ask, b);
	buf_fmt(out, ",\"done\":true,\"done_reason\":\"%s\",\"total_duration\":1000000,\"load_duration\":1000,"
			"\"prompt_eval_count\":%d,\"prompt_eval_duration\":1000,\"eval_count\":%d,\"eval_duration\":1000",
			a->finish, ask->prompt_tokens, (int) l->output_tokens);
	if (ask->logprobs && !(b->logprobs & (LP_NONE | LP_NULLFIELD)))
	{
		buf_lit(out, ",\"logprobs\":");
		logprob_print(out, l, ask, b);
	}
	buf_char(out, '}');
}

/* The answer as text, or with object=1 as the object itself. */
static void
write_plain(Buf *out, const Answer *a, const Behaviour *b)
{
	buf_lit(out, "{\"response\":");
	if (b->answer == ANSWER_NULL)
		buf_lit(out, "null");
	else if (b->object && a->content.n > 0 && a->content.p[0] == '{')
		buf_str(out, a->content);
	else
		buf_quoted(out, a->content);
	buf_char(out, '}');
}

/*
 * A client of ours never streams; if it does by mistake it gets what a server
 * would send, and fails on it.
 */
static const char *
as_stream(Buf *out, const Ask *ask)
{
	if (ask->native)
	{
		buf_char(out, '\n');
		return "application/x-ndjson";
	}
	buf_reserve(out, 32);
	memmove(out->data + 6, out->data, out->len);
	memcpy(out->data, "data: ", 6);
	out->len += 6;
	buf_lit(out, "\n\ndata: [DONE]\n\n");
	return "text/event-stream";
}

/* Returns the content type. */
const char *
reply_write(Buf *out, const Answer *a, const Logprobs *l, const Ask *ask,
			const Behaviour *b, int cached)
{
	if (b->answer == ANSWER_GARBAGE)
	{
		buf_lit(out, "Segmentation fault (core dumped) <<< this is no JSON >>>\n");
		return "application/json";
	}
	if (ask->kind == KIND_PLAIN)
		write_plain(out, a, b);
	else if (ask->native)
		write_ollama(out, a, l, ask, b);
	else
		write_openai(out, a, l, ask, b, cached);
	if (b->answer == ANSWER_CUT)
		out->len /= 2;
	return ask->stream && ask->kind != KIND_PLAIN ? as_stream(out, ask) : "application/json";
}
