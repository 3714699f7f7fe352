/*-------------------------------------------------------------------------
 *
 * call_state.h
 *	  A call from the inside: for the files call*.c only.
 *
 *	  PLACE ──► PROBE ──► FLIGHT ──► DONE
 *	    ▲  └──────────────▲  │
 *	    └──── PAUSE ◄────────┘
 *
 * PLACE waits for a place at a replica, PROBE for the endpoint's facts,
 * FLIGHT for an answer, PAUSE for the time of the next try.  PROBE and FLIGHT
 * hold a place, PLACE and PAUSE do not (but for a PAUSE that ends a probe).
 *
 * Invariant: whatever is malloc'ed or counted is in a field below before the
 * next thing that may throw; qc_call_release gives all of it back and may run
 * between any two statements that throw.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_CALL_STATE_H
#define QC_CALL_STATE_H

#include "net/call.h"
#include "net/describe.h"
#include "net/http.h"
#include "net/pool.h"
#include "net/probe.h"
#include "net/replica.h"
#include "net/shape.h"
#include "net/window.h"

typedef enum QcCallState
{
	QC_CALL_PLACE,
	QC_CALL_PROBE,
	QC_CALL_FLIGHT,
	QC_CALL_PAUSE,
	QC_CALL_DONE
} QcCallState;

/* A text that may be what breaks the server is sent apart from the others. */
typedef enum QcSuspicion
{
	QC_TRUSTED,
	QC_SUSPECT,					/* one at a time: it timed out while others passed */
	QC_SUSPECT_ALONE			/* with nothing else under way: connections broke */
} QcSuspicion;

struct QcCall
{
	MemoryContext cxt;
	MemoryContextCallback cleanup;

	/* as specified */
	QcEndpoint *endpoint;		/* pinned */
	QcPrompt   *prompt;
	QcBudget   *budget;
	char	   *text;
	size_t		len;
	QcChosen	chosen;			/* examples for this text */
	bool		with_reason;
	bool		whole;
	int			draw;
	bool		background;		/* budget->patient */

	QcCallState state;
	QcTimer		timer;			/* of PLACE and PAUSE; in FLIGHT for notices */
	int64		resume_at;		/* end of the pause, of qc_pool_now() */

	/* held */
	int			replica;		/* whose place; -1: none */
	bool		in_budget;		/* counted in budget->in_flight */
	bool		counted;		/* in slot->calls */
	bool		counted_suspect;	/* in slot->suspects */
	bool		waiting;		/* counted among those that wait for a place */
	bool		waiting_alone;	/* counted in endpoint->suspects */
	QcProbe    *probe;
	QcHttp	   *http;			/* under way */
	QcHttp	   *answer;			/* ended, being judged */
	QcReply		reply;			/* of the answer */
	QcVerdict	verdict;		/* the result */
	QcVerdict	child;			/* of a follow-up, being merged */

	/* the request under way, or the last one */
	QcShape		shape;
	size_t		max_chars;		/* after a cut; 0: by the option */
	bool		strict;

	/* what was tried already */
	bool		probed;			/* a probe of ours ended ... */
	bool		probe_failed;	/* ... with call->failure */
	bool		probe_mine;		/* and was of our replica */
	bool		reprobed;		/* the facts were found out anew */
	bool		resent;			/* once for free */
	bool		unreadable;		/* a 200 that was no answer */
	bool		was_cut;
	int			cuts;
	int			sends;			/* generation requests */
	QcCallCost	cost;
	int			downgrades;
	int			faults;			/* of the server, in a row */
	int			unconnected;	/* of these, before a connection stood */
	int64		first_sent;		/* of qc_pool_now(); 0: not yet */
	TimestampTz suspect_since;	/* last fault that may be this text's, or 0 */
	int			suspicions;		/* how often others passed in between */
	QcSuspicion suspicion;
	bool		alone;			/* the last request was sent so */
	int			resets;			/* alone, with others that passed in between */
	TimestampTz reset_since;	/* the last of them, or 0 */
	TimestampTz sent_at;		/* of the last request */
	double		tokens;			/* that it was estimated to cost */

	/* follow-up requests that settle a subtree (option exact) */
	int			refining;		/* the subtree; -1: none */
	int			followups;

	QcFailure	failure;		/* the last fault, or why the call failed */
	bool		failed;
};

/* call.c: the end, well or not; the clean-up of what is held. */
extern void qc_call_finish(QcCall *call);
extern void qc_call_fail(QcCall *call);
extern void qc_call_release(QcCall *call);
extern void qc_call_drop_answer(QcCall *call);
extern void qc_call_give_place(QcCall *call);

/* call_steps.c: go on with whatever comes next. */
extern void qc_call_stop_waiting(QcCall *call);
extern void qc_call_proceed(QcCall *call);
extern void qc_call_tick(void *arg);

/* call_answer.c: an answer, or its absence. */
extern void qc_call_answered(QcHttp *http, void *arg);

/*
 * call_fault.c: faults of the server.  qc_call_fault wants the failure filled
 * in; http is the answer that told it, or NULL.
 */
extern bool qc_call_impatient(const QcCall *call);
extern bool qc_call_out_of_patience(const QcCall *call);
extern long qc_call_connect_ms(const QcCall *call);
extern void qc_call_count_suspect(QcCall *call, bool suspect);
extern void qc_call_note_answer(QcCall *call);
extern void qc_call_note_fault(QcCall *call);
extern void qc_call_fault(QcCall *call, const QcHttp *http);
extern void qc_call_give_up(QcCall *call);
extern void qc_call_pause(QcCall *call, long ms);
extern void qc_call_sleep(QcCall *call);
extern void qc_call_watch(QcCall *call);
extern void qc_call_notice(QcCall *call);

/* call_refine.c: follow-up requests. */
extern bool qc_call_refine(QcCall *call);
extern void qc_call_merge_child(QcCall *call, QcReading reading);

#endif							/* QC_CALL_STATE_H */
