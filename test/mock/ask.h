/*-------------------------------------------------------------------------
 *
 * ask.h
 *		What a generation request asks for, whatever its kind.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_ASK_H
#define MOCK_ASK_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "kind.h"

typedef struct Ask
{
	Kind		kind;
	bool		native;			/* Ollama's own API */
	cJSON	   *body;			/* NULL: not a JSON object */
	bool		has_messages;
	Str			model;			/* without what follows a ";" */
	Str			model_keys;		/* what follows it */
	Str			system;
	Str			user;			/* as sent */
	Str			text;			/* without its markers */
	Str			markers;		/* "fail=500;times=1" */
	Str			prefill;		/* an assistant message that comes last */
	Str			shown;			/* the last one before it: an example's answer */
	int			shown_tokens;	/* of all turns before the row's */
	uint64_t	system_hash;
	int			system_tokens;
	int			prompt_tokens;
	bool		logprobs;
	int			top;			/* -1: not asked for */
	bool		token_ids;		/* return_tokens_as_token_ids */
	int			max_tokens;		/* -1: no limit */
	int			num_ctx;		/* Ollama's option; 0: not given */
	bool		stream;
	double		temperature;
	int			seed;			/* -1: none */
} Ask;

extern void ask_read(Ask *ask, Kind kind, bool native, Str body);
extern void ask_ignore(Ask *ask, Str fields);
extern void ask_options(Ask *ask);
extern int	count_tokens(Str s);
extern const cJSON *json_get(const cJSON *object, const char *name);
extern Str	json_text(const cJSON *item);

#endif							/* MOCK_ASK_H */
