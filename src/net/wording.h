/*-------------------------------------------------------------------------
 *
 * wording.h
 *	  What the words of an error say, whoever's server wrote them.
 *
 * Plain C.  All texts are lower case already.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_WORDING_H
#define QC_WORDING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/facts.h"

/* Is one of the phrases (a list that ends with NULL) in the text? */
extern bool qc_wording_has(const char *text, const char *const *phrase);

/* The text does not fit the context; numbers as far as told, else 0. */
extern bool qc_wording_too_long(const char *text, long *limit, long *prompt);

/* The model is unknown; the paid quota is used up; a filter refused the text. */
extern bool qc_wording_no_model(const char *text);
extern bool qc_wording_no_quota(const char *text);
extern bool qc_wording_refused(const char *text);

/*
 * The fields that the text complains of, among those that a request written
 * with these facts held; 0: none.  *top_cap gets what to ask for instead when
 * QC_REFUSED_TOP_LOGPROBS is among them (0: leave the field out).
 */
extern uint32_t qc_wording_fields(const char *text, const QcFacts *facts, int *top_cap);

#endif							/* QC_WORDING_H */
