/*-------------------------------------------------------------------------
 *
 * token.h
 *		The mock's tokenizer: deterministic, and shaped like Qwen's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_TOKEN_H
#define MOCK_TOKEN_H

#include "str.h"

extern size_t token_split(Str text, bool fragments, Str *out);
extern int	token_id(Str token);
extern Str	token_of_id(int id);
extern size_t utf8_len(Str s);
extern bool utf8_valid(Str s);

#endif							/* MOCK_TOKEN_H */
