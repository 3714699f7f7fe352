/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  Examples from which some are chosen for each text.
 *
 * What is chosen for a text depends on the pool, the text and the number, and
 * on nothing else: equal texts get equal requests, and a task's version says
 * all.  The chosen ones are turns of the chat between the system message, which
 * stays the same for all rows, and the row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_POOL_H
#define QC_PROMPT_POOL_H

#include "prompt/buf.h"
#include "prompt/choose.h"
#include "prompt/message.h"

/* An example longer than this is cut to head and tail, as a row is. */
#define QC_SHOT_CHARS	1000

/* What was chosen for a text: places in the pool, the most similar last. */
typedef struct QcChosen
{
	int			n;
	int			pick[QC_MOST_SHOTS];
} QcChosen;

/*
 * Give a prompt a pool, of which shots at most are shown with a text: JSON
 * text of an array of {input, label, corrected?}.  Left out are those whose label
 * is none of the prompt's, and those that it shows anyway.  False: *fault says why.
 */
extern bool qc_pool_read(QcPrompt *prompt, const char *json, int shots, QcFault *fault);
extern void qc_pool_free(QcPool *pool);

/*
 * Give a prompt the pool of another one that has the same labels in another
 * order: place[i] is where label i stands.  False: no memory.
 */
extern bool qc_pool_share(QcPrompt *to, const QcPrompt *from, const int *place);

/* Choose for a text of valid UTF-8; none without a pool.  Allocates nothing. */
extern void qc_pool_choose(const QcPrompt *prompt, const char *text, size_t len, QcChosen *chosen);

/* A chosen one as two turns; the answer in the form that mode asks for, NULL: no memory. */
extern const char *qc_pool_user(const QcPrompt *prompt, int pick);
extern const char *qc_pool_answer(QcPrompt *prompt, int pick, QcMode mode);

/* The chosen as lines of the system message, for servers without turns. */
extern char *qc_pool_lines(QcPrompt *prompt, const QcChosen *chosen, QcMode mode, const char *system);

/* Is the text nearly one of the prompt's static examples? */
extern bool qc_prompt_shows(const QcPrompt *prompt, const char *text, size_t len);

#endif							/* QC_PROMPT_POOL_H */
