/*-------------------------------------------------------------------------
 *
 * shape.h
 *		The form that an answer must have: fixed text and places to fill.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_SHAPE_H
#define MOCK_SHAPE_H

#include "ask.h"
#include "buf.h"

typedef enum PartType
{
	PART_LIT,					/* text as it is */
	PART_LABEL,					/* one of the choices */
	PART_REASON,				/* a sentence */
	PART_CONF,					/* a confidence */
	PART_BOOL					/* true or false for the label in text */
} PartType;

typedef struct Part
{
	PartType	type;
	Str			text;
} Part;

typedef struct Choice
{
	Str			surface;		/* as it stands in the answer */
	Str			value;			/* unescaped */
	Str			name;			/* the label that it means */
	double		p;				/* among the choices */
} Choice;

typedef struct Shape
{
	Part	   *part;
	size_t		n_parts;
	Choice	   *choice;
	size_t		n_choices;
	Str		   *listed;			/* all labels that the system message lists */
	size_t		n_listed;
	bool		json;			/* the label stands in a JSON string */
	bool		bound;			/* by a constraint of the request */
	bool		spaces;
	bool		broken;			/* its grammar or list cannot be used */
} Shape;

extern void shape_add(Shape *s, PartType type, Str text);
extern void shape_choices(Shape *s, size_t n);
extern void shape_of_ask(Shape *s, const Ask *ask, bool unbound, bool spaces);

#endif							/* MOCK_SHAPE_H */
