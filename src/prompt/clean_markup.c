/*-------------------------------------------------------------------------
 *
 * clean_markup.c
 *	  Where markup is, and whether a text has any.
 *
 * A tag is "<", "</" and the name of an element of HTML, and then a space, a
 * slash or ">".  Reading one looks no further than NEAR bytes, and looking for
 * an end is given up once there was none, so that a text of nothing else
 * takes linear time.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/clean_markup.h"

#include <stdlib.h>
#include <string.h>

#include <libxml/HTMLparser.h>

#include "prompt/ascii.h"

/*
 * Newer libxml2 advises against its tables of elements and entities and offers
 * nothing in their place; they are still there.
 */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define NEAR 2048				/* bytes of a tag that are looked at */
#define MANY 64					/* attributes; libxml2 compares each with each */

typedef struct Element
{
	const char *name;
	int			breaks;
	bool		alone;			/* by itself a sign of HTML */
} Element;

/* What libxml2's own table (of HTML 4) does not say.  In the order of strcmp. */
static const Element elements[] = {
	{"address", 1, true}, {"article", 2, true}, {"aside", 2, true}, {"blockquote", 2, true},
	{"body", 1, true}, {"br", 1, true}, {"caption", 1, true}, {"center", 1, true},
	{"dd", 1, true}, {"details", 1, true}, {"div", 1, true}, {"dl", 2, true},
	{"dt", 1, true}, {"fieldset", 1, true}, {"figcaption", 1, true}, {"figure", 1, true},
	{"footer", 2, true}, {"form", 1, true}, {"h1", 2, true}, {"h2", 2, true},
	{"h3", 2, true}, {"h4", 2, true}, {"h5", 2, true}, {"h6", 2, true},
	{"head", 1, true}, {"header", 2, true}, {"hr", 2, true}, {"html", 1, true},
	{"iframe", -1, false}, {"img", 0, false}, {"input", 0, false}, {"legend", 1, true},
	{"li", 1, true}, {"link", 0, false}, {"main", 2, true}, {"mark", 0, false},
	{"meta", 0, false}, {"nav", 2, true}, {"noscript", -1, false}, {"object", 0, false},
	{"ol", 2, true}, {"option", 1, true}, {"p", 2, true}, {"pre", 2, true},
	{"script", -1, true}, {"section", 2, true}, {"style", -1, true}, {"summary", 1, true},
	{"svg", -1, false}, {"table", 2, true}, {"tbody", 1, true}, {"template", -1, false},
	{"tfoot", 1, true}, {"thead", 1, true}, {"time", 0, false}, {"title", 2, true},
	{"tr", 1, true}, {"ul", 2, true}, {"video", 0, false}, {"wbr", 0, true}
};

static int
compare_name(const void *name, const void *element)
{
	return strcmp(name, ((const Element *) element)->name);
}

static const Element *
find_element(const char *name)
{
	return bsearch(name, elements, sizeof(elements) / sizeof(elements[0]),
				   sizeof(elements[0]), compare_name);
}

int
qc_markup_break(const char *name)
{
	const Element *element = find_element(name);

	return element != NULL ? element->breaks : 0;
}

/* Names of HTML; "o:p" and the like, which Word writes, too. */
static bool
is_element(const char *name)
{
	const char *colon = strchr(name, ':');

	if (colon != NULL)
		return qc_ascii_letter(colon[1]);
	return find_element(name) != NULL ||
		htmlTagLookup((const xmlChar *) name) != NULL;
}

/* The name at s in lower case; its length, or 0 if it is none or too long. */
static size_t
read_name(const char *s, size_t len, char *name)
{
	size_t		n = 0;

	while (n < len && (qc_ascii_letter(s[n]) || (n > 0 && ((s[n] >= '0' && s[n] <= '9') || s[n] == ':'))))
	{
		if (n == QC_MARKUP_NAME - 1)
			return 0;
		name[n] = qc_ascii_lower(s[n]);
		n++;
	}
	name[n] = '\0';
	return n;
}

/* From the name's end to the '>' that ends the tag; quoted values may hold one. */
static void
read_attributes(const char *s, size_t len, size_t at, QcMarkup *markup)
{
	size_t		stop = len < NEAR ? len : NEAR;
	int			blanks = 0;
	char		quote = '\0';

	for (; at < stop; at++)
	{
		if (quote != '\0')
			quote = s[at] == quote ? '\0' : quote;
		else if (s[at] == '>')
		{
			markup->length = at + 1;
			break;
		}
		else if (s[at] == '<')
			break;
		else if (s[at] == '=' && (qc_ascii_letter(s[at - 1]) || qc_ascii_blank(s[at - 1])))
			markup->attribute = markup->attribute || blanks > 0;
		else if ((s[at] == '"' || s[at] == '\'') && (s[at - 1] == '=' || qc_ascii_blank(s[at - 1])))
			quote = s[at];
		else if (qc_ascii_blank(s[at]) || s[at] == '/')
			blanks++;
	}
	markup->crowded = blanks > MANY;
}

/* Where "end" first stands after from, within NEAR bytes; 0: it does not. */
static size_t
end_of(const char *s, size_t len, size_t from, char end)
{
	const char *found;

	if (from >= len)
		return 0;
	found = memchr(s + from, end, len - from < NEAR ? len - from : NEAR);
	return found != NULL ? (size_t) (found - s) + 1 : 0;
}

void
qc_markup_read(const char *s, size_t len, QcMarkup *markup)
{
	bool		close = len > 1 && s[1] == '/';
	size_t		from = close ? 2 : 1;
	size_t		n;

	memset(markup, 0, sizeof(*markup));
	if (len >= 4 && memcmp(s, "<!--", 4) == 0)
	{
		markup->kind = QC_MARKUP_COMMENT;
		return;
	}
	if (len > 2 && ((s[1] == '!' && (qc_ascii_letter(s[2]) || s[2] == '[')) || (s[1] == '?' && qc_ascii_letter(s[2]))))
	{
		markup->kind = QC_MARKUP_DECLARATION;
		markup->length = end_of(s, len, 2, '>');
		return;
	}
	n = from < len ? read_name(s + from, len - from, markup->name) : 0;
	if (n == 0 || from + n >= len || !is_element(markup->name))
		return;
	if (s[from + n] != '>' && s[from + n] != '/' && !qc_ascii_blank(s[from + n]))
		return;
	markup->kind = close ? QC_MARKUP_CLOSE : QC_MARKUP_OPEN;
	read_attributes(s, len, from + n, markup);
}

/* ---- how long it is ---- */

/* Past the end of the comment at s; 0: it has none. */
static size_t
comment_length(const char *s, size_t len, QcSought *sought)
{
	const char *at = s + 4;
	const char *end = s + len;

	if (sought->no_comment_end)
		return 0;
	while ((at = memchr(at, '>', (size_t) (end - at))) != NULL)
	{
		at++;
		if (at - s >= 7 && at[-2] == '-' && at[-3] == '-')
			return (size_t) (at - s);
	}
	sought->no_comment_end = true;
	return 0;
}

/* Past the '>' of a tag that is longer than what was looked at; 0: it has none. */
static size_t
long_tag_length(const char *s, size_t len, QcSought *sought)
{
	const char *end = sought->no_tag_end ? NULL : memchr(s, '>', len);

	sought->no_tag_end = (end == NULL);
	return end != NULL ? (size_t) (end - s) + 1 : 0;
}

/* To the end tag of a script or a style, or to the end: as browsers do. */
static size_t
raw_length(const char *s, size_t len, const char *name)
{
	const char *at = s;
	QcMarkup	markup;

	while ((at = memchr(at, '<', (size_t) (s + len - at))) != NULL)
	{
		if (at + 1 < s + len && at[1] == '/')
		{
			qc_markup_read(at, (size_t) (s + len - at), &markup);
			if (markup.kind == QC_MARKUP_CLOSE && strcmp(markup.name, name) == 0)
				return (size_t) (at - s);
		}
		at++;
	}
	return len;
}

size_t
qc_markup_length(const char *s, size_t len, const QcMarkup *markup, QcSought *sought)
{
	size_t		n = markup->length;

	if (markup->kind == QC_MARKUP_COMMENT)
		return comment_length(s, len, sought);
	if (markup->kind == QC_MARKUP_NONE || markup->kind == QC_MARKUP_DECLARATION)
		return n;
	if (n == 0)
		n = long_tag_length(s, len, sought);
	if (n > 0 && markup->kind == QC_MARKUP_OPEN &&
		(strcmp(markup->name, "script") == 0 || strcmp(markup->name, "style") == 0))
		n += raw_length(s + n, len - n, markup->name);
	return n;
}

/* ---- does the text have any? ---- */

/* Names of open tags that are no sign by themselves: <b>, <i>, <a>. */
typedef struct Open
{
	char		name[8][QC_MARKUP_NAME];
	int			n;
} Open;

static bool
was_opened(const Open *open, const char *name)
{
	int			i;

	for (i = 0; i < open->n && i < 8; i++)
		if (strcmp(open->name[i], name) == 0)
			return true;
	return false;
}

static void
note_opened(Open *open, const char *name)
{
	if (!was_opened(open, name))
		strcpy(open->name[open->n++ % 8], name);
}

/* List<P> has a letter before it. */
static bool
stands_free(const char *s, size_t at)
{
	return at == 0 || !(qc_ascii_letter(s[at - 1]) || s[at - 1] == '_');
}

/* Is this piece alone enough to say that the text is HTML? */
static bool
is_sign(const char *s, size_t at, const QcMarkup *markup, Open *open)
{
	const Element *element = find_element(markup->name);

	switch (markup->kind)
	{
		case QC_MARKUP_OPEN:
			note_opened(open, markup->name);
			return markup->attribute ||
				(element != NULL && element->alone && (markup->name[1] != '\0' || stands_free(s, at)));
		case QC_MARKUP_CLOSE:
			return (element != NULL && element->alone) || was_opened(open, markup->name);
		case QC_MARKUP_DECLARATION:
			return s[at + 1] == '!' && qc_ascii_lower(s[at + 2]) == 'd';
		default:
			return false;
	}
}

bool
qc_markup_find(const char *s, size_t len, QcMarkupSpan *span)
{
	const char *at = s;
	bool		sign = false;
	Open		open = {0};
	QcSought	sought = {0};
	QcMarkup	markup;

	memset(span, 0, sizeof(*span));
	while ((at = memchr(at, '<', (size_t) (s + len - at))) != NULL)
	{
		size_t		pos = (size_t) (at - s);
		size_t		n;

		qc_markup_read(at, len - pos, &markup);
		n = qc_markup_length(at, len - pos, &markup, &sought);
		at += n > 0 ? n : 1;
		if (n == 0)
			continue;
		if (span->pieces++ == 0)
			span->start = pos;
		span->end = pos + n;
		sign = is_sign(s, pos, &markup, &open) || sign;
		span->breaks = qc_markup_break(markup.name);
		span->lines = span->lines || span->breaks > 0;
	}
	span->breaks = span->breaks > 0 ? span->breaks : 0;
	return sign;
}

/* ---- entities ---- */

static bool
is_character(unsigned c)
{
	return c >= 0x20 ? c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF) : c == '\t' || c == '\n' || c == '\r';
}

static size_t
numeric_entity(const char *s, size_t len, unsigned *c)
{
	bool		hex = len > 2 && (s[2] == 'x' || s[2] == 'X');
	size_t		from = hex ? 3 : 2;
	size_t		at;
	unsigned	value = 0;

	for (at = from; at < len && at < from + 8; at++)
	{
		char		d = qc_ascii_lower(s[at]);

		if (d >= '0' && d <= '9')
			value = value * (hex ? 16 : 10) + (unsigned) (d - '0');
		else if (hex && d >= 'a' && d <= 'f')
			value = value * 16 + (unsigned) (d - 'a' + 10);
		else
			break;
	}
	if (at == from || at == len || s[at] != ';' || !is_character(value))
		return 0;
	*c = value;
	return at + 1;
}

size_t
qc_markup_entity(const char *s, size_t len, unsigned *c)
{
	char		name[12];
	const htmlEntityDesc *entity;
	size_t		n = 0;

	if (len < 4 || s[0] != '&')
		return 0;
	if (s[1] == '#')
		return numeric_entity(s, len, c);
	while (n + 1 < len && n < sizeof(name) - 1 &&
		   (qc_ascii_letter(s[n + 1]) || (s[n + 1] >= '0' && s[n + 1] <= '9')))
	{
		name[n] = s[n + 1];
		n++;
	}
	name[n] = '\0';
	if (n + 1 >= len || s[n + 1] != ';')
		return 0;
	entity = htmlEntityLookup((const xmlChar *) name);
	if (entity == NULL && strcmp(name, "apos") == 0)
		*c = '\'';
	else if (entity == NULL)
		return 0;
	else
		*c = entity->value;
	return n + 2;
}
