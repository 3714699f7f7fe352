/*-------------------------------------------------------------------------
 *
 * names.h
 *	  A task's labels by name, in the task's order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_NAMES_H
#define QC_NAMES_H

#include "postgres.h"

#include "task/task.h"

typedef struct QcNames
{
	int			n;
	char	  **name;
	bool		abstains;		/* of a row's probabilities one more is that none fits */
} QcNames;

extern void qc_names_read(const QcTask *task, QcNames *labels);
extern int	qc_names_find(const QcNames *labels, const char *name);	/* -1: none */

#endif							/* QC_NAMES_H */
