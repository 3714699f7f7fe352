/*-------------------------------------------------------------------------
 *
 * wording.c
 *	  What the words of an error say, whoever's server wrote them.
 *
 * No two kinds of server use the same codes, but they keep their phrases.
 * Every phrase here was read in a server's source or answer.
 *
 *-------------------------------------------------------------------------
 */
#include "net/wording.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What is tried when a server does not say how many alternatives it gives. */
#define FEWER_ALTERNATIVES 5

bool
qc_wording_has(const char *text, const char *const *phrase)
{
	for (; *phrase; phrase++)
		if (strstr(text, *phrase))
			return true;
	return false;
}

static bool
has(const char *text, const char *phrase)
{
	return strstr(text, phrase) != NULL;
}

/* The number that follows a phrase, with at most a bracket or blank between. */
static long
number_after(const char *text, const char *phrase)
{
	const char *at = strstr(text, phrase);

	if (at == NULL)
		return 0;
	at += strlen(phrase);
	at += strspn(at, " (`:=");
	return isdigit((unsigned char) *at) ? strtol(at, NULL, 10) : 0;
}

/* The number that stands right before a phrase. */
static long
number_before(const char *text, const char *phrase)
{
	const char *at = strstr(text, phrase);
	const char *start = at;

	if (at == NULL)
		return 0;
	while (start > text && isdigit((unsigned char) start[-1]))
		start--;
	return start < at ? strtol(start, NULL, 10) : 0;
}

/* The first of several phrases that has a number wins. */
static long
first_number(const char *text, const char *const *phrase,
			 long (*number) (const char *, const char *))
{
	long		found = 0;

	for (; *phrase && found <= 0; phrase++)
		found = number(text, *phrase);
	return found > 0 ? found : 0;
}

/*
 * "maximum context length" stands in complaints about max_tokens as well; those
 * are about the same sum, and a shorter text mends them.
 */
bool
qc_wording_too_long(const char *text, long *limit, long *prompt)
{
	static const char *const says[] = {
		"maximum context length", "context_length_exceeded", "input length",	/* vLLM, OpenAI */
		"maximum model length",
		"exceed_context_size", "available context size",	/* llama.cpp */
		"too big compared to kv size",
		"model's context length",	/* SGLang */
		"exceeds the model context length", /* LMDeploy */
		"max_new_tokens` must be <=", "inputs` must have less than",	/* TGI */
		"context window", "prompt is too long", "input is too long",	/* gateways */
		"too many tokens", "reduce the length", "string_above_max_length",
		NULL
	};
	static const char *const limit_follows[] = {
		"context length is", "context length of", "context length (", "context size (",
		"model length of", "must be <=", "less than", "should be [1,", NULL
	};
	static const char *const prompt_precedes[] = {
		" in the messages", " tokens from the input", NULL
	};
	static const char *const prompt_follows[] = {
		"request (", "input length (", "the input (", "prompt (length", "your request has",
		"contains at least", "resulted in", "given:", "you requested", NULL
	};

	*limit = *prompt = 0;
	if (!qc_wording_has(text, says))
		return false;
	*limit = first_number(text, limit_follows, number_after);
	*prompt = first_number(text, prompt_precedes, number_before);
	if (*prompt == 0)
		*prompt = first_number(text, prompt_follows, number_after);
	return true;
}

bool
qc_wording_no_model(const char *text)
{
	static const char *const says[] = {
		"model_not_found", "model not found", "model not exist", "model does not exist",
		"invalid model name", "unknown model", "no such model", NULL
	};
	const char *model = strstr(text, "model");

	if (qc_wording_has(text, says))
		return true;

	/* the model `x` does not exist; model "x" not found, try pulling it first */
	return model && (has(model, "does not exist") || has(model, "not found") ||
					 has(model, "try pulling"));
}

/* Words for money, not for rates: these do not come back by waiting. */
bool
qc_wording_no_quota(const char *text)
{
	static const char *const says[] = {
		"insufficient_quota", "arrearage", "insufficient balance", "insufficient_balance",
		"billing_hard_limit", "payment required",
		"freetieronly", "free tier of the model has been exhausted",	/* DashScope */
		"free allocated quota exceeded", "billoverdue", "bill is overdue",
		"commoditynotpurchased", "has not purchased", NULL
	};
	static const char *const passes[] = {
		"throttling", "allocated quota exceeded, please increase", NULL
	};

	/* DashScope's limit of tokens a minute goes by the name of a spent quota */
	if (qc_wording_has(text, passes) && !has(text, "free allocated quota"))
		return false;

	/* not "billing" alone: Gemini says so of a limit that is over in a minute */
	return qc_wording_has(text, says);
}

/* The provider's filter did not like the text: no retry will change that. */
bool
qc_wording_refused(const char *text)
{
	static const char *const says[] = {
		"datainspectionfailed", "data_inspection_failed", "content_filter",
		"content_policy_violation", "responsibleaipolicyviolation",
		"inappropriate content", "content management policy",
		"faqruleblocked", "blocked by faq rule", "ip infringement", "ipinfringementsuspect",
		NULL
	};

	return qc_wording_has(text, says);
}

/* All that a request of this kind may hold, whatever its mode. */
static uint32_t
fields_of(QcApi api)
{
	uint32_t	chat = QC_REFUSED_LOGPROBS | QC_REFUSED_TOP_LOGPROBS |
		QC_REFUSED_RESPONSE_FORMAT | QC_REFUSED_JSON_OBJECT | QC_REFUSED_MAX_LENGTH |
		QC_REFUSED_SAMPLING | QC_REFUSED_TEMPERATURE | QC_REFUSED_SEED |
		QC_REFUSED_MAX_TOKENS | QC_REFUSED_SHORT_MAX;
	uint32_t	local = QC_REFUSED_CONSTRAINT | QC_REFUSED_TEMPLATE_KWARGS |
		QC_REFUSED_THINK;

	switch (api)
	{
		case QC_API_INFERENCE:
			return 0;
		case QC_API_VLLM:
		case QC_API_SGLANG:
			return chat | local;
		case QC_API_LLAMACPP:
			return chat | local | QC_REFUSED_CACHE_PROMPT;
		case QC_API_LMDEPLOY:
			return chat | local;
		case QC_API_TGI:
			return QC_REFUSED_LOGPROBS | QC_REFUSED_TOP_LOGPROBS | QC_REFUSED_CONSTRAINT |
				QC_REFUSED_RESPONSE_FORMAT | QC_REFUSED_MAX_LENGTH |
				QC_REFUSED_TEMPERATURE | QC_REFUSED_SEED |
				QC_REFUSED_MAX_TOKENS | QC_REFUSED_SHORT_MAX;
		case QC_API_OLLAMA:
			return QC_REFUSED_LOGPROBS | QC_REFUSED_TOP_LOGPROBS | QC_REFUSED_CONSTRAINT |
				QC_REFUSED_RESPONSE_FORMAT | QC_REFUSED_JSON_OBJECT |
				QC_REFUSED_MAX_LENGTH | QC_REFUSED_THINK;
		case QC_API_AUTO:
		case QC_API_OPENAI:
			break;
	}
	return chat | QC_NEEDS_NO_THINKING;
}

/* "not supported" and its like: no smaller value would help. */
static bool
is_unsupported(const char *text)
{
	static const char *const says[] = {
		"not support", "unsupported", "not available", "not enabled", "not allowed",
		"extra_forbidden", "extra inputs", "extra fields", "unrecognized", "unknown",
		"unexpected", "logprobs-mode", NULL
	};

	return qc_wording_has(text, says);
}

/*
 * The limit among the whole numbers below the one asked for; 0: none.  It is
 * the smallest: what was sent is often told, too, and may be less than the most
 * that is asked for.  1 is one only if there is no other, as in "[1, 5]".
 */
static int
smaller_number(const char *text, int asked)
{
	long		best = 0;

	while (*text)
	{
		char	   *end;
		long		n;

		if (!isdigit((unsigned char) *text))
		{
			text++;
			continue;
		}
		n = strtol(text, &end, 10);
		if (n >= 1 && n < asked && (best <= 1 || (n > 1 && n < best)))
			best = n;
		text = end;
	}
	return (int) best;
}

/* A complaint about logprobs or about how many alternatives were asked for. */
static uint32_t
logprob_fields(const char *text, const QcFacts *facts, int *top_cap)
{
	const char *top = strstr(text, "top_logprobs");
	bool		left_out = (facts->refused & QC_REFUSED_TOP_LOGPROBS) && facts->top_cap == 0;
	int			asked = facts->top_cap > 0 ? facts->top_cap :
		facts->api == QC_API_LLAMACPP ? QC_MOST_LOGPROBS : QC_TOP_LOGPROBS;

	/* vLLM: "Requested sample logprobs of 20, which is greater than max allowed: 5" */
	if (top == NULL)
		top = strstr(text, "sample logprobs");
	if (top == NULL)
		top = strstr(text, "top_n_tokens");
	if (top == NULL)
		return has(text, "logprobs") ? QC_REFUSED_LOGPROBS : 0;

	/* named in one breath with logprobs itself: neither is there */
	if (left_out || (is_unsupported(text) &&
					 (has(top + strlen("top_logprobs"), "logprobs") ||
					  strstr(text, "logprobs") < top)))
		return QC_REFUSED_LOGPROBS;
	if (is_unsupported(text))
	{
		*top_cap = 0;
		return QC_REFUSED_TOP_LOGPROBS;
	}

	*top_cap = smaller_number(top, asked);
	if (*top_cap == 0 && asked > 1)
		*top_cap = asked > FEWER_ALTERNATIVES ? FEWER_ALTERNATIVES : 1;
	return *top_cap > 0 ? QC_REFUSED_TOP_LOGPROBS : QC_REFUSED_LOGPROBS;
}

/* Servers with one field for all forms of an answer: a complaint names it in any case. */
static bool
has_one_field(QcApi api)
{
	return api == QC_API_OLLAMA || api == QC_API_TGI || api == QC_API_LMDEPLOY;
}

/* Is it about the field, and not about bounds in the schema that stood in it? */
static bool
is_about_all(const char *text, QcApi api, uint32_t named)
{
	if (api == QC_API_OLLAMA)
		return named != 0 || has(text, "format");
	return named != 0 && (named & QC_REFUSED_MAX_LENGTH) == 0;
}

/* A complaint about what binds the answer. */
static uint32_t
format_fields(const char *text, const QcFacts *facts)
{
	static const char *const constraint[] = {
		"structured_outputs", "structured output", "guided_", "guided decoding",
		"regex", "grammar", "ebnf", "xgrammar", "outlines", NULL
	};
	static const char *const format[] = {
		"response_format", "json_schema", "json schema", "json_object", "json mode", NULL
	};
	static const char *const bounds[] = {
		"maxlength", "'minimum'", "'maximum'", "\"minimum\"", "\"maximum\"", NULL
	};
	uint32_t	named = 0;

	/* "json mode is not supported when enable_thinking is true": that is to go */
	if (has(text, "thinking is true"))
		return 0;
	if (qc_wording_has(text, bounds))
		named |= QC_REFUSED_MAX_LENGTH;
	else if (qc_wording_has(text, format))
		named |= (facts->refused & QC_REFUSED_RESPONSE_FORMAT) ?
			QC_REFUSED_JSON_OBJECT : QC_REFUSED_RESPONSE_FORMAT;
	else if (qc_wording_has(text, constraint))
		named |= QC_REFUSED_CONSTRAINT;

	/* TGI makes a regular expression of every schema, and calls it a grammar */
	if (facts->api == QC_API_TGI &&
		(has(text, "regex from schema") || has(text, "grammar is not valid")))
		return QC_REFUSED_RESPONSE_FORMAT;
	if (has_one_field(facts->api) && is_about_all(text, facts->api, named))
		named |= (facts->refused & QC_REFUSED_RESPONSE_FORMAT) ? QC_REFUSED_JSON_OBJECT :
			QC_REFUSED_CONSTRAINT | QC_REFUSED_RESPONSE_FORMAT;
	return named;
}

/* A complaint about max_tokens: its name, or that it is too small. */
static uint32_t
length_fields(const char *text)
{
	static const char *const too_small[] = {
		"below minimum", "at least", "minimum value", ">=", "greater than", NULL
	};

	if (has(text, "max_tokens") &&
		(has(text, "max_completion_tokens") || is_unsupported(text)))
		return QC_REFUSED_MAX_TOKENS;
	if ((has(text, "max_tokens") || has(text, "max_completion_tokens") ||
		 has(text, "max_output_tokens")) && qc_wording_has(text, too_small))
		return QC_REFUSED_SHORT_MAX;
	return 0;
}

/* The fields that are named by one word each. */
static uint32_t
other_fields(const char *text, const QcFacts *facts)
{
	static const char *const sampling[] = {
		"top_k", "top_p", "repetition_penalty", "repeat_penalty", NULL
	};
	static const char *const stream_only[] = {
		"only support stream mode", "does not support http call", NULL
	};
	uint32_t	named = length_fields(text);

	if (has(text, "chat_template_kwargs"))
		named |= QC_REFUSED_TEMPLATE_KWARGS;
	else if (has(text, "thinking") || (facts->api == QC_API_OLLAMA && has(text, "think")))
		named |= QC_REFUSED_THINK | (has(text, "enable_thinking") ? QC_NEEDS_NO_THINKING : 0);

	/* DashScope, of models that think unless told not to, which they stream only */
	if (qc_wording_has(text, stream_only))
		named |= QC_NEEDS_NO_THINKING;
	if (qc_wording_has(text, sampling))
		named |= QC_REFUSED_SAMPLING;
	if (has(text, "temperature"))
		named |= QC_REFUSED_TEMPERATURE;
	if (has(text, "seed"))
		named |= QC_REFUSED_SEED;
	if (has(text, "cache_prompt"))
		named |= QC_REFUSED_CACHE_PROMPT;

	return named & ~facts->refused;
}

uint32_t
qc_wording_fields(const char *text, const QcFacts *facts, int *top_cap)
{
	uint32_t	binding = QC_REFUSED_CONSTRAINT | QC_REFUSED_RESPONSE_FORMAT |
		QC_REFUSED_JSON_OBJECT;
	uint32_t	named = format_fields(text, facts) & ~facts->refused;

	*top_cap = 0;

	/*
	 * "logprobs cannot be used with response_format": the label is checked in
	 * any case, the probability comes from nowhere else.
	 */
	if ((named & binding) == 0 && !(facts->refused & QC_REFUSED_LOGPROBS))
		named |= logprob_fields(text, facts, top_cap);
	named |= other_fields(text, facts);
	return named & fields_of(facts->api);
}
