/*-------------------------------------------------------------------------
 *
 * test_trust_certificate.c
 *	  Certificates, alarms, drift and shares: worked values and simulated promises.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/certificate.h"
#include "trust/stats/drift.h"
#include "trust/stats/harm.h"
#include "trust/stats/logistic.h"
#include "trust/stats/normal.h"
#include "trust/stats/random.h"
#include "trust/stats/share.h"

#include "trust_data.h"

#define E 0.05
#define D 0.05

/* How many reviews without an error certify, by the specification's table. */
static void
test_fewest(void)
{
	static const struct
	{
		double		e;
		int64_t		fewest;
	}			rows[] = {{0.01, 405}, {0.02, 202}, {0.05, 80}, {0.10, 39}};
	int			i;

	for (i = 0; i < N(rows); i++)
	{
		int64_t		got = qc_evidence_to_go(0, 0, 0, rows[i].e, D);

		tap_ok(got == rows[i].fewest, "reviews without an error that certify", "%lld for %g", (long long) got, rows[i].e);
	}
}

static void
test_to_go(void)
{
	int64_t		go = qc_evidence_to_go(4, 200, 0.02, E, D);
	int64_t		k;

	tap_ok(go > 0 && qc_evidence_log(4 + 0.02 * (double) go, 200 + (double) go, E) >= -log(D) &&
		   qc_evidence_log(4 + 0.02 * (double) (go - 1), 200 + (double) (go - 1), E) < -log(D),
		   "reviews to go are the fewest that do", "%lld", (long long) go);
	tap_ok(qc_evidence_to_go(0, 80, 0, E, D) == 0, "none when it is there", "some");
	tap_ok(qc_evidence_to_go(12, 200, 0.06, E, D) == QC_EVIDENCE_NEVER, "never at 6 % for 5 %", "some time");
	tap_ok(qc_evidence_to_go(5, 4, 0.1, E, D) == QC_EVIDENCE_NEVER, "nor for counts that cannot be", "some time");
	for (k = 0; qc_evidence_once(k, 93, 0, E) <= D; k++)
		continue;
	tap_ok(k == 2, "a single look of 93 allows one error", "%lld", (long long) k - 1);
	tap_ok(qc_evidence_once(0, 58, 0, E) > D && qc_evidence_once(0, 59, 0, E) <= D, "59 without an error at a single look", "not so");
	tap_ok(qc_evidence_once(0, 56, 1000, E) <= D && qc_evidence_once(0, 56, 0, E) > D, "fewer of 1,000 rows alone", "not so");

	/* 0.05 * 100 is allowed, 6 are too many: 60 59 58 57 56 55 / (100 99 98 97 96 95) */
	tap_ok(apart(qc_evidence_once(0, 40, 100, 0.05), 36045979200.0 / 858277728000.0) < 1e-9, "six of a hundred are too many", "%g",
		   qc_evidence_once(0, 40, 100, 0.05));
}

static void
test_grid(void)
{
	static double scores[1000];
	QcCertificate c = {0};
	int			i;

	for (i = 0; i < 1000; i++)
		scores[i] = (i * 7 % 1000) / 1000.0;
	tap_ok(qc_certificate_begin(&c, QC_TARGET_TABLE, E, D, scores, 1000, 500) == QC_STAT_OK && c.nsteps == 50 && c.start == 0,
		   "fifty thresholds", "%d from %d", c.nsteps, c.start);
	tap_ok(c.step[0].threshold == 0.98 && c.step[0].coverage == 0.02 && c.step[49].threshold == 0 && c.step[49].coverage == 1,
		   "from the best 2 % to all", "%g .. %g", c.step[0].threshold, c.step[49].threshold);
	qc_certificate_count(&c, 0.97, true);
	qc_certificate_count(&c, NAN, true);
	qc_certificate_count(&c, 2, false);
	tap_ok(c.n == 3 && c.step[0].wrong == 0 && c.step[0].audits == 1 && c.step[1].wrong == 1 && c.step[49].audits == 2,
		   "an audit counts where its score reaches", "%d %d", (int) c.step[1].wrong, (int) c.step[49].audits);

	/* 1.6 ln(0.05) / ln(0.95) = 93.4: of 500 audits 18 % are 90, 20 % are 100 */
	qc_certificate_begin(&c, QC_TARGET_ACCEPTED, E, D, scores, 1000, 500);
	tap_ok(c.start == 9, "accepted starts where enough audits are to be expected", "%d", c.start);
	qc_certificate_begin(&c, QC_TARGET_ACCEPTED, E, D, scores, 1000, 80);
	tap_ok(c.start == c.nsteps && qc_certificate_look(&c) == -1 && qc_certificate_to_go(&c) == QC_EVIDENCE_NEVER,
		   "or nowhere", "%d", c.start);
	for (i = 0; i < 1000; i++)
		scores[i] = i % 10 == 0 ? 0.5 : 0.9;
	qc_certificate_begin(&c, QC_TARGET_TABLE, E, D, scores, 1000, 500);
	tap_ok(c.nsteps == 2 && c.step[0].coverage == 0.9 && c.step[1].coverage == 1, "equal scores are one step", "%d", c.nsteps);
	tap_ok(qc_certificate_begin(&c, QC_TARGET_TABLE, 0, D, scores, 1000, 500) == QC_STAT_INPUT, "e = 0 is refused", "it is not");
	tap_ok(qc_certificate_begin(&c, QC_TARGET_TABLE, E, D, scores, 0, 500) == QC_STAT_TOO_FEW, "so are no scores", "they are not");
}

/* Two thresholds, 90 audits, all right above the first. */
static void
test_walk(void)
{
	double		scores[] = {0.9, 0.5};
	QcCertificate c = {0};
	int64_t		go;
	int			i;

	qc_certificate_begin(&c, QC_TARGET_TABLE, E, D, scores, 2, 500);
	for (i = 0; i < 79; i++)
		qc_certificate_count(&c, i % 3 ? 0.9 : 0.5, i % 20 == 0);
	tap_ok(qc_certificate_look(&c) == -1, "79 audits are not enough", "they are");
	for (i = 0; i < 400; i++)
		qc_certificate_count(&c, i % 3 ? 0.9 : 0.5, i % 30 == 0);
	tap_ok(qc_certificate_look(&c) == 0, "the first threshold is certified, the second is not", "%d", qc_certificate_step(&c));
	go = qc_certificate_to_go(&c);
	tap_ok(go > 0, "reviews to go for the second", "%lld", (long long) go);
	for (i = 0; i < 200; i++)
		qc_certificate_count(&c, 0.9, true);
	tap_ok(qc_certificate_evidence(&c, 0) < 0 && qc_certificate_look(&c) == 0, "what was certified stays so", "%d",
		   qc_certificate_step(&c));

	/* a later step whose evidence is there does not count while an earlier one's is not */
	qc_certificate_begin(&c, QC_TARGET_ACCEPTED, E, D, scores, 2, 5000);
	for (i = 0; i < 20; i++)
		qc_certificate_count(&c, 0.9, i < 2);
	for (i = 0; i < 2000; i++)
		qc_certificate_count(&c, 0.5, false);
	tap_ok(qc_certificate_look(&c) == -1 && c.step[1].crossed, "the walk does not jump", "%d", qc_certificate_step(&c));
	tap_ok(fabs(qc_certificate_risk(0.05, 1) + qc_certificate_risk(0.05, 2) - 0.05 * 6 / 9.8696044 * 1.25) < 1e-9,
		   "later sequences get less risk", "%g", qc_certificate_risk(0.05, 2));
}

/*
 * The promise: a look after each of 500 reviews, at exactly the error rate that
 * must not be certified, in 1,000 runs.  Three standard errors of 5 % of them
 * are 2.1 %.
 */
static void
test_anytime(void)
{
	double		score = 0.5;
	int			falsely = 0;
	int			run;
	int			i;
	QcRandom	random;

	qc_random_seed(&random, 42);
	for (run = 0; run < 1000; run++)
	{
		QcCertificate c = {0};
		bool		certified = false;

		qc_certificate_begin(&c, QC_TARGET_TABLE, E, D, &score, 1, 500);
		for (i = 0; i < 500 && !certified; i++)
		{
			qc_certificate_count(&c, score, qc_random_unit(&random) < E);
			certified = qc_certificate_look(&c) >= 0;
		}
		falsely += certified;
	}
	tap_ok(falsely <= 71, "looking after each review, at most 5 % are certified falsely", "%d of 1000", falsely);
	tap_ok(falsely >= 5, "and the simulation does certify some", "%d of 1000", falsely);
}

/* Right with probability sigmoid(2.3 + 1.4 z), z normal: the error above and in the table, by a fine sum. */
static double
error_above(double z_from, bool accepted)
{
	double		wrong = 0;
	double		all = 0;
	double		z;

	for (z = z_from; z < 8; z += 1e-3)
	{
		double		density = exp(-z * z / 2) / sqrt(2 * acos(-1)) * 1e-3;

		wrong += density * (1 - qc_sigmoid(2.3 + 1.4 * z));
		all += density;
	}
	return accepted ? wrong / all : wrong;
}

static double
normal(QcRandom *random)
{
	return qc_normal_quantile((qc_random_next(random) >> 11) * 0x1.0p-53 + 0x1.0p-54);
}

/* Runs of the whole walk: how many certified too much, and the mean coverage. */
static void
walks(QcErrorTarget target, int n, int *violations, double *coverage)
{
	static double scores[1000];
	static double error[QC_CERTIFICATE_STEPS];
	QcCertificate c = {0};
	QcRandom	random;
	int			run;
	int			i;

	for (i = 0; i < 1000; i++)
		scores[i] = qc_normal_quantile((i + 0.5) / 1000);
	qc_certificate_begin(&c, target, E, D, scores, 1000, n);
	for (i = 0; i < c.nsteps; i++)
		error[i] = error_above(c.step[i].threshold, target == QC_TARGET_ACCEPTED);
	qc_random_seed(&random, 4711);
	*violations = 0;
	*coverage = 0;
	for (run = 0; run < 300; run++)
	{
		int			last;

		qc_certificate_begin(&c, target, E, D, scores, 1000, n);
		for (i = 1; i <= n; i++)
		{
			double		z = normal(&random);

			qc_certificate_count(&c, z, qc_random_unit(&random) >= qc_sigmoid(2.3 + 1.4 * z));
			if (i % 20 == 0)
				(void) qc_certificate_look(&c);
		}
		last = qc_certificate_step(&c);
		*violations += last >= 0 && error[last] > E;
		*coverage += last >= 0 ? c.step[last].coverage / 300 : 0;
	}
}

static void
test_walks(void)
{
	int			violations;
	double		coverage;

	/* 5 % of 300 and three standard errors are 26 */
	walks(QC_TARGET_TABLE, 500, &violations, &coverage);
	tap_ok(violations <= 26, "table: at most 5 % of walks go too far", "%d of 300", violations);
	tap_ok(coverage > 0.4, "table: and they keep rows", "%g", coverage);
	walks(QC_TARGET_ACCEPTED, 1000, &violations, &coverage);
	tap_ok(violations <= 26, "accepted: at most 5 % of walks go too far", "%d of 300", violations);
	tap_ok(coverage > 0.05, "accepted: and they keep rows", "%g", coverage);
}

/* Mean number of reviews to an alarm at a threshold, errors coming at a rate. */
static double
run_length(double rate, double alarm, int runs, uint64_t seed)
{
	QcRandom	random;
	double		sum = 0;
	int			run;

	qc_random_seed(&random, seed);
	for (run = 0; run < runs; run++)
	{
		QcHarm		harm = {{0}};

		do
			sum++;
		while (qc_harm_step(&harm, E, qc_random_unit(&random) < rate) < alarm);
	}
	return sum / runs;
}

static void
test_harm(void)
{
	QcHarm		harm = {{0}};
	double		length;

	/* one error: the ratios are the multiples */
	tap_ok(apart(qc_harm_step(&harm, E, true), (1.5 + 2 + 3 + 5) / 4) < 1e-12, "one error", "%g", qc_harm_mean(&harm));
	tap_ok(apart(qc_harm_step(&harm, E, false),
				 (2.5 * 0.925 + 3 * 0.9 + 4 * 0.85 + 6 * 0.75) / 0.95 / 4) < 1e-12, "then a right one", "%g", qc_harm_mean(&harm));
	tap_ok(isnan(qc_harm_step(&harm, 0, true)), "a rate of 0 has no harm", "it has");
	harm = (QcHarm) {{0}};
	tap_ok(qc_harm_step(&harm, 0.6, false) > 0 && qc_harm_step(&harm, 0.6, true) > 0, "a high rate keeps all ratios positive",
		   "%g", qc_harm_mean(&harm));
	length = run_length(E, 1000, 300, 1);
	tap_ok(length > 1000, "a false alarm takes more reviews than the threshold", "%g", length);
	length = run_length(0.2, 10000, 300, 2);
	tap_ok(length > 30 && length < 65, "20 % instead of 5 % takes about 45 reviews", "%g", length);
	length = run_length(0.1, 10000, 100, 3);
	tap_ok(length > 140 && length < 280, "10 % takes about 204", "%g", length);
}

static void
test_drift_labels(void)
{
	int64_t		reference[] = {800, 1080, 60, 60};
	int64_t		window[] = {64, 108, 18, 10};
	int64_t		zero[] = {0, 0, 0, 0};
	double		p[4] = {0};
	QcDrift		drift = {0};

	tap_ok(qc_drift_labels(reference, window, 4, 1, p, &drift) == QC_STAT_OK && drift.index == 2 && p[2] < 0.001 &&
		   drift.p == 4 * p[2], "the label that moved is named", "%d at %g", drift.index, drift.p);
	tap_ok(drift.before == 0.03 && drift.now == 0.09, "with its shares", "%g to %g", drift.before, drift.now);
	qc_drift_labels(reference, window, 4, 2, p, &drift);
	tap_ok(drift.index == 2 && p[2] > 0.001 && p[2] < 0.05, "clumped rows count for less", "%g", p[2]);
	qc_drift_labels(reference, reference, 4, 1, NULL, &drift);
	tap_ok(drift.p == 1, "the same mix is no drift", "%g", drift.p);
	tap_ok(qc_drift_labels(reference, zero, 4, 1, NULL, &drift) == QC_STAT_TOO_FEW, "an empty window", "something");
	zero[1] = -1;
	tap_ok(qc_drift_labels(reference, zero, 4, 1, NULL, &drift) == QC_STAT_INPUT, "a negative count", "something");
	tap_ok(qc_drift_level(1, 365) == 1 / 365.0 && qc_drift_level(10, 2) == 1, "the level", "%g", qc_drift_level(1, 365));
}

static void
test_drift_numbers(void)
{
	int64_t		days[] = {40, 7, 3, 35, 10, 5, 60, 2, 1, 20, 15, 0, 41, 8, 2};
	int64_t		unseen[] = {40, 0, 7, 3, 35, 0, 10, 5, 60, 0, 2, 1, 20, 0, 15, 0, 41, 0, 8, 2, 0, 0, 0, 0};
	int64_t		reference[] = {800, 140, 60, 0};
	int64_t		window[] = {30, 12, 7, 1};

	same("phi", 0, qc_drift_phi(days, 5, 3), ref_phi[0][0], 1e-12);
	same("phi with a label and a day that are not there", 0, qc_drift_phi(unseen, 6, 4), ref_phi[0][0], 1e-12);
	tap_ok(qc_drift_phi(days, 1, 3) == 1, "one day does not tell", "%g", qc_drift_phi(days, 1, 3));
	same("PSI", 0, qc_drift_psi(reference, window, 4), ref_psi[0][0], 1e-12);
}

/* Year after year without a drift: alarms on labels and on confidences. */
static void
test_false_alarms(void)
{
	static double before[2000];
	static double now[200];
	QcRandom	random;
	int			labels = 0;
	int			deciles = 0;
	int			day;
	int			i;

	qc_random_seed(&random, 99);
	for (day = 0; day < 400; day++)
	{
		int64_t		reference[3] = {0};
		int64_t		window[3] = {0};
		QcDrift		drift = {0};

		for (i = 0; i < 2200; i++)
		{
			double		u = qc_random_unit(&random);
			int			label = u < 0.9 ? 0 : u < 0.97 ? 1 : 2;

			(i < 2000 ? reference : window)[label]++;
			*(i < 2000 ? &before[i] : &now[i - 2000]) = floor(u * 40) / 40;
		}
		labels += qc_drift_labels(reference, window, 3, 1, NULL, &drift) == QC_STAT_OK && drift.p < 0.05;
		deciles += qc_drift_deciles(before, 2000, now, 200, 1, &drift) == QC_STAT_OK && drift.p < 0.05;
	}
	/* 5 % of 400 and three standard errors */
	tap_ok(labels <= 33, "labels: false alarms keep to the level", "%d of 400", labels);
	tap_ok(deciles <= 33, "confidences: false alarms keep to the level", "%d of 400", deciles);
}

static void
test_deciles(void)
{
	double		before[100];
	double		now[50];
	QcDrift		drift = {0};
	int			i;

	for (i = 0; i < 100; i++)
		before[i] = i / 100.0;
	for (i = 0; i < 50; i++)
		now[i] = 0.9 + i / 500.0;
	tap_ok(qc_drift_deciles(before, 100, now, 50, 1, &drift) == QC_STAT_OK && drift.p < 1e-3, "all sure at once is a drift", "%g", drift.p);
	for (i = 0; i < 50; i++)
		now[i] = 0.7;
	tap_ok(qc_drift_deciles(before, 100, now, 50, 1, &drift) == QC_STAT_OK && drift.now == 1 && drift.p < 1e-10,
		   "so is one value", "%g", drift.p);
	for (i = 0; i < 100; i++)
		before[i] = 0.7;
	tap_ok(qc_drift_deciles(before, 100, now, 50, 1, &drift) == QC_STAT_OK && drift.p == 1, "one value on both sides is none", "%g", drift.p);
	tap_ok(qc_drift_deciles(before, 100, now, 0, 1, &drift) == QC_STAT_TOO_FEW, "an empty window", "something");
	now[3] = NAN;
	tap_ok(qc_drift_deciles(before, 100, now, 50, 1, &drift) == QC_STAT_INPUT, "NaN is refused", "it is not");
}

static void
test_shares(void)
{
	QcShareCounts counts = {100, 101, 1, 1, 1, 1};
	QcMeasure	got = {0};
	double		lambda = 0;
	int			i;

	for (i = 0; i < N(ref_share); i++)
	{
		const double *r = ref_share[i];
		QcShareCounts c = {(int64_t) r[0], (int64_t) r[1], (int64_t) r[2], (int64_t) r[3], (int64_t) r[4], (int64_t) r[5]};

		tap_ok(qc_share(&c, r[6], &got, &lambda) == QC_STAT_OK, "a share is told", "row %d", i);
		same("lambda", i, lambda, r[7], 1e-9);
		same("share", i, got.value, r[8], 1e-9);
		same("its lower end", i, got.lo, r[9], 1e-9);
		same("its upper end", i, got.hi, r[10], 1e-9);
	}
	tap_ok(qc_share(&counts, 0.95, &got, NULL) == QC_STAT_INPUT, "more labelled than rows", "a share");
	counts = (QcShareCounts) {100, 50, 0, 0, 0, 0};
	tap_ok(qc_share(&counts, 0.95, &got, NULL) == QC_STAT_TOO_FEW, "no audits, no share", "one");
}

/* The machine says it of 16 % of the rows, people of 20 %. */
static void
test_share_coverage(void)
{
	QcRandom	random;
	int			covered = 0;
	double		width = 0;
	int			run;
	int			i;

	qc_random_seed(&random, 5);
	for (run = 0; run < 500; run++)
	{
		QcShareCounts c = {2000, 0, 0, 0, 0, 0};
		QcMeasure	got = {0};

		for (i = 0; i < 2200; i++)
		{
			double		u = qc_random_unit(&random);

			if (i < 2000)
				c.labelled += u < 0.16;
			else if (u < 0.15)
				c.both++;
			else if (u < 0.16)
				c.machine++;
			else if (u < 0.21)
				c.person++;
			else
				c.neither++;
		}
		if (qc_share(&c, 0.95, &got, NULL) != QC_STAT_OK)
			continue;
		covered += got.lo <= 0.2 && got.hi >= 0.2;
		width += (got.hi - got.lo) / 500;
	}
	tap_ok(covered >= 460 && covered <= 492, "intervals cover the share", "%d of 500", covered);

	/* 200 audits alone: 2 * 1.96 * sqrt(0.2 * 0.8 / 200) = 0.111 */
	tap_ok(width < 0.09, "and are narrower than those of the audits alone", "%g", width);
}

int
main(void)
{
	test_fewest();
	test_to_go();
	test_grid();
	test_walk();
	test_anytime();
	test_walks();
	test_harm();
	test_drift_labels();
	test_drift_numbers();
	test_false_alarms();
	test_deciles();
	test_shares();
	test_share_coverage();
	return tap_end();
}
