/*-------------------------------------------------------------------------
 *
 * drift_show.c
 *	  qwen.drift: how the labels are mixed, as a chart of text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "queue/own.h"
#include "queue/rows.h"
#include "trust/alert.h"
#include "trust/drift.h"
#include "trust/reviews.h"

enum
{
	ARG_TASK, ARG_NOW, ARG_ANEW
};

#define WINDOWS		7			/* that are shown */
#define LABELS		12			/* of each */
#define BAR			40			/* characters for 100 % */
#define NAME		24
#define MESSAGE		74			/* bytes of a line of an alarm */

static void put(QcRows *rows, const char *fmt,...) pg_attribute_printf(2, 3);

static void
put(QcRows *rows, const char *fmt,...)
{
	StringInfoData line;
	Datum		value;
	bool		null = false;

	initStringInfo(&line);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&line, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&line, needed);
	}
	value = CStringGetTextDatum(line.data);
	tuplestore_putvalues(rows->store, rows->desc, &value, &null);
}

/* "2026-11-24 15:10", as the session writes times. */
static char *
minute(TimestampTz at)
{
	char	   *text = pstrdup(timestamptz_to_str(at));

	if (strlen(text) > 16)
		text[16] = '\0';
	return text;
}

/* A label in NAME characters. */
static char *
name_of(const char *label)
{
	int			len;
	int			clipped;
	int			missing;

	if (label[0] == '\0')
		label = "(none fits)";	/* as qwen.result has it */
	len = (int) strlen(label);
	clipped = pg_mbcharcliplen(label, len, NAME);
	missing = NAME - pg_mbstrlen_with_len(label, clipped);

	return psprintf("%.*s%*s", clipped, label, Max(missing, 0), "");
}

static char *
bar_of(double share)
{
	int			n = (int) rint(share * BAR);
	char	   *bar = palloc(BAR + 2);

	memset(bar, '#', Max(n, 1));
	bar[Max(n, 1)] = '\0';
	if (n == 0)
		bar[0] = share > 0 ? '.' : '\0';
	return bar;
}

static int64
sum_of(const int64 *count, int n)
{
	int64		sum = 0;

	for (int i = 0; i < n; i++)
		sum += count[i];
	return sum;
}

/* A window's labels, those of the reference first that are frequent there. */
static void
put_shares(QcRows *rows, const QcTask *task, const QcDriftWindow *w)
{
	QcDriftCounts c;
	int64		before;
	int64		now;
	bool		reference = w->win == w->reference;

	qc_drift_counts(task->id, "label", w->reference, w->win, &c);
	before = sum_of(c.before, c.n);
	now = sum_of(c.now, c.n);
	for (int i = 0; i < Min(c.n, LABELS); i++)
	{
		double		share = now > 0 ? (double) c.now[i] / (double) now : 0;
		double		was = before > 0 ? (double) c.before[i] / (double) before : 0;

		if (reference)
			put(rows, "  %s %5.1f %%          %s", name_of(c.bucket[i]), share * 100, bar_of(share));
		else
			put(rows, "  %s %5.1f %% (%+5.1f)  %s", name_of(c.bucket[i]), share * 100,
				(share - was) * 100, bar_of(share));
	}
	if (c.n > LABELS)
		put(rows, "  and %d labels more", c.n - LABELS);
}

static void
put_window(QcRows *rows, const QcTask *task, const QcDriftWindow *w)
{
	if (w->win == w->reference)
		put(rows, "%s to %s: " INT64_FORMAT " labels, the reference (confidence from %s)",
			minute(w->from_at), minute(w->to_at), w->rows, w->source);
	else
		put(rows, "%s to %s: " INT64_FORMAT " labels; PSI %.3f, which no alarm goes by",
			minute(w->from_at), minute(w->to_at), w->rows, w->psi);
	put_shares(rows, task, w);
}

static void
put_alarms(QcRows *rows, const QcTask *task)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_run(&own, "SELECT at, message FROM qwen.alert WHERE task = $1 ORDER BY id DESC LIMIT 3", SPI_OK_SELECT);
	if (SPI_processed > 0)
		put(rows, "last alarms (SELECT * FROM qwen.alerts; says what to do):");
	else
		put(rows, "no alarms");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		char	   *line = qc_wrapped(qc_own_text_at(row, 2, cxt), MESSAGE);

		put(rows, "  %s  %.*s", minute(qc_own_int8_at(row, 1, &isnull)), (int) strcspn(line, "\n"), line);
		while ((line = strchr(line, '\n')) != NULL)
		{
			line++;
			put(rows, "                    %.*s", (int) strcspn(line, "\n"), line);
		}
	}
	qc_own_end(&own);
}

/* How many labels the next reference has so far. */
static void
put_collecting(QcRows *rows, const QcTask *task, TimestampTz after)
{
	QcOwn		own;
	bool		isnull;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, task->version);
	qc_own_time(&own, after);
	qc_own_run_once(&own, "SELECT count(*) FROM qwen.result WHERE task = $1 AND version = $2 AND at > $3", SPI_OK_SELECT);
	put(rows, "collecting: " INT64_FORMAT " labels of version %d, %d make a reference to compare with",
		qc_own_int8_at(0, 1, &isnull), task->version, QC_REFERENCE);
	qc_own_end(&own);
}

static void
put_chart(QcRows *rows, const QcTask *task)
{
	int			n;
	QcDriftWindow *w = qc_drift_windows(task->id, WINDOWS * 100, &n);
	int			shown = 0;
	int			first = 0;

	if (n == 0 || w[0].version != task->version || w[0].rows == 0)
		put_collecting(rows, task, n > 0 && w[0].version == task->version ? w[0].to_at : DT_NOBEGIN);
	else
	{
		put(rows, "task %s, version %d: label shares, and points more or less than in the reference",
			task->name, task->version);
		while (shown < n && shown < WINDOWS && w[shown].reference == w[0].reference)
			shown++;
		while (w[first].win != w[0].reference && first < n - 1)
			first++;
		if (first >= shown)
			put_window(rows, task, &w[first]);
		for (int i = shown - 1; i >= 0; i--)
			put_window(rows, task, &w[i]);
		if (w[0].phi > 1)
			put(rows, "days of the reference differ %.1f times as much as by chance: counts are divided by it", w[0].phi);
	}
	put_alarms(rows, task);
}

static bool
flag(FunctionCallInfo fcinfo, int arg)
{
	return !PG_ARGISNULL(arg) && PG_GETARG_BOOL(arg);
}

/* Whoever may read the table; to look at once, or anew, is the owner's. */
PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_drift);

Datum
qwen_classify_drift(PG_FUNCTION_ARGS)
{
	QcTask	   *task = qc_task_argument(fcinfo, ARG_TASK);
	bool		changes = flag(fcinfo, ARG_NOW) || flag(fcinfo, ARG_ANEW);
	QcRows		rows;

	if (changes || !OidIsValid(task->source))
		qc_task_check_owner(task);
	else
		qc_reviews_check_reader(task, qc_target_of(task));
	qc_reviews_check_kept(task);
	if (changes)
	{
		(void) qc_task_lock(task->id, ShareUpdateExclusiveLock);
		if (flag(fcinfo, ARG_ANEW))
			qc_drift_forget(task);
		else
			qc_drift_look(task, true);
	}
	qc_rows_begin(&rows, fcinfo);
	put_chart(&rows, task);
	return (Datum) 0;
}
