/*-------------------------------------------------------------------------
 *
 * certificate.c
 *	  How often a certificate promises too much, beside the plug-in threshold.
 *
 * The recorded rows are the population: the error above each threshold is known
 * exactly.  A run is the whole procedure: thresholds from confidences of rows
 * without a review, audits drawn at random, a look after each of them.  A run
 * violates if at any of its looks what is certified has more error than was
 * promised.  The plug-in rule takes the lowest threshold of the same grid at
 * which the audits themselves show no more error than that, once, at the end.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "trust/stats/certificate.h"
#include "trust/stats/random.h"

#include "figures.h"

#define RUNS 1000
#define UNLABELLED 1000
#define RISK 0.05
#define PLANNED 500				/* as qwen.certify has it: where "accepted" starts */

static const int looks[] = {200, 500, 1000};

#define NLOOKS ((int) (sizeof(looks) / sizeof(looks[0])))

/* What a rule did in all runs, at each number of audits. */
typedef struct Tally
{
	int			violations[NLOOKS];
	double		coverage[NLOOKS];
} Tally;

/* The error that a threshold has in truth. */
static double
error_above(const Rows *rows, double threshold, QcErrorTarget target)
{
	int			above = 0;
	int			wrong = 0;

	for (int i = 0; i < rows->n; i++)
		if (rows->p[i] >= threshold)
		{
			above++;
			wrong += !rows->right[i];
		}
	if (target == QC_TARGET_TABLE)
		return (double) wrong / rows->n;
	return above > 0 ? (double) wrong / above : 0;
}

static double
coverage_of(const Rows *rows, double threshold)
{
	int			above = 0;

	for (int i = 0; i < rows->n; i++)
		above += rows->p[i] >= threshold;
	return (double) above / rows->n;
}

/* The last step of the grid whose error among the audits is at most e; -1: none. */
static int
plug_in(const QcCertificate *c)
{
	int			last = -1;

	for (int i = 0; i < c->nsteps; i++)
	{
		double		all = (double) (c->target == QC_TARGET_TABLE ? c->n : c->step[i].audits);

		if (all > 0 && (double) c->step[i].wrong <= c->e * all)
			last = i;
	}
	return last;
}

static void
run(const Rows *rows, QcErrorTarget target, double e, QcRandom *random, Tally *ours, Tally *theirs)
{
	double		score[UNLABELLED];
	double		error[QC_CERTIFICATE_STEPS];
	QcCertificate c;
	bool		violated = false;
	int			at = 0;

	for (int i = 0; i < UNLABELLED; i++)
		score[i] = rows->p[qc_random_below(random, (uint32_t) rows->n)];
	check(qc_certificate_begin(&c, target, e, RISK, score, UNLABELLED, PLANNED), "certificate");
	for (int i = 0; i < c.nsteps; i++)
		error[i] = error_above(rows, c.step[i].threshold, target);
	for (int n = 1; n <= looks[NLOOKS - 1]; n++)
	{
		int			row = (int) qc_random_below(random, (uint32_t) rows->n);
		int			step;

		qc_certificate_count(&c, rows->p[row], !rows->right[row]);
		step = qc_certificate_look(&c);
		violated = violated || (step >= 0 && error[step] > e);
		if (n < looks[at])
			continue;
		ours->violations[at] += violated;
		ours->coverage[at] += step < 0 ? 0 : coverage_of(rows, c.step[step].threshold) / RUNS;
		step = plug_in(&c);
		theirs->violations[at] += step >= 0 && error[step] > e;
		theirs->coverage[at++] += step < 0 ? 0 : coverage_of(rows, c.step[step].threshold) / RUNS;
	}
}

/* The most that could be kept, if the truth were known. */
static double
oracle(const Rows *rows, QcErrorTarget target, double e)
{
	double		most = 0;

	for (int i = 0; i < rows->n; i++)
		if (error_above(rows, rows->p[i], target) <= e)
			most = fmax(most, coverage_of(rows, rows->p[i]));
	return most;
}

static bool
print_cell(const Rows *rows, QcErrorTarget target, double e)
{
	double		bar = RISK + 2 * sqrt(RISK * (1 - RISK) / RUNS);
	Tally		ours = {0};
	Tally		theirs = {0};
	QcRandom	random;
	bool		holds = true;

	qc_random_seed(&random, (uint64_t) (e * 1000) + target);
	for (int i = 0; i < RUNS; i++)
		run(rows, target, e, &random, &ours, &theirs);
	for (int i = 0; i < NLOOKS; i++)
	{
		printf("%-9s %4.0f %% %6d  %6.1f %%  %6.2f    %6.1f %%  %6.2f    %6.2f\n",
			   target == QC_TARGET_TABLE ? "table" : "accepted", e * 100, looks[i],
			   100.0 * ours.violations[i] / RUNS, ours.coverage[i],
			   100.0 * theirs.violations[i] / RUNS, theirs.coverage[i], oracle(rows, target, e));
		holds = holds && ours.violations[i] <= bar * RUNS;
	}
	return holds;
}

void
figure_certificate(const Rows *rows)
{
	static const double errors[] = {0.05, 0.10, 0.20};
	bool		holds = true;

	puts("                         certificate         plug-in threshold     truth");
	puts("target    error  audits  ever too much  kept  too much   kept      could be kept");
	for (int i = 0; i < (int) (sizeof(errors) / sizeof(errors[0])); i++)
		holds = print_cell(rows, QC_TARGET_TABLE, errors[i]) && holds;
	for (int i = 0; i < (int) (sizeof(errors) / sizeof(errors[0])); i++)
		holds = print_cell(rows, QC_TARGET_ACCEPTED, errors[i]) && holds;
	printf("risk %.0f %%, %d runs a line, a look after each audit; bar %.1f %%: %s\n", RISK * 100, RUNS,
		   100 * (RISK + 2 * sqrt(RISK * (1 - RISK) / RUNS)), holds ? "kept" : "BROKEN");
}
