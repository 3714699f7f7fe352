/*-------------------------------------------------------------------------
 *
 * cut.c
 *	  How much of a text to send: guesses about tokens.
 *
 *-------------------------------------------------------------------------
 */
#include "net/cut.h"

#include <string.h>

/*
 * Qwen's vocabulary takes about 4 bytes of English a token and 1.5 Chinese
 * characters; rare characters take 2 or 3 tokens each, digits one each.  The
 * careful figures hold for nearly all text.
 */
#define ASCII_BYTES_PER_TOKEN	2.5
#define TOKENS_PER_OTHER_CHAR	1.5

/* Role markers and the like of the chat template. */
#define TEMPLATE_TOKENS			64

/* A shorter text than this is no text any more. */
#define LEAST_CHARS				16

size_t
qc_cut_chars(const char *text, size_t len)
{
	size_t		chars = 0;

	for (size_t i = 0; i < len; i++)
		chars += ((unsigned char) text[i] & 0xC0) != 0x80;
	return chars;
}

double
qc_cut_tokens(const char *text, size_t len)
{
	size_t		ascii = 0,
				other = 0;

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		ascii += c < 0x80;
		other += c >= 0xC0;
	}
	return ascii / ASCII_BYTES_PER_TOKEN + other * TOKENS_PER_OTHER_CHAR;
}

size_t
qc_cut_to_context(const char *text, size_t len, const char *system,
				  long context_tokens, long answer_tokens)
{
	double		text_tokens = qc_cut_tokens(text, len);
	double		room = context_tokens - answer_tokens - TEMPLATE_TOKENS
		- qc_cut_tokens(system, strlen(system));
	double		keep;

	if (context_tokens <= 0 || text_tokens <= room)
		return 0;
	keep = room > 0 ? qc_cut_chars(text, len) * room / text_tokens : 0;
	return keep < LEAST_CHARS ? LEAST_CHARS : (size_t) keep;
}

size_t
qc_cut_again(size_t sent, const char *system, long limit_tokens,
			 long prompt_tokens, long answer_tokens)
{
	double		share = 0.75;

	if (limit_tokens > 0 && prompt_tokens > limit_tokens - answer_tokens)
	{
		/* the server counted: only the system message's part is a guess */
		double		fixed = qc_cut_tokens(system, strlen(system)) * 0.6 + TEMPLATE_TOKENS / 2;

		if (fixed > prompt_tokens / 2.0)
			fixed = prompt_tokens / 2.0;
		share = 0.9 * (limit_tokens - answer_tokens - fixed) / (prompt_tokens - fixed);
	}
	if (share > 0.9)
		share = 0.9;
	if (share <= 0 || sent * share < LEAST_CHARS)
		return 0;
	return (size_t) (sent * share);
}
