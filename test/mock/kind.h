/*-------------------------------------------------------------------------
 *
 * kind.h
 *		The kinds of server that the mock can be, and what tells them apart.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_KIND_H
#define MOCK_KIND_H

#include "str.h"

typedef enum Kind
{
	KIND_OPENAI,
	KIND_VLLM,
	KIND_VLLM_OLD,
	KIND_SGLANG,
	KIND_LLAMACPP,
	KIND_OLLAMA,
	KIND_TGI,
	KIND_LMDEPLOY,
	KIND_DASHSCOPE,
	KIND_PLAIN,
	N_KINDS
} Kind;

/* How an error body is shaped (servers.md, 1.e). */
typedef enum ErrorShape
{
	SHAPE_OPENAI,				/* {"error":{"message","type","param","code"}} */
	SHAPE_TOP_LEVEL,			/* {"object":"error","message","type","code"} */
	SHAPE_DASHSCOPE,			/* OpenAI's, and "request_id" beside it */
	SHAPE_TEXT,					/* {"error":"text"} */
	SHAPE_TGI,					/* {"error":"text","error_type":"..."} */
	SHAPE_DETAIL				/* {"detail":"text"} */
} ErrorShape;

/* How a token is spelled in logprobs (servers.md, 1.b). */
typedef enum Spelling
{
	SPELL_BYTES,				/* text with U+FFFD, true bytes */
	SPELL_OPENAI,				/* "bytes:\xe6\xad" for fragments, true bytes */
	SPELL_VLLM,					/* "" for fragments, then the whole character */
	SPELL_TEXT,					/* text with U+FFFD, bytes made from that text */
	SPELL_NOBYTES,				/* text only */
	SPELL_GPT2					/* pieces in the GPT-2 byte alphabet */
} Spelling;

typedef struct KindInfo
{
	const char *name;
	const char *owned_by;
	const char *server;			/* Server: header, or NULL */
	ErrorShape	shape;
	Spelling	spelling;
	bool		raw;			/* logprobs before the grammar */
	bool		spaces;			/* JSON as {"a": "b", "c": "d"} */
	bool		merges;			/* fragments reported with the token that ends them */
	bool		ids;			/* "id" at each token */
	const char *eos;			/* end-of-turn token as listed, or NULL */
	double		floor;			/* logprob of masked tokens; 0 = null */
	int			topcap;			/* most top_logprobs; -1 = no limit */
	int			topcap_status;
} KindInfo;

extern const KindInfo kinds[N_KINDS];
extern bool kind_named(Str name, Kind *kind);

#endif							/* MOCK_KIND_H */
