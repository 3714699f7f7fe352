/*-------------------------------------------------------------------------
 *
 * body.h
 *	  Writing a request body: what the kinds have in common.
 *
 * A body is under construction or it has failed; a failed one takes further
 * fields and drops them, so that kinds need no check after each.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_BODY_H
#define QC_BODY_H

#include "net/kind.h"

typedef struct QcBody
{
	cJSON	   *root;
	const QcBodySpec *spec;
	bool		failed;			/* out of memory */
} QcBody;

extern void qc_body_begin(QcBody *body, const QcBodySpec *spec);

/* The tree with the user's extra_body merged; NULL if it failed. */
extern cJSON *qc_body_end(QcBody *body);

/* Add a field to an object of the body, which may be NULL after a failure. */
extern void qc_body_text(QcBody *body, cJSON *to, const char *name, const char *value);
extern void qc_body_number(QcBody *body, cJSON *to, const char *name, double value);
extern void qc_body_bool(QcBody *body, cJSON *to, const char *name, bool value);
extern void qc_body_item(QcBody *body, cJSON *to, const char *name, cJSON *item);
extern cJSON *qc_body_object(QcBody *body, cJSON *to, const char *name);

/* Was this field (a QC_REFUSED_ bit) refused by the server? */
extern bool qc_body_refused(const QcBody *body, unsigned bit);

/* model, messages, stream: the start of every chat body. */
extern void qc_body_chat(QcBody *body);

/* temperature, seed; and top_p. */
extern void qc_body_temperature(QcBody *body);
extern void qc_body_greedy(QcBody *body);

/* No top_k (the server's word for that), a repetition penalty of 1 (its name). */
extern void qc_body_plain_sampling(QcBody *body, int no_top_k, const char *penalty);

/* Is this member of a body ours, so that extra_body must not set it? */
extern bool qc_body_owns(const char *name);

/* max_tokens, under the name that the server takes. */
extern void qc_body_max_tokens(QcBody *body);
extern int	qc_body_token_limit(const QcBodySpec *spec);

/* logprobs and top_logprobs, most alternatives at most. */
extern void qc_body_logprobs(QcBody *body, cJSON *to, int most);

/* chat_template_kwargs {enable_thinking: false}. */
extern void qc_body_no_thinking(QcBody *body);

/* The answers that may be given: labels or codes, all or the subset. */
extern int	qc_body_answers(const QcBodySpec *spec);
extern const char *qc_body_answer(const QcBodySpec *spec, int i, char buf[4]);
extern cJSON *qc_body_answer_list(QcBody *body);

/* The JSON schema of the answer object, and response_format around it. */
extern cJSON *qc_body_schema(QcBody *body);
extern void qc_body_response_format(QcBody *body);

/*
 * The answers as one string, malloc'ed: before, then each answer with the
 * characters of special escaped by a backslash and within quotes, joined by
 * between, then after.
 */
typedef struct QcJoin
{
	const char *before;
	const char *quote;
	const char *special;
	const char *between;
	const char *after;
} QcJoin;

/* A regular expression for any of them. */
extern const QcJoin qc_body_regex;

extern void qc_body_joined(QcBody *body, cJSON *to, const char *name, const QcJoin *join);

#endif							/* QC_BODY_H */
