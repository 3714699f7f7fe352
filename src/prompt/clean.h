/*-------------------------------------------------------------------------
 *
 * clean.h
 *	  Dirty text made readable: markup, mojibake, boilerplate, noise.
 *
 * Any bytes are taken and none make it fail: what is not valid UTF-8 is
 * carried through as it is.  The result depends on the text and the options
 * alone, and the time is linear in the text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_CLEAN_H
#define QC_PROMPT_CLEAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum QcUrls
{
	QC_URLS_KEEP,
	QC_URLS_DROP,
	QC_URLS_DOMAIN				/* the host's name in the place of each */
} QcUrls;

typedef struct QcCleanOptions
{
	bool		html;			/* text of HTML, entities decoded */
	bool		mojibake;		/* mend UTF-8 that was read as something else */
	bool		controls;		/* drop control and invisible characters */
	bool		boilerplate;	/* drop signatures, notices, advertising lines */
	bool		punctuation;	/* a run of one sign is three of it */
	bool		space;			/* one space, one blank line */
	QcUrls		urls;

	/* Can the caller's encoding hold this character?  NULL: it holds all. */
	bool		(*fits) (void *arg, uint32_t c);
	void	   *arg;

	/* Asked now and then: is somebody waiting for this to end?  Or NULL. */
	bool		(*stop) (void);
} QcCleanOptions;

/* Everything on, URLs kept. */
extern void qc_clean_defaults(QcCleanOptions *options);

/* malloc'ed and NUL-terminated; NULL: no memory, or *stopped. */
extern char *qc_clean(const char *s, size_t len, const QcCleanOptions *options,
					  size_t *out_len, bool *stopped);

#endif							/* QC_PROMPT_CLEAN_H */
