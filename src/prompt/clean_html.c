/*-------------------------------------------------------------------------
 *
 * clean_html.c
 *	  The text of HTML, by libxml2's parser.
 *
 * libxml2 is shared by all that lives in this process: nothing of it that is
 * global is set here, no tree is built, and its errors end in this parser's
 * own handler.  It is fed in pieces, and only with tags, text and entities:
 * comments, declarations (so no DTD and no entity of the text's own), scripts
 * and styles are left out on the way.
 *
 * It compares an end tag with every element that is open, and each attribute with
 * each: both are bounded here, so that the time stays linear.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/clean_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/HTMLparser.h>
#include <libxml/SAX2.h>

#include "prompt/ascii.h"
#include "prompt/clean_bytes.h"
#include "prompt/clean_markup.h"
#include "prompt/text.h"

#define PIECE 4096				/* bytes that libxml2 is given at a time */
#define ROOT "<qc>"				/* libxml2 stops when the first element ends: no text can end this one */
#define DEEP 256				/* open elements after which it starts anew */

/* What the parser's events have made so far. */
typedef struct Text
{
	QcBuf	   *out;
	const QcCleanOptions *options;
	size_t		start;			/* of the line in out that this markup's text begins on */
	int			breaks;			/* newlines that the next word begins with */
	bool		space;			/* or a space */
	bool		lines;			/* a newline is a space */
	int			pre;			/* ... but not inside of this many <pre> */
	int			skip;			/* open elements whose content is dropped */
	int			depth;
} Text;

/* ---- what is written ---- */

/* What stands for a byte (clean.c) is one again at the end. */
static bool
holds(const QcCleanOptions *options, uint32_t c)
{
	return options->fits == NULL || c < 0x80 || c >= 0x10FF00 || options->fits(options->arg, c);
}

/* A character that a reference stood for: pages mean CP1252 by &#146;. */
static void
add_character(QcBuf *out, const QcCleanOptions *options, uint32_t c)
{
	char		reference[16];

	if (c >= 0x80 && c <= 0x9F)
		c = qc_cp1252_char((unsigned char) c);
	if (holds(options, c))
		qc_buf_add_char(out, c);
	else
	{
		snprintf(reference, sizeof(reference), "&#%u;", (unsigned) c);
		qc_buf_adds(out, reference);
	}
}

static void
before_word(Text *text)
{
	if (text->out->len > text->start)
	{
		if (text->breaks > 0)
			qc_buf_add(text->out, "\n\n", (size_t) text->breaks);
		else if (text->space)
			qc_buf_add(text->out, " ", 1);
	}
	text->breaks = 0;
	text->space = false;
}

/* A run without white space; ASCII in one go, the rest a character at a time. */
static void
add_word(Text *text, const char *s, size_t len)
{
	size_t		at = 0;

	before_word(text);
	while (at < len)
	{
		size_t		from = at;
		uint32_t	c;
		size_t		n;

		while (at < len && (unsigned char) s[at] < 0x80)
			at++;
		qc_buf_add(text->out, s + from, at - from);
		if (at == len)
			break;
		n = qc_utf8_char(s + at, len - at, &c);
		if (n > 0)
			add_character(text->out, text->options, c);
		at += n > 0 ? n : 1;
	}
}

static void
add_text(Text *text, const char *s, size_t len)
{
	size_t		at = 0;

	while (at < len)
	{
		size_t		from = at;

		while (at < len && !qc_ascii_blank(s[at]))
			at++;
		if (at > from)
			add_word(text, s + from, at - from);
		from = at;
		while (at < len && qc_ascii_blank(s[at]))
			at++;
		if (at == from)
			continue;
		if (text->lines && text->pre == 0)
			text->space = true;
		else
		{
			before_word(text);
			qc_buf_add(text->out, s + from, at - from);
		}
	}
}

/* ---- the parser's events ---- */

/* Hidden by its style, as the previews in newsletters and the words that spam is padded with. */
static bool
is_hidden(const xmlChar **attributes)
{
	for (; attributes != NULL && attributes[0] != NULL; attributes += 2)
	{
		const char *value = (const char *) attributes[1];
		const char *style = value != NULL && xmlStrEqual(attributes[0], (const xmlChar *) "style") ? value : "";

		if (xmlStrcasestr((const xmlChar *) style, (const xmlChar *) "display:none") != NULL ||
			xmlStrcasestr((const xmlChar *) style, (const xmlChar *) "display: none") != NULL ||
			xmlStrEqual(attributes[0], (const xmlChar *) "hidden"))
			return true;
	}
	return false;
}

static void
make_break(Text *text, const char *name)
{
	int			breaks = qc_markup_break(name);

	if (strcmp(name, "br") == 0)
		breaks = text->breaks < 2 ? text->breaks + 1 : 2;
	if (breaks > text->breaks)
		text->breaks = breaks;
	if (strcmp(name, "td") == 0 || strcmp(name, "th") == 0)
		text->space = true;
}

static void
on_start(void *ctx, const xmlChar *xml_name, const xmlChar **attributes)
{
	Text	   *text = ctx;
	const char *name = (const char *) xml_name;

	text->depth++;
	if (text->skip > 0 || qc_markup_break(name) < 0 || is_hidden(attributes))
		text->skip++;
	else
	{
		make_break(text, name);
		text->pre += strcmp(name, "pre") == 0;
	}
}

static void
on_end(void *ctx, const xmlChar *xml_name)
{
	Text	   *text = ctx;
	const char *name = (const char *) xml_name;

	text->depth -= text->depth > 0;
	if (text->skip > 0)
		text->skip--;
	else if (strcmp(name, "br") != 0)
	{
		make_break(text, name);
		text->pre -= text->pre > 0 && strcmp(name, "pre") == 0;
	}
}

static void
on_characters(void *ctx, const xmlChar *s, int len)
{
	Text	   *text = ctx;

	if (text->skip == 0 && len > 0)
		add_text(text, (const char *) s, (size_t) len);
}

/* libxml2 2.12 made the error constant. */
#if LIBXML_VERSION >= 21200
static void
on_error(void *ctx, const xmlError *error)
#else
static void
on_error(void *ctx, xmlErrorPtr error)
#endif
{
	(void) ctx;
	(void) error;
}

/* ---- the feed ---- */

typedef struct Feed
{
	htmlParserCtxtPtr parser;
	Text		text;
	char		piece[PIECE];
	size_t		used;
	bool		failed;			/* no parser, or somebody waits for the end */
} Feed;

static void
open_parser(Feed *feed)
{
	htmlSAXHandler sax;

	memset(&sax, 0, sizeof(sax));
	sax.initialized = XML_SAX2_MAGIC;	/* or serror is not looked at */
	sax.startElement = on_start;
	sax.endElement = on_end;
	sax.characters = on_characters;
	sax.ignorableWhitespace = on_characters;
	sax.cdataBlock = on_characters;
	sax.serror = on_error;
	feed->parser = htmlCreatePushParserCtxt(&sax, &feed->text, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
	if (feed->parser == NULL)
	{
		feed->failed = true;
		return;
	}
	htmlCtxtUseOptions(feed->parser, HTML_PARSE_RECOVER | HTML_PARSE_NONET | HTML_PARSE_NOIMPLIED |
					   HTML_PARSE_IGNORE_ENC | HTML_PARSE_NODEFDTD);
	htmlParseChunk(feed->parser, ROOT, (int) strlen(ROOT), 0);
}

static void
close_parser(Feed *feed)
{
	if (feed->parser == NULL)
		return;
	if (!feed->failed)
		htmlParseChunk(feed->parser, "", 0, 1);
	htmlFreeParserCtxt(feed->parser);
	feed->parser = NULL;
}

/* Between two tags: give libxml2 what has gathered, and a new start if too much is open. */
static void
flush(Feed *feed)
{
	const QcCleanOptions *options = feed->text.options;

	if (feed->used > 0 && !feed->failed)
		htmlParseChunk(feed->parser, feed->piece, (int) feed->used, 0);
	feed->used = 0;
	if (options->stop != NULL && options->stop())
		feed->failed = true;
	if (feed->text.depth > DEEP && feed->text.skip == 0)
	{
		close_parser(feed);
		feed->text.depth = 0;
		open_parser(feed);
	}
}

/* One tag or reference, never cut in two. */
static void
feed_whole(Feed *feed, const char *s, size_t len)
{
	if (feed->used + len > PIECE)
		flush(feed);
	memcpy(feed->piece + feed->used, s, len);
	feed->used += len;
}

/* Text of any length; a reference in it is not cut in two. */
static void
feed_text(Feed *feed, const char *s, size_t len)
{
	while (len > 0 && !feed->failed)
	{
		size_t		room = PIECE - feed->used;
		size_t		n = qc_utf8_clip(s, len, room);
		size_t		back = n;

		while (n < len && back > 0 && n - back < 16 && s[back - 1] != '&')
			back--;
		if (n < len && back > 0 && s[back - 1] == '&')
			n = back - 1;
		memcpy(feed->piece + feed->used, s, n);
		feed->used += n;
		s += n;
		len -= n;
		if (len > 0)
			flush(feed);
	}
}

/* ---- what is fed ---- */

static void
feed_bare_tag(Feed *feed, const QcMarkup *markup)
{
	char		tag[QC_MARKUP_NAME + 4];
	int			n = snprintf(tag, sizeof(tag), markup->kind == QC_MARKUP_CLOSE ? "</%s>" : "<%s>", markup->name);

	feed_whole(feed, tag, (size_t) n);
}

/* The three that a text may close and open more than once: they only make lines here. */
static bool
is_frame(const char *name)
{
	return strcmp(name, "html") == 0 || strcmp(name, "head") == 0 || strcmp(name, "body") == 0;
}

static void
feed_tag(Feed *feed, const char *s, const QcMarkup *markup)
{
	if (is_frame(markup->name))
		feed_whole(feed, "<br>", 4);
	else if (markup->length == 0 || markup->crowded || markup->kind == QC_MARKUP_CLOSE)
		feed_bare_tag(feed, markup);
	else
		feed_whole(feed, s, markup->length);
}

/* The '<' at s, whatever it begins; the bytes that were read. */
static size_t
feed_markup(Feed *feed, const char *s, size_t len, QcSought *sought)
{
	QcMarkup	markup;
	size_t		n;

	qc_markup_read(s, len, &markup);
	n = qc_markup_length(s, len, &markup, sought);
	if (n > 0 && (markup.kind == QC_MARKUP_OPEN || markup.kind == QC_MARKUP_CLOSE))
		feed_tag(feed, s, &markup);
	if (n > 0)
		return n;
	feed_whole(feed, "&lt;", 4);
	return 1;
}

static void
feed_all(Feed *feed, const char *s, size_t len)
{
	QcSought	sought = {0};
	size_t		at = 0;

	while (at < len && !feed->failed)
	{
		const char *next = memchr(s + at, '<', len - at);
		size_t		n = next != NULL ? (size_t) (next - s) - at : len - at;

		feed_text(feed, s + at, n);
		at += n;
		if (next != NULL)
			at += feed_markup(feed, s + at, len - at, &sought);
	}
}

/* ---- text that is not between tags ---- */

/* Decode the references in plain text; were there any? */
static bool
add_decoded(QcBuf *out, const char *s, size_t len, const QcCleanOptions *options)
{
	bool		any = false;
	size_t		at = 0;

	while (at < len)
	{
		const char *next = memchr(s + at, '&', len - at);
		size_t		n = next != NULL ? (size_t) (next - s) - at : len - at;
		unsigned	c;

		qc_buf_add(out, s + at, n);
		at += n;
		if (next == NULL)
			break;
		n = qc_markup_entity(next, len - at, &c);
		if (n > 0)
			add_character(out, options, c);
		else
			qc_buf_add(out, "&", 1);
		any = any || n > 0;
		at += n > 0 ? n : 1;
	}
	return any;
}

/* The lines before the first tag and after the last one stay lines. */
static bool
add_markup(QcBuf *out, const char *s, size_t len, const QcMarkupSpan *span, const QcCleanOptions *options)
{
	Feed		feed = {0};
	int			breaks;

	add_decoded(out, s, span->start, options);
	feed.text.out = out;
	feed.text.options = options;
	feed.text.start = out->len > 0 && out->data[out->len - 1] != '\n' ? out->len - 1 : out->len;
	feed.text.lines = span->lines;
	open_parser(&feed);
	feed_all(&feed, s + span->start, span->end - span->start);
	flush(&feed);
	breaks = span->breaks > feed.text.breaks || span->breaks == 0 ? span->breaks : feed.text.breaks;
	close_parser(&feed);
	if (feed.failed)
		return false;
	if (out->len > 0 && span->end < len)
		qc_buf_add(out, "\n\n", (size_t) breaks);
	add_decoded(out, s + span->end, len - span->end, options);
	return true;
}

bool
qc_clean_html(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out)
{
	QcMarkupSpan span;
	QcBuf		decoded = {0};
	bool		any;

	if (qc_markup_find(s, len, &span))
		return add_markup(out, s, len, &span, options);
	any = add_decoded(&decoded, s, len, options);
	/* HTML that was escaped as a whole, as feeds do it */
	if (any && qc_markup_find(decoded.data, decoded.len, &span) && span.pieces > 2)
		any = add_markup(out, decoded.data, decoded.len, &span, options);
	else if (any)
		qc_buf_add(out, decoded.data, decoded.len);
	out->failed = out->failed || decoded.failed;
	free(decoded.data);
	return any;
}
