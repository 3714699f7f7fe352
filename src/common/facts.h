/*-------------------------------------------------------------------------
 *
 * facts.h
 *	  What is known of an endpoint, learnt from its GETs and first answers.
 *
 * A plain struct without pointers: it is kept for the session and, when
 * preloaded, copied whole to and from shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_FACTS_H
#define QC_FACTS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum QcApi
{
	QC_API_AUTO = 0,			/* not known yet */
	QC_API_OPENAI,
	QC_API_VLLM,
	QC_API_SGLANG,
	QC_API_LLAMACPP,
	QC_API_OLLAMA,
	QC_API_TGI,
	QC_API_LMDEPLOY,
	QC_API_INFERENCE
} QcApi;

/* Where the server takes its logprobs. */
typedef enum QcStage
{
	QC_STAGE_UNKNOWN = 0,		/* no answer yet */
	QC_STAGE_NONE,				/* it gives none */
	QC_STAGE_RAW,				/* before the grammar */
	QC_STAGE_MASKED				/* after the grammar */
} QcStage;

/*
 * Fields that the server refused; each bit drops one field for good, so that
 * asking again comes to an end.
 */
#define QC_REFUSED_LOGPROBS			0x0001
#define QC_REFUSED_TOP_LOGPROBS		0x0002	/* ask for top_cap; 0: leave it out */
#define QC_REFUSED_CONSTRAINT		0x0004	/* choice, regex, grammar, format */
#define QC_REFUSED_RESPONSE_FORMAT	0x0008	/* json_schema; json_object is tried next */
#define QC_REFUSED_JSON_OBJECT		0x0010
#define QC_REFUSED_TEMPLATE_KWARGS	0x0020	/* chat_template_kwargs */
#define QC_REFUSED_SAMPLING			0x0040	/* top_k, repetition_penalty, top_p */
#define QC_REFUSED_MAX_TOKENS		0x0080	/* max_completion_tokens instead */
#define QC_REFUSED_SHORT_MAX		0x0100	/* small max_tokens: at least 16 */
#define QC_REFUSED_MAX_LENGTH		0x0200	/* maxLength, minimum, maximum in schemas */
#define QC_REFUSED_TEMPERATURE		0x0400
#define QC_REFUSED_CACHE_PROMPT		0x0800
#define QC_REFUSED_THINK			0x1000	/* Ollama think, enable_thinking */
#define QC_REFUSED_SEED				0x4000
#define QC_NEEDS_NO_THINKING		0x2000	/* wants enable_thinking false at the top */

/* The most alternatives that are asked for, where the server allows it. */
#define QC_TOP_LOGPROBS 20

/* What is asked for where there is no such limit and there are more labels. */
#define QC_MOST_LOGPROBS 60

typedef struct QcFacts
{
	bool		known;			/* the GETs were made (or api was given) */
	QcApi		api;
	QcStage		stage;
	int32_t		context_tokens; /* 0: not told */
	int32_t		slots;			/* parallel sequences; 0: not told */
	int32_t		top_cap;		/* largest top_logprobs to ask for; 0: default */
	uint32_t	refused;		/* QC_REFUSED_ bits */
	bool		old_guided;		/* vLLM before structured_outputs */
	char		model[128];		/* the first that /v1/models lists */
	char		version[32];
} QcFacts;

#endif							/* QC_FACTS_H */
