/*-------------------------------------------------------------------------
 *
 * token.h
 *	  The logprobs of a body, whatever their layout, as positions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_TOKEN_H
#define QC_PROMPT_TOKEN_H

#include <cjson/cJSON.h>

#include "prompt/reply.h"

/*
 * Fill reply->position from the chat layout (an array of entries) or from
 * the completions layout (an object of parallel arrays), of a QcTree whose
 * text lives as long as they: the tokens' bytes stay in it.  reply->text and
 * finish are set already.  What cannot be used is dropped and marked in
 * bad_logprobs.  Returns false without memory.
 */
extern bool qc_positions_read(const cJSON *logprobs, QcReply *reply);
extern void qc_positions_free(QcReply *reply);

/*
 * Give each position its place in the text.  False if the tokens do not
 * spell it.
 */
extern bool qc_positions_align(QcReply *reply);

/* Do the alternatives of tokens that spell the text look like pieces in GPT-2's alphabet? */
extern bool qc_positions_in_alphabet(const QcReply *reply);

/* Turn pieces in GPT-2's byte alphabet ("\u0120yes") into bytes; false: they are not. */
extern bool qc_positions_unalphabet(QcReply *reply);

#endif							/* QC_PROMPT_TOKEN_H */
