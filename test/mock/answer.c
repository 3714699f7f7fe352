/*-------------------------------------------------------------------------
 *
 * answer.c
 *		What the model says: the content of a reply, piece by piece.
 *
 * Gives each choice its probability, takes the most probable one, fills the
 * shape and then spoils the result as the key answer= wishes. What is spoilt
 * still has its tokens and logprobs: they describe the content that is sent,
 * as a real server's do, and not the one that should have been sent.
 *
 * Invariant: the segments cover the content in order and without a gap; a
 * SEG_LABEL is the winner's surface unharmed, so that logprob.c may lay the
 * choices' probabilities over its tokens.
 *
 *-------------------------------------------------------------------------
 */
#include "answer.h"

#include <ctype.h>

#include "arena.h"
#include "labels.h"
#include "score.h"

#define NEST_DEPTH 10000

static Buf	content;			/* reused; copied into the arena at the end */

/* ---- probabilities ---- */

/* Whether all choices are among the labels that the system message lists. */
static bool
is_subset(const Shape *s)
{
	for (size_t i = 0; i < s->n_choices; i++)
		if (labels_find(s->listed, s->n_listed, s->choice[i].name, i) < 0)
			return false;
	return s->n_listed > 0;
}

/*
 * The posterior belongs to the whole set of labels. A request for a part of
 * them sees the same numbers renormalised: that is what a grammar does.
 */
static void
give_probabilities(Shape *s, Str text, double conf)
{
	bool		subset = is_subset(s);
	size_t		n = subset ? s->n_listed : s->n_choices;
	Str		   *names = arena_alloc(n * sizeof(Str));
	double	   *p = arena_alloc(n * sizeof(double));
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
		names[i] = subset ? s->listed[i] : s->choice[i].name;
	score_posterior(text, names, n, conf, p);
	for (size_t i = 0; i < s->n_choices; i++)
	{
		ptrdiff_t	at = subset ? labels_find(names, n, s->choice[i].name, i) : (ptrdiff_t) i;

		s->choice[i].p = p[at];
		sum += p[at];
	}
	for (size_t i = 0; i < s->n_choices; i++)
		s->choice[i].p = sum > 0 ? s->choice[i].p / sum : 1.0 / (double) s->n_choices;
}

/*
 * A question of yes or no about one label, at the end of the text: the
 * probability of yes is a function of the text before it and the label.
 */
static bool
answer_question(Shape *s, Str text)
{
	static const Str begins = STR("\n\nIs \"");
	ptrdiff_t	at = str_find(text, begins);
	Str			label = at < 0 ? NO_STR : str_from(text, (size_t) at + begins.n);
	ptrdiff_t	end = str_find(label, STR("\""));

	if (end <= 0 || s->n_choices != 2 || !str_eq(s->choice[0].name, STR("Yes")))
		return false;
	label.n = (size_t) end;
	text.n = (size_t) at;
	s->choice[0].p = score_true(text, label);
	s->choice[1].p = 1 - s->choice[0].p;
	return true;
}

/* Greedy decoding; of two equals the first listed, so that it stays pure. */
static size_t
most_probable(const Shape *s)
{
	size_t		best = 0;

	for (size_t i = 1; i < s->n_choices; i++)
		if (s->choice[i].p > s->choice[best].p)
			best = i;
	return best;
}

/*
 * A draw by the probabilities: which one the text and the seed decide, without
 * a seed the number of the draw.
 */
static size_t
drawn(const Shape *s, const Ask *ask)
{
	static uint64_t draws = 0;
	uint64_t	number = ask->seed >= 0 ? (uint64_t) ask->seed : UINT64_C(0x100000000) + draws++;
	double		u = score_unit(score_mix(score_hash(ask->text) + number));
	size_t		i = 0;

	while (i + 1 < s->n_choices && u >= s->choice[i].p)
		u -= s->choice[i++].p;
	return i;
}

/* What stands after "answer:" in the text, up to the end of the line. */
static Str
injected(Str text)
{
	ptrdiff_t	at = str_find(text, STR("answer:"));
	Str			rest;
	ptrdiff_t	eol;

	if (at < 0)
		return NO_STR;
	rest = str_trim(str_from(text, (size_t) at + 7));
	eol = str_find(rest, STR("\n"));
	if (eol >= 0)
		rest.n = (size_t) eol;
	return str_trim(rest);
}

/* The answer of the last example: a turn, or a line of the system message. */
static Str
last_shown(const Ask *ask)
{
	Str			rest = ask->system;
	Str			last = NO_STR;
	ptrdiff_t	at;

	if (ask->shown.n > 0)
		return ask->shown;
	while ((at = str_find(rest, STR("\nAnswer: "))) >= 0)
		last = rest = str_from(rest, (size_t) at + 9);
	return last;
}

/* Its label: alone, or of an object. */
static Str
shown_label(Str shown)
{
	Str			object = STR("{\"label\": \"");

	return str_starts(shown, object) ? str_from(shown, object.n) : shown;
}

/* A label that the text orders wins, if the answer's form allows it. */
static void
obey_injection(Answer *a, Str order)
{
	for (size_t i = 0; i < a->shape.n_choices; i++)
	{
		Choice	   *c = &a->shape.choice[i];
		double		rest = 1 - a->shape.choice[i].p;

		if (c->name.n == 0 || !str_starts(order, c->name) || i == a->winner)
			continue;
		for (size_t k = 0; k < a->shape.n_choices; k++)
			a->shape.choice[k].p *= rest > 0 ? 0.1 / rest : 0;
		c->p = 0.9;
		a->winner = i;
		return;
	}
}

/* ---- words ---- */

/* Han and kana lead with these bytes: enough to choose a language. */
static bool
has_cjk(Str s)
{
	for (size_t i = 0; i + 2 < s.n; i++)
		if ((unsigned char) s.p[i] >= 0xe3 && (unsigned char) s.p[i] <= 0xe9)
			return true;
	return false;
}

/*
 * One short sentence that names the label, in the language of the text, so
 * that a test sees Chinese reasons where it sends Chinese rows.
 */
static void
add_reason(const Answer *a, const Ask *ask)
{
	Str			name = a->shape.n_choices ? a->shape.choice[a->winner].name : STR("true");

	if (has_cjk(ask->text))
	{
		buf_lit(&content, "文本内容与“");
		buf_json(&content, name);
		buf_lit(&content, "”相符。");
	}
	else
	{
		buf_lit(&content, "The text is about ");
		buf_json(&content, name);
		buf_lit(&content, ".");
	}
}

/* Small models write this number in all of these ways. */
static void
add_confidence(const Answer *a, int form)
{
	double		p = a->shape.n_choices ? a->shape.choice[a->winner].p : 1;

	switch (form)
	{
		case CONF_FRAC:
			buf_fmt(&content, "%.2f", p);
			break;
		case CONF_PCT:
			buf_fmt(&content, "\"%.0f%%\"", p * 100);
			break;
		case CONF_WORD:
			buf_str(&content, p > 0.8 ? STR("\"high\"") : STR("\"medium\""));
			break;
		case CONF_NONE:
			buf_lit(&content, "null");
			break;
		default:
			buf_fmt(&content, "%.0f", p * 100);
	}
}

/* Full-width forms stand 0xfee0 above ASCII; a space has none there. */
static void
add_wide(Str s)
{
	for (size_t i = 0; i < s.n; i++)
	{
		unsigned char c = s.p[i];

		if (c > 0x20 && c < 0x7f)
			buf_codepoint(&content, 0xff00u + c - 0x20u);
		else
			buf_char(&content, (char) c);
	}
}

/* Lower case if there was any upper, else upper: always a change. */
static void
add_other_case(Str s)
{
	bool		upper = false;

	for (size_t i = 0; i < s.n; i++)
		upper |= isupper((unsigned char) s.p[i]) != 0;
	for (size_t i = 0; i < s.n; i++)
		buf_char(&content, (char) (upper ? tolower((unsigned char) s.p[i]) :
								   toupper((unsigned char) s.p[i])));
}

/* The label as answer= spells it; false when it is left as it is. */
static bool
add_spoilt_label(const Answer *a, const Ask *ask, int fault)
{
	Str			label = a->shape.choice[a->winner].surface;
	Str			order = fault == ANSWER_INJECT && !a->shape.bound ? injected(ask->text) : NO_STR;

	if (fault == ANSWER_WRONG)
		buf_lit(&content, "not_a_label");
	else if (fault == ANSWER_CASE)
		add_other_case(label);
	else if (fault == ANSWER_WIDTH)
		add_wide(label);
	else if (fault == ANSWER_QUOTES)
	{
		buf_str(&content, a->shape.json ? STR("\\\"") : STR("\""));
		buf_str(&content, label);
		buf_str(&content, a->shape.json ? STR("\\\"") : STR("\""));
	}
	else if (order.n > 0)
		buf_json(&content, order);
	else
		return false;
	return true;
}

/* ---- the content ---- */

/*
 * What was appended since from becomes a segment. Empty ones are left out:
 * they have no token to carry a probability.
 */
static void
close_seg(Answer *a, SegType type, size_t from)
{
	if (content.len > from && a->n_segs < MAX_SEGS)
		a->seg[a->n_segs++] = (Seg) {.type = type,.from = from,.len = content.len - from};
}

static void
add_free(Answer *a, Str text)
{
	size_t		from = content.len;

	buf_str(&content, text);
	close_seg(a, SEG_FREE, from);
}

/* Fills one place of the shape. */
static void
add_part(Answer *a, const Ask *ask, const Behaviour *b, const Part *part)
{
	size_t		from = content.len;
	SegType		type = SEG_FREE;
	double		p = 0;

	switch (part->type)
	{
		case PART_LIT:
			buf_str(&content, part->text);
			type = SEG_LIT;
			break;
		case PART_LABEL:
			if (!add_spoilt_label(a, ask, b->answer))
			{
				buf_str(&content, a->shape.choice[a->winner].surface);
				type = SEG_LABEL;
			}
			break;
		case PART_REASON:
			add_reason(a, ask);
			break;
		case PART_CONF:
			add_confidence(a, b->conffmt);
			break;
		case PART_BOOL:
			p = score_true(ask->text, part->text);
			buf_str(&content, p > 0.5 ? STR("true") : STR("false"));
			type = SEG_BOOL;
			break;
	}
	close_seg(a, type, from);
	if (a->n_segs > 0)
		a->seg[a->n_segs - 1].p = p;
}

/* The <think> block holds an object on purpose: a parser must skip it. */
static Str
before_words(int fault, bool json)
{
	switch (fault)
	{
		case ANSWER_THINK:
			return STR("<think>\nThe user wants one label. Let me see {\"label\": \"none\"}.\n</think>\n\n");
		case ANSWER_FENCE:
			return json ? STR("```json\n") : STR("```\n");
		case ANSWER_PROSE:
			return STR("Sure! Here is the answer you asked for: ");
		default:
			return NO_STR;
	}
}

static Str
after_words(const Behaviour *b)
{
	switch (b->answer)
	{
		case ANSWER_FENCE:
			return STR("\n```");
		case ANSWER_PROSE:
			return STR(" I hope this helps.");
		default:
			return b->nochoice ? STR(". This label fits the text best.") : NO_STR;
	}
}

/*
 * The segment of a part. Faults that look for one put no words before the
 * answer, so segments follow the parts one to one.
 */
static ptrdiff_t
find_seg(const Answer *a, PartType part)
{
	for (size_t i = 0; i < a->shape.n_parts && i < a->n_segs; i++)
		if (a->shape.part[i].type == part)
			return (ptrdiff_t) i;
	return -1;
}

/* Puts bytes into the middle of the reason, else behind the label. */
static void
insert_dirt(Answer *a, Str in_json, Str bare)
{
	ptrdiff_t	at = find_seg(a, PART_REASON);
	Str			dirt = a->shape.json ? in_json : bare;
	size_t		where;
	Buf			out = {0};

	if (at >= 0)
		where = a->seg[at].from + 4;	/* "The " or one character and a byte */
	else if ((at = find_seg(a, PART_LABEL)) >= 0)
		where = a->seg[at].from + a->seg[at].len;
	else
		return;
	while (where > 0 && where < content.len && (content.data[where] & 0xc0) == 0x80)
		where--;
	buf_add(&out, content.data, where);
	buf_str(&out, dirt);
	buf_add(&out, content.data + where, content.len - where);
	content.len = 0;
	buf_str(&content, buf_view(&out));
	buf_free(&out);
	a->seg[at].len += dirt.n;
	a->seg[at].type = SEG_FREE;
	for (size_t i = (size_t) at + 1; i < a->n_segs; i++)
		a->seg[i].from += dirt.n;
}

/* Ends the content in the middle of one part. */
static void
cut_inside(Answer *a, PartType part)
{
	ptrdiff_t	at = find_seg(a, part);
	size_t		len;

	if (at < 0)
		return;
	len = a->seg[at].len / 2;
	while (len > 0 && (content.data[a->seg[at].from + len] & 0xc0) == 0x80)
		len--;
	a->seg[at].len = len;
	if (a->seg[at].type == SEG_LABEL)
		a->seg[at].type = SEG_FREE;
	a->n_segs = (size_t) at + 1;
	content.len = a->seg[at].from + len;
	a->finish = "length";
}

/* Throws away what was said. */
static void
replace_content(Answer *a, Str text)
{
	content.len = 0;
	a->n_segs = 0;
	add_free(a, text);
}

static void
nest(Answer *a)
{
	replace_content(a, STR("{\"label\":"));
	for (int i = 0; i < NEST_DEPTH; i++)
		buf_char(&content, '[');
	a->seg[0].len = content.len;
}

/* Faults that need the whole answer, done when it stands. */
static void
spoil(Answer *a, int fault)
{
	switch (fault)
	{
		case ANSWER_EMPTY:
			replace_content(a, NO_STR);
			break;
		case ANSWER_NUL:
			insert_dirt(a, STR("\\u0000"), ((Str) {"\0", 1}));
			break;
		case ANSWER_BADUTF8:
			insert_dirt(a, STR("\xff\xc3(\xe6\x9d"), STR("\xff\xc3(\xe6\x9d"));
			break;
		case ANSWER_NEWLINE:
			insert_dirt(a, STR("\n\t"), STR("\n\n"));
			break;
		case ANSWER_TRUNC:
			cut_inside(a, PART_LABEL);
			break;
		case ANSWER_REASONCUT:
			cut_inside(a, PART_REASON);
			break;
		case ANSWER_NESTED:
			nest(a);
			break;
		case ANSWER_FILTER:
			replace_content(a, NO_STR);
			a->finish = "content_filter";
			break;
		case ANSWER_ABORT:
			cut_inside(a, PART_LABEL);
			a->finish = "abort";
			break;
		default:
			break;
	}
}

/* wrong and nochoice= act as a server that never saw the constraint. */
void
answer_make(Answer *a, const Ask *ask, const Behaviour *b)
{
	bool		spaces = b->space < 0 ? kinds[ask->kind].spaces : b->space > 0;

	a->n_segs = 0;
	a->winner = 0;
	a->finish = "stop";
	content.len = 0;
	shape_of_ask(&a->shape, ask, b->nochoice || b->answer == ANSWER_WRONG, spaces);
	if (a->shape.n_choices > 0)
	{
		if (!answer_question(&a->shape, ask->text))
			give_probabilities(&a->shape, ask->text, b->conf);
		a->winner = ask->temperature > 0 ? drawn(&a->shape, ask) : most_probable(&a->shape);
	}
	if (b->learn)
		obey_injection(a, shown_label(last_shown(ask)));
	if (b->answer == ANSWER_INJECT)
		obey_injection(a, injected(ask->text));
	add_free(a, before_words(b->answer, a->shape.json));
	for (size_t i = 0; i < a->shape.n_parts; i++)
		add_part(a, ask, b, &a->shape.part[i]);
	add_free(a, after_words(b));
	spoil(a, b->answer);
	a->content = arena_copy(buf_view(&content));
}
