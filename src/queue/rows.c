/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  The rows of a set-returning function, materialised.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/memutils.h"

#include "queue/rows.h"

/* A function of one column returns values, not rows. */
static TupleDesc
result_desc(FunctionCallInfo fcinfo)
{
	TupleDesc	desc;
	Oid			type;

	switch (get_call_result_type(fcinfo, &type, &desc))
	{
		case TYPEFUNC_COMPOSITE:
			return desc;
		case TYPEFUNC_SCALAR:
			desc = CreateTemplateTupleDesc(1);
			TupleDescInitEntry(desc, 1, "value", type, -1, 0);
			return desc;
		default:
			elog(ERROR, "return type must be a row type");
	}
	return NULL;				/* keep the compiler quiet */
}

void
qc_rows_begin(QcRows *rows, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) ||
		(rsinfo->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set"),
				 errhint("Call it in FROM.")));
	old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	rows->desc = result_desc(fcinfo);
	rows->store = tuplestore_begin_heap((rsinfo->allowedModes & SFRM_Materialize_Random) != 0,
										false, work_mem);
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = rows->store;
	rsinfo->setDesc = rows->desc;
	MemoryContextSwitchTo(old);
}
