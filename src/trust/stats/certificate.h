/*-------------------------------------------------------------------------
 *
 * certificate.h
 *	  Above which score the machine's labels may stand, with a guarantee.
 *
 * A sequence of thresholds, the strictest first, fixed before its first audit.
 * Each audit counts for the thresholds its score reaches; a threshold is
 * certified when the evidence against "too many errors" is strong enough, now
 * or at an earlier look, at it and at all before it.  With probability 1 - d no
 * threshold is ever certified that should not be, however often one looks.
 *
 *	table		errors among all rows, those below the threshold being put
 *				right by people: at most e of them
 *	accepted	errors among the rows at or above the threshold: at most e
 *
 * The struct is all the state; it may be stored and read back.  The caller
 * counts an audit that nobody answered as wrong once a later one was counted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_CERTIFICATE_H
#define QC_TRUST_STATS_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "trust/stats/evidence.h"
#include "trust/stats/status.h"

#define QC_CERTIFICATE_STEPS 50

typedef enum QcErrorTarget
{
	QC_TARGET_TABLE,
	QC_TARGET_ACCEPTED
} QcErrorTarget;

typedef struct QcCertificateStep
{
	double		threshold;		/* falls from step to step */
	double		coverage;		/* share of the rows at or above it; rises */
	int64_t		audits;			/* audits at or above it */
	int64_t		wrong;			/* and wrong */
	bool		crossed;		/* its evidence was there at some look */
} QcCertificateStep;

typedef struct QcCertificate
{
	QcErrorTarget	target;
	double		e;				/* error allowed */
	double		d;				/* risk of a false certificate */
	int64_t		n;				/* audits so far */
	int			start;			/* steps before it are not tested */
	int			nsteps;
	QcCertificateStep		step[QC_CERTIFICATE_STEPS];
} QcCertificate;

/*
 * Begin a sequence.  scores: those of rows without reviews, of which the
 * thresholds become the quantiles at 2 %, 4 % ... 100 %, equal ones once.
 * planned: how many audits are intended; under "accepted" the walk starts at
 * the first step that can expect 1.6 ln(d) / ln(1 - e) of them, since an
 * earlier one would hold it up for ever.  If none can, start is nsteps, and
 * nothing will be certified.  QC_STAT_TOO_FEW without scores, QC_STAT_INPUT
 * for a NaN or e, d outside 0 .. 1, QC_STAT_NO_MEMORY.
 */
extern QcStat qc_certificate_begin(QcCertificate *certificate, QcErrorTarget target, double e, double d,
								   const double *scores, int nscores, int64_t planned);

/* Count one audit; a NaN score reaches no threshold. */
extern void qc_certificate_count(QcCertificate *certificate, double score, bool wrong);

/*
 * Look: mark the steps whose evidence is there.  Returns the last step of the
 * unbroken certified row, -1 if there is none.
 */
extern int	qc_certificate_look(QcCertificate *certificate);

/* What the last look found, without a new one. */
extern int	qc_certificate_step(const QcCertificate *certificate);

/* ln of a step's e-value. */
extern double qc_certificate_evidence(const QcCertificate *certificate, int step);

/*
 * How many further audits, of all rows, certify the step after the certified
 * ones if errors go on as they were; 0: all are certified, QC_EVIDENCE_NEVER: too many
 * errors there.
 */
extern int64_t qc_certificate_to_go(const QcCertificate *certificate);

/*
 * The risk to give the r-th sequence of a task, r from 1, so that all of them
 * together keep to d: 6 d / (pi r)^2.
 */
extern double qc_certificate_risk(double d, int r);

#endif							/* QC_TRUST_STATS_CERTIFICATE_H */
