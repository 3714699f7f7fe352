/*-------------------------------------------------------------------------
 *
 * object.h
 *	  The JSON object in an answer, read leniently and with its places.
 *
 * A real parser would refuse what models write (prose around it, raw line
 * breaks in strings, an end cut off) and forget where in the text the label
 * stood, which the probabilities need.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_OBJECT_H
#define QC_PROMPT_OBJECT_H

#include <stdbool.h>
#include <stddef.h>

/* A member's value: its raw bytes, of a string those between the quotes. */
typedef struct QcValue
{
	bool		there;
	bool		string;
	bool		cut;			/* the text ended inside it */
	size_t		start;
	size_t		end;
} QcValue;

typedef struct QcObject
{
	QcValue		label;
	QcValue		confidence;
	QcValue		reason;
	bool		whole;			/* closed by its brace */
	bool		cut;			/* the text ended before that */
} QcObject;

/*
 * The first object in text[start..end) that has a label; failing that, the
 * first "label": that stands free.  Of equal keys the first counts.
 */
extern bool qc_object_read(const char *text, size_t start, size_t end, QcObject *out);

/* A string's raw bytes without their escapes, malloc'ed, up to the first NUL. */
extern char *qc_unescape(const char *s, size_t len);

#endif							/* QC_PROMPT_OBJECT_H */
