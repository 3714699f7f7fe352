/*-------------------------------------------------------------------------
 *
 * behaviour.h
 *		What a request is to meet: the keys of a path, a model or a row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_BEHAVIOUR_H
#define MOCK_BEHAVIOUR_H

#include <stdint.h>

#include "str.h"

typedef enum AnswerFault
{
	ANSWER_RIGHT,
	ANSWER_WRONG,				/* not one of the labels */
	ANSWER_CASE,				/* in other case */
	ANSWER_WIDTH,				/* in full-width characters */
	ANSWER_QUOTES,				/* with quotes of its own */
	ANSWER_THINK,				/* after a <think> block */
	ANSWER_FENCE,				/* in a code fence */
	ANSWER_PROSE,				/* with words round it */
	ANSWER_EMPTY,				/* the empty string */
	ANSWER_NUL,					/* with a NUL character in it */
	ANSWER_BADUTF8,				/* with bytes that are no UTF-8 */
	ANSWER_GARBAGE,				/* a body that is no JSON */
	ANSWER_TRUNC,				/* cut inside the label */
	ANSWER_REASONCUT,			/* cut inside the reason */
	ANSWER_CUT,					/* half of the body, with its right length */
	ANSWER_INJECT,				/* the label that the text orders */
	ANSWER_NEWLINE,				/* with a raw line break in a string */
	ANSWER_NESTED,				/* brackets without end in the content */
	ANSWER_NESTEDBODY,			/* and in the body */
	ANSWER_FILTER,				/* finish_reason content_filter */
	ANSWER_ABORT,				/* finish_reason abort */
	ANSWER_REFUSAL,				/* a refusal instead of content */
	ANSWER_NULL,				/* content null */
	ANSWER_NOCHOICES
} AnswerFault;

typedef enum ConfForm
{
	CONF_INT,					/* 84 */
	CONF_FRAC,					/* 0.84 */
	CONF_PCT,					/* "84%" */
	CONF_WORD,					/* "high" */
	CONF_NONE
} ConfForm;

/* Bits of logprobs=. */
#define LP_RAW			0x0001
#define LP_MASKED		0x0002
#define LP_NONE			0x0004	/* no field */
#define LP_NULL			0x0008	/* null for minus infinity */
#define LP_NAN			0x0010	/* bare NaN, which is no JSON */
#define LP_INF			0x0020	/* bare -Infinity, the same */
#define LP_BIG			0x0040	/* -9999 */
#define LP_POSITIVE		0x0080	/* a probability above 1 */
#define LP_SHORT		0x0100	/* half of the positions */
#define LP_NOBYTES		0x0200	/* no bytes member */
#define LP_MISMATCH		0x0400	/* tokens do not give the content */
#define LP_TEXT			0x0800	/* fragments as vLLM shows them */
#define LP_NULLFIELD	0x1000	/* the field is null */

typedef struct Behaviour
{
	/* time and room */
	int			delay;			/* ms before a reply */
	int			jitter;			/* up to that many ms more */
	int			faildelay;		/* -1: as delay */
	int			getdelay;		/* ms before a reply to a GET */
	int			loading;		/* ms of "Loading model" at the start */
	int			slots;			/* served at once; 0 = no limit */
	int			maxqueue;		/* -1: no limit */
	int			rps;			/* requests a second before a 429 */
	/* which requests meet the faults */
	int			times;			/* only the first N */
	int			every;			/* only each Nth */
	int			after;			/* not the first N */
	/* errors */
	int			fail;			/* status of an error */
	int			getfail;		/* the same for GETs */
	Str			body;			/* name of an error body */
	Str			retry_after;	/* seconds, or "date" */
	Str			refuse_field;	/* fields that are an error */
	Str			ignore_field;	/* fields that are not seen */
	Str			need_key;		/* the key that is let in */
	Str			auth_header;	/* the header that carries it */
	Str			model;			/* the only model served */
	Str			version;		/* what the version path says */
	int			strict;			/* OpenAI's fields only */
	int			priority;		/* a priority is allowed */
	int			topcap;			/* -2: the kind's own */
	int			mintokens;		/* least max_tokens */
	int			context;		/* tokens of the longest prompt */
	int			infbug;			/* 500 where a masked token is asked for */
	/* the answer */
	int			answer;			/* an AnswerFault */
	int			nochoice;		/* the constraint is not obeyed */
	int			learn;			/* the label of the last example is given again */
	int			object;			/* /inference gives an object */
	int			conffmt;		/* a ConfForm */
	int			space;			/* -1: the kind's own */
	double		conf;			/* of the winner; 0 = the text's own */
	double		coverage;		/* raw: mass of the labels */
	double		alt;			/* -1: by stage */
	int			logprobs;		/* LP_ bits */
	int			fragments;		/* split common CJK characters, too */
	/* the wire */
	int			reset;			/* RST instead of a reply */
	int			resetidle;		/* closed after the reply, unannounced */
	int			resetreuse;		/* RST at a connection's second request */
	int			half;			/* half of the body, then the end */
	int			drip;			/* ms between bytes of the body */
	int			huge;			/* megabytes of body */
	int			stall;			/* never a reply */
	int			noheader;		/* a body without a head */
	int			chunked;		/* in chunks, without a length */
	int			close;			/* one request a connection */
	int			maxreq;			/* requests on a connection */
	int			redirect;		/* 302 */
	int			slowheader;		/* ms between bytes of the head */
	int			idle;			/* ms until an idle connection is closed */
	Str			error;			/* a key or value that nobody knows */
} Behaviour;

extern const Behaviour behaviour_default;
extern void behaviour_take(Behaviour *b, Str keys, char separator);
extern void behaviour_overlay(Behaviour *b, Str keys, bool faults);
extern void behaviour_calm(Behaviour *b);
extern bool behaviour_due(const Behaviour *b, uint64_t nth);
extern bool behaviour_fails(const Behaviour *b);

#endif							/* MOCK_BEHAVIOUR_H */
