/*-------------------------------------------------------------------------
 *
 * certificate.c
 *	  Above which score the machine's labels may stand, with a guarantee.
 *
 * Why the marks may stay: let s be the first step that must not be certified.
 * A false certificate takes the mark of s, and the chance that the e-value of s
 * ever reaches 1 / d is at most d.  When the steps before s were marked, and in
 * which order, does not matter.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/certificate.h"

#include <math.h>
#include <stdlib.h>

/* How many times the fewest possible audits the first tested step must expect. */
#define START_FACTOR 1.6

static int
falling(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x < y) - (x > y);
}

/* The thresholds, from scores sorted falling. */
static void
make_steps(QcCertificate *certificate, const double *sorted, int n)
{
	int			reached = 0;
	int			i;

	for (i = 1; i <= QC_CERTIFICATE_STEPS; i++)
	{
		/* the fewest rows that are this share */
		int			rank = (int) (((long long) n * i + QC_CERTIFICATE_STEPS - 1) / QC_CERTIFICATE_STEPS);
		double		threshold = sorted[rank - 1];
		QcCertificateStep	   *step = &certificate->step[certificate->nsteps];

		if (certificate->nsteps > 0 && step[-1].threshold == threshold)
			continue;
		while (reached < n && sorted[reached] >= threshold)
			reached++;
		*step = (QcCertificateStep) {.threshold = threshold, .coverage = (double) reached / n};
		certificate->nsteps++;
	}
}

static void
find_start(QcCertificate *certificate, int64_t planned)
{
	double		fewest = START_FACTOR * log(certificate->d) / log1p(-certificate->e);

	if (certificate->target == QC_TARGET_TABLE)
		return;
	while (certificate->start < certificate->nsteps &&
		   (double) planned * certificate->step[certificate->start].coverage < fewest)
		certificate->start++;
}

QcStat
qc_certificate_begin(QcCertificate *certificate, QcErrorTarget target, double e, double d,
					 const double *scores, int nscores, int64_t planned)
{
	double	   *sorted;
	int			i;

	*certificate = (QcCertificate) {.target = target, .e = e, .d = d};
	if (nscores < 0 || !(e > 0 && e < 1 && d > 0 && d < 1))
		return QC_STAT_INPUT;
	for (i = 0; i < nscores; i++)
		if (isnan(scores[i]))
			return QC_STAT_INPUT;
	if (nscores == 0)
		return QC_STAT_TOO_FEW;
	sorted = malloc(sizeof(double) * nscores);
	if (sorted == NULL)
		return QC_STAT_NO_MEMORY;
	for (i = 0; i < nscores; i++)
		sorted[i] = scores[i];
	qsort(sorted, nscores, sizeof(double), falling);
	make_steps(certificate, sorted, nscores);
	free(sorted);
	find_start(certificate, planned);
	return QC_STAT_OK;
}

void
qc_certificate_count(QcCertificate *certificate, double score, bool wrong)
{
	int			i;

	certificate->n++;
	for (i = certificate->nsteps - 1; i >= 0 && score >= certificate->step[i].threshold; i--)
	{
		certificate->step[i].audits++;
		certificate->step[i].wrong += wrong;
	}
}

/* The reviews that a step's errors are counted among. */
static int64_t
among(const QcCertificate *certificate, int step)
{
	return certificate->target == QC_TARGET_TABLE ? certificate->n : certificate->step[step].audits;
}

double
qc_certificate_evidence(const QcCertificate *certificate, int step)
{
	return qc_evidence_log((double) certificate->step[step].wrong, (double) among(certificate, step), certificate->e);
}

int
qc_certificate_look(QcCertificate *certificate)
{
	int			i;

	for (i = certificate->start; i < certificate->nsteps; i++)
	{
		QcCertificateStep	   *step = &certificate->step[i];

		if (!step->crossed)
			step->crossed = qc_certificate_evidence(certificate, i) >= -log(certificate->d);
	}
	return qc_certificate_step(certificate);
}

int
qc_certificate_step(const QcCertificate *certificate)
{
	int			i = certificate->start;

	while (i < certificate->nsteps && certificate->step[i].crossed)
		i++;
	return i > certificate->start ? i - 1 : -1;
}

int64_t
qc_certificate_to_go(const QcCertificate *certificate)
{
	int			last = qc_certificate_step(certificate);
	int			next = last < 0 ? certificate->start : last + 1;
	const QcCertificateStep *step = &certificate->step[next];
	int64_t		n;
	int64_t		more;
	double		share = 1;

	if (next >= certificate->nsteps)
		return last < 0 ? QC_EVIDENCE_NEVER : 0;
	n = among(certificate, next);
	more = qc_evidence_to_go(step->wrong, n, n > 0 ? (double) step->wrong / (double) n : 0,
							 certificate->e, certificate->d);

	/* under "accepted" only the audits at or above the threshold help */
	if (certificate->target == QC_TARGET_ACCEPTED)
		share = n > 0 ? (double) n / (double) certificate->n : step->coverage;
	return more == QC_EVIDENCE_NEVER ? QC_EVIDENCE_NEVER : (int64_t) ceil((double) more / share);
}

double
qc_certificate_risk(double d, int r)
{
	const double pi = 3.14159265358979323846;

	return 6 * d / (pi * pi * r * r);
}
