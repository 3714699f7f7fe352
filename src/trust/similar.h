/*-------------------------------------------------------------------------
 *
 * similar.h
 *	  Texts that are nearly the same: one of them is enough for a person.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_SIMILAR_H
#define QC_SIMILAR_H

#include "postgres.h"

#include "fmgr.h"

typedef struct QcSimilar
{
	bool		has_trgm;		/* pg_trgm is installed; else only equal texts are found */
	FmgrInfo	similarity;
	int			n;
	int			size;
	int64	   *hash;
	Datum	   *head;			/* the texts' beginnings */
} QcSimilar;

extern void qc_similar_begin(QcSimilar *seen);

/* Is a text near one that was added? */
extern bool qc_similar_seen(QcSimilar *seen, const char *text, int64 hash);
extern void qc_similar_add(QcSimilar *seen, const char *text, int64 hash);

#endif							/* QC_SIMILAR_H */
