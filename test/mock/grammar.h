/*-------------------------------------------------------------------------
 *
 * grammar.h
 *		Reads GBNF grammars and regular expressions into an answer's shape.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_GRAMMAR_H
#define MOCK_GRAMMAR_H

#include "shape.h"

extern bool grammar_gbnf(Shape *s, Str grammar);
extern bool grammar_regex(Shape *s, Str regex);

#endif							/* MOCK_GRAMMAR_H */
