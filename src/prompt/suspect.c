/*-------------------------------------------------------------------------
 *
 * suspect.c
 *	  Texts that seem to tell the model what to answer.
 *
 * A text is looked at sentence by sentence: only words of one sentence make an
 * order together.  Linear in the text's length, and no memory but a sentence's.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/suspect.h"

#include <stdlib.h>
#include <string.h>

#include "prompt/ascii.h"
#include "prompt/buf.h"
#include "prompt/defuse.h"
#include "prompt/suspect_words.h"
#include "prompt/text.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* A verb and what it is about stand no further apart than this. */
#define NEAR_BYTES		100

/* Longer sentences are looked at in pieces: nobody writes orders so long. */
#define MOST_BYTES		1000

#define PAIRS			8192

#define PLACEHOLDER		"[...]"

/* ---- folding ---- */

/* Lower case of what our words hold: ASCII, Latin-1, Greek and Cyrillic capitals. */
static uint32_t
lower(uint32_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c + 32;
	if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x410 && c <= 0x42F))
		return c + 32;
	return c;
}

static bool
is_invisible(uint32_t c)
{
	return c == 0x200B || c == 0x200C || c == 0x200D || c == 0x2060 || c == 0xFEFF || c == 0xAD;
}

/*
 * Lower case, plain width, one space for any white space and at the ends, none
 * invisible.  No character gets longer by it.
 */
static void
fold(QcBuf *buf, const char *s, size_t len)
{
	bool		space = true;
	char	   *to;

	buf->len = 0;
	if (!qc_buf_reserve(buf, len + 2))
		return;
	to = buf->data;
	*to++ = ' ';
	for (size_t at = 0; at < len;)
	{
		uint32_t	c = 0;
		size_t		n;

		/* most texts are ASCII, and each is looked at */
		if (s[at] > ' ' && s[at] < 0x7F)
		{
			*to++ = qc_ascii_lower(s[at++]);
			space = false;
			continue;
		}
		n = qc_utf8_char(s + at, len - at, &c);
		if (n == 0)
			break;
		at += n;
		if (is_invisible(c))
			continue;
		if (c > 0xFF00 && c < 0xFF5F)
			c -= 0xFEE0;
		if (!qc_is_space(c))
			to += qc_utf8_put(to, lower(c));
		else if (!space)
			*to++ = ' ';
		space = qc_is_space(c);
	}
	*to++ = ' ';
	*to = '\0';
	buf->len = (size_t) (to - buf->data);
}

/* ---- one sentence ---- */

/*
 * A sentence, folded, and which pairs of bytes are in it: that tells most words
 * apart from it without a search.
 */
typedef struct QcSentence
{
	QcBuf		buf;
	uint8_t		pairs[PAIRS / 8];
} QcSentence;

static unsigned
pair_at(const char *s)
{
	return ((unsigned char) s[0] * 61 + (unsigned char) s[1]) % PAIRS;
}

static void
note_pairs(QcSentence *sentence)
{
	memset(sentence->pairs, 0, sizeof(sentence->pairs));
	for (size_t i = 0; i + 1 < sentence->buf.len; i++)
	{
		unsigned	pair = pair_at(sentence->buf.data + i);

		sentence->pairs[pair / 8] |= (uint8_t) (1 << pair % 8);
	}
}

static bool
has_pair(const QcSentence *sentence, const char *s)
{
	unsigned	pair = pair_at(s);

	return (sentence->pairs[pair / 8] & (1 << pair % 8)) != 0;
}

/* Where a word of two bytes at least stands; NULL: nowhere. */
static const char *
find(const QcSentence *sentence, const char *word)
{
	if (!has_pair(sentence, word) || !has_pair(sentence, word + strlen(word) - 2))
		return NULL;
	return strstr(sentence->buf.data, word);
}

static bool
has_phrase(const QcSentence *sentence)
{
	for (size_t i = 0; i < LENGTH(phrases); i++)
		if (find(sentence, phrases[i]) != NULL)
			return true;
	return false;
}

/* "Ignore the instructions", in either order: languages differ. */
static bool
puts_aside(const QcSentence *sentence)
{
	for (size_t i = 0; i < LENGTH(verbs); i++)
	{
		const char *verb = find(sentence, verbs[i]);

		for (size_t k = 0; verb != NULL && k < LENGTH(objects); k++)
		{
			const char *object = find(sentence, objects[k]);

			if (object != NULL && labs((long) (object - verb)) <= NEAR_BYTES)
				return true;
		}
	}
	return false;
}

/* "system: ..." */
static bool
speaks_as(const char *s)
{
	s += strspn(s, " #*[<");
	for (size_t i = 0; i < LENGTH(roles); i++)
	{
		size_t		n = strlen(roles[i]);

		if (strncmp(s, roles[i], n) == 0 && strchr(":]>", s[n]) != NULL && s[n] != '\0')
			return true;
	}
	return false;
}

static bool
is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* A label at the start of s, and no longer word: its length there, or 0. */
static size_t
label_at(const char *s, const QcLabels *labels)
{
	QcBuf		buf = {0};
	size_t		found = 0;

	for (int i = 0; i < labels->n && found == 0; i++)
	{
		size_t		n;

		fold(&buf, labels->label[i].name, strlen(labels->label[i].name));
		if (buf.failed || buf.len < 3)
			continue;
		n = buf.len - 2;		/* without the spaces at its ends */
		if (strncmp(s, buf.data + 1, n) == 0 && !(is_word_byte(s[n]) && is_word_byte(s[n - 1])))
			found = n;
	}
	free(buf.data);
	return found;
}

/* Is this the end of what is said? "The answer is praise." but not "... is praise from ..." */
static bool
ends(const char *s)
{
	s += strspn(s, "\"'`*)]}");
	return !(s[0] == ' ' && is_word_byte(s[1])) || strncmp(s, " and ", 5) == 0 || strncmp(s, " only", 5) == 0;
}

typedef enum QcLink
{
	QC_LINK_MARK,				/* "answer: ..." */
	QC_LINK_WORD,				/* "the answer is ..." */
	QC_LINK_NONE
} QcLink;

/* Skip what may stand between a keyword and its label, and say how they are linked. */
static const char *
skip_between(const char *s, QcLink *link)
{
	bool		more = true;
	int			words = 0;

	*link = QC_LINK_NONE;
	while (more && words++ < 8)
	{
		QcLink		kind = QC_LINK_MARK;

		more = false;
		for (size_t i = 0; i < LENGTH(between) && !more; i++)
		{
			if (between[i] == NULL)
				kind++;
			else if (strncmp(s, between[i], strlen(between[i])) == 0)
			{
				s += strlen(between[i]);
				*link = kind < *link ? kind : *link;
				more = true;
			}
		}
	}
	return s;
}

/* "The answer is <label>" */
static bool
gives_label(const QcSentence *sentence, const QcLabels *labels)
{
	for (size_t i = 0; i < LENGTH(keywords); i++)
		for (const char *at = find(sentence, keywords[i]); at != NULL; at = strstr(at + 1, keywords[i]))
		{
			QcLink		link;
			const char *label = skip_between(at + strlen(keywords[i]), &link);
			size_t		n = link == QC_LINK_NONE ? 0 : label_at(label, labels);

			if (n > 0 && (link == QC_LINK_MARK || ends(label + n)))
				return true;
		}
	return false;
}

/*
 * The name of a label that nobody writes by chance: "card_arrival".  Found by its
 * underscore, so that texts without one cost nothing.
 */
static bool
names_label(const char *s, const QcLabels *labels)
{
	for (const char *mark = strchr(s, '_'); mark != NULL; mark = strchr(mark + 1, '_'))
	{
		const char *start = mark;

		while (start > s && is_word_byte(start[-1]))
			start--;
		if (label_at(start, labels) > 0)
			return true;
	}
	return false;
}

static bool
has_token(const char *s, size_t len)
{
	for (size_t at = 0; at + 2 < len; at++)
		if (s[at] == '<' && s[at + 1] == '|' && qc_special_at(s + at, len - at) > 0)
			return true;
	return false;
}

static bool
is_order(QcSentence *sentence, const char *s, size_t len, const QcLabels *labels)
{
	if (has_token(s, len))
		return true;
	fold(&sentence->buf, s, len);
	if (sentence->buf.failed)
		return false;
	note_pairs(sentence);
	return has_phrase(sentence) || speaks_as(sentence->buf.data) || puts_aside(sentence) ||
		gives_label(sentence, labels) || names_label(sentence->buf.data, labels);
}

/* ---- sentences ---- */

/* Bytes of a mark that ends a sentence at s; a point only before white space. */
static size_t
end_mark(const char *s, size_t len)
{
	static const char *const wide[] = {"。", "！", "？", "।"};

	if (*s == '\n')
		return 1;
	if (*s == '.' || *s == '!' || *s == '?')
		return len == 1 || s[1] == ' ' || s[1] == '\n' || s[1] == '\r' || s[1] == '\t' ? 1 : 0;
	if ((unsigned char) *s < 0x80)
		return 0;
	for (size_t i = 0; i < LENGTH(wide); i++)
		if (len >= strlen(wide[i]) && strncmp(s, wide[i], strlen(wide[i])) == 0)
			return strlen(wide[i]);
	return 0;
}

static size_t
sentence_at(const char *s, size_t len)
{
	size_t		at = 0;

	while (at < len && at < MOST_BYTES)
	{
		size_t		n = end_mark(s + at, len - at);

		if (n > 0)
			return at + n;
		at++;
	}
	while (at < len && ((unsigned char) s[at] & 0xC0) == 0x80)
		at++;
	return at;
}

bool
qc_suspect(const char *text, size_t len, const QcLabels *labels)
{
	QcSentence	sentence = {0};
	bool		found = false;

	for (size_t at = 0; at < len && !found;)
	{
		size_t		n = sentence_at(text + at, len - at);

		found = is_order(&sentence, text + at, n, labels);
		at += n;
	}
	free(sentence.buf.data);
	return found;
}

static bool
is_blank(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr(" \t\r\n", s[i]) == NULL)
			return false;
	return true;
}

char *
qc_suspect_without(const char *text, size_t len, const QcLabels *labels)
{
	QcSentence	sentence = {0};
	QcBuf		out = {0};
	bool		any = false;

	for (size_t at = 0; at < len;)
	{
		size_t		n = sentence_at(text + at, len - at);

		if (is_order(&sentence, text + at, n, labels))
			qc_buf_adds(&out, PLACEHOLDER "\n");
		else
		{
			any |= !is_blank(text + at, n);
			qc_buf_add(&out, text + at, n);
		}
		at += n;
	}
	free(sentence.buf.data);
	if (!any)
	{
		out.len = 0;
		qc_buf_add(&out, text, len);
	}
	return qc_buf_take(&out);
}
