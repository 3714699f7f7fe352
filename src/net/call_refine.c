/*-------------------------------------------------------------------------
 *
 * call_refine.c
 *	  Follow-up requests that settle labels which share their first tokens.
 *
 * With the server option exact, a subtree of labels that the answer's path
 * did not tell apart is asked about by itself: the same system message, so
 * that the prefix cache holds, and the subtree's members as the constraint.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "net/call_state.h"

/* Less mass than this moves no number that anybody looks at. */
#define QC_LEAST_SUBTREE_MASS	0.002

static int
qc_call_heaviest_subtree(const QcVerdict *verdict)
{
	int			best = -1;

	for (int i = 0; i < verdict->nsubtrees; i++)
		if (verdict->subtree[i].mass > QC_LEAST_SUBTREE_MASS
			&& (best < 0 || verdict->subtree[i].mass > verdict->subtree[best].mass))
			best = i;
	return best;
}

/* Send the next follow-up; false: there is none. */
bool
qc_call_refine(QcCall *call)
{
	call->refining = -1;
	if (!call->endpoint->exact || call->verdict.posterior == NULL
		|| call->followups >= call->prompt->labels->n)
		return false;
	call->refining = qc_call_heaviest_subtree(&call->verdict);
	if (call->refining < 0)
		return false;
	call->followups++;
	qc_call_proceed(call);
	return true;
}

/* A child without a posterior changes nothing, and ends the refining. */
void
qc_call_merge_child(QcCall *call, QcReading reading)
{
	if (reading == QC_READ_OK && call->child.posterior != NULL)
		qc_verdict_refine(&call->verdict, call->refining, &call->child,
						  call->shape.asked.mode);
	else
		call->followups = call->prompt->labels->n;
	qc_verdict_free(&call->child);
	memset(&call->child, 0, sizeof(call->child));
}
