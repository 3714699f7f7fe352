/*-------------------------------------------------------------------------
 *
 * cut.h
 *	  How much of a text to send: guesses about tokens.
 *
 * Plain C.  Nobody knows the server's tokenizer, so these are estimates: a
 * careful one before the first request, a better one when the server told
 * numbers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_CUT_H
#define QC_CUT_H

#include <stdbool.h>
#include <stddef.h>

/* Characters of valid UTF-8, and a careful (high) guess of their tokens. */
extern size_t qc_cut_chars(const char *text, size_t len);
extern double qc_cut_tokens(const char *text, size_t len);

/*
 * Characters of the text that fit into a context of so many tokens beside the
 * system message and the answer; 0: all of it.
 */
extern size_t qc_cut_to_context(const char *text, size_t len, const char *system,
								long context_tokens, long answer_tokens);

/*
 * After a request with sent characters of the text was too long: how many to
 * send now; 0: it cannot fit.  limit and prompt tokens as far as told, else 0.
 */
extern size_t qc_cut_again(size_t sent, const char *system, long limit_tokens,
						   long prompt_tokens, long answer_tokens);

#endif							/* QC_CUT_H */
