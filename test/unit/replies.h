/*-------------------------------------------------------------------------
 *
 * replies.h
 *	  Bodies for tests, written down as tokens with probabilities.
 *
 * Each server kind prints the same tokens in its own way: that is what the
 * styles are.  The bodies go through the real parser.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_UNIT_REPLIES_H
#define QC_UNIT_REPLIES_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_TOP		10
#define MAX_POSITIONS 12
#define END			"\x01"		/* the end of the turn */
#define MASKED		0.0			/* a token that the grammar forbids */

typedef enum Style
{
	LLAMACPP,					/* ids, true bytes, the end is empty */
	VLLM,						/* fragments are empty, their last one is the
								 * whole character; the end is spelt out */
	SGLANG,						/* true bytes, no ids, no end */
	OLLAMA,						/* at the top; fragments are U+FFFD */
	LMDEPLOY,					/* the byte alphabet; the chosen one is not among the others */
	COMPLETIONS					/* parallel arrays */
} Style;

typedef struct Tok
{
	const char *text;			/* NULL ends the list */
	double		p;
	const char *whole;			/* what vLLM shows for a fragment: the character that it completes */
} Tok;

/* The first token of a position is the one chosen. */
typedef Tok Pos[MAX_TOP];

typedef struct Out
{
	char		body[65536];
	size_t		len;
} Out;

static inline void
put(Out *out, const char *s)
{
	size_t		n = strlen(s);

	memcpy(out->body + out->len, s, n + 1);
	out->len += n;
}

static inline void
put_json(Out *out, const char *s)
{
	char		escape[8];

	put(out, "\"");
	for (; *s; s++)
	{
		if (*s == '"' || *s == '\\' || (unsigned char) *s < 0x20)
			snprintf(escape, sizeof(escape), "\\u%04x", *s);
		else
			snprintf(escape, sizeof(escape), "%c", *s);
		put(out, escape);
	}
	put(out, "\"");
}

static inline void
put_bytes(Out *out, const char *s)
{
	char		number[8];

	put(out, "[");
	for (; *s; s++)
	{
		snprintf(number, sizeof(number), "%d%s", (unsigned char) *s, s[1] ? "," : "");
		put(out, number);
	}
	put(out, "]");
}

/* Whether a token is a piece of a character: bytes over 0x7F that are not three together. */
static inline bool
is_piece(const char *s)
{
	size_t		high = 0;

	for (; *s; s++)
		high += (unsigned char) *s >= 0x80;
	return high % 3 != 0;
}

/* GPT-2's alphabet for the bytes that the tests use. */
static inline void
to_alphabet(const char *s, char *out)
{
	for (; *s; s++)
	{
		unsigned char c = (unsigned char) *s;
		unsigned int cp = c;

		if (c <= 0x20)
			cp = 0x100 + c;
		else if (c >= 0x7F && c <= 0xA0)
			cp = 0x100 + 33 + (c - 0x7F);
		else if (c == 0xAD)
			cp = 0x143;
		if (cp < 0x80)
			*out++ = (char) cp;
		else
		{
			*out++ = (char) (0xC0 | (cp >> 6));
			*out++ = (char) (0x80 | (cp & 0x3F));
		}
	}
	*out = '\0';
}

static inline const char *
shown(const Tok *tok, Style style, char *buf)
{
	bool		end = strcmp(tok->text, END) == 0;

	if (end)
		return style == LLAMACPP || style == OLLAMA ? "" :
			style == LMDEPLOY ? "</s>" : "<|im_end|>";
	if (style == VLLM && (tok->whole != NULL || is_piece(tok->text)))
		return tok->whole != NULL ? tok->whole : "";
	if (style == LMDEPLOY)
	{
		to_alphabet(tok->text, buf);
		return buf;
	}
	return is_piece(tok->text) ? "\xEF\xBF\xBD" : tok->text;
}

static inline void
put_token(Out *out, const Tok *tok, Style style)
{
	char		number[64];
	char		buf[256];
	const char *text = shown(tok, style, buf);
	bool		end = strcmp(tok->text, END) == 0;

	if (style == LLAMACPP)
	{
		unsigned int id = 0;
		const char *s;

		for (s = tok->text; *s; s++)
			id = id * 31 + (unsigned char) *s;
		snprintf(number, sizeof(number), "\"id\":%u,", id % 100000);
		put(out, number);
	}
	put(out, "\"token\":");
	put_json(out, text);
	put(out, ",\"bytes\":");
	put_bytes(out, end && style == LLAMACPP ? "" :
			  style == LLAMACPP || style == SGLANG ? (end ? text : tok->text) : text);
	snprintf(number, sizeof(number), ",\"logprob\":%.12g", tok->p > 0 ? log(tok->p) : -9999.0);
	put(out, number);
}

static inline void
put_entries(Out *out, const Pos *pos, int n, Style style)
{
	int			i;
	int			k;

	put(out, "[");
	for (i = 0; i < n && pos[i][0].text != NULL; i++)
	{
		int			first = style == LMDEPLOY ? 1 : 0;

		put(out, i > 0 ? ",{" : "{");
		put_token(out, &pos[i][0], style);
		put(out, ",\"top_logprobs\":[");
		for (k = first; k < MAX_TOP && pos[i][k].text != NULL; k++)
		{
			put(out, k > first ? ",{" : "{");
			put_token(out, &pos[i][k], style);
			put(out, "}");
		}
		put(out, "]}");
	}
	put(out, "]");
}

static inline void
put_completion(Out *out, const Pos *pos, int n)
{
	char		number[64];
	char		buf[256];
	int			i;
	int			k;

	put(out, "{\"tokens\":[");
	for (i = 0; i < n && pos[i][0].text != NULL; i++)
	{
		put(out, i > 0 ? "," : "");
		put_json(out, shown(&pos[i][0], COMPLETIONS, buf));
	}
	put(out, "],\"token_logprobs\":[");
	for (i = 0; i < n && pos[i][0].text != NULL; i++)
	{
		snprintf(number, sizeof(number), "%s%.12g", i > 0 ? "," : "", log(pos[i][0].p));
		put(out, number);
	}
	put(out, "],\"top_logprobs\":[");
	for (i = 0; i < n && pos[i][0].text != NULL; i++)
	{
		put(out, i > 0 ? ",{" : "{");
		for (k = 0; k < MAX_TOP && pos[i][k].text != NULL; k++)
		{
			put(out, k > 0 ? "," : "");
			put_json(out, shown(&pos[i][k], COMPLETIONS, buf));
			snprintf(number, sizeof(number), ":%.12g", pos[i][k].p > 0 ? log(pos[i][k].p) : -9999.0);
			put(out, number);
		}
		put(out, "}");
	}
	put(out, "]}");
}

/* The body of an answer whose text is content. */
static inline void
put_body(Out *out, const char *content, const char *finish, const Pos *pos, int n, Style style)
{
	out->len = 0;
	put(out, style == OLLAMA ? "{\"message\":{\"content\":" :
		style == COMPLETIONS ? "{\"choices\":[{\"text\":" :
		"{\"choices\":[{\"message\":{\"content\":");
	put_json(out, content);
	put(out, style == COMPLETIONS ? "" : "}");
	put(out, style == OLLAMA ? ",\"done_reason\":" : ",\"finish_reason\":");
	put_json(out, finish);
	if (n > 0 && pos[0][0].text != NULL)
	{
		put(out, style == OLLAMA || style == COMPLETIONS ? ",\"logprobs\":" : ",\"logprobs\":{\"content\":");
		if (style == COMPLETIONS)
			put_completion(out, pos, n);
		else
			put_entries(out, pos, n, style);
		put(out, style == OLLAMA || style == COMPLETIONS ? "" : "}");
	}
	put(out, style == OLLAMA ? "}" : "}]}");
}

#endif							/* QC_UNIT_REPLIES_H */
