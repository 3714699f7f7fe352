/*-------------------------------------------------------------------------
 *
 * quality_show.c
 *	  The rows of qwen.quality, to be read in a psql of 100 columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/compat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "prompt/labels.h"
#include "trust/quality.h"
#include "trust/stats/exact.h"
#include "trust/stats/reliability.h"
#include "trust/stats/score.h"

#define LEVEL		0.95
#define SEED		1
#define ITEM		18			/* characters of the column item */
#define DRAWING		36			/* and of drawing */
#define BAR			18
#define FEW_LABELS	8			/* up to so many have a column each */

typedef struct QcShow
{
	QcRows	   *rows;
	const QcGold *gold;
	int			n;				/* answered */
	int			nright;
	int			nnumbers;		/* of these with a confidence */
	bool	   *right;			/* of the answered */
	double	   *raw;			/* of those with a number, as the next two */
	double	   *shown;
	bool	   *bears;			/* right */
	int		   *cell;			/* labels x labels: a person's, the machine's */
	int		   *people;			/* by label */
	int		   *machine;
} QcShow;

/* ---- rows ---- */

static double
short_number(double x)
{
	return fabs(x) < 1000 ? rint(x * 1000) / 1000 : rint(x);
}

static char *
clip(const char *s, int chars)
{
	int			len = (int) strlen(s);

	if (pg_mbstrlen_with_len(s, len) <= chars)
		return pstrdup(s);
	return psprintf("%.*s..", pg_mbcharcliplen(s, len, chars - 2), s);
}

static void
put(QcShow *show, const char *part, const char *item, const QcMeasure *m, bool interval, const char *drawing)
{
	Datum		value[6] = {0};
	bool		null[6] = {false, false, m == NULL, m == NULL || !interval, m == NULL || !interval, drawing == NULL};

	value[0] = CStringGetTextDatum(part);
	value[1] = CStringGetTextDatum(clip(item, ITEM));
	if (m != NULL)
	{
		value[2] = Float8GetDatum(short_number(m->value));
		value[3] = Float8GetDatum(short_number(m->lo));
		value[4] = Float8GetDatum(short_number(m->hi));
	}
	if (drawing != NULL)
		value[5] = CStringGetTextDatum(drawing);
	tuplestore_putvalues(show->rows->store, show->rows->desc, value, null);
}

static void
put_number(QcShow *show, const char *part, const char *item, double number, const char *drawing)
{
	QcMeasure	m = {.value = number};

	put(show, part, item, &m, false, drawing);
}

/* ---- counting ---- */

static void
count(QcShow *show)
{
	const QcGold *gold = show->gold;
	int			k = gold->labels.n;

	show->right = palloc(gold->n + 1);
	show->bears = palloc(gold->n + 1);
	show->raw = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * (gold->n + 1));
	show->shown = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * (gold->n + 1));
	show->cell = palloc0(sizeof(int) * k * k);
	show->people = palloc0(sizeof(int) * k);
	show->machine = palloc0(sizeof(int) * k);
	for (int i = 0; i < gold->n; i++)
	{
		const QcGoldRow *row = &gold->row[i];

		if (row->machine < 0)
			continue;
		show->cell[row->human * k + row->machine]++;
		show->people[row->human]++;
		show->machine[row->machine]++;
		show->nright += row->human == row->machine;
		show->right[show->n++] = row->human == row->machine;
		if (!(row->raw >= 0 && row->raw <= 1))
			continue;
		show->raw[show->nnumbers] = row->raw;
		show->shown[show->nnumbers] = row->shown;
		show->bears[show->nnumbers++] = row->human == row->machine;
	}
}

/* ---- the labels, and the numbers beside them ---- */

static void
show_labels(QcShow *show)
{
	const QcGold *gold = show->gold;
	int			failed = gold->n - show->n - (gold->audits ? 0 : gold->nmissing);
	QcMeasure	m;

	if (qc_score_accuracy(show->right, show->n, LEVEL, &m) == QC_STAT_OK)
		put(show, "labels", "accuracy", &m, true,
			psprintf("%d of %d right%s", show->nright, show->n, gold->audits ? " (audits)" : ""));
	if (failed > 0)
		put_number(show, "labels", "no answer", failed, "failed; not counted above");
	if (gold->nmissing > 0)
		put_number(show, "labels", "not asked", gold->nmissing,
				   gold->audits ? "a label that is none of the task's" : "no such row, or no text");
}

static void
show_slope(QcShow *show, const char *part, const double *p)
{
	QcMeasure	slope;
	QcMeasure	shift;
	QcStat		status = qc_score_slope(p, show->bears, show->nnumbers, LEVEL, &slope, &shift);

	if (status == QC_STAT_OK)
		put(show, part, "slope", &slope, true,
			psprintf("se %.2f; 1 is right, less: too sure", slope.se));
	else
		put(show, part, "slope", NULL, false,
			status == QC_STAT_SEPARATED ? "the number tells them without error" : "all are right, or none");
}

/* An ECE says something only beside what chance alone makes of it. */
static void
show_ece(QcShow *show, const char *part, const double *p)
{
	double		ece;
	double		mean;
	double		sd;

	if (qc_reliability_ece(p, show->bears, show->nnumbers, QC_BINS, &ece) == QC_STAT_OK &&
		qc_reliability_floor(p, show->nnumbers, QC_BINS, QC_DRAWS, SEED, &mean, &sd) == QC_STAT_OK)
		put_number(show, part, "ECE", ece, psprintf("calibrated ones show %.3f +- %.3f", mean, sd));
}

static void
show_confidence(QcShow *show, const char *part, const double *p)
{
	double		share = show->nnumbers > 0 ? (double) show->nright / Max(show->n, 1) : 0;
	double		entropy = share > 0 && share < 1 ? -share * log(share) - (1 - share) * log(1 - share) : 0;
	QcMeasure	m;

	if (qc_score_brier(p, show->bears, show->nnumbers, LEVEL, SEED, &m) == QC_STAT_OK)
		put(show, part, "Brier", &m, true, psprintf("a constant would have %.3f", share * (1 - share)));
	if (qc_score_log_loss(p, show->bears, show->nnumbers, LEVEL, SEED, &m) == QC_STAT_OK)
		put(show, part, "log-loss", &m, true, psprintf("a constant would have %.3f", entropy));
	if (qc_score_auroc(p, show->bears, show->nnumbers, LEVEL, &m) == QC_STAT_OK)
		put(show, part, "AUROC", &m, true, "right above wrong; 0.5: by chance");
	show_slope(show, part, p);
	show_ece(show, part, p);
}

static void
show_numbers(QcShow *show)
{
	if (show->nnumbers == 0)
	{
		put(show, "confidence", "none", NULL, false, "the server gave no numbers");
		return;
	}
	show_confidence(show, "confidence", show->raw);
	if (show->gold->calibration != NULL)
		show_confidence(show, "calibrated", show->shown);
	if (show->gold->audits)
		return;
	put_number(show, "cost", "requests", (double) show->gold->requests, "equal texts are asked about once");
	put_number(show, "cost", "seconds", show->gold->seconds, NULL);
}

/* ---- label by label ---- */

static void
show_share(QcShow *show, const char *part, const char *label, int k, int n)
{
	QcMeasure	m = {.value = n > 0 ? (double) k / n : 0};

	if (n == 0)
	{
		put(show, part, label, NULL, false, "0 of 0");
		return;
	}
	qc_clopper_pearson(k, n, LEVEL, &m.lo, &m.hi);
	put(show, part, label, &m, true, psprintf("%d of %d", k, n));
}

/* Was it seen at all? */
static bool
occurs(const QcShow *show, int label)
{
	return show->people[label] > 0 || show->machine[label] > 0;
}

static void
show_each(QcShow *show)
{
	const QcNames *labels = &show->gold->labels;

	for (int i = 0; i < labels->n; i++)
		if (occurs(show, i))
			show_share(show, "precision", labels->name[i], show->cell[i * labels->n + i], show->machine[i]);
	for (int i = 0; i < labels->n; i++)
		if (occurs(show, i))
			show_share(show, "recall", labels->name[i], show->cell[i * labels->n + i], show->people[i]);
}

/* ---- what it says, and what is ---- */

/* How many were right, and | where they were said to be. */
static char *
bar(double is, double says)
{
	char	   *s = palloc0(BAR + 1);
	int			at = Min((int) (says * BAR), BAR - 1);

	memset(s, '.', BAR);
	memset(s, '#', (size_t) rint(is * BAR));
	s[at] = '|';
	return s;
}

static void
show_reliability(QcShow *show)
{
	QcBin		bin[QC_BINS];
	int			n = show->nnumbers;
	int			used = 0;

	if (n == 0 || qc_reliability_bins(show->shown, show->bears, n, n < 100 ? QC_BINS / 2 : QC_BINS,
									  LEVEL, bin, &used) != QC_STAT_OK)
		return;
	for (int i = 0; i < used; i++)
	{
		QcMeasure	m = {(double) bin[i].right / bin[i].n, bin[i].lo, bin[i].hi, 0};

		put(show, "reliability", psprintf("%.3f - %.3f", bin[i].from, bin[i].to), &m, true,
			psprintf("says %.2f n %-4d %s", bin[i].confidence, bin[i].n, bar(m.value, bin[i].confidence)));
	}
}

/* ---- the confusion table ---- */

static int
digits(int n)
{
	return snprintf(NULL, 0, "%d", n);
}

/* The width of a column; the last of it stays blank. */
static int
column_width(const QcShow *show)
{
	int			width = Min(DRAWING / show->gold->labels.n, 10);

	return Max(width, digits(show->n) + 1);
}

static void
append_head(StringInfo s, const char *name, int width)
{
	int			bytes = pg_mbcharcliplen(name, (int) strlen(name), width - 1);
	int			chars = pg_mbstrlen_with_len(name, bytes);

	appendStringInfoSpaces(s, width - chars);
	appendBinaryStringInfo(s, name, bytes);
}

static void
show_wide(QcShow *show)
{
	const QcNames *labels = &show->gold->labels;
	int			width = column_width(show);
	StringInfoData s;

	initStringInfo(&s);
	for (int j = 0; j < labels->n; j++)
		append_head(&s, labels->name[j], width);
	put(show, "confusion", "people / machine:", NULL, false, s.data);
	for (int i = 0; i < labels->n; i++)
	{
		resetStringInfo(&s);
		for (int j = 0; j < labels->n; j++)
			appendStringInfo(&s, "%*d", width, show->cell[i * labels->n + j]);
		put(show, "confusion", labels->name[i], NULL, false, s.data);
	}
}

/* Of one label that people gave: the machine's, the most frequent first. */
static char *
answers(const QcShow *show, int label)
{
	int			k = show->gold->labels.n;
	const int  *cell = &show->cell[label * k];
	bool	   *done = palloc0(k);
	StringInfoData s;

	initStringInfo(&s);
	for (;;)
	{
		int			best = -1;
		char		code[8];
		char	   *next;

		for (int j = 0; j < k; j++)
			if (!done[j] && cell[j] > 0 && (best < 0 || cell[j] > cell[best]))
				best = j;
		if (best < 0)
			return s.data;
		done[best] = true;
		next = psprintf("%s%s %d", s.len ? "  " : "", qc_label_code(best, k, code), cell[best]);
		if (s.len + (int) strlen(next) > DRAWING - 4)
		{
			appendStringInfoString(&s, " ...");
			return s.data;
		}
		appendStringInfoString(&s, next);
	}
}

static void
show_many(QcShow *show)
{
	const QcNames *labels = &show->gold->labels;

	put(show, "confusion", "people / machine:", NULL, false, "a letter and how often, by label");
	for (int i = 0; i < labels->n; i++)
	{
		char		code[8];

		if (occurs(show, i))
			put(show, "confusion", psprintf("%s %s", qc_label_code(i, labels->n, code), labels->name[i]),
				NULL, false, answers(show, i));
	}
}

void
qc_quality_show(QcRows *rows, const QcGold *gold)
{
	QcShow		show = {.rows = rows, .gold = gold};

	count(&show);
	show_labels(&show);
	show_numbers(&show);
	show_each(&show);
	show_reliability(&show);
	if (gold->labels.n <= FEW_LABELS && column_width(&show) * gold->labels.n <= DRAWING)
		show_wide(&show);
	else
		show_many(&show);
}
