/*-------------------------------------------------------------------------
 *
 * json.c
 *	  JSON that somebody else wrote, parsed within limits.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/json.h"

#include <stdlib.h>
#include <string.h>

#include "prompt/buf.h"

/* The byte after the string that begins at s + at. */
static size_t
skip_string(const char *s, size_t len, size_t at)
{
	for (at++; at < len && s[at] != '"'; at++)
	{
		if (s[at] == '\\')
			at++;
	}
	return at < len ? at + 1 : len;
}

static bool
too_deep(const char *s, size_t len)
{
	int			depth = 0;
	size_t		at = 0;

	while (at < len)
	{
		if (s[at] == '"')
		{
			at = skip_string(s, len, at);
			continue;
		}
		if ((s[at] == '{' || s[at] == '[') && ++depth > QC_MAX_DEPTH)
			return true;
		if (s[at] == '}' || s[at] == ']')
			depth--;
		at++;
	}
	return false;
}

cJSON *
qc_json_parse(const char *s, size_t len, size_t *where)
{
	const char *end = NULL;
	cJSON	   *json;

	*where = 0;
	if (too_deep(s, len))
		return NULL;
	json = cJSON_ParseWithLengthOpts(s, len, &end, 0);
	*where = end != NULL ? (size_t) (end - s) : 0;
	while (json != NULL && *where < len && strchr(" \t\r\n", s[*where]) != NULL)
		(*where)++;
	if (json != NULL && *where < len)
	{
		cJSON_Delete(json);
		json = NULL;
	}
	return json;
}

/* A word that printers of floats write and JSON does not know, and its stand-in. */
static const struct
{
	const char *word;
	const char *instead;		/* as long as the word, so offsets stay */
}			not_json[] =
{
	{"-Infinity", "     null"},
	{"-inf", "null"},
	{"Infinity", "     1e9"},
	{"NaN", "1e9"},
	{"nan", "1e9"}
};

/* Mend the word at s in place; returns its length, 0 if there is none. */
static size_t
mend_word(char *s, size_t len)
{
	size_t		i;

	for (i = 0; i < sizeof(not_json) / sizeof(not_json[0]); i++)
	{
		size_t		n = strlen(not_json[i].word);

		if (n <= len && memcmp(s, not_json[i].word, n) == 0)
		{
			memcpy(s, not_json[i].instead, n);
			return n;
		}
	}
	return 0;
}

static bool
mend_words(char *s, size_t len)
{
	bool		mended = false;
	size_t		at = 0;

	while (at < len)
	{
		size_t		n;

		if (s[at] == '"')
		{
			at = skip_string(s, len, at);
			continue;
		}
		n = mend_word(s + at, len - at);
		mended |= n > 0;
		at += n > 0 ? n : 1;
	}
	return mended;
}

/*
 * A server in Python prints -inf as -Infinity unless it was written with
 * care.  The mending is tried after a failure only: nearly all bodies are
 * JSON, and this copies them.
 */
cJSON *
qc_json_parse_lenient(const char *s, size_t len)
{
	cJSON	   *json;
	char	   *copy;

	if (too_deep(s, len))
		return NULL;
	json = cJSON_ParseWithLengthOpts(s, len, NULL, 0);
	if (json != NULL)
		return json;
	copy = qc_strndup(s, len);
	if (copy == NULL)
		return NULL;
	if (mend_words(copy, len))
		json = cJSON_ParseWithLengthOpts(copy, len, NULL, 0);
	free(copy);
	return json;
}

bool
qc_json_has_nul(const char *s, size_t len)
{
	size_t		at;

	for (at = 0; at + 1 < len; at++)
	{
		if (s[at] != '\\')
			continue;
		if (len - at >= 6 && memcmp(s + at, "\\u0000", 6) == 0)
			return true;
		at++;					/* "\\u0000" is a backslash and a word */
	}
	return memchr(s, '\0', len) != NULL;
}

const char *
qc_json_string(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}
