/*-------------------------------------------------------------------------
 *
 * message.h
 *	  The two messages of a request: the constant one and the row's.
 *
 * The system message is a pure function of (prompt, mode, strict) and comes
 * first, byte-identical for all rows, so that the server's prefix cache
 * works.  The user message is the row's text and nothing else, with special
 * tokens defused; only where several questions are asked about the same text
 * (sibling.h) does one of them follow it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_MESSAGE_H
#define QC_PROMPT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "how.h"
#include "labels.h"

/* What the answer shall hold. */
typedef enum QcMode
{
	QC_MODE_LABEL,				/* the label's text (or code) alone */
	QC_MODE_REASON,				/* JSON: label, reason */
	QC_MODE_VERBAL,				/* JSON: label, confidence (no logprobs) */
	QC_MODE_VERBAL_REASON		/* JSON: label, confidence, reason */
} QcMode;

#define QC_N_MODES 4

/* Examples of which some are chosen for each text: pool.h. */
typedef struct QcPool QcPool;

typedef struct QcExample
{
	char	   *input;
	int			label;			/* index into the labels */
	double		confidence;		/* NaN: not given */
	char	   *reason;			/* or NULL */
} QcExample;

/*
 * What shapes a request apart from the row.  Owns all it points to; the
 * system messages are made at first use and kept.
 */
typedef struct QcPrompt
{
	QcLabels   *labels;
	char	   *instructions;	/* or NULL */
	QcExample  *example;
	int			nexamples;
	QcPool	   *pool;			/* NULL: none are chosen */
	bool		codes;			/* answer by letter code (server option) */
	QcHow		how;			/* zeroed by qc_prompt_create */
	struct QcSiblings *siblings;	/* sibling.h; NULL: none yet */
	const struct QcPrompt *about;	/* a sibling's: whose labels are asked about one by one */
	struct QcPrompt *base;		/* a sibling's: whose system message is its own, too */
	char	   *question;		/* a sibling's: what follows the text, or NULL */
	char	   *within;			/* of a level of a tree: the path of its labels; or NULL */
	struct QcLevel *level;		/* of a tree: see level.h; made at first use */
	char	   *system[QC_N_MODES][2];	/* cache: [mode][strict] */
} QcPrompt;

/*
 * Takes ownership of labels (also on failure).  instructions and examples
 * (JSON text of an array of {input, label, confidence?, reason?}) may be
 * NULL.  Returns NULL and fills *fault when something is wrong.
 */
extern QcPrompt *qc_prompt_create(QcLabels *labels, const char *instructions,
								  const char *examples_json, bool codes,
								  QcFault *fault);
extern void qc_prompt_free(QcPrompt *prompt);

/* The system message; strict adds the sentence of a second try.  NULL: no memory. */
extern const char *qc_prompt_system(QcPrompt *prompt, QcMode mode, bool strict);

/*
 * The user message for a text of len bytes of valid UTF-8, malloc'ed.
 * max_chars > 0 keeps the head (75 %) and the tail (25 %) of a longer text,
 * cut at character boundaries and joined by "\n[...]\n"; *was_cut says so.
 * Strings that a tokenizer takes for control tokens (<|...|>, <think>,
 * <tool_call> and their closing forms) get U+200B after the "<".
 * NUL-free input is assumed.  NULL: no memory.
 */
extern char *qc_user_message(const char *text, size_t len, size_t max_chars,
							 bool *was_cut);

/* The same and the prompt's question, if it has one. */
extern char *qc_prompt_user(const QcPrompt *prompt, const char *text, size_t len,
							size_t max_chars, bool *was_cut);

/* Length of the valid UTF-8 prefix of s (len when all is valid); chars counted. */
extern size_t qc_utf8_valid(const char *s, size_t len, size_t *chars);

#endif							/* QC_PROMPT_MESSAGE_H */
