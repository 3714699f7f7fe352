/*-------------------------------------------------------------------------
 *
 * behaviour.c
 *		What a request is to meet: the keys of a path, a model or a row.
 *
 * All keys stand in one table; the README lists them for people. A key or
 * value that is not known is remembered and answered with status 418: a
 * misspelt key must not let a test pass that tested nothing.
 *
 * Invariant: the Str members point into the text that the keys were read
 * from, so that text must live as long as the Behaviour.
 *
 *-------------------------------------------------------------------------
 */
#include "behaviour.h"

#include <stdlib.h>

#include "arena.h"

/* What a key's value is. */
typedef enum KeyType
{
	KEY_INT,
	KEY_REAL,
	KEY_TEXT,
	KEY_ANSWER,
	KEY_CONFFMT,
	KEY_LOGPROBS
} KeyType;

typedef struct Key
{
	const char *name;
	KeyType		type;
	size_t		offset;
	bool		fault;			/* subject to times=, every=, after= */
} Key;

/* A key is named as the member it sets. */
#define KEY(member, type, fault) {#member, type, offsetof(Behaviour, member), fault}

static const Key keys[] = {
	KEY(delay, KEY_INT, false),
	KEY(jitter, KEY_INT, false),
	KEY(faildelay, KEY_INT, false),
	KEY(getdelay, KEY_INT, false),
	KEY(loading, KEY_INT, false),
	KEY(slots, KEY_INT, false),
	KEY(maxqueue, KEY_INT, false),
	KEY(rps, KEY_INT, false),
	KEY(times, KEY_INT, false),
	KEY(every, KEY_INT, false),
	KEY(after, KEY_INT, false),
	KEY(fail, KEY_INT, true),
	KEY(getfail, KEY_INT, false),
	KEY(body, KEY_TEXT, true),
	KEY(retry_after, KEY_TEXT, false),
	KEY(refuse_field, KEY_TEXT, false),
	KEY(ignore_field, KEY_TEXT, false),
	KEY(need_key, KEY_TEXT, false),
	KEY(auth_header, KEY_TEXT, false),
	KEY(model, KEY_TEXT, false),
	KEY(version, KEY_TEXT, false),
	KEY(strict, KEY_INT, false),
	KEY(priority, KEY_INT, false),
	KEY(topcap, KEY_INT, false),
	KEY(mintokens, KEY_INT, false),
	KEY(context, KEY_INT, false),
	KEY(infbug, KEY_INT, false),
	KEY(answer, KEY_ANSWER, true),
	KEY(nochoice, KEY_INT, true),
	KEY(learn, KEY_INT, false),
	KEY(object, KEY_INT, false),
	KEY(conffmt, KEY_CONFFMT, false),
	KEY(space, KEY_INT, false),
	KEY(conf, KEY_REAL, false),
	KEY(coverage, KEY_REAL, false),
	KEY(alt, KEY_REAL, false),
	KEY(logprobs, KEY_LOGPROBS, false),
	KEY(fragments, KEY_INT, false),
	KEY(reset, KEY_INT, true),
	KEY(resetidle, KEY_INT, true),
	KEY(resetreuse, KEY_INT, true),
	KEY(half, KEY_INT, true),
	KEY(drip, KEY_INT, true),
	KEY(huge, KEY_INT, true),
	KEY(stall, KEY_INT, true),
	KEY(noheader, KEY_INT, true),
	KEY(chunked, KEY_INT, false),
	KEY(close, KEY_INT, false),
	KEY(maxreq, KEY_INT, false),
	KEY(redirect, KEY_INT, true),
	KEY(slowheader, KEY_INT, true),
	KEY(idle, KEY_INT, false),
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

typedef struct Word
{
	const char *name;
	int			value;
} Word;

/* Words of answer=, conffmt= and logprobs=. */
static const Word answer_words[] = {
	{"right", ANSWER_RIGHT}, {"wrong", ANSWER_WRONG}, {"case", ANSWER_CASE},
	{"width", ANSWER_WIDTH}, {"quotes", ANSWER_QUOTES}, {"think", ANSWER_THINK},
	{"fence", ANSWER_FENCE}, {"prose", ANSWER_PROSE}, {"empty", ANSWER_EMPTY},
	{"nul", ANSWER_NUL}, {"badutf8", ANSWER_BADUTF8}, {"garbage", ANSWER_GARBAGE},
	{"trunc", ANSWER_TRUNC}, {"reasoncut", ANSWER_REASONCUT}, {"cut", ANSWER_CUT},
	{"inject", ANSWER_INJECT}, {"newline", ANSWER_NEWLINE},
	{"nested", ANSWER_NESTED}, {"nestedbody", ANSWER_NESTEDBODY},
	{"filter", ANSWER_FILTER}, {"abort", ANSWER_ABORT},
	{"refusal", ANSWER_REFUSAL}, {"null", ANSWER_NULL},
	{"nochoices", ANSWER_NOCHOICES}, {NULL, 0}
};

static const Word conf_words[] = {
	{"int", CONF_INT}, {"frac", CONF_FRAC}, {"pct", CONF_PCT},
	{"word", CONF_WORD}, {"none", CONF_NONE}, {NULL, 0}
};

static const Word logprob_words[] = {
	{"default", 0}, {"raw", LP_RAW}, {"masked", LP_MASKED}, {"none", LP_NONE},
	{"null", LP_NULL}, {"nan", LP_NAN}, {"inf", LP_INF}, {"big", LP_BIG},
	{"positive", LP_POSITIVE}, {"short", LP_SHORT}, {"nobytes", LP_NOBYTES},
	{"mismatch", LP_MISMATCH}, {"text", LP_TEXT}, {"nullfield", LP_NULLFIELD},
	{NULL, 0}
};

/* Where zero would mean something, something else stands for "not given". */
const Behaviour behaviour_default = {
	.faildelay = -1,.maxqueue = -1,.topcap = -2,.space = -1,
	.coverage = 0.8,.alt = -1
};

static bool
find_word(const Word *words, Str name, int *value)
{
	for (; words->name; words++)
		if (str_eq(name, str_of(words->name)))
		{
			*value = words->value;
			return true;
		}
	return false;
}

/* The whole value must be a number: delay=50ms is a mistake, not 50. */
static bool
take_number(Str value, double *number)
{
	char	   *end;
	Str			z = arena_copy(value);

	*number = strtod(z.p, &end);
	return z.n > 0 && *end == '\0';
}

/* Comma-separated words, or'ed. */
static bool
take_logprobs(Str value, int *bits)
{
	*bits = 0;
	while (value.n > 0)
	{
		ptrdiff_t	comma = str_find(value, STR(","));
		Str			word = {value.p, comma < 0 ? value.n : (size_t) comma};
		int			bit;

		if (!find_word(logprob_words, word, &bit))
			return false;
		*bits |= bit;
		value = str_from(value, comma < 0 ? value.n : word.n + 1);
	}
	return true;
}

/* False when the value is not of the key's type. */
static bool
set_value(Behaviour *b, const Key *key, Str value)
{
	void	   *at = (char *) b + key->offset;
	double		number;

	switch (key->type)
	{
		case KEY_TEXT:
			*(Str *) at = value;
			return true;
		case KEY_ANSWER:
			return find_word(answer_words, value, at);
		case KEY_CONFFMT:
			return find_word(conf_words, value, at);
		case KEY_LOGPROBS:
			return take_logprobs(value, at);
		case KEY_REAL:
			return take_number(value, at);
		case KEY_INT:
			if (!take_number(value, &number))
				return false;
			*(int *) at = (int) number;
			return true;
	}
	return false;
}

static const Key *
find_key(Str name)
{
	for (size_t i = 0; i < N_KEYS; i++)
		if (str_eq(name, str_of(keys[i].name)))
			return &keys[i];
	return NULL;
}

/* net=reset is another way to say reset=1. */
static void
split_pair(Str pair, Str *name, Str *value)
{
	ptrdiff_t	eq = str_find(pair, STR("="));

	*name = (Str) {pair.p, eq < 0 ? pair.n : (size_t) eq};
	*value = eq < 0 ? STR("1") : str_from(pair, (size_t) eq + 1);
	if (str_eq(*name, STR("net")))
	{
		*name = *value;
		*value = STR("1");
	}
}

/* Takes the pairs between separators; faults only when asked for. */
static void
take_pairs(Behaviour *b, Str text, char separator, bool faults)
{
	while (text.n > 0)
	{
		const char *end = memchr(text.p, separator, text.n);
		Str			pair = {text.p, end ? (size_t) (end - text.p) : text.n};
		const Key  *key;
		Str			name;
		Str			value;

		split_pair(pair, &name, &value);
		key = find_key(name);
		if (key == NULL)
			b->error = pair;
		else if ((faults || !key->fault) && !set_value(b, key, value))
			b->error = pair;
		text = str_from(text, end ? pair.n + 1 : text.n);
	}
}

/* Later keys win over earlier ones, and over what b held before. */
void
behaviour_take(Behaviour *b, Str text, char separator)
{
	take_pairs(b, text, separator, true);
}

/* A row's markers on top of a path's keys, without their faults if not due. */
void
behaviour_overlay(Behaviour *b, Str text, bool faults)
{
	take_pairs(b, text, ';', faults);
}

/* Takes the faults away: what a request meets that is not due for them. */
void
behaviour_calm(Behaviour *b)
{
	for (size_t i = 0; i < N_KEYS; i++)
	{
		void	   *at = (char *) b + keys[i].offset;

		if (!keys[i].fault)
			continue;
		if (keys[i].type == KEY_TEXT)
			*(Str *) at = NO_STR;
		else
			*(int *) at = 0;
	}
}

/* Whether the nth request (from 0) meets the faults. */
bool
behaviour_due(const Behaviour *b, uint64_t nth)
{
	if (nth < (uint64_t) b->after)
		return false;
	if (b->times > 0 && nth - (uint64_t) b->after >= (uint64_t) b->times)
		return false;
	return b->every <= 0 || (nth + 1) % (uint64_t) b->every == 0;
}

/* Whether an error is due at all, whatever its body. */
bool
behaviour_fails(const Behaviour *b)
{
	return b->fail > 0 || b->body.n > 0;
}
