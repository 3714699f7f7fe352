/*-------------------------------------------------------------------------
 *
 * loops.c
 *	  Rows whose text changes whenever they are labelled.
 *
 * A user's trigger may change the text in answer to a label, and the new text
 * wants a new label.  What is queued in this very process is queued by such a
 * trigger: nobody else's changes come from here.  More than three times within a
 * minute is a loop, and the row is given up until somebody changes it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"

#include "common/compat.h"
#include "net/pool.h"
#include "queue/note.h"
#include "worker/state.h"

#define QC_LOOP_TURNS		3
#define QC_LOOP_WITHIN		(60 * QC_S)
#define QC_LOOP_KEYS		10000	/* more are not remembered */

typedef struct QcTurnKey
{
	int64		k;
	int64		task;			/* wide, so that there is no padding */
} QcTurnKey;

typedef struct QcTurns
{
	QcTurnKey	key;
	int			n;
	int64		since;
} QcTurns;

static HTAB *turns = NULL;

/* May be called in the middle of the owner's UPDATE: it throws only out of memory. */
static void
on_note(int32 task, int64 k)
{
	QcTurnKey	key = {k, task};
	QcTurns    *turn;
	bool		found;
	int64		now = qc_pool_now();

	if (hash_get_num_entries(turns) >= QC_LOOP_KEYS &&
		hash_search(turns, &key, HASH_FIND, NULL) == NULL)
		return;
	turn = hash_search(turns, &key, HASH_ENTER, &found);
	if (!found || now - turn->since > QC_LOOP_WITHIN)
	{
		turn->n = 0;
		turn->since = now;
	}
	turn->n++;
}

void
qc_loops_watch(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(QcTurnKey);
	ctl.entrysize = sizeof(QcTurns);
	turns = hash_create("qwen_classify turns", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	qc_note_observer = on_note;
}

/* Found, it is forgotten: somebody's next change gets a fresh start. */
bool
qc_loop_found(int32 task, int64 k)
{
	QcTurnKey	key = {k, task};
	QcTurns    *turn;

	if (hash_get_num_entries(turns) == 0)
		return false;
	turn = hash_search(turns, &key, HASH_FIND, NULL);
	if (turn == NULL || turn->n <= QC_LOOP_TURNS ||
		qc_pool_now() - turn->since > QC_LOOP_WITHIN)
		return false;
	hash_search(turns, &key, HASH_REMOVE, NULL);
	return true;
}

/* Once a minute. */
void
qc_loops_forget_old(void)
{
	HASH_SEQ_STATUS status;
	QcTurns    *turn;
	int64		now = qc_pool_now();

	hash_seq_init(&status, turns);
	while ((turn = hash_seq_search(&status)) != NULL)
		if (now - turn->since > QC_LOOP_WITHIN)
			hash_search(turns, &turn->key, HASH_REMOVE, NULL);
}
