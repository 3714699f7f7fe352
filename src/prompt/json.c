/*-------------------------------------------------------------------------
 *
 * json.c
 *	  JSON that a user wrote, parsed within limits.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/json.h"

#include <string.h>

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
