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
