/*-------------------------------------------------------------------------
 *
 * logprint.c
 *		Prints the logprobs of an answer as each kind of server spells them.
 *
 * The servers differ most in what they do to a token that is a fragment of a
 * character (servers.md, 1.b). What an entry looks like is decided here and
 * nowhere else; the values come from logprob.c.
 *
 * Four things vary: whether a fragment shows at all, how its text is spelled,
 * whether the bytes beside it are the true ones, and whether an id names it.
 * KindInfo says which of them a kind does.
 *
 *-------------------------------------------------------------------------
 */
#include "logprob.h"

#include <math.h>

#include "arena.h"
#include "token.h"

#define EOS_ID 151645			/* <|im_end|> in Qwen's vocabulary */
#define REPLACEMENT "\xef\xbf\xbd"

typedef struct Printer
{
	Buf		   *out;
	const KindInfo *kind;
	Spelling	spelling;
	bool		bytes;
	bool		ids;
	bool		token_ids;
	int			faults;
	Str			pending;		/* fragments before this position */
} Printer;

static Buf	text;				/* of the entry being printed */

/* ---- spelling ---- */

/* Appends s with what is no UTF-8 replaced; false if something was. */
static bool
add_replaced(Buf *b, Str s)
{
	bool		whole = true;

	while (s.n > 0)
	{
		size_t		n = utf8_len(s);

		if (n > 0)
			buf_add(b, s.p, n);
		else
		{
			buf_lit(b, REPLACEMENT);
			whole = false;
			n = 1;
		}
		s = str_from(s, n);
	}
	return whole;
}

/* GPT-2's alphabet: printable bytes as they are, the others from U+0100 on. */
static void
add_gpt2(Buf *b, Str s)
{
	for (size_t i = 0; i < s.n; i++)
	{
		unsigned char c = s.p[i];
		bool		printable = (c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c != 0xad);

		if (printable)
			buf_codepoint(b, c);
		else
			buf_codepoint(b, 0x100u + (c <= 0x20 ? c : c == 0xad ? 67u : c - 0x7fu + 33u));
	}
}

/* vLLM decodes with the fragments before; what is unfinished shows as "". */
static void
add_vllm(Buf *b, Str pending, Str token)
{
	Buf			whole = {0};

	if (pending.n == 0 || utf8_valid(token))
	{
		if (utf8_valid(token))
			buf_str(b, token);
		return;
	}
	buf_str(&whole, pending);
	buf_str(&whole, token);
	if (utf8_valid(buf_view(&whole)))
		buf_str(b, buf_view(&whole));
	buf_free(&whole);
}

/* OpenAI escapes the bytes of a fragment in the token's text. */
static void
add_openai(Buf *b, Str token)
{
	if (utf8_valid(token))
	{
		buf_str(b, token);
		return;
	}
	buf_lit(b, "bytes:");
	for (size_t i = 0; i < token.n; i++)
		buf_fmt(b, "\\x%02x", (unsigned char) token.p[i]);
}

/* Leaves the token in the buffer text, as this kind shows it. */
static void
spell(const Printer *pr, Str token)
{
	text.len = 0;
	switch (pr->spelling)
	{
		case SPELL_VLLM:
			add_vllm(&text, pr->pending, token);
			break;
		case SPELL_OPENAI:
			add_openai(&text, token);
			break;
		case SPELL_GPT2:
			add_gpt2(&text, token);
			break;
		default:
			add_replaced(&text, token);
	}
}

/* ---- entries ---- */

/* The bytes member. */
static void
print_bytes(Buf *out, Str s)
{
	buf_lit(out, ",\"bytes\":[");
	for (size_t i = 0; i < s.n; i++)
	{
		if (i > 0)
			buf_char(out, ',');
		buf_uint(out, (unsigned char) s.p[i]);
	}
	buf_char(out, ']');
}

/*
 * id, token and bytes. vLLM's token ids replace the text of all tokens, and
 * the bytes of the alternatives with it, but not those of the chosen one.
 */
static void
print_token(Printer *pr, Str token, bool chosen, Str prefix)
{
	Str			shown = token.p ? token : str_of(pr->kind->eos ? pr->kind->eos : "");
	int			id = token.p ? token_id(token) : EOS_ID;
	bool		true_bytes = pr->spelling == SPELL_BYTES || pr->spelling == SPELL_OPENAI;
	Str			bytes;

	spell(pr, shown);
	bytes = true_bytes ? shown : arena_copy(buf_view(&text));
	if (pr->token_ids)
	{
		text.len = 0;
		buf_fmt(&text, "token_id:%d", id);
		if (!chosen)
			bytes = buf_view(&text);
	}
	if (pr->ids)
		buf_fmt(pr->out, "\"id\":%d,", id);
	buf_lit(pr->out, "\"token\":\"");
	buf_str(pr->out, prefix);
	buf_json(pr->out, buf_view(&text));
	buf_char(pr->out, '"');
	if (pr->bytes)
		print_bytes(pr->out, bytes);
}

/* What stands for minus infinity, which JSON does not have. */
static void
print_illegal(Printer *pr)
{
	if (pr->faults & LP_NULL)
		buf_lit(pr->out, "null");
	else if (pr->faults & LP_NAN)
		buf_lit(pr->out, "NaN");
	else if (pr->faults & LP_INF)
		buf_lit(pr->out, "-Infinity");
	else if (pr->faults & LP_BIG)
		buf_lit(pr->out, "-9999.0");
	else if (pr->kind->floor == 0)
		buf_lit(pr->out, "null");
	else
		buf_real(pr->out, pr->kind->floor);
}

/* A probability of 0 that is no mask: float32 would say about this. */
static void
print_value(Printer *pr, double p)
{
	buf_lit(pr->out, ",\"logprob\":");
	if (p < 0)
		print_illegal(pr);
	else
		buf_real(pr->out, p > 0 ? log(p) : -100);
}

static bool
wants_illegal(const Printer *pr)
{
	return pr->faults & (LP_NULL | LP_NAN | LP_INF | LP_BIG);
}

/* The last of the list turns illegal if a fault wants one and none is there. */
static void
print_top(Printer *pr, const Pos *pos, Kind kind)
{
	bool		seen = false;
	const char *comma = "";

	buf_lit(pr->out, ",\"top_logprobs\":[");
	for (size_t i = 0; i < pos->n_cands; i++)
	{
		const Cand *c = &pos->cand[i];
		double		p = c->p;
		bool		chosen = c->token.p == pos->token.p || str_eq(c->token, pos->token);

		seen |= p < 0;
		if (wants_illegal(pr) && !seen && !chosen && i + 1 == pos->n_cands)
			p = -1;
		if (kind == KIND_LMDEPLOY && chosen)
			continue;
		buf_str(pr->out, str_of(comma));
		buf_char(pr->out, '{');
		print_token(pr, c->token, false, NO_STR);
		if (chosen && pr->faults & LP_POSITIVE)
			buf_lit(pr->out, ",\"logprob\":0.5");
		else
			print_value(pr, p);
		buf_char(pr->out, '}');
		comma = ",";
	}
	buf_char(pr->out, ']');
}

/* whole: the token with the fragments before it, where a kind merges them. */
static void
print_pos(Printer *pr, const Pos *pos, Kind kind, Str whole, bool first)
{
	bool		spoilt = first && pr->faults & LP_MISMATCH;

	buf_char(pr->out, '{');
	print_token(pr, whole, true, spoilt ? STR("x") : NO_STR);
	if (pr->faults & LP_POSITIVE)
		buf_lit(pr->out, ",\"logprob\":0.5");
	else
		print_value(pr, pos->p);
	print_top(pr, pos, kind);
	buf_char(pr->out, '}');
}

/* Whether a token follows another in the content. */
static bool
joins_at(Str before, Str token)
{
	return token.p != NULL && before.p + before.n == token.p;
}

/* The kind's manner, changed by logprobs=. */
static void
start_printer(Printer *pr, Buf *out, const Ask *ask, const Behaviour *b)
{
	const KindInfo *k = &kinds[ask->kind];

	*pr = (Printer) {.out = out,.kind = k,.spelling = k->spelling,.faults = b->logprobs};
	if (b->logprobs & LP_TEXT)
		pr->spelling = SPELL_VLLM;
	pr->bytes = k->spelling != SPELL_NOBYTES && !(b->logprobs & (LP_NOBYTES | LP_TEXT));
	pr->ids = k->ids;
	pr->token_ids = ask->token_ids && (ask->kind == KIND_VLLM || ask->kind == KIND_VLLM_OLD);
}

/* The list that is called "content" or, by Ollama, "logprobs". */
void
logprob_print(Buf *out, const Logprobs *l, const Ask *ask, const Behaviour *b)
{
	size_t		n = b->logprobs & LP_SHORT ? l->n / 2 : l->n;
	bool		first = true;
	Printer		pr;

	start_printer(&pr, out, ask, b);
	buf_char(out, '[');
	for (size_t i = 0; i < n; i++)
	{
		Str			token = l->pos[i].token;
		Str			whole = token;

		if (pr.pending.n > 0 && joins_at(pr.pending, token))
			whole = (Str) {pr.pending.p, pr.pending.n + token.n};
		if (!kinds[ask->kind].merges || utf8_valid(whole) || token.p == NULL)
		{
			if (!first)
				buf_char(out, ',');
			print_pos(&pr, &l->pos[i], ask->kind, kinds[ask->kind].merges ? whole : token, first);
			first = false;
		}
		pr.pending = token.p == NULL || utf8_valid(whole) ? NO_STR : whole;
	}
	buf_char(out, ']');
}
