/*-------------------------------------------------------------------------
 *
 * acceptance.h
 *	  Which of a task's labels need no person's look.
 *
 * accept_above says it: a number, of the confidence that is shown; or
 * 'certified', and then it is the certificate's threshold, of the server's
 * numbers.  Invariant: without a certificate that stands 'certified' accepts
 * nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_ACCEPTANCE_H
#define QC_ACCEPTANCE_H

#include "postgres.h"

#include "task/task.h"

typedef struct QcAcceptance
{
	bool		certified;
	double		above;			/* QC_ACCEPT_NONE: nothing is accepted */
	char	   *source;			/* of the numbers that are certified; NULL: any */
} QcAcceptance;

#define QC_ACCEPT_NONE 2.0

/* Needs a transaction; the source is palloc'ed. */
extern QcAcceptance qc_acceptance_read(const QcTask *task);

extern bool qc_accepted(const QcAcceptance *acceptance, const char *source, double raw, double shown);

/* "0.7", "certified: 0.9312", "certified: nothing" */
extern char *qc_acceptance_words(const QcAcceptance *acceptance);

#endif							/* QC_ACCEPTANCE_H */
