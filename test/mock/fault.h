/*-------------------------------------------------------------------------
 *
 * fault.h
 *		Error bodies, in the words and the shape of each kind of server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_FAULT_H
#define MOCK_FAULT_H

#include "buf.h"
#include "kind.h"

/* Bodies that do not follow the kind's own shape. */
typedef enum FaultForm
{
	FORM_KIND,
	FORM_HTML,
	FORM_EMPTY,
	FORM_PLAIN_TEXT,
	FORM_DETAIL,				/* FastAPI's list of what is wrong with a body */
	FORM_STRING,				/* {"error":"text"} */
	FORM_OPENAI,				/* {"error":{...}} whatever the kind */
	FORM_DASHSCOPE				/* the same, and "request_id" beside it */
} FaultForm;

typedef struct Fault
{
	int			status;			/* 0: no fault */
	FaultForm	form;
	Str			message;		/* empty: the status's usual words */
	const char *type;			/* NULL: the kind's type for the status */
	const char *code;			/* a word, or NULL: the status as a number */
	Str			param;			/* the field that is at fault */
	int			n_prompt;		/* of a context error */
	int			n_ctx;
} Fault;

extern void fault_named(Fault *f, Kind kind, Str name);
extern void fault_field(Fault *f, Kind kind, Str field);
extern void fault_context(Fault *f, Kind kind, int n_prompt, int n_ctx);
extern void fault_busy(Fault *f, Kind kind);
extern const char *fault_write(Buf *b, Kind kind, bool native, const Fault *f);

#endif							/* MOCK_FAULT_H */
