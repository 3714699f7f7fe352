/*-------------------------------------------------------------------------
 *
 * examples.h
 *	  The examples of a prompt: reading them, and writing them into it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_EXAMPLES_H
#define QC_PROMPT_EXAMPLES_H

#include "prompt/buf.h"
#include "prompt/message.h"

/* Fill prompt->example from JSON text; false: *fault says why. */
extern bool qc_examples_read(QcPrompt *prompt, const char *json, QcFault *fault);
extern void qc_examples_free(QcPrompt *prompt);

/* Add the lines of one example, its answer in the form that mode asks for. */
extern void qc_example_write(QcBuf *buf, const QcPrompt *prompt,
							 const QcExample *example, QcMode mode);

/* Add its answer alone. */
extern void qc_example_answer(QcBuf *buf, const QcPrompt *prompt,
							  const QcExample *example, QcMode mode);

#endif							/* QC_PROMPT_EXAMPLES_H */
