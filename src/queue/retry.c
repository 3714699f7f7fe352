/*-------------------------------------------------------------------------
 *
 * retry.c
 *	  Rows that failed: when they are tried again, and when not any more.
 *
 * Whose fault it is was decided before: only a row's own failures come here,
 * never those of the server or of the configuration.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "utils/timestamp.h"

#include "queue/own.h"
#include "queue/read.h"
#include "queue/write.h"

#define MOST_ATTEMPTS		6
#define MOST_BAD_ANSWERS	3	/* a model at temperature 0 seldom changes its mind */

/* Seconds before the second try, the third ... */
static const int delays[] = {1, 5, 30, 120, 600};

/* +-20 %, so that what failed together does not come back together. */
static int64
delay_us(int attempts)
{
	int			i = Min(Max(attempts, 1), (int) lengthof(delays)) - 1;
	double		factor = 0.8 + 0.4 * qc_random();

	return (int64) (delays[i] * factor * USECS_PER_SEC);
}

bool
qc_retry_next(QcFailKind kind, bool sql_error, int attempts, TimestampTz now, TimestampTz *at)
{
	int			most = 1;

	if (sql_error || kind == QC_FAIL_ROW_TIMEOUT)
		most = MOST_ATTEMPTS;
	else if (kind == QC_FAIL_BAD_ANSWER)
		most = MOST_BAD_ANSWERS;
	*at = now + delay_us(attempts);
	return attempts < most;
}

/* Rows of tasks that wait themselves would stand before the others for ever. */
#define OF_TASKS_AT_WORK \
	"FROM qwen.retry AS r JOIN qwen.task AS t ON t.id = r.task " \
	"AND NOT t.paused AND t.source IS NOT NULL "

static TimestampTz
next_due(void)
{
	QcOwn		own;
	bool		isnull = true;
	int64		next = 0;

	qc_own_begin(&own);
	qc_own_run(&own, "SELECT r.next_at " OF_TASKS_AT_WORK
			   "WHERE r.next_at > pg_catalog.now() ORDER BY r.next_at LIMIT 1", SPI_OK_SELECT);
	if (SPI_processed > 0)
		next = qc_own_int8_at(0, 1, &isnull);
	qc_own_end(&own);
	return isnull ? 0 : next;
}

static void
fill(QcItem *item, uint64 row, MemoryContext cxt)
{
	bool		isnull;
	char	   *kx = qc_own_text_at(row, 3, cxt);

	memset(item, 0, sizeof(*item));
	item->origin = QC_FROM_RETRY;
	item->k = qc_own_int8_at(row, 2, &isnull);
	item->kx = kx != NULL && kx[0] != '\0' ? kx : NULL;
	item->attempts = (int) qc_own_int8_at(row, 4, &isnull);
	item->first_enq = qc_own_int8_at(row, 5, &isnull);
	item->relabel = qc_own_int8_at(row, 6, &isnull) != 0;
}

int
qc_retry_read(int max, int32 *task_of, QcItem *items, TimestampTz *next_at)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;
	int			n;

	qc_own_begin(&own);
	qc_own_int4(&own, max);
	qc_own_run(&own, "SELECT r.task, r.k, r.kx, r.attempts::pg_catalog.int8, r.first_enq, "
			   "r.relabel::pg_catalog.int4::pg_catalog.int8 " OF_TASKS_AT_WORK
			   "WHERE r.next_at <= pg_catalog.now() ORDER BY r.next_at LIMIT $1", SPI_OK_SELECT);
	n = (int) SPI_processed;
	for (int i = 0; i < n; i++)
	{
		task_of[i] = qc_own_ordinal(i);
		fill(&items[i], i, cxt);
	}
	qc_own_end(&own);
	*next_at = next_due();
	return n;
}
