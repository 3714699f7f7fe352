/*-------------------------------------------------------------------------
 *
 * logprob.c
 *		The tokens of an answer and what could have stood in their place.
 *
 * Over the label's tokens the choices' probabilities are laid as a trie:
 * along the path of a label the product of the token probabilities is the
 * label's probability. Masked servers show that alone; raw servers show it
 * times a coverage, with tokens beside it that no label begins with, and a
 * part alt= of a label's mass on another spelling of it.
 *
 * Invariant: at each position the candidates' probabilities sum to at most 1,
 * and no candidate outside the labels could be taken for a piece of one.
 *
 *-------------------------------------------------------------------------
 */
#include "logprob.h"

#include <ctype.h>
#include <stdlib.h>

#include "arena.h"
#include "score.h"
#include "token.h"

/* Share of other spellings where raw servers are concerned. */
#define RAW_ALT 0.05

/* Probability of a token that the form of the answer forces, before a grammar. */
#define RAW_FORCED 0.999

/* A token of the answer. */
typedef struct Tok
{
	Str			s;
	SegType		type;
	size_t		seg;
	size_t		index;			/* within the segment */
} Tok;

/* What a distribution is made from. */
typedef struct Maker
{
	const Answer *a;
	const Ask  *ask;
	const Behaviour *b;
	Tok		   *tok;
	size_t		n_toks;
	Str		  **path;			/* tokens of each choice */
	size_t	   *path_len;
	size_t	   *live;			/* choices that share the winner's first live_j tokens */
	size_t		n_live;
	size_t		live_j;
	bool		masked;
	bool		true_bytes;		/* fragments keep their bytes */
	size_t		room;
	Cand	   *cand;
	size_t		n;
} Maker;

/* What a model likes to say instead of a label. */
static const char *const chatter[] = {
	"The", "I", "This", "好的", "Based", "```", "根据", "**", "Answer", "Sure",
	"Label", "这", "It", "Here", NULL
};

/* Beyond the room there are only candidates that nobody would see. */
static void
add(Maker *m, Str token, double p)
{
	if (m->n < m->room)
		m->cand[m->n++] = (Cand) {token, p};
}

/* Choices that go on with the same token share it. */
static void
add_to(Maker *m, Str token, double p)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->cand[i].token.p && token.p && str_eq(m->cand[i].token, token))
		{
			m->cand[i].p += p;
			return;
		}
	add(m, token, p);
}

/* No candidate twice. */
static bool
listed(const Maker *m, Str token)
{
	for (size_t i = 0; i < m->n; i++)
		if (str_eq(m->cand[i].token, token))
			return true;
	return false;
}

/* ---- the label ---- */

/* Before the first token every choice is possible. */
static void
all_live(Maker *m)
{
	m->live_j = 0;
	m->n_live = m->a->shape.n_choices;
	for (size_t i = 0; i < m->n_live; i++)
		m->live[i] = i;
}

/* Each choice as it would be tokenised if it had won. */
static void
split_choices(Maker *m)
{
	const Shape *s = &m->a->shape;

	m->path = arena_alloc(s->n_choices * sizeof(Str *));
	m->path_len = arena_alloc(s->n_choices * sizeof(size_t));
	m->live = arena_alloc(s->n_choices * sizeof(size_t));
	all_live(m);
	for (size_t i = 0; i < s->n_choices; i++)
	{
		Str			surface = s->choice[i].surface;

		m->path[i] = arena_alloc((surface.n + 1) * sizeof(Str));
		m->path_len[i] = token_split(surface, m->b->fragments > 0, m->path[i]);
	}
}

/* Finds the choices that begin with the first j tokens of the winner. */
static void
find_live(Maker *m, size_t j)
{
	Str		   *winner = m->path[m->a->winner];

	if (j < m->live_j)
		all_live(m);
	for (; m->live_j < j; m->live_j++)
	{
		size_t		kept = 0;

		for (size_t n = 0; n < m->n_live; n++)
		{
			size_t		i = m->live[n];

			if (m->path_len[i] > m->live_j && str_eq(m->path[i][m->live_j], winner[m->live_j]))
				m->live[kept++] = i;
		}
		m->n_live = kept;
	}
}

/* The bytes of choice i from its token j on. */
static Str
rest_of(const Maker *m, size_t i, size_t j)
{
	Str			surface = m->a->shape.choice[i].surface;
	size_t		from = 0;

	for (size_t k = 0; k < j; k++)
		from += m->path[i][k].n;
	return str_from(surface, from);
}

/* Whether a token could be read as the beginning of a living choice's rest. */
static bool
looks_like_label(const Maker *m, Str token, size_t j)
{
	token = str_trim(token);
	for (size_t n = 0; n < m->n_live; n++)
	{
		Str			rest = rest_of(m, m->live[n], j);

		if (rest.n > 0 && (str_starts(rest, token) || str_starts(token, rest)))
			return true;
	}
	return false;
}

/* A shorter first token that only choice i begins with; empty: none. */
static Str
short_spelling(const Maker *m, size_t i)
{
	Str			surface = m->a->shape.choice[i].surface;
	size_t		first = m->path[i][0].n;

	for (size_t n = 1; n <= 2 && n < first; n++)
	{
		Str			prefix = {surface.p, n};
		bool		unique = true;

		if ((unsigned char) prefix.p[0] >= 0x80 && !m->true_bytes)
			return NO_STR;
		for (size_t k = 0; k < m->a->shape.n_choices && unique; k++)
			unique = k == i || !str_starts(m->a->shape.choice[k].surface, prefix);
		if (unique)
			return prefix;
	}
	return NO_STR;
}

/* Whether no other choice shares the first token of choice i. */
static bool
alone(const Maker *m, size_t i)
{
	for (size_t k = 0; k < m->a->shape.n_choices; k++)
		if (k != i && m->path_len[k] > 0 && str_eq(m->path[k][0], m->path[i][0]))
			return false;
	return true;
}

/* Moves the share alt of choice i's mass to other spellings of its beginning. */
static double
add_spellings(Maker *m, size_t i, double p, double alt)
{
	Str			shorter = short_spelling(m, i);
	double		taken = 0;

	if (shorter.n > 0)
	{
		add(m, shorter, p * alt / 2);
		taken += p * alt / 2;
	}
	if (!m->a->shape.json && !m->masked)
	{
		char	   *spaced = arena_alloc(m->path[i][0].n + 1);

		spaced[0] = ' ';
		memcpy(spaced + 1, m->path[i][0].p, m->path[i][0].n);
		add(m, (Str) {spaced, m->path[i][0].n + 1}, p * alt / 2);
		taken += p * alt / 2;
	}
	return p - taken;
}

/* The token that ends the label before or at position t: of the form, or end of turn. */
static Str
end_of_label(const Maker *m, size_t t)
{
	while (t < m->n_toks && m->tok[t].type == SEG_LABEL)
		t++;
	return t < m->n_toks ? m->tok[t].s : NO_STR;
}

/* What can follow the first j tokens of the winner; end: what ends a label. */
static void
label_candidates(Maker *m, size_t j, Str end)
{
	const Shape *s = &m->a->shape;
	double		alt = m->b->alt >= 0 ? m->b->alt : m->masked ? 0 : RAW_ALT;
	double		mass = 0;

	for (size_t n = 0; n < m->n_live; n++)
		mass += s->choice[m->live[n]].p;
	for (size_t n = 0; n < m->n_live; n++)
	{
		size_t		i = m->live[n];
		double		p = mass > 0 ? s->choice[i].p / mass : 0;

		if (m->path_len[i] == j)
			add_to(m, end, p);
		else
		{
			if (j == 0 && alt > 0 && alone(m, i))
				p = add_spellings(m, i, p, alt);
			add_to(m, m->path[i][j], p);
		}
	}
}

/* ---- beside the label ---- */

/* Tokens that no label begins with share mass, each half of the one before. */
static void
add_chatter(Maker *m, double mass, bool label, size_t j)
{
	const char *kept[16];
	size_t		n = 0;
	double		sum = 0;
	double		weight = 1;

	for (int i = 0; chatter[i]; i++)
	{
		Str			word = str_of(chatter[i]);

		if (listed(m, word) || (label && looks_like_label(m, word, j)))
			continue;
		kept[n++] = chatter[i];
		sum += weight;
		weight /= 2;
	}
	weight = 1;
	for (size_t i = 0; i < n; i++, weight /= 2)
		add(m, str_of(kept[i]), mass * weight / sum);
}

/* Leaves room for what is outside the labels. */
static void
scale(Maker *m, double factor)
{
	for (size_t i = 0; i < m->n; i++)
		m->cand[i].p *= factor;
}

/* Masked ones, which are negative, come last. */
static int
by_p(const void *a, const void *b)
{
	double		x = ((const Cand *) a)->p;
	double		y = ((const Cand *) b)->p;

	return (x < y) - (x > y);
}

/* Single ASCII characters until there are as many candidates as were asked for. */
static void
fill(Maker *m, size_t want, bool label, size_t j)
{
	static const char ascii[] = "!#$%&'()*+-./0123456789:;<=>?@[]^`{|~ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz";
	double		tiny = 1e-6;

	for (const char *c = ascii; *c && m->n < want; c++)
	{
		Str			token = {c, 1};

		if (listed(m, token))
			continue;
		if (m->masked)
			add(m, token, -1);
		else if (!label || !looks_like_label(m, token, j))
			add(m, token, tiny /= 1.5);
	}
}

/* ---- one position ---- */

/* A token of the reason: likely, but not certain. */
static void
free_candidates(Maker *m, Str token, size_t at)
{
	double		p = 0.5 + 0.5 * score_unit(score_hash(token) + at);

	add(m, token, p);
	add_chatter(m, 1 - p, false, 0);
}

/* Whether the label's probabilities decide what stands at token t. */
static bool
is_label_position(Maker *m, size_t t, size_t *j)
{
	const Tok  *before = t > 0 ? &m->tok[t - 1] : NULL;

	if (t < m->n_toks && m->tok[t].type == SEG_LABEL)
	{
		*j = m->tok[t].index;
		find_live(m, *j);
		return true;
	}
	/* The token that ends the label, where another label could go on. */
	if (before && before->type == SEG_LABEL)
	{
		*j = before->index + 1;
		find_live(m, *j);
		return m->n_live > 1;
	}
	return false;
}

/* After the first token of a label a model hardly leaves it. */
static double
coverage_at(const Maker *m, bool label, size_t j)
{
	if (!label)
		return RAW_FORCED;
	return j == 0 ? m->b->coverage : 1 - (1 - m->b->coverage) / 10;
}

/*
 * All that could stand at token t. A masked server has nothing but what the
 * grammar allows; a raw one has its chatter beside it.
 */
static void
candidates_at(Maker *m, size_t t, bool label, size_t j)
{
	Str			token = t < m->n_toks ? m->tok[t].s : NO_STR;
	SegType		type = t < m->n_toks ? m->tok[t].type : SEG_LIT;
	double		p;

	if (label)
		label_candidates(m, j, end_of_label(m, t));
	else if (type == SEG_BOOL)
	{
		p = m->a->seg[m->tok[t].seg].p;
		add(m, STR("true"), p);
		add(m, STR("false"), 1 - p);
		label = true;
	}
	else if (type == SEG_FREE)
	{
		free_candidates(m, token, t);
		return;
	}
	else
		add(m, token, 1);
	if (!m->masked)
	{
		p = coverage_at(m, label, j);
		scale(m, p);
		add_chatter(m, 1 - p, label && type != SEG_BOOL, j);
	}
}

/* Sorted and cut to what was asked for; the token's own p is kept apart. */
static void
make_pos(Maker *m, Logprobs *l, size_t t)
{
	Pos		   *pos = &l->pos[l->n++];
	size_t		want = m->ask->top > 0 ? (size_t) m->ask->top : 0;
	size_t		j = 0;
	bool		label = is_label_position(m, t, &j);

	/* A choice has two more spellings at most; the rest is chatter. */
	m->room = 3 * m->a->shape.n_choices + want + 32;
	m->cand = arena_alloc(m->room * sizeof(Cand));
	m->n = 0;
	candidates_at(m, t, label, j);
	l->starved |= m->masked && m->n < want;
	if (m->n < want)
		fill(m, want, label, j);
	qsort(m->cand, m->n, sizeof(Cand), by_p);
	pos->token = t < m->n_toks ? m->tok[t].s : NO_STR;
	pos->cand = m->cand;
	pos->n_cands = m->n < want ? m->n : want;
	for (size_t i = 0; i < m->n; i++)
		if (m->cand[i].token.p == pos->token.p || str_eq(m->cand[i].token, pos->token))
			pos->p = m->cand[i].p;
}

/* ---- the whole answer ---- */

/* By segment, so that the label's tokens do not depend on its neighbours. */
static void
split_segments(Maker *m)
{
	Str		   *pieces = arena_alloc((m->a->content.n + 1) * sizeof(Str));

	m->tok = arena_alloc((m->a->content.n + 1) * sizeof(Tok));
	for (size_t i = 0; i < m->a->n_segs; i++)
	{
		const Seg  *seg = &m->a->seg[i];
		Str			text = {m->a->content.p + seg->from, seg->len};
		size_t		n = 1;

		/* 10,000 brackets are to break a parser, not to fill the reply. */
		if (seg->type == SEG_BOOL || m->b->answer == ANSWER_NESTED)
			pieces[0] = text;
		else
			n = token_split(text, m->b->fragments > 0, pieces);
		for (size_t k = 0; k < n; k++)
			m->tok[m->n_toks++] = (Tok) {pieces[k], seg->type, i, k};
	}
}

/*
 * Ends the answer after max_tokens. The end of turn is a token, too: a label
 * that fills max_tokens exactly is whole but ends with "length".
 */
static bool
cut_to_max(Maker *m, Answer *a)
{
	size_t		max = m->ask->max_tokens < 0 ? SIZE_MAX : (size_t) m->ask->max_tokens;

	if (m->n_toks < max)
		return strcmp(a->finish, "stop") != 0;
	if (m->n_toks > max)
		a->content.n = (size_t) (m->tok[max].s.p - a->content.p);
	m->n_toks = max;
	a->finish = "length";
	return true;
}

/* Without logprobs asked for, only the number of tokens is found. */
void
logprob_make(Logprobs *l, Answer *a, const Ask *ask, const Behaviour *b)
{
	const KindInfo *k = &kinds[ask->kind];
	Maker		m = {.a = a,.ask = ask,.b = b};
	bool		cut;

	*l = (Logprobs) {.masked = b->logprobs & LP_MASKED || !(k->raw || b->logprobs & LP_RAW)};
	m.masked = l->masked;
	m.true_bytes = k->spelling == SPELL_BYTES || k->spelling == SPELL_OPENAI || k->spelling == SPELL_GPT2;
	split_segments(&m);
	cut = cut_to_max(&m, a);
	l->output_tokens = m.n_toks + (cut ? 0 : 1);
	if (!ask->logprobs || b->logprobs & (LP_NONE | LP_NULLFIELD))
		return;
	split_choices(&m);
	l->pos = arena_alloc((m.n_toks + 1) * sizeof(Pos));
	for (size_t t = 0; t < m.n_toks; t++)
		make_pos(&m, l, t);
	if (!cut && k->eos != NULL)
		make_pos(&m, l, m.n_toks);
}
