/*-------------------------------------------------------------------------
 *
 * failkind.h
 *	  What can go wrong with a request, and whose fault it is.
 *
 * Plain C, so that the outcome rules and their test need no server header.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_FAILKIND_H
#define QC_FAILKIND_H

typedef enum QcFailKind
{
	QC_FAIL_NONE = 0,

	/* the row's: stops this row only */
	QC_FAIL_INPUT,				/* the text is not valid in its encoding */
	QC_FAIL_TOO_LONG,			/* does not fit the context even when cut */
	QC_FAIL_REFUSED,			/* the server's content filter */
	QC_FAIL_REJECTED,			/* another 400, 413, 422 */
	QC_FAIL_BAD_ANSWER,			/* unusable after a second try */
	QC_FAIL_ROW_TIMEOUT,		/* timed out twice while other rows passed */
	QC_FAIL_LOOP,				/* its text changes whenever it is labelled */

	/* the server's: costs no row an attempt, retried for retry_timeout */
	QC_FAIL_CONNECT,			/* refused, unreachable, unknown host, reset */
	QC_FAIL_TIMEOUT,
	QC_FAIL_OVERLOADED,			/* 429, 503, 529 ... */
	QC_FAIL_LOADING,			/* 503 while the model is loaded */
	QC_FAIL_SERVER,				/* other 5xx, answers that are not HTTP */

	/* the user's: stops the statement at once */
	QC_FAIL_AUTH,				/* 401, 403 */
	QC_FAIL_MODEL,				/* unknown model */
	QC_FAIL_PATH,				/* 404: no such path, url is wrong */
	QC_FAIL_QUOTA,				/* paid quota used up */
	QC_FAIL_TLS,				/* certificate refused, CA file unreadable */
	QC_FAIL_PROTOCOL,			/* not an inference server */
	QC_FAIL_BUDGET				/* qwen_classify.max_requests reached */
} QcFailKind;

#define QC_N_FAIL_KINDS (QC_FAIL_BUDGET + 1)

typedef enum QcCharge
{
	QC_CHARGE_NOBODY,
	QC_CHARGE_ROW,
	QC_CHARGE_SERVER,
	QC_CHARGE_USER
} QcCharge;

#endif							/* QC_FAILKIND_H */
