/*-------------------------------------------------------------------------
 *
 * drift.c
 *	  False alarms in years without a change, and days until a change is seen.
 *
 * The recorded rows are mixed anew: each label in turn is the truth of 3 % of the
 * rows, the others share the rest, and a change makes it 9 %.  What is tested is
 * what the extension tests each day: the labels that the model gave and its
 * confidences, at the level of one false alarm a year that three kinds of mix
 * share (the third, coverage, is not among what is recorded), with the
 * overdispersion of the reference.  PSI of the labels is for comparison.  No
 * rule can see a label come that the model never gives: the labels that it
 * finds in half of their rows or more are told apart.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trust/stats/drift.h"
#include "trust/stats/logistic.h"
#include "trust/stats/random.h"

#include "figures.h"

#define REFERENCE 2000
#define DAYS 365
#define PATIENCE 120			/* days after a change */
#define MOST_A_DAY 1000
#define MOST_LABELS 64
#define YEARS 5					/* for each label */
#define CHANGES 20				/* likewise */
#define KINDS 3					/* of mixes that share the level */

/* Labels and confidences of some rows. */
typedef struct Mix
{
	int			n;
	int64_t		count[MOST_LABELS];
	double		p[REFERENCE];
} Mix;

/* The rows by their truth, and the stream. */
typedef struct Stream
{
	const Rows *rows;
	int			of[MOST_LABELS];	/* rows of a label */
	int		   *row[MOST_LABELS];
	bool		found[MOST_LABELS]; /* given to half of its rows or more */
	int			rare;
	double		share;			/* of the rare one */
	int			a_day;
	double		phi;
	QcRandom	random;
	Mix			reference;
} Stream;

typedef struct Rules
{
	bool		labels;
	bool		confidence;
	bool		psi;
} Rules;

/* Days to the first alarm of each rule, and how often there was one. */
typedef struct Delay
{
	int			changes;
	double		days[3];
	int			seen[3];
} Delay;

static void
stream_make(Stream *s, const Rows *rows)
{
	int			right[MOST_LABELS] = {0};

	memset(s, 0, sizeof(*s));
	s->rows = rows;
	if (rows->labels > MOST_LABELS)
		check(QC_STAT_INPUT, "too many labels");
	for (int l = 0; l < rows->labels; l++)
		s->row[l] = room((size_t) rows->n, sizeof(int));
	for (int i = 0; i < rows->n; i++)
	{
		s->row[rows->truth[i]][s->of[rows->truth[i]]++] = i;
		right[rows->truth[i]] += rows->right[i];
	}
	for (int l = 0; l < rows->labels; l++)
		s->found[l] = right[l] > 0 && 2 * right[l] >= s->of[l];
}

static int
draw_label(Stream *s)
{
	int			l = s->rare;

	if (qc_random_unit(&s->random) < s->share)
		return l;
	while (l == s->rare || s->of[l] == 0)
		l = (int) qc_random_below(&s->random, (uint32_t) s->rows->labels);
	return l;
}

/* A day's rows, added; confidences as the extension counts them, by tenths of a logit. */
static void
draw(Stream *s, Mix *mix, int n)
{
	for (int i = 0; i < n; i++)
	{
		int			l = draw_label(s);
		int			row = s->row[l][qc_random_below(&s->random, (uint32_t) s->of[l])];
		double		p = fmin(fmax(s->rows->p[row], 1e-4), 1 - 1e-4);

		mix->count[s->rows->label[row]]++;
		mix->p[mix->n++] = qc_sigmoid(rint(10 * log(p / (1 - p))) / 10);
	}
}

static void
draw_reference(Stream *s)
{
	int			days = REFERENCE / s->a_day;
	int64_t    *table = room((size_t) days * s->rows->labels, sizeof(int64_t));

	s->reference.n = 0;
	memset(s->reference.count, 0, sizeof(s->reference.count));
	for (int d = 0; d < days; d++)
	{
		int64_t		before[MOST_LABELS];

		memcpy(before, s->reference.count, sizeof(before));
		draw(s, &s->reference, s->a_day);
		for (int l = 0; l < s->rows->labels; l++)
			table[d * s->rows->labels + l] = s->reference.count[l] - before[l];
	}
	s->phi = qc_drift_phi(table, days, s->rows->labels);
	free(table);
}

static Rules
look(Stream *s)
{
	static Mix	today;
	double		level = qc_drift_level(1, DAYS) / KINDS;
	int			k = s->rows->labels;
	Rules		alarm;
	QcDrift		found;

	today.n = 0;
	memset(today.count, 0, sizeof(today.count));
	draw(s, &today, s->a_day);
	check(qc_drift_labels(s->reference.count, today.count, k, s->phi, NULL, &found), "labels");
	alarm.labels = found.p < level;
	check(qc_drift_deciles(s->reference.p, s->reference.n, today.p, today.n, s->phi, &found), "confidences");
	alarm.confidence = found.p < level;
	alarm.psi = qc_drift_psi(s->reference.count, today.count, k) > 0.2;
	return alarm;
}

static void
wait_for(Stream *s, Delay *all, Delay *found)
{
	bool		seen[3] = {false};

	all->changes++;
	found->changes += s->found[s->rare];
	for (int day = 1; day <= PATIENCE; day++)
	{
		Rules		alarm = look(s);
		bool		now[3] = {alarm.labels, alarm.labels || alarm.confidence, alarm.psi};

		for (int i = 0; i < 3; i++)
			if (now[i] && !seen[i])
			{
				seen[i] = true;
				all->seen[i]++;
				all->days[i] += day;
				found->seen[i] += s->found[s->rare];
				found->days[i] += s->found[s->rare] ? day : 0;
			}
	}
}

static void
print_delay(const Delay *delay)
{
	for (int i = 0; i < 3; i++)
		if (delay->seen[i] == 0)
			printf("   %6s %4d %%", "never", 0);
		else
			printf("   %6.1f %4.0f %%", delay->days[i] / delay->seen[i], 100.0 * delay->seen[i] / delay->changes);
	putchar('\n');
}

static void
live_a_year(Stream *s, int *labels, int *confidence, int *psi)
{
	s->share = 0.03;
	draw_reference(s);
	for (int day = 0; day < DAYS; day++)
	{
		Rules		alarm = look(s);

		*labels += alarm.labels;
		*confidence += alarm.confidence;
		*psi += alarm.psi;
	}
}

static bool
print_rate(Stream *s, int a_day)
{
	int			years = YEARS * s->rows->labels;
	int			labels = 0;
	int			confidence = 0;
	int			psi = 0;
	Delay		all = {0};
	Delay		found = {0};
	double		rate;

	s->a_day = a_day;
	qc_random_seed(&s->random, (uint64_t) a_day);
	for (s->rare = 0; s->rare < s->rows->labels; s->rare++)
	{
		for (int y = 0; y < YEARS; y++)
			live_a_year(s, &labels, &confidence, &psi);
		for (int c = 0; c < CHANGES; c++)
		{
			s->share = 0.03;
			draw_reference(s);
			s->share = 0.09;
			wait_for(s, &all, &found);
		}
	}
	rate = (double) (labels + confidence) / years;
	printf("%10d %7d   %6.2f %6.2f %6.2f %8.2f", a_day, years, (double) labels / years, (double) confidence / years, rate,
		   (double) psi / years);
	print_delay(&all);
	printf("%52s", "of labels that the model finds");
	print_delay(&found);
	return rate <= 1;
}

void
figure_drift(const Rows *rows)
{
	static const int rates[] = {50, 200, MOST_A_DAY};
	static Stream s;
	bool		holds = true;

	stream_make(&s, rows);
	puts("                      false alarms a year           days to see 3 % become 9 %, and how often within 120");
	puts("rows a day   years   labels  conf.  both      PSI     labels          both            PSI > 0.2");
	for (int i = 0; i < (int) (sizeof(rates) / sizeof(rates[0])); i++)
		holds = print_rate(&s, rates[i]) && holds;
	printf("at most one false alarm a year: %s\n", holds ? "kept" : "BROKEN");
	for (int l = 0; l < rows->labels; l++)
		free(s.row[l]);
}
