/*-------------------------------------------------------------------------
 *
 * status.h
 *	  What a statistic gives: a code, or an estimate with its interval.
 *
 * stats/ is plain C on counts and arrays: it never sees a server header or a
 * file of another folder, allocates with malloc, keeps no state of its own and
 * reports by value.  Whatever is random takes a seed, so that a number can be
 * told again.  The caller in trust/ turns a QcStat into an error.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TRUST_STATS_STATUS_H
#define QC_TRUST_STATS_STATUS_H

typedef enum QcStat
{
	QC_STAT_OK = 0,
	QC_STAT_NO_MEMORY,
	QC_STAT_INPUT,				/* an argument is out of its range, or NaN */
	QC_STAT_TOO_FEW,			/* no rows, or all of one kind */
	QC_STAT_SEPARATED			/* the likelihood has no maximum */
} QcStat;

/* se is 0 where the interval is not made from one. */
typedef struct QcMeasure
{
	double		value;
	double		lo;
	double		hi;
	double		se;
} QcMeasure;

#endif							/* QC_TRUST_STATS_STATUS_H */
