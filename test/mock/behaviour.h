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
	ANSWER_WRONG,
	ANSWER_CASE,
	ANSWER_WIDTH,
	ANSWER_QUOTES,
	ANSWER_THINK,
	ANSWER_FENCE,
	ANSWER_PROSE,
	ANSWER_EMPTY,
	ANSWER_NUL,
	ANSWER_BADUTF8,
	ANSWER_GARBAGE,
	ANSWER_TRUNC,
	ANSWER_REASONCUT,
	ANSWER_CUT,
	ANSWER_INJECT,
	ANSWER_NEWLINE,
	ANSWER_NESTED,
	ANSWER_NESTEDBODY,
	ANSWER_FILTER,
	ANSWER_ABORT,
	ANSWER_REFUSAL,
	ANSWER_NULL,
	ANSWER_NOCHOICES
} AnswerFault;

typedef enum ConfForm
{
	CONF_INT,
	CONF_FRAC,
	CONF_PCT,
	CONF_WORD,
	CONF_NONE
} ConfForm;

/* Bits of logprobs=. */
#define LP_RAW			0x0001
#define LP_MASKED		0x0002
#define LP_NONE			0x0004
#define LP_NULL			0x0008
#define LP_NAN			0x0010
#define LP_INF			0x0020
#define LP_BIG			0x0040
#define LP_POSITIVE		0x0080
#define LP_SHORT		0x0100
#define LP_NOBYTES		0x0200
#define LP_MISMATCH		0x0400
#define LP_TEXT			0x0800
#define LP_NULLFIELD	0x1000

typedef struct Behaviour
{
	/* time and room */
	int			delay;
	int			jitter;
	int			faildelay;		/* -1: as delay */
	int			getdelay;
	int			loading;
	int			slots;
	int			maxqueue;		/* -1: no limit */
	int			rps;
	/* which requests meet the faults */
	int			times;
	int			every;
	int			after;
	/* errors */
	int			fail;
	int			getfail;
	Str			body;
	Str			retry_after;
	Str			refuse_field;
	Str			ignore_field;
	Str			need_key;
	Str			auth_header;
	Str			model;
	Str			version;
	int			strict;
	int			priority;
	int			topcap;			/* -2: the kind's own */
	int			mintokens;
	int			context;
	int			infbug;
	/* the answer */
	int			answer;
	int			nochoice;
	int			object;
	int			conffmt;
	int			space;			/* -1: the kind's own */
	double		conf;
	double		coverage;
	double		alt;			/* -1: by stage */
	int			logprobs;
	int			fragments;		/* split common CJK characters, too */
	/* the wire */
	int			reset;
	int			resetidle;
	int			resetreuse;
	int			half;
	int			drip;
	int			huge;
	int			stall;
	int			noheader;
	int			chunked;
	int			close;
	int			maxreq;
	int			redirect;
	int			slowheader;
	int			idle;
	Str			error;			/* a key or value that nobody knows */
} Behaviour;

extern const Behaviour behaviour_default;
extern void behaviour_take(Behaviour *b, Str keys, char separator);
extern void behaviour_overlay(Behaviour *b, Str keys, bool faults);
extern void behaviour_calm(Behaviour *b);
extern bool behaviour_due(const Behaviour *b, uint64_t nth);
extern bool behaviour_fails(const Behaviour *b);

#endif							/* MOCK_BEHAVIOUR_H */
