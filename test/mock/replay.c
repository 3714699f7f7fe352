/*-------------------------------------------------------------------------
 *
 * replay.c
 *		Replies that a real model gave once, found by the text they are of.
 *
 * A file of lines ["HASH","label",BODY] or ["HASH","object",BODY]: FNV-1a-64 of
 * the user message in 16 hexadecimal digits, whether one label or a JSON object
 * was asked for, and the body of the reply as it came.  test/figures/replay
 * makes such a file.
 *
 * Invariant: loaded before the first request, unchanged after it.
 *
 *-------------------------------------------------------------------------
 */
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "score.h"

/* ["0123456789abcdef"," */
#define HASH_AT 2
#define HASH_DIGITS 16
#define FORM_AT (HASH_AT + HASH_DIGITS + 3)

typedef struct Reply
{
	uint64_t	hash;
	bool		object;
	Str			body;
} Reply;

static Reply *replies;
static size_t n_replies;
static bool on;

static void
refuse(const char *path, size_t line)
{
	fprintf(stderr, "qwen_mock: %s, line %zu: not a recorded reply\n", path, line);
	exit(1);
}

/* The body stays where the line is. */
static bool
read_reply(Str line, Reply *reply)
{
	Str			form = str_from(line, line.n < FORM_AT ? line.n : FORM_AT);
	char	   *end;

	if (!str_starts(line, STR("[\"")) || line.p[line.n - 1] != ']')
		return false;
	reply->object = str_starts(form, STR("object\",{"));
	if (!reply->object && !str_starts(form, STR("label\",{")))
		return false;
	reply->hash = strtoull(line.p + HASH_AT, &end, 16);
	reply->body = str_from(form, reply->object ? strlen("object\",") : strlen("label\","));
	reply->body.n--;
	return end == line.p + HASH_AT + HASH_DIGITS;
}

void
replay_load(const char *path)
{
	FILE	   *f = fopen(path, "r");
	char	   *line = NULL;
	size_t		room = 0;
	ssize_t		len;

	on = true;
	if (f == NULL)
		refuse(path, 0);
	while ((len = getline(&line, &room, f)) > 0)
	{
		if (line[len - 1] == '\n')
			len--;
		replies = realloc(replies, (n_replies + 1) * sizeof(Reply));
		if (replies == NULL || len < FORM_AT || !read_reply((Str) {line, (size_t) len}, &replies[n_replies]))
			refuse(path, n_replies + 1);
		n_replies++;
		/* the line is the reply's now */
		line = NULL;
		room = 0;
	}
	free(line);
	fclose(f);
}

bool
replay_on(void)
{
	return on;
}

/* Empty: that text was not recorded, or not in this form. */
Str
replay_find(const Ask *ask)
{
	uint64_t	hash = score_hash(ask->user);
	bool		object = json_get(ask->body, "response_format") != NULL;

	for (size_t i = 0; i < n_replies; i++)
		if (replies[i].hash == hash && replies[i].object == object)
			return replies[i].body;
	return NO_STR;
}
