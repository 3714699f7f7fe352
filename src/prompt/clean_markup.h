/*-------------------------------------------------------------------------
 *
 * clean_markup.h
 *	  Where markup is, and whether a text has any.
 *
 * "a < b and c > d", List<String> and <joe@example.com> are text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_CLEAN_MARKUP_H
#define QC_PROMPT_CLEAN_MARKUP_H

#include <stdbool.h>
#include <stddef.h>

typedef enum QcMarkupKind
{
	QC_MARKUP_NONE,				/* a sign like any other */
	QC_MARKUP_OPEN,
	QC_MARKUP_CLOSE,
	QC_MARKUP_COMMENT,
	QC_MARKUP_DECLARATION		/* <!doctype>, <![if]>, <?xml?> */
} QcMarkupKind;

/* Longest name that is looked at. */
#define QC_MARKUP_NAME 24

typedef struct QcMarkup
{
	QcMarkupKind kind;
	char		name[QC_MARKUP_NAME];	/* of a tag, in lower case */
	bool		attribute;		/* name="value" in it */
	bool		crowded;		/* more attributes than a page has */
	size_t		length;			/* of all of it; 0: it has no end nearby */
} QcMarkup;

/* What the '<' at s begins. */
extern void qc_markup_read(const char *s, size_t len, QcMarkup *markup);

/* What was looked for to the text's end in vain: it is not looked for again. */
typedef struct QcSought
{
	bool		no_comment_end;
	bool		no_tag_end;
} QcSought;

/*
 * Bytes of the markup at s, wherever it ends, and with a script's or a
 * style's content; 0: it has no end, so it is text.
 */
extern size_t qc_markup_length(const char *s, size_t len, const QcMarkup *markup, QcSought *sought);

typedef struct QcMarkupSpan
{
	size_t		start;			/* of the first piece of markup */
	size_t		end;			/* of the last */
	int			breaks;			/* newlines that the last piece makes */
	size_t		pieces;
	bool		lines;			/* it has elements that make lines: newlines are spaces */
} QcMarkupSpan;

/* Does the text have markup to read, and from where to where? */
extern bool qc_markup_find(const char *s, size_t len, QcMarkupSpan *span);

/* How many newlines an element's bounds make (0, 1, 2), or -1: its content is dropped. */
extern int	qc_markup_break(const char *name);

/* Bytes of the entity at s ("&amp;", "&#8217;"), and what it stands for; or 0. */
extern size_t qc_markup_entity(const char *s, size_t len, unsigned *c);

#endif							/* QC_PROMPT_CLEAN_MARKUP_H */
