/*-------------------------------------------------------------------------
 *
 * alert.h
 *	  Something that a task's owner should know.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_ALERT_H
#define QC_ALERT_H

#include "postgres.h"

#include "task/task.h"

/*
 * Within the caller's transaction: a row in qwen.alert, a line in the log, and
 * a notification on channel qwen_alert, which says the kind and the row's id
 * alone, since anybody may listen.  detail is JSON text.
 */
extern void qc_alert(const QcTask *task, const char *kind, const char *message,
					 const char *hint, const char *detail);

/* A text as JSON, quotes and all; palloc'ed. */
extern char *qc_alert_json(const char *text);

/* Lines of at most width bytes, broken where there are blanks; palloc'ed. */
extern char *qc_wrapped(const char *words, int width);

#endif							/* QC_ALERT_H */
