/*-------------------------------------------------------------------------
 *
 * status.h
 *	  What can be wrong with labels, examples and texts, as codes.
 *
 * prompt/ is plain C: it never sees a server header, takes and gives UTF-8,
 * allocates with malloc and reports by value.  The caller in query/ or task/
 * turns a QcFault into an error with SQLSTATE, detail and hint.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_STATUS_H
#define QC_PROMPT_STATUS_H

typedef enum QcStatus
{
	QC_STATUS_OK = 0,
	QC_STATUS_NO_MEMORY,
	QC_STATUS_BAD_UTF8,			/* detail: where */
	/* labels */
	QC_STATUS_LABELS_EMPTY,		/* no label at all */
	QC_STATUS_LABELS_TOO_MANY,	/* more than QC_MAX_LABELS */
	QC_STATUS_LABELS_JSON,		/* not JSON, or not an object or array */
	QC_STATUS_LABELS_NESTED,	/* a member of an array is an object or array */
	QC_STATUS_LABELS_DEEP,		/* more than QC_MAX_LABEL_DEPTH in each other */
	QC_STATUS_LABEL_CHILDLESS,	/* an object or array as value holds no label */
	QC_STATUS_LABEL_SEPARATOR,	/* the separator is part of a name in a tree */
	QC_STATUS_LABELS_DESCRIPTION,	/* a value is neither string nor null */
	QC_STATUS_LABEL_NULL,		/* a member is NULL */
	QC_STATUS_LABEL_BLANK,		/* empty, or only white space */
	QC_STATUS_LABEL_TOO_LONG,	/* more than QC_MAX_LABEL_CHARS */
	QC_STATUS_LABEL_CONTROL,	/* control character or special token in it */
	QC_STATUS_LABEL_DUPLICATE,	/* the same label twice */
	/* examples */
	QC_STATUS_EXAMPLES_JSON,	/* not a JSON array of objects */
	QC_STATUS_EXAMPLE_INPUT,	/* no string "input" */
	QC_STATUS_EXAMPLE_LABEL,	/* "label" missing or not one of the labels */
	QC_STATUS_EXAMPLE_CONFIDENCE,	/* not a number from 0 to 1 */
	QC_STATUS_EXAMPLE_REASON,	/* not a string */
	QC_STATUS_EXAMPLE_KEY		/* a key that means nothing */
} QcStatus;

/* The first thing wrong.  index is the member's position from 0, or -1. */
typedef struct QcFault
{
	QcStatus	status;
	int			index;
	char		detail[256];	/* UTF-8, clipped at a character: the label or
								 * key concerned, or the parser's position */
} QcFault;

#endif							/* QC_PROMPT_STATUS_H */
