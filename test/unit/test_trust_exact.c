/*-------------------------------------------------------------------------
 *
 * test_trust_exact.c
 *	  Special functions, exact tests and intervals against reference values.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/evidence.h"
#include "trust/stats/exact.h"
#include "trust/stats/normal.h"
#include "trust/stats/random.h"
#include "trust/stats/special.h"

#include "trust_data.h"

#define TIGHT 1e-9

static void
test_beta(void)
{
	int			i;

	for (i = 0; i < N(ref_beta); i++)
	{
		const double *r = ref_beta[i];

		same("incomplete beta, lower", i, qc_beta_lower(r[0], r[1], r[2]), r[3], TIGHT);
		same("incomplete beta, upper", i, qc_beta_upper(r[0], r[1], r[2]), r[4], TIGHT);
	}
	for (i = 0; i < N(ref_beta_quantile); i++)
	{
		const double *r = ref_beta_quantile[i];

		same("beta quantile", i, qc_beta_quantile(r[0], r[1], r[2]), r[3], TIGHT);
		same("beta quantile, upper", i, qc_beta_quantile_upper(r[0], r[1], r[2]), r[4], TIGHT);
	}
	tap_ok(isnan(qc_beta_lower(0, 1, 0.5)) && isnan(qc_beta_lower(1, 1, 1.5)) && isnan(qc_beta_quantile(1, 1, NAN)),
		   "beta out of range is NaN", "it is not");
}

static void
test_binomial(void)
{
	int			i;

	for (i = 0; i < N(ref_clopper); i++)
	{
		const double *r = ref_clopper[i];
		double		lo;
		double		hi;

		qc_clopper_pearson((int64_t) r[0], (int64_t) r[1], r[2], &lo, &hi);
		same("Clopper-Pearson, lower", i, lo, r[3], TIGHT);
		same("Clopper-Pearson, upper", i, hi, r[4], TIGHT);
		same("Clopper-Pearson, one side", i,
			 qc_clopper_pearson_upper((int64_t) r[0], (int64_t) r[1], (1 - r[2]) / 2), r[4], TIGHT);
	}
	for (i = 0; i < N(ref_binomial); i++)
	{
		const double *r = ref_binomial[i];

		same("binomial, lower", i, qc_binomial_lower((int64_t) r[0], (int64_t) r[1], r[2]), r[3], TIGHT);
		same("binomial, upper", i, qc_binomial_upper((int64_t) r[0], (int64_t) r[1], r[2]), r[4], TIGHT);
	}
	for (i = 0; i < N(ref_choose); i++)
		same("log of n over k", i, qc_log_choose(ref_choose[i][0], ref_choose[i][1]), ref_choose[i][2], 1e-12);
}

static void
test_nothing_seen(void)
{
	double		lo;
	double		hi;

	qc_clopper_pearson(0, 0, 0.95, &lo, &hi);
	tap_ok(lo == 0 && hi == 1, "no rows: anything from 0 to 1", "%g .. %g", lo, hi);
	qc_clopper_pearson(3, 2, 0.95, &lo, &hi);
	tap_ok(isnan(lo) && isnan(hi), "more hits than rows: NaN", "%g .. %g", lo, hi);
	tap_ok(isnan(qc_fisher(-1, 2, 3, 4)) && isnan(qc_mcnemar(-1, 0)) && isnan(qc_hypergeometric_lower(0, 5, 6, 1)),
		   "impossible counts: NaN", "a number");
	tap_ok(qc_fisher(0, 0, 0, 0) == 1 && qc_mcnemar(0, 0) == 1, "an empty table says nothing", "it does");
}

static void
test_tables(void)
{
	int			i;

	for (i = 0; i < N(ref_hypergeometric); i++)
	{
		const double *r = ref_hypergeometric[i];
		int64_t		k = (int64_t) r[0];

		same("hypergeometric, lower", i,
			 qc_hypergeometric_lower(k, (int64_t) r[1], (int64_t) r[2], (int64_t) r[3]), r[4], TIGHT);
		same("hypergeometric, upper", i,
			 qc_hypergeometric_upper(k, (int64_t) r[1], (int64_t) r[2], (int64_t) r[3]), r[5], TIGHT);
	}
	for (i = 0; i < N(ref_fisher); i++)
	{
		const double *r = ref_fisher[i];
		int64_t		a = (int64_t) r[0];
		int64_t		b = (int64_t) r[1];
		int64_t		c = (int64_t) r[2];
		int64_t		d = (int64_t) r[3];

		same("Fisher", i, qc_fisher(a, b, c, d), r[4], TIGHT);
		same("Fisher, turned", i, qc_fisher(d, c, b, a), r[4], TIGHT);
		same("Fisher, sides changed", i, qc_fisher(b, a, d, c), r[4], TIGHT);
		same("Fisher, transposed", i, qc_fisher(a, c, b, d), r[4], TIGHT);
	}
	for (i = 0; i < N(ref_mcnemar); i++)
		same("McNemar", i, qc_mcnemar((int64_t) ref_mcnemar[i][0], (int64_t) ref_mcnemar[i][1]), ref_mcnemar[i][2], TIGHT);
}

static void
test_tails(void)
{
	int			i;

	for (i = 0; i < N(ref_chi2); i++)
		same("chi-square", i, qc_chi2_upper(ref_chi2[i][0], ref_chi2[i][1]), ref_chi2[i][2], TIGHT);
	for (i = 0; i < N(ref_normal); i++)
	{
		const double *r = ref_normal[i];

		same("normal tail", i, qc_normal_upper(r[0]), r[1], 1e-12);
		if (r[1] > 0.99)
			continue;			/* the rest to 1 is not in a double */
		tap_ok(fabs(qc_normal_quantile(r[1]) + r[0]) <= 1e-9 * (1 + fabs(r[0])), "its quantile",
			   "%.17g instead of %.17g", qc_normal_quantile(r[1]), -r[0]);
	}
}

static void
test_evidence(void)
{
	int			i;

	for (i = 0; i < N(ref_evidence); i++)
	{
		const double *r = ref_evidence[i];
		double		got = qc_evidence_log(r[0], r[1], r[2]);

		tap_ok(fabs(got - r[3]) <= fmax(1e-9, 1e-12 * fabs(r[3])), "e-value", "row %d: %.17g instead of %.17g", i, got, r[3]);
	}
	tap_ok(isnan(qc_evidence_log(2, 1, 0.05)) && isnan(qc_evidence_log(0, 1, 1)), "e-value out of range is NaN", "it is not");
}

static void
test_random(void)
{
	int			seen[7] = {0};
	QcRandom	random;
	QcRandom	again;
	double		sum = 0;
	int			least = 100000;
	int			i;

	qc_random_seed(&random, 7);
	qc_random_seed(&again, 7);
	for (i = 0; i < 70000; i++)
	{
		uint32_t	number = qc_random_below(&random, 7);

		if (number != qc_random_below(&again, 7))
			break;
		seen[number]++;
		sum += qc_random_unit(&random);
		(void) qc_random_unit(&again);
	}
	tap_ok(i == 70000, "the same seed gives the same numbers", "differs at %d", i);
	for (i = 0; i < 7; i++)
		least = seen[i] < least ? seen[i] : least;
	tap_ok(least > 9600, "each number below 7 is as likely", "%d of 10000", least);
	tap_ok(fabs(sum / 70000 - 0.5) < 0.005, "the unit interval's mean is 1/2", "%g", sum / 70000);
}

int
main(void)
{
	test_beta();
	test_binomial();
	test_nothing_seen();
	test_tables();
	test_tails();
	test_evidence();
	test_random();
	return tap_end();
}
