/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  The arguments that all labelling functions share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "query/arguments.h"

/* An optional argument, detoasted; with a full header where the type needs one. */
static struct varlena *
optional(FunctionCallInfo fcinfo, int arg, bool packed)
{
	if (PG_ARGISNULL(arg))
		return NULL;
	return packed ? PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(arg)) :
		PG_DETOAST_DATUM(PG_GETARG_DATUM(arg));
}

void
qc_question_of(FunctionCallInfo fcinfo, QcLabelForm form, bool has_reason,
			   QcQuestion *question)
{
	int			server = has_reason ? 5 : 4;

	question->input = (text *) optional(fcinfo, 0, true);
	question->prompt.form = form;
	question->prompt.labels = optional(fcinfo, 1, form == QC_LABELS_TEXT);
	question->prompt.instructions = optional(fcinfo, 2, true);
	question->prompt.examples = optional(fcinfo, 3, false);
	question->with_reason = has_reason && (PG_ARGISNULL(4) || PG_GETARG_BOOL(4));
	question->server = PG_ARGISNULL(server) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(server));

	if (question->prompt.labels == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("labels must not be NULL"),
				 errhint("Give the labels as ARRAY['refund', 'bug'] or as JSON: '{\"refund\": \"wants money back\", \"bug\": null}'.")));
}
