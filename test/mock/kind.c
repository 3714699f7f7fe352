/*-------------------------------------------------------------------------
 *
 * kind.c
 *		The kinds of server that the mock can be, and what tells them apart.
 *
 * One row a kind; what cannot be said in a column (paths, the fields of a
 * constraint) stands in the file that deals with it.
 *
 *-------------------------------------------------------------------------
 */
#include "kind.h"

#define UVICORN "uvicorn"

/* The floors: vLLM clamps to -9999, others use -100, serde writes null. */
const KindInfo kinds[N_KINDS] = {
	[KIND_OPENAI] = {"openai", "system", NULL, SHAPE_OPENAI, SPELL_OPENAI,
	.raw = true,.floor = -100,.topcap = 20,.topcap_status = 400},
	[KIND_VLLM] = {"vllm", "vllm", UVICORN, SHAPE_OPENAI, SPELL_VLLM,
	.spaces = true,.eos = "<|im_end|>",.floor = -9999,.topcap = 20,.topcap_status = 400},
	[KIND_VLLM_OLD] = {"vllm-old", "vllm", UVICORN, SHAPE_TOP_LEVEL, SPELL_VLLM,
	.eos = "<|im_end|>",.floor = -9999,.topcap = 20,.topcap_status = 400},
	[KIND_SGLANG] = {"sglang", "sglang", UVICORN, SHAPE_TOP_LEVEL, SPELL_BYTES,
	.eos = "<|im_end|>",.floor = -100,.topcap = -1},
	[KIND_LLAMACPP] = {"llamacpp", "llamacpp", "llama.cpp", SHAPE_OPENAI, SPELL_BYTES,
		.raw = true,.spaces = true,.merges = true,.ids = true,.eos = "",
	.floor = -100,.topcap = -1},
	[KIND_OLLAMA] = {"ollama", "library", NULL, SHAPE_OPENAI, SPELL_TEXT,
		.raw = true,.spaces = true,.merges = true,.floor = -100,
	.topcap = 20,.topcap_status = 400},
	[KIND_TGI] = {"tgi", NULL, NULL, SHAPE_TGI, SPELL_NOBYTES,
		.spaces = true,.eos = "<|im_end|>",.floor = 0,
	.topcap = 5,.topcap_status = 422},
	[KIND_LMDEPLOY] = {"lmdeploy", "lmdeploy", UVICORN, SHAPE_TOP_LEVEL, SPELL_GPT2,
	.raw = true,.eos = "<|im_end|>",.floor = -100,.topcap = 20,.topcap_status = 400},
	[KIND_DASHSCOPE] = {"dashscope", "system", NULL, SHAPE_DASHSCOPE, SPELL_OPENAI,
	.raw = true,.floor = -100,.topcap = 5,.topcap_status = 400},
	[KIND_PLAIN] = {"plain", NULL, UVICORN, SHAPE_DETAIL, SPELL_BYTES,
	.raw = true,.floor = -100,.topcap = -1},
};

bool
kind_named(Str name, Kind *kind)
{
	for (int k = 0; k < N_KINDS; k++)
		if (str_eq(name, str_of(kinds[k].name)))
		{
			*kind = (Kind) k;
			return true;
		}
	return false;
}
