/*-------------------------------------------------------------------------
 *
 * align.c
 *	  Where in the text each token of a reply stands.
 *
 * Logprobs say something about the label only if we know which of them made
 * it.  So the tokens must spell the text, byte for byte; a reply whose tokens
 * do not gives no probabilities.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "prompt/text.h"
#include "prompt/token.h"

/* Tokens of unknown bytes that wait for the next known one to say where they end. */
typedef struct Run
{
	int			n;
	bool		shown;			/* some of it was shown as U+FFFD */
} Run;

/* A token holds parts of this many characters at most. */
#define CHARS_A_TOKEN 4

static size_t
leading_space(const QcToken *token)
{
	size_t		n = 0;

	while (n < (size_t) token->len && strchr(" \t\r\n", token->bytes[n]) != NULL &&
		   token->bytes[n] != '\0')
		n++;
	return n;
}

/* How many bytes of the text the token is, from s on; false if it is not there. */
static bool
matches(const char *s, size_t left, const QcToken *token, size_t skip, size_t *n)
{
	*n = (size_t) token->len - skip;
	if (*n > left)
		*n = left;				/* the text was trimmed, or ends at a NUL */
	return memcmp(s, token->bytes + skip, *n) == 0;
}

/*
 * The bytes that a run takes up before the token that follows it (NULL: it is
 * the last).  vLLM gives the whole character to the token that completes it,
 * so there a run takes none; servers that print U+FFFD for each fragment need
 * the shortest stretch after which the next token fits.
 */
static bool
run_length(const char *s, size_t left, const Run *run, const QcToken *next, size_t *taken)
{
	size_t		chars;
	size_t		n;

	*taken = 0;
	if (run->n == 0 || !run->shown)
		return true;
	for (chars = 0; chars < (size_t) run->n * CHARS_A_TOKEN && *taken < left; chars++)
	{
		n = qc_utf8_char(s + *taken, left - *taken, NULL);
		*taken += n > 0 ? n : 1;
		if (next != NULL ? *taken < left && matches(s + *taken, left - *taken, next, 0, &n)
			: *taken == left)
			return true;
	}
	return *taken == left;
}

static bool
align_from(QcReply *reply, size_t at)
{
	const char *text = reply->text;
	size_t		len = reply->text_len;
	Run			run = {0, false};
	size_t		n;
	int			i;

	for (i = 0; i < reply->npositions; i++)
	{
		QcPosition *position = &reply->position[i];
		const QcToken *token = &position->chosen;
		size_t		skip = 0;

		position->start = at;
		if (token->len < 0)
		{
			run.n++;
			run.shown |= token->bytes[0] != '\0';
		}
		if (token->len <= 0)
			continue;
		if (!run_length(text + at, len - at, &run, token, &n))
			return false;
		position->start = at += n;
		memset(&run, 0, sizeof(run));
		if (at == 0 && !qc_is_space((unsigned char) text[0]))
			skip = leading_space(token);	/* some servers trim the text */
		if (!matches(text + at, len - at, token, skip, &n))
			return false;
		at += n;
	}
	return run_length(text + at, len - at, &run, NULL, &n) && at + n == len;
}

/* The bytes of all tokens; false if some are unknown. */
static bool
total_length(const QcReply *reply, size_t *total)
{
	int			i;

	*total = 0;
	for (i = 0; i < reply->npositions; i++)
	{
		if (reply->position[i].chosen.len < 0)
			return false;
		*total += (size_t) reply->position[i].chosen.len;
	}
	return true;
}

bool
qc_positions_align(QcReply *reply)
{
	size_t		total;

	if (reply->text == NULL || reply->text_len == 0)
		return false;
	if (align_from(reply, 0))
		return true;

	/* An answer that we began ourselves: the tokens are its rest. */
	return total_length(reply, &total) && total > 0 && total < reply->text_len &&
		align_from(reply, reply->text_len - total);
}
