/*-------------------------------------------------------------------------
 *
 * constraint.h
 *		Which constraint a request carries that its kind of server obeys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_CONSTRAINT_H
#define MOCK_CONSTRAINT_H

#include "ask.h"

typedef enum ConstraintType
{
	CON_NONE,
	CON_CHOICE,					/* json: array of strings */
	CON_SCHEMA,					/* json: a JSON schema */
	CON_REGEX,
	CON_GBNF,
	CON_JSON,					/* any object */
	CON_BAD						/* text: what is wrong with it */
} ConstraintType;

typedef struct Constraint
{
	ConstraintType type;
	const cJSON *json;
	Str			text;
} Constraint;

extern Constraint constraint_of(const Ask *ask);

#endif							/* MOCK_CONSTRAINT_H */
