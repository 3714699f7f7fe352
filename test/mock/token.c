/*-------------------------------------------------------------------------
 *
 * token.c
 *		The mock's tokenizer: deterministic, and shaped like Qwen's.
 *
 * Words fall into pieces of at most four letters, so that labels of ordinary
 * length have several tokens and share first ones; JSON punctuation is glued
 * as Qwen's vocabulary glues it; rare CJK characters and emoji fall into
 * fragments that are no UTF-8 by themselves.
 *
 * Invariant: the tokens of a text joined give the text; a token has the same
 * id for as long as the process lives.
 *
 *-------------------------------------------------------------------------
 */
#include "token.h"

#include <ctype.h>

#include "arena.h"
#include "score.h"

/* The size of Qwen2.5's vocabulary without its special tokens. */
#define VOCABULARY 151643

#define MAX_LETTERS 4

static Str	vocabulary[VOCABULARY];
static int	n_known;

/* Longer ones first where one begins another. */
static const char *const glued[] = {
	"\",\"", "\":\"", "{\"", "\":", "\",", "\"}", " \"", "```", "<think>",
	"</think>", "\n\n", NULL
};

/* Bytes of the character at the start of s; 1 where it is not UTF-8. */
size_t
utf8_len(Str s)
{
	unsigned char c = s.p[0];
	size_t		n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;

	if (n == 0 || c > 0xf4 || n > s.n)
		return n == 1 ? 1 : 0;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char) s.p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* ASCII, which is most of it, goes by without a call. */
bool
utf8_valid(Str s)
{
	while (s.n > 0)
	{
		size_t		n = 1;

		if ((unsigned char) s.p[0] >= 0x80 && (n = utf8_len(s)) == 0)
			return false;
		s = str_from(s, n);
	}
	return true;
}

static unsigned
codepoint3(Str s)
{
	return (unsigned) (s.p[0] & 15) << 12 | (unsigned) (s.p[1] & 63) << 6 | (unsigned) (s.p[2] & 63);
}

/* Length of the first fragment, or of the whole character. */
static size_t
wide_piece(Str s, bool fragments)
{
	size_t		n = utf8_len(s);
	unsigned	cp;

	if (n == 4)
		return 2;
	if (n != 3)
		return n ? n : 1;
	cp = codepoint3(s);
	if ((cp >= 0x3400 && cp < 0x4e00) || (cp >= 0x9a00 && cp < 0xa000))
		return 2;
	return fragments && cp >= 0x4e00 && cp < 0x9a00 && cp % 2 == 0 ? 2 : 3;
}

/* JSON's signs as Qwen's vocabulary has them. */
static size_t
glued_piece(Str s)
{
	for (int i = 0; glued[i]; i++)
		if (s.p[0] == glued[i][0] && str_starts(s, str_of(glued[i])))
			return strlen(glued[i]);
	return 0;
}

/* A space or an underscore goes with the letters after it. */
static size_t
word_piece(Str s)
{
	size_t		n = s.p[0] == ' ' || s.p[0] == '_';
	size_t		max = n + MAX_LETTERS;

	while (n < s.n && n < max && isalpha((unsigned char) s.p[n]))
		n++;
	return n;
}

/* Length of the token at the start of s. */
static size_t
piece_len(Str s, bool fragments)
{
	unsigned char c = s.p[0];
	size_t		n;

	if (c >= 0xc0)
		return wide_piece(s, fragments);
	if (c >= 0x80)
		return 1;
	if ((n = glued_piece(s)) > 0)
		return n;
	n = word_piece(s);
	return n ? n : 1;
}

/* The rest of a character that was split is a piece of its own. */
static size_t
continuation_len(Str s)
{
	size_t		n = 0;

	while (n < s.n && n < 2 && ((unsigned char) s.p[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* out has room for as many tokens as text has bytes. */
size_t
token_split(Str text, bool fragments, Str *out)
{
	size_t		n = 0;
	bool		split = false;

	while (text.n > 0)
	{
		size_t		len = split ? continuation_len(text) : 0;

		if (len == 0)
		{
			len = piece_len(text, fragments);
			split = len == 2 && utf8_len(text) > 2;
		}
		else
			split = false;
		out[n++] = (Str) {text.p, len};
		text = str_from(text, len);
	}
	return n;
}

/* Ids are given by hash; a place that is taken sends a token to the next. */
int
token_id(Str token)
{
	size_t		at = score_mix(score_hash(token)) % VOCABULARY;
	char	   *own;

	while (vocabulary[at].p != NULL && !str_eq(vocabulary[at], token))
		at = (at + 1) % VOCABULARY;
	if (vocabulary[at].p == NULL && n_known < VOCABULARY / 2)
	{
		n_known++;
		own = must_alloc(token.n + 1);
		memcpy(own, token.p, token.n);
		vocabulary[at] = (Str) {own, token.n};
	}
	return (int) at;
}

/* Empty for an id that was never given. */
Str
token_of_id(int id)
{
	return id >= 0 && id < VOCABULARY ? vocabulary[id] : NO_STR;
}
