/*-------------------------------------------------------------------------
 *
 * buf.h
 *	  A growing piece of text.
 *
 * Out of memory is remembered, not reported at each step: append as you like
 * and look once, when the text is taken.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_BUF_H
#define QC_PROMPT_BUF_H

#include <stdbool.h>
#include <stddef.h>

typedef struct QcBuf
{
	char	   *data;			/* NUL-terminated once something was added */
	size_t		len;
	size_t		size;
	bool		failed;			/* no memory: what is added is dropped */
} QcBuf;

/* Room for so many more bytes and a NUL, for who writes data and len itself. */
extern bool qc_buf_reserve(QcBuf *buf, size_t more);
extern void qc_buf_add(QcBuf *buf, const char *s, size_t len);
extern void qc_buf_adds(QcBuf *buf, const char *s);

/* Add the text as a JSON string literal with its quotes. */
extern void qc_buf_add_json(QcBuf *buf, const char *s, size_t len);

/* The text, malloc'ed ("" if nothing was added), or NULL without memory. */
extern char *qc_buf_take(QcBuf *buf);

/* A malloc'ed, NUL-terminated copy of len bytes, or NULL. */
extern char *qc_strndup(const char *s, size_t len);

#endif							/* QC_PROMPT_BUF_H */
