/*-------------------------------------------------------------------------
 *
 * shape.h
 *	  What one request asks for, and its body.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_SHAPE_H
#define QC_SHAPE_H

#include "net/endpoint.h"
#include "prompt/answer.h"
#include "prompt/pool.h"

typedef struct QcShape
{
	/* what shapes the body */
	QcFacts		facts;			/* of the endpoint, when it was written */
	QcAsked		asked;
	bool		strict;			/* the sentence of a second try */
	int			draw;			/* as of QcCallSpec */
	size_t		max_chars;		/* of the text; 0: all of it */
	QcChosen	chosen;			/* examples that go along */

	/* what it turned out to be */
	const char *system;
	bool		was_cut;
	size_t		chars;			/* of the text that went in */
	long		answer_tokens;	/* room that the body leaves for the answer */
	long		context_tokens; /* that the body itself asks for (Ollama), else 0 */
} QcShape;

/* Does a server with these facts give probabilities, as far as is known? */
extern bool qc_shape_gives_logprobs(const QcFacts *facts);

/* The mode of a request to a server with these facts. */
extern QcMode qc_shape_mode(const QcFacts *facts, bool with_reason);

/* Does a body of this shape ask for logprobs? */
extern bool qc_shape_asks_logprobs(const QcShape *shape);

/* Take the examples that were chosen, but for those that the context has no room for. */
extern void qc_shape_take(QcShape *shape, const QcPrompt *prompt, const QcChosen *chosen);

/*
 * How many characters of a text go into a first request, by the option
 * max_input_chars; 0: all.  NULL system is not allowed.
 */
extern size_t qc_shape_max_chars(const QcShape *shape, const QcEndpoint *endpoint,
								 const QcPrompt *prompt, const char *system, bool with_reason,
								 const char *text, size_t len);

/*
 * The body as malloc'ed JSON text; fills the rest of the shape.  NULL: no
 * memory.  Never throws.
 */
extern char *qc_shape_body(QcShape *shape, QcEndpoint *endpoint, QcPrompt *prompt,
						   const char *model, const char *text, size_t len);

#endif							/* QC_SHAPE_H */
