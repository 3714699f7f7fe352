/*-------------------------------------------------------------------------
 *
 * test_trust_paired.c
 *	  Two ways to ask about the same rows: counts, test, loss, verdict.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "trust/stats/paired.h"

#include "tap.h"

#define MOST 200

/* So many rows that only one has right, and the rest both; of the probabilities as given. */
static int
rows(QcPair *pair, int only_old, int only_new, int both, double old_p, double new_p)
{
	int			n = 0;

	for (int i = 0; i < only_old; i++)
		pair[n++] = (QcPair) {true, false, old_p, new_p};
	for (int i = 0; i < only_new; i++)
		pair[n++] = (QcPair) {false, true, old_p, new_p};
	for (int i = 0; i < both; i++)
		pair[n++] = (QcPair) {true, true, old_p, new_p};
	return n;
}

static void
test_labels(void)
{
	QcPair		pair[MOST];
	QcPaired	c;

	tap_ok(qc_paired(pair, rows(pair, 1, 9, 50, NAN, NAN), &c) == QC_STAT_OK, "a comparison", "-");
	tap_ok(c.n == 60 && c.old_right == 51 && c.new_right == 59 && c.only_old == 1 && c.only_new == 9, "counts", "-");
	/* 2 (1 + 10) / 2^10 */
	tap_ok(fabs(c.p - 0.021484375) < 1e-12, "McNemar's exact p", "%.12f", c.p);
	tap_ok(c.better == QC_BETTER_LABELS && isnan(c.gain) && c.nlosses == 0, "better by its labels alone", "%d", c.better);
	qc_paired(pair, rows(pair, 9, 1, 50, NAN, NAN), &c);
	tap_ok(c.better == QC_BETTER_WORSE && fabs(c.p - 0.021484375) < 1e-12, "worse, the same test", "%d", c.better);
	qc_paired(pair, rows(pair, 1, 6, 50, NAN, NAN), &c);
	tap_ok(c.better == QC_BETTER_NOT && c.p > 0.05, "six against one is chance", "%d, %g", c.better, c.p);
	qc_paired(pair, rows(pair, 0, 0, 50, NAN, NAN), &c);
	tap_ok(c.better == QC_BETTER_NOT && c.p == 1, "no difference at all", "%d, %g", c.better, c.p);
}

static void
test_losses(void)
{
	QcPair		pair[MOST];
	QcPaired	c;
	int			n = rows(pair, 0, 0, 40, 0.5, 0.8);

	for (int i = 0; i < n; i += 2)
		pair[i].new_p = 0.4;
	qc_paired(pair, n, &c);
	tap_ok(fabs(c.old_loss - log(2)) < 1e-12, "the old loss", "%g", c.old_loss);
	tap_ok(fabs(c.gain - (log(0.8 / 0.5) + log(0.4 / 0.5)) / 2) < 1e-12, "the gain, row by row", "%g", c.gain);
	tap_ok(fabs(c.se - log(2) / 2 * sqrt(40.0 / 39) / sqrt(40)) < 1e-12, "its standard error", "%g", c.se);
	tap_ok(c.better == QC_BETTER_LOSS, "more than two of them", "%d", c.better);

	for (int i = 0; i < n; i += 2)
		pair[i].new_p = 0.33;
	qc_paired(pair, n, &c);
	tap_ok(c.gain > 0 && c.gain < 2 * c.se && c.better == QC_BETTER_NOT, "less than two: not shown", "%g %g", c.gain, c.se);
	qc_paired(pair, rows(pair, 10, 0, 90, 0.5, 0.6), &c);
	tap_ok(c.gain > 2 * c.se && c.better == QC_BETTER_WORSE, "no gain of it makes up for wrong labels", "%d", c.better);
	qc_paired(pair, rows(pair, 0, 0, 19, 0.5, 0.9), &c);
	tap_ok(c.gain > 0 && c.better == QC_BETTER_NOT, "few rows say nothing of it", "%d", c.better);
	qc_paired(pair, rows(pair, 0, 0, 40, 0, 1), &c);
	tap_ok(isfinite(c.gain) && c.better == QC_BETTER_LOSS, "0 and 1 are no end", "%g", c.gain);
}

static void
test_input(void)
{
	QcPair		pair[MOST] = {{0}};
	QcPaired	c;

	tap_ok(qc_paired(pair, 0, &c) == QC_STAT_TOO_FEW, "no rows", "-");
	tap_ok(qc_paired(pair, rows(pair, 0, 0, 5, 1.5, 0.5), &c) == QC_STAT_INPUT, "no probability", "-");
	tap_ok(qc_paired(pair, rows(pair, 0, 0, 1, 0.5, 0.5), &c) == QC_STAT_OK && isnan(c.se) && c.nlosses == 1, "one row has no error", "-");
}

int
main(void)
{
	test_labels();
	test_losses();
	test_input();
	return tap_end();
}
