/*-------------------------------------------------------------------------
 *
 * similar.h
 *	  How similar texts are: by trigrams, and by the rare words they share.
 *
 * The trigram measure is pg_trgm's (words lower-cased, padded with two spaces
 * before and one after; shared over all), but in every language whatever the
 * database's locale, and the same for ever: what is chosen by it is part of a
 * task's version.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_SIMILAR_H
#define QC_PROMPT_SIMILAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QC_SIMILAR_CHARS	500	/* of a text's beginning that are compared */
#define QC_MOST_MARKS		(QC_SIMILAR_CHARS + 2)

/* A trigram (three code points) or a word's hash. */
typedef uint64_t QcMark;

/* The marks of a text of valid UTF-8, ascending, each once; how many. */
extern int	qc_trigrams(const char *text, size_t len, QcMark mark[QC_MOST_MARKS]);
extern int	qc_words(const char *text, size_t len, QcMark mark[QC_MOST_MARKS]);

/* Shared over all, from 0 to 1; two texts without a trigram have nothing in common. */
extern double qc_similarity(const QcMark *a, int na, const QcMark *b, int nb);

/* ---- an index over the marks of many texts ---- */

typedef struct QcIndex
{
	int			ntexts;
	int			nmarks;			/* different ones */
	QcMark	   *mark;			/* ascending */
	int		   *start;			/* of each mark's texts; nmarks + 1 of them */
	int		   *text;
} QcIndex;

/* A mark of a text; what an index is made of. */
typedef struct QcPosting
{
	QcMark		mark;
	int			text;
} QcPosting;

/* Sorts the postings; false: no memory. */
extern bool qc_index_make(QcIndex *index, QcPosting *posting, size_t n, int ntexts);
extern void qc_index_free(QcIndex *index);

/* How many of the marks each text has: added to shared, of ntexts. */
extern void qc_index_count(const QcIndex *index, const QcMark *mark, int n, double *shared);

/*
 * The same by weight, of the rarest marks alone (most of them): ln of one over
 * the share of texts that have it.
 */
extern void qc_index_weigh(const QcIndex *index, const QcMark *mark, int n, int most, double *weight);

#endif							/* QC_PROMPT_SIMILAR_H */
