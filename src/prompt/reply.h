/*-------------------------------------------------------------------------
 *
 * reply.h
 *	  A server's answer body, whatever its kind, in one shape.
 *
 * The body is hostile text: it is parsed with a nesting limit, bare NaN and
 * Infinity are mended, and nothing in it is trusted to be UTF-8 or complete.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_REPLY_H
#define QC_PROMPT_REPLY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A token as reported.  len 0 is the end of the turn; len < 0 a fragment of a
 * character whose bytes were not told (bytes is then "", or holds U+FFFD).
 */
typedef struct QcToken
{
	char	   *bytes;
	int			len;
	double		logprob;		/* -INFINITY: masked or null */
} QcToken;

/* One position of the answer: the token taken and the alternatives reported. */
typedef struct QcPosition
{
	QcToken		chosen;
	QcToken    *top;			/* the chosen one may be among them or not */
	int			ntop;
	size_t		start;			/* where in the text it begins */
	bool		unseen;			/* the server told neither its probability nor
								 * the alternatives (a fragment that llama.cpp
								 * folded into the next entry) */
} QcPosition;

typedef enum QcFinish
{
	QC_FINISH_STOP,
	QC_FINISH_LENGTH,
	QC_FINISH_FILTER,			/* content_filter: the server refused the text */
	QC_FINISH_ABORT,			/* the server gave up: send again */
	QC_FINISH_OTHER
} QcFinish;

typedef struct QcReply
{
	char	   *text;			/* NUL-terminated; NULL when the body has none */
	size_t		text_len;		/* up to the first NUL that the body smuggled in */
	QcFinish	finish;
	QcPosition *position;		/* NULL: no logprobs in the body */
	int			npositions;
	bool		bad_logprobs;	/* there, but NaN, positive, malformed or of
								 * another text: dropped */
	long		prompt_tokens;	/* -1: not told */
	long		cached_tokens;
	long		output_tokens;
	/* an "error" in the body, of whatever shape (also used for non-200 bodies) */
	char	   *error;			/* its message, or NULL */
	char	   *error_type;		/* its type or code as text, or NULL */
	int			error_code;		/* a number in it that looks like a status, or 0 */

	char	   *token_text;		/* private: where the tokens' bytes stand ... */
	char	   *cut_text;		/* ... and those of tokens that were two */
	size_t		cut_len;
} QcReply;

/*
 * Parse a body of len bytes.  Returns false when it is not JSON of a known
 * shape (then only what could be found is set); out must be freed either way.
 * Texts are found at choices[0].message.content, choices[0].text,
 * message.content (Ollama), text, generated_text and response (string, or an
 * object which is printed as JSON again), or the body is the answer itself (an
 * object with "label"); errors in all shapes of servers.md 1.e.  Positions
 * that are kept are known to spell the text.
 */
extern bool qc_reply_parse(const char *body, size_t len, QcReply *out);
extern void qc_reply_free(QcReply *reply);

#endif							/* QC_PROMPT_REPLY_H */
