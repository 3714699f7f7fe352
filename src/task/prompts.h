/*-------------------------------------------------------------------------
 *
 * prompts.h
 *	  From SQL arguments to a prompt, kept as long as they stay the same.
 *
 * A call site remembers the prompt of its last arguments: in nearly every
 * statement labels, instructions and examples are constants.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPTS_H
#define QC_PROMPTS_H

#include "postgres.h"

#include "fmgr.h"

#include "common/compat.h"
#include "common/errors.h"
#include "prompt/message.h"
#include "task/task.h"

/* In which of the three forms the labels come. */
typedef enum QcLabelForm
{
	QC_LABELS_ARRAY,			/* text[] */
	QC_LABELS_JSONB,
	QC_LABELS_TEXT				/* JSON in the order written, or '{a,b}' */
} QcLabelForm;

/* Which function asks: some differ in an argument or in what they can answer. */
typedef enum QcAskFor
{
	QC_FOR_ROW,					/* qwen_classify: with_reason */
	QC_FOR_ANSWER,				/* qwen.answer: input and task, nothing else */
	QC_FOR_LABEL,				/* qwen_label */
	QC_FOR_SCORES,				/* qwen_scores */
	QC_FOR_LABELS,				/* qwen_labels: threshold */
	QC_FOR_PREVIEW				/* qwen.preview: as qwen_classify, of whatever a task asks */
} QcAskFor;

/* A C entry for one overload of a function; body takes the call and the form. */
#define QC_LABELS_ENTRY(symbol, body, form) \
	PG_FUNCTION_INFO_V1(symbol); \
	Datum \
	symbol(PG_FUNCTION_ARGS) \
	{ \
		return body(fcinfo, form); \
	}

#define QC_FINGERPRINT 32		/* SHA-256 */

/* One prompt with what the query needs of it; lives in cxt. */
typedef struct QcSitePrompt
{
	MemoryContext cxt;
	QcPrompt   *prompt;
	text	  **label;			/* the labels in the server encoding */
	uint8		fingerprint[QC_FINGERPRINT];	/* of all that shapes a request */
	int			users;			/* requests under way with it */
	bool		retired;		/* another took its place: the last user frees it */

	/* the arguments that it was made of */
	QcLabelForm form;
	bool		codes;
	QcHow		how;
	bytea	   *labels;
	bytea	   *instructions;	/* NULL: not given */
	bytea	   *examples;
	int			shots;
	uint64		pool_hash;
} QcSitePrompt;

/* The arguments of a call that shape its prompt; detoasted, NULL: not given. */
typedef struct QcPromptArgs
{
	QcLabelForm form;
	struct varlena *labels;
	struct varlena *instructions;
	struct varlena *examples;	/* jsonb */
	text	   *pool;			/* of a task, from which shots are chosen for each text */
	int			shots;
	uint64		pool_hash;		/* stands for it: it may be large */
	bool		codes;			/* the server's option */
	QcHow		how;
} QcPromptArgs;

/*
 * The prompt of these arguments: *site if it was made of the same, else a new
 * one (allocated below parent) that takes its place.  Raises what is wrong
 * with labels or examples, with a hint.
 */
extern QcSitePrompt *qc_site_prompt(QcSitePrompt **site, MemoryContext parent,
									const QcPromptArgs *args);

/* A request with it is under way: it stays, even if another takes its place. */
extern void qc_site_prompt_hold(QcSitePrompt *prompt);
extern void qc_site_prompt_release(QcSitePrompt *prompt);

/*
 * The arguments that a task stands for, in the current memory context, and
 * its prompt as above.  Its labels are JSON in the order written.
 */
extern void qc_task_prompt_args(const QcTask *task, QcPromptArgs *args);
extern QcSitePrompt *qc_task_prompt(QcSitePrompt **site, MemoryContext parent,
									const QcTask *task, bool codes);

/* 'levels' or 'flat', any other word is an error; and back. */
extern QcTreeWay qc_tree_way(const char *word);
extern const char *qc_tree_word(QcTreeWay way);

/* An error with a hint for what these cannot be. */
extern void qc_check_separator(const char *separator);
extern void qc_set_separator(QcHow *how, const char *separator);	/* of a zeroed one */
extern void qc_check_min_confidence(double min_confidence);

/* The argument long_text; any other word is an error with a hint. */
extern QcLongText qc_long_text(const text *word);

/* Raise what prompt/ found wrong (QC_STATUS_OK is no fault). */
pg_noreturn extern void qc_fault_raise(const QcFault *fault);

/* The same where a word stands for labels: the hint says how to name a task. */
pg_noreturn extern void qc_fault_raise_word(const char *word);

/* What stands between the parts of its labels' paths, in the server encoding. */
extern const char *qc_site_separator(const QcSitePrompt *site);

/* Server encoding to UTF-8, palloc'ed if converted; NULL: not valid text. */
extern char *qc_server_to_utf8(const char *s, size_t len, size_t *utf8_len);

/*
 * A row's text as it is sent, in UTF-8; NULL: it is not valid, or blank, and
 * *failure says so (*len is then raw_len).
 */
extern const char *qc_readable_text(const char *raw, size_t raw_len, size_t *len,
									QcFailure *failure);

#endif							/* QC_PROMPTS_H */
