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

extern char *qc_server;			/* qwen_classify.server; "" : none */
extern int	qc_on_error;		/* QcOnError */
extern int	qc_max_requests;	/* 0: no limit */

extern void qc_guc_init(void);

#endif							/* QC_GUC_H */
