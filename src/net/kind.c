/*-------------------------------------------------------------------------
 *
 * kind.c
 *	  The kinds of inference servers, by api and by name.
 *
 *-------------------------------------------------------------------------
 */
#include "net/kind.h"

#include <stddef.h>
#include <string.h>

const QcKind *const qc_kinds[] = {
	&qc_kind_openai,
	&qc_kind_vllm,
	&qc_kind_sglang,
	&qc_kind_llamacpp,
	&qc_kind_ollama,
	&qc_kind_tgi,
	&qc_kind_lmdeploy,
	&qc_kind_inference,
	NULL
};

const QcKind *
qc_kind_of(QcApi api)
{
	for (int i = 0; qc_kinds[i]; i++)
		if (qc_kinds[i]->api == api)
			return qc_kinds[i];

	/* not known yet: what nearly all servers understand */
	return &qc_kind_openai;
}

const QcKind *
qc_kind_named(const char *name)
{
	for (int i = 0; qc_kinds[i]; i++)
		if (strcmp(qc_kinds[i]->name, name) == 0)
			return qc_kinds[i];
	return NULL;
}
