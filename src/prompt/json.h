/*-------------------------------------------------------------------------
 *
 * json.h
 *	  JSON that a user wrote, parsed within limits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_JSON_H
#define QC_PROMPT_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Arrays and objects in each other: no answer of a server has more than 8,
 * and parsers recurse on our stack.
 */
#define QC_MAX_DEPTH 64

/*
 * Parse a user's JSON: all of it, valid UTF-8 assumed.  NULL if it is not
 * JSON; *where then gets the byte at which the parser stopped.
 */
extern cJSON *qc_json_parse(const char *s, size_t len, size_t *where);

/* Whether the text holds an escaped NUL, which cJSON would take for an end. */
extern bool qc_json_has_nul(const char *s, size_t len);

/* The string of a member, or NULL. */
extern const char *qc_json_string(const cJSON *object, const char *key);

#endif							/* QC_PROMPT_JSON_H */
