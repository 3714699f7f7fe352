/*-------------------------------------------------------------------------
 *
 * clean_boilerplate.c
 *	  Lines that say nothing about a text: signatures, notices, advertising.
 *
 * A line goes if it begins as one of the phrases in clean_phrases.inc; "please
 * unsubscribe me" and "the disclaimer on page 3" do not.  A text that would
 * lose all its lines keeps them.
 *
 * A phrase: small letters stand for both cases, a space for any number of them
 * (but one), '*' for at most WILD bytes of the same line, '$' for the line's end.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/clean_stage.h"

#include <string.h>

#include "prompt/ascii.h"

#define WILD 80
#define LINE_MAX_BYTES 400		/* longer lines are somebody's sentences */
#define SHORT_MAX_BYTES 64
#define NOTICE_MAX_BYTES 6000	/* lawyers write long paragraphs */
#define SIGNATURE_MAX_BYTES 1500
#define SIGNATURE_MAX_LINES 15

typedef enum PhraseKind
{
	LINE,						/* drop the line */
	SHORT,						/* ... if it is a short one */
	NOTICE,						/* drop from this line to the paragraph's end */
	TAIL						/* drop the phrase at a line's end */
} PhraseKind;

typedef struct Phrase
{
	PhraseKind	kind;
	const char *words;
} Phrase;

static const Phrase phrases[] = {
#include "prompt/clean_phrases.inc"
};

#define N_PHRASES (sizeof(phrases) / sizeof(phrases[0]))

/*
 * The phrases by their first byte, made when first wanted: the number, from 1, of the first
 * one and of the next one after each.  Those for a line's end are together under 0.
 */
static short first_phrase[256];
static short next_phrase[N_PHRASES + 1];

/* What stands round a line's words: these, and of other scripts those. */
static const char plain_ornaments[] = " \t>*-|[]()#_=~.!";

static const char *const ornaments[] = {
	"\xC2\xA0", "\xC2\xB7", "\xE2\x80\xA2", "\xE3\x80\x80", "【", "】", "（", "）", "「", "」", "。", "！",
	"▶", "►", "▼", "◆", "●", "★", "☆", "↓", "↑", "→", "\xEF\xB8\x8F", "👇", "👆", "👉", "👈"
};

#define N_ORNAMENTS (sizeof(ornaments) / sizeof(ornaments[0]))

static bool
is_plain_ornament(char c)
{
	return c != '\0' && strchr(plain_ornaments, c) != NULL;
}

static size_t
ornament_before(const char *s, size_t len)
{
	size_t		i;

	if (len == 0 || (unsigned char) s[0] < 0x80)
		return len > 0 && is_plain_ornament(s[0]);
	for (i = 0; i < N_ORNAMENTS; i++)
	{
		size_t		n = strlen(ornaments[i]);

		if (n <= len && memcmp(s, ornaments[i], n) == 0)
			return n;
	}
	return 0;
}

static size_t
ornament_after(const char *s, size_t len)
{
	size_t		i;

	if (len == 0 || (unsigned char) s[len - 1] < 0x80)
		return len > 0 && is_plain_ornament(s[len - 1]);
	for (i = 0; i < N_ORNAMENTS; i++)
	{
		size_t		n = strlen(ornaments[i]);

		if (n <= len && memcmp(s + len - n, ornaments[i], n) == 0)
			return n;
	}
	return 0;
}

/* Does s begin as the words say? */
static bool
begins_as(const char *s, size_t len, const char *words)
{
	size_t		at = 0;
	size_t		skip;

	for (; *words != '\0' && *words != '*'; words++)
	{
		if (*words == '$')
			return at == len;
		if (at == len || qc_ascii_lower(s[at]) != *words)
			return false;
		at++;
		while (*words == ' ' && at < len && s[at] == ' ')
			at++;
	}
	if (*words == '\0')
		return true;
	for (skip = 0; skip <= WILD && at + skip <= len; skip++)
		if (begins_as(s + at + skip, len - at - skip, words + 1))
			return true;
	return false;
}

/* Where the phrase begins that the line ends with; len: nowhere. */
static size_t
tail_start(const char *s, size_t len, const char *words)
{
	size_t		n = strlen(words);
	size_t		i;

	if (n >= len || qc_ascii_lower(s[len - 1]) != words[n - 1])
		return len;
	for (i = 0; i < n; i++)
		if (qc_ascii_lower(s[len - n + i]) != words[i])
			return len;
	return len - n;
}

/* A line's words, without what stands round them. */
static void
trim_line(const char **s, size_t *len)
{
	size_t		n;

	while ((n = ornament_before(*s, *len)) > 0)
	{
		*s += n;
		*len -= n;
	}
	while ((n = ornament_after(*s, *len)) > 0)
		*len -= n;
}

static size_t
most_bytes(PhraseKind kind)
{
	return kind == SHORT ? SHORT_MAX_BYTES : kind == NOTICE ? NOTICE_MAX_BYTES : LINE_MAX_BYTES;
}

static void
index_phrases(void)
{
	short		i;

	for (i = (short) N_PHRASES; i > 0; i--)
	{
		const Phrase *phrase = &phrases[i - 1];
		int			first = phrase->kind == TAIL ? 0 : (unsigned char) phrase->words[0];

		next_phrase[i] = first_phrase[first];
		first_phrase[first] = i;
	}
}

/* The phrase that the line begins as, or NULL. */
static const Phrase *
find_phrase(const char *s, size_t len)
{
	unsigned char first[2];
	short		i;
	int			pass;

	if (len < 4)
		return NULL;
	first[0] = (unsigned char) qc_ascii_lower(s[0]);
	first[1] = '*';
	for (pass = 0; pass < 2; pass++)
		for (i = first_phrase[first[pass]]; i > 0; i = next_phrase[i])
			if (len <= most_bytes(phrases[i - 1].kind) && begins_as(s, len, phrases[i - 1].words))
				return &phrases[i - 1];
	return NULL;
}

/* How much of the line stays before a phrase like "回T退订"; words: the same line, trimmed. */
static size_t
without_tail(const char *s, size_t len, const char *words, size_t n)
{
	size_t		end = (size_t) (words - s) + n;
	size_t		start = end;
	short		i;

	if (n < 4)
		return len;
	for (i = first_phrase[0]; i > 0 && start == end; i = next_phrase[i])
		start = tail_start(s, end, phrases[i - 1].words);
	return start < end ? start : len;
}

/* ---- signatures ---- */

static size_t
line_end(const char *s, size_t len, size_t at)
{
	const char *end = memchr(s + at, '\n', len - at);

	return end != NULL ? (size_t) (end - s) : len;
}

static bool
is_delimiter(const char *s, size_t n)
{
	return (n == 2 || (n == 3 && s[2] == ' ')) && s[0] == '-' && s[1] == '-';
}

/* The rule that a mailing list puts over its footer. */
static bool
is_list_footer(const char *s, size_t len, size_t at, size_t end)
{
	size_t		next_end;
	size_t		i;

	if (end - at < 10 || end == len || (s[at] != '_' && s[at] != '-'))
		return false;
	for (i = at + 1; i < end; i++)
		if (s[i] != s[at])
			return false;
	next_end = line_end(s, len, end + 1);
	for (i = end + 1; i + 12 <= next_end; i++)
		if (begins_as(s + i, next_end - i, "mailing list"))
			return true;
	return false;
}

/* The text without a signature at its end; its length if it has none. */
static size_t
without_signature(const char *s, size_t len)
{
	size_t		from = len > SIGNATURE_MAX_BYTES ? len - SIGNATURE_MAX_BYTES : 0;
	size_t		starts[SIGNATURE_MAX_LINES + 1];
	size_t		n = 0;
	size_t		at = len;

	/* the beginnings of the last lines, the last one first */
	while (at > from && n <= SIGNATURE_MAX_LINES)
	{
		at--;
		while (at > 0 && s[at - 1] != '\n')
			at--;
		starts[n++] = at;
	}
	while (n > 0)
	{
		size_t		end = line_end(s, len, starts[--n]);

		if (is_delimiter(s + starts[n], end - starts[n]) || is_list_footer(s, len, starts[n], end))
			return starts[n];
	}
	return len;
}

/* ---- the whole ---- */

static bool
is_blank(const char *s, size_t len)
{
	trim_line(&s, &len);
	while (len > 0 && (*s == '\n' || *s == '\r' || *s == ' '))
	{
		s++;
		len--;
	}
	return len == 0;
}

/* One line; *notice: it is inside of a notice, which a blank line ends. */
static bool
add_line(const char *s, size_t len, bool *notice, QcBuf *out)
{
	const char *words = s;
	size_t		n = len;
	const Phrase *phrase;
	size_t		keep;

	trim_line(&words, &n);
	if (n == 0)
		*notice = false;
	phrase = *notice ? NULL : find_phrase(words, n);
	if (phrase != NULL && phrase->kind == NOTICE)
		*notice = true;
	if (phrase != NULL || *notice)
		return true;
	keep = without_tail(s, len, words, n);
	qc_buf_add(out, s, keep);
	return keep < len;
}

bool
qc_clean_boilerplate(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out)
{
	size_t		end = without_signature(s, len);
	bool		changed = end < len;
	bool		notice = false;
	size_t		at = 0;

	(void) options;
	if (first_phrase[0] == 0)
		index_phrases();
	while (at < end)
	{
		size_t		stop = line_end(s, end, at);
		size_t		before = out->len;
		bool		dropped = add_line(s + at, stop - at, &notice, out);

		changed = changed || dropped;
		/* a line that is gone takes its newline along */
		if (stop < end && !(dropped && out->len == before))
			qc_buf_add(out, "\n", 1);
		at = stop + 1;
	}
	return changed && !is_blank(out->data, out->len);
}
