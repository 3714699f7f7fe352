/*-------------------------------------------------------------------------
 *
 * answer.h
 *		What the model says: the content of a reply, piece by piece.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_ANSWER_H
#define MOCK_ANSWER_H

#include "behaviour.h"
#include "shape.h"

typedef enum SegType
{
	SEG_LIT,					/* forced by the shape */
	SEG_LABEL,					/* the winning choice, as its surface */
	SEG_BOOL,
	SEG_FREE					/* whatever the model likes */
} SegType;

typedef struct Seg
{
	SegType		type;
	size_t		from;			/* in the content */
	size_t		len;
	double		p;				/* of a boolean being true */
} Seg;

#define MAX_SEGS 300

typedef struct Answer
{
	Shape		shape;
	size_t		winner;			/* index of a choice */
	Str			content;		/* all segments joined */
	Seg			seg[MAX_SEGS];
	size_t		n_segs;
	const char *finish;			/* finish_reason */
} Answer;

extern void answer_make(Answer *a, const Ask *ask, const Behaviour *b);

#endif							/* MOCK_ANSWER_H */
