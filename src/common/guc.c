/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  The settings of qwen_classify, in one place.
 *
 * Few on purpose: what concerns one endpoint is an option of its server.  Each
 * carries the context that it has and why.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "common/compat.h"
#include "common/guc.h"

char	   *qc_server = NULL;
int			qc_on_error = QC_ON_ERROR_NULL;
int			qc_max_requests = 0;

static const struct config_enum_entry on_error_options[] = {
	{"null", QC_ON_ERROR_NULL, false},
	{"error", QC_ON_ERROR_ERROR, false},
	{"label", QC_ON_ERROR_LABEL, false},
	{NULL, 0, false}
};

void
qc_guc_init(void)
{
	/* USERSET: it only chooses among the servers that the role was granted. */
	DefineCustomStringVariable("qwen_classify.server",
							   "Foreign server that labels when a call names none.",
							   "Empty: the only server of the wrapper qwen_classify on which the role has USAGE.",
							   &qc_server, "",
							   PGC_USERSET, 0, NULL, NULL, NULL);

	/* USERSET: it concerns the rows of one's own statement. */
	DefineCustomEnumVariable("qwen_classify.on_error",
							 "What a row that could not be labelled gets.",
							 "null: NULL with the message as reason; error: an error; label: the label 'error' with the message as reason.",
							 &qc_on_error, QC_ON_ERROR_NULL, on_error_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	/* SUSET: whoever pays for the server sets it for a role or a database. */
	DefineCustomIntVariable("qwen_classify.max_requests",
							"Most requests that one statement may send; 0 means no limit.",
							NULL,
							&qc_max_requests, 0, 0, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);

	qc_reserve_prefix("qwen_classify");
}
