/*-------------------------------------------------------------------------
 *
 * answered.h
 *	  The answered reviews of a task, as statistics take them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_ANSWERED_H
#define QC_ANSWERED_H

#include "postgres.h"

#include "task/task.h"
#include "trust/reviews.h"
#include "trust/stats/map.h"

/* Those of one version and one source. */
typedef struct QcAnswered
{
	int			n;
	int			naudits;
	int			nother;			/* answered, of another version or source, or without a number */
	char	   *source;			/* NULL: no row */
	QcNames		labels;
	int			nlabels;		/* with the one that none fits, where the model may say so */
	double	   *p;
	bool	   *right;
	double	   *weight;
	bool	   *audit;
	int		   *label;			/* of the machine, -1: not one of the task's */
	int		   *human;
	const float **top;			/* NULL: not kept */
	double	   *coverage;
	double	   *verbal;			/* beside votes; NaN: none */
	double	   *mean_log;		/* of each label, over recent rows; NULL: not known */
	double	   *mean;
} QcAnswered;

/* The source is that of the latest answer, else that of the rows; an error if there is none. */
extern void qc_answered_read(const QcTask *task, QcAnswered *answered);

/* As qc_model_choose takes them; points into answered. */
extern QcReviews qc_answered_reviews(const QcAnswered *answered);

/* A float4[] that SPI gave, copied; NULL if it is NULL or has not so many members. */
extern float4 *qc_top_at(uint64 row, int col, MemoryContext cxt, int members);

#endif							/* QC_ANSWERED_H */
