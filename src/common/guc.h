/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  The settings; guc.c has them in one table with context and reason.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_GUC_H
#define QC_GUC_H

typedef enum QcOnError
{
	QC_ON_ERROR_NULL,
	QC_ON_ERROR_ERROR,
	QC_ON_ERROR_LABEL
} QcOnError;

/* Whose a label is that somebody sets in a table with a task. */
typedef enum QcAuthorSetting
{
	QC_SET_BY_AUTO,				/* by the rules of the columns */
	QC_SET_BY_PERSON,
	QC_SET_BY_MACHINE
} QcAuthorSetting;

extern char *qc_server;			/* qwen_classify.server; "" : none */
extern int	qc_on_error;		/* QcOnError */
extern int	qc_max_requests;	/* 0: no limit */
extern int	qc_max_in_flight;	/* of one statement */
extern bool qc_prefetch;
extern char *qc_prefetch_functions; /* for developers; "": none */
extern uint32 qc_prefetch_functions_set;	/* how often that was changed */
extern int	qc_author;			/* QcAuthorSetting */
extern bool qc_enabled;			/* off: triggers do nothing, the worker idles */
extern int	qc_max_workers;		/* databases served at once */
extern int	qc_worker_idle_timeout; /* seconds */

extern void qc_guc_init(void);

#endif							/* QC_GUC_H */
