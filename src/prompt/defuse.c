/*-------------------------------------------------------------------------
 *
 * defuse.c
 *	  Strings that a tokenizer would take for control tokens.
 *
 * vLLM, SGLang and llama.cpp parse "<|im_end|>" inside a message's content
 * as the real token, so a row could end its own message and write the next
 * one.  A zero-width space after the "<" breaks the token and changes
 * nothing that a model (or a person) reads.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/defuse.h"

#include <string.h>

#include "prompt/text.h"

#define ZERO_WIDTH_SPACE	"\xE2\x80\x8B"
#define FULL_WIDTH_BAR		"\xEF\xBD\x9C"	/* DeepSeek's tokens have it */

/* The longest name between the bars that is taken for a token's. */
#define MAX_NAME 64

/* Tokens without bars, of the families that our servers run. */
static const char *const bare[] = {
	"<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>",
	"</tool_response>", "<s>", "</s>", "<bos>", "<eos>", "<start_of_turn>",
	"<end_of_turn>"
};

static size_t
bar_at(const char *s, size_t len)
{
	if (len >= 1 && s[0] == '|')
		return 1;
	if (len >= 3 && memcmp(s, FULL_WIDTH_BAR, 3) == 0)
		return 3;
	return 0;
}

static size_t
barred_at(const char *s, size_t len)
{
	size_t		at = 1;
	size_t		bar = bar_at(s + at, len - at);
	size_t		begin;

	if (bar == 0)
		return 0;
	begin = at += bar;
	while (at < len && at - begin <= MAX_NAME)
	{
		bar = bar_at(s + at, len - at);
		if (bar > 0)
			return at > begin && at + bar < len && s[at + bar] == '>' ? at + bar + 1 : 0;
		if (strchr("<> \t\r\n", s[at]) != NULL)
			return 0;
		at++;
	}
	return 0;
}

size_t
qc_special_at(const char *s, size_t len)
{
	size_t		i;

	if (len < 3 || s[0] != '<')
		return 0;
	for (i = 0; i < sizeof(bare) / sizeof(bare[0]); i++)
	{
		size_t		n = strlen(bare[i]);

		if (n <= len && memcmp(s, bare[i], n) == 0)
			return n;
	}
	return barred_at(s, len);
}

void
qc_defuse(QcBuf *buf, const char *s, size_t len)
{
	size_t		done = 0;
	size_t		at;

	for (at = 0; at < len; at++)
	{
		if (s[at] != '<' || qc_special_at(s + at, len - at) == 0)
			continue;
		qc_buf_add(buf, s + done, at + 1 - done);
		qc_buf_adds(buf, ZERO_WIDTH_SPACE);
		done = at + 1;
	}
	qc_buf_add(buf, s + done, len - done);
}
