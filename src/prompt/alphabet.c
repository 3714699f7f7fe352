/*-------------------------------------------------------------------------
 *
 * alphabet.c
 *	  The byte alphabet in which byte-level vocabularies are written down.
 *
 * Such a vocabulary is a text file, so each of the 256 bytes has a printable
 * character: itself if it is one in Latin-1, else the next one from U+0100
 * on.  LMDeploy shows its tokens that way.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "prompt/ascii.h"
#include "prompt/message.h"
#include "prompt/text.h"
#include "prompt/token.h"

static bool
stands_for_itself(int byte)
{
	return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) ||
		(byte >= 0xAE && byte <= 0xFF);
}

/* The byte that a character stands for, -1: none. */
static int
byte_of(uint32_t c)
{
	uint32_t	next = 0x100;
	int			byte;

	if (c < 0x100)
		return stands_for_itself((int) c) ? (int) c : -1;
	for (byte = 0; byte < 0x100; byte++)
	{
		if (!stands_for_itself(byte) && next++ == c)
			return byte;
	}
	return -1;
}

/* Turn one token into bytes, in place; left alone if it is not of the alphabet. */
static bool
unalphabet(QcToken *token)
{
	char	   *out = token->bytes;
	size_t		len = token->len > 0 ? (size_t) token->len : 0;
	size_t		at = 0;
	uint32_t	c;

	while (at < len)
	{
		size_t		n = qc_utf8_char(token->bytes + at, len - at, &c);

		if (n == 0 || byte_of(c) < 0)
			return false;
		at += n;
	}
	for (at = 0; at < len;)
	{
		at += qc_utf8_char(token->bytes + at, len - at, &c);
		*out++ = (char) byte_of(c);
	}
	if (len > 0)
	{
		*out = '\0';
		token->len = (int) (out - token->bytes);
	}
	return len > 0 && (size_t) token->len < len;
}

/* The alphabet has other characters for white space and control characters. */
static bool
has_blank(const QcToken *token)
{
	for (int i = 0; i < token->len; i++)
		if ((unsigned char) token->bytes[i] <= ' ')
			return true;
	return false;
}

/* What a token says of the alphabet: it cannot be (-1), must be (1), may be (0). */
static int
evidence(const QcToken *token)
{
	char		buf[64];
	QcToken		copy = {buf, token->len, 0};
	uint32_t	first = 0;

	if (token->len == 0 || token->len >= (int) sizeof(buf))
		return 0;
	if (token->len < 0)
		return -1;
	if (qc_ascii_only(token->bytes, (size_t) token->len))
		return has_blank(token) ? -1 : 0;
	memcpy(buf, token->bytes, (size_t) token->len + 1);
	qc_utf8_char(buf, (size_t) token->len, &first);
	if (!unalphabet(&copy))
		return -1;

	/* a space in front, or bytes that make sense together */
	return byte_of(first) == ' ' || qc_utf8_valid(buf, (size_t) copy.len, NULL) == (size_t) copy.len;
}

/*
 * An answer in ASCII spells the same in both; then the tokens that might have
 * stood in its place tell.
 */
bool
qc_positions_in_alphabet(const QcReply *reply)
{
	int			most = 0;

	for (int i = 0; i < reply->npositions; i++)
	{
		const QcPosition *position = &reply->position[i];

		if (evidence(&position->chosen) != 0)
			return false;
		for (int k = 0; k < position->ntop; k++)
		{
			int			found = evidence(&position->top[k]);

			if (found < 0)
				return false;
			most = found > most ? found : most;
		}
	}
	return most > 0;
}

bool
qc_positions_unalphabet(QcReply *reply)
{
	bool		changed = false;
	int			i;
	int			k;

	for (i = 0; i < reply->npositions; i++)
	{
		QcPosition *position = &reply->position[i];

		changed |= unalphabet(&position->chosen);
		for (k = 0; k < position->ntop; k++)
			changed |= unalphabet(&position->top[k]);
	}
	return changed;
}
