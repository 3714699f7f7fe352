/*-------------------------------------------------------------------------
 *
 * corrections.h
 *	  Rows that people labelled, split into examples and exam.
 *
 * Invariant: a row is never both.  Audits are drawn from the lower end of a hash
 * of the key; examples come from its upper half, and an audit is never one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_CORRECTIONS_H
#define QC_CORRECTIONS_H

#include "postgres.h"

#include "trust/names.h"
#include "trust/reviews.h"

typedef struct QcCorrection
{
	QcItem		item;			/* the key, and the text as it was labelled */
	int			label;			/* a person's, of the task's labels */
	bool		corrected;		/* the machine had another */
	bool		audit;
	bool		example;		/* may be one; else it is for the exam */
} QcCorrection;

typedef struct QcCorrections
{
	int			n;
	QcCorrection *row;			/* the latest first, audits before others */
} QcCorrections;

/* Those whose text is still the one that was labelled, with a label of the task's. */
extern void qc_corrections_read(const QcTask *task, const QcTarget *target,
								const QcNames *labels, QcCorrections *out);

/* Write rows as the examples that a task chooses from, instead of those that it had. */
extern void qc_corrections_freeze(int32 task, const QcNames *labels,
								  const QcCorrection *const *row, int n);

#endif							/* QC_CORRECTIONS_H */
