/*-------------------------------------------------------------------------
 *
 * similar.c
 *	  How similar texts are: by trigrams, and by the rare words they share.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/similar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "prompt/fnv.h"
#include "prompt/text.h"

/* A code point takes 21 bits. */
#define PAIR(before, c)		((((QcMark) (before) << 21) | (c)) & (((QcMark) 1 << 42) - 1))
#define TRIGRAM(pair, c)	(((QcMark) (pair) << 21) | (c))

/* ---- the marks of a text ---- */

/* Letters, digits, and what only stands with a letter. */
static bool
in_word(uint32_t c)
{
	utf8proc_category_t category = utf8proc_category((utf8proc_int32_t) c);

	return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO);
}

/* Scripts without spaces between words: two characters stand for one. */
static bool
is_ideograph(uint32_t c)
{
	return (c >= 0x2E80 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

/* The next character in lower case; 0 where no word is, and at the end. */
static uint32_t
next_char(const char *text, size_t len, size_t *at, int *chars)
{
	uint32_t	c = 0;
	size_t		n;

	if (*at >= len || *chars >= QC_SIMILAR_CHARS || (n = qc_utf8_char(text + *at, len - *at, &c)) == 0)
	{
		*at = len;
		return 0;
	}
	*at += n;
	(*chars)++;
	return in_word(c) ? (uint32_t) utf8proc_tolower((utf8proc_int32_t) c) : 0;
}

static int
by_mark(const void *a, const void *b)
{
	QcMark		x = *(const QcMark *) a;
	QcMark		y = *(const QcMark *) b;

	return x < y ? -1 : x > y;
}

static int
sort_once(QcMark *mark, int n)
{
	int			kept = 0;

	qsort(mark, (size_t) n, sizeof(QcMark), by_mark);
	for (int i = 0; i < n; i++)
		if (kept == 0 || mark[kept - 1] != mark[i])
			mark[kept++] = mark[i];
	return kept;
}

/* A word of n letters has n + 1 trigrams, and takes n + 1 characters of the text. */
int
qc_trigrams(const char *text, size_t len, QcMark mark[QC_MOST_MARKS])
{
	size_t		at = 0;
	int			chars = 0;
	int			n = 0;
	QcMark		pair = PAIR(' ', ' ');
	bool		within = false;

	do
	{
		uint32_t	c = next_char(text, len, &at, &chars);

		if (c != 0 || within)
			mark[n++] = TRIGRAM(pair, c != 0 ? c : ' ');
		within = c != 0;
		pair = within ? PAIR(pair, c) : PAIR(' ', ' ');
	} while (at < len);
	if (within)
		mark[n++] = TRIGRAM(pair, ' ');
	return sort_once(mark, n);
}

static QcMark
add_char(QcMark hash, uint32_t c)
{
	for (int i = 0; i < 4; i++, c >>= 8)
		hash = qc_fnv_add(hash, (unsigned char) (c & 0xFF));
	return hash;
}

int
qc_words(const char *text, size_t len, QcMark mark[QC_MOST_MARKS])
{
	size_t		at = 0;
	int			chars = 0;
	int			n = 0;
	uint32_t	before = 0;
	QcMark		hash = QC_FNV_START;

	while (at < len)
	{
		uint32_t	c = next_char(text, len, &at, &chars);

		if (c != 0 && is_ideograph(c))
		{
			if (is_ideograph(before))
				mark[n++] = add_char(add_char(QC_FNV_START, before), c);
		}
		else if (c != 0)
			hash = add_char(hash, c);
		if ((c == 0 || is_ideograph(c) || at >= len) && hash != QC_FNV_START)
		{
			mark[n++] = hash;
			hash = QC_FNV_START;
		}
		before = c;
	}
	return sort_once(mark, n);
}

double
qc_similarity(const QcMark *a, int na, const QcMark *b, int nb)
{
	int			shared = 0;
	int			i = 0;
	int			j = 0;

	while (i < na && j < nb)
	{
		bool		a_first = a[i] < b[j];
		bool		b_first = b[j] < a[i];

		shared += !a_first && !b_first;
		i += !b_first;
		j += !a_first;
	}
	return shared == 0 ? 0 : (double) shared / (na + nb - shared);
}

/* ---- an index ---- */

static int
by_mark_and_text(const void *a, const void *b)
{
	const QcPosting *x = a;
	const QcPosting *y = b;

	if (x->mark != y->mark)
		return x->mark < y->mark ? -1 : 1;
	return x->text - y->text;
}

bool
qc_index_make(QcIndex *index, QcPosting *posting, size_t n, int ntexts)
{
	memset(index, 0, sizeof(*index));
	index->ntexts = ntexts;
	index->mark = malloc((n + 1) * sizeof(QcMark));
	index->start = malloc((n + 2) * sizeof(int));
	index->text = malloc((n + 1) * sizeof(int));
	if (index->mark == NULL || index->start == NULL || index->text == NULL)
	{
		qc_index_free(index);
		return false;
	}
	if (n > 0)
		qsort(posting, n, sizeof(QcPosting), by_mark_and_text);
	for (size_t i = 0; i < n; i++)
	{
		if (i == 0 || posting[i].mark != posting[i - 1].mark)
		{
			index->mark[index->nmarks] = posting[i].mark;
			index->start[index->nmarks++] = (int) i;
		}
		index->text[i] = posting[i].text;
	}
	index->start[index->nmarks] = (int) n;
	return true;
}

void
qc_index_free(QcIndex *index)
{
	free(index->mark);
	free(index->start);
	free(index->text);
	memset(index, 0, sizeof(*index));
}

/* Where a mark's texts are; -1: no text has it. */
static int
find_mark(const QcIndex *index, QcMark mark)
{
	int			low = 0;
	int			high = index->nmarks;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (index->mark[middle] < mark)
			low = middle + 1;
		else
			high = middle;
	}
	return low < index->nmarks && index->mark[low] == mark ? low : -1;
}

static void
add_to_texts(const QcIndex *index, int at, double weight, double *sum)
{
	for (int i = index->start[at]; i < index->start[at + 1]; i++)
		sum[index->text[i]] += weight;
}

void
qc_index_count(const QcIndex *index, const QcMark *mark, int n, double *shared)
{
	for (int i = 0; i < n; i++)
	{
		int			at = find_mark(index, mark[i]);

		if (at >= 0)
			add_to_texts(index, at, 1, shared);
	}
}

static int
texts_of(const QcIndex *index, int at)
{
	return index->start[at + 1] - index->start[at];
}

/* Keep the rarest of the marks that are known, the rarest first. */
static int
rarest(const QcIndex *index, const QcMark *mark, int n, int most, int *kept)
{
	int			nkept = 0;

	for (int i = 0; i < n; i++)
	{
		int			at = find_mark(index, mark[i]);
		int			place;

		if (at < 0 || (nkept == most && texts_of(index, at) >= texts_of(index, kept[most - 1])))
			continue;
		place = nkept < most ? nkept++ : most - 1;
		for (; place > 0 && texts_of(index, kept[place - 1]) > texts_of(index, at); place--)
			kept[place] = kept[place - 1];
		kept[place] = at;
	}
	return nkept;
}

void
qc_index_weigh(const QcIndex *index, const QcMark *mark, int n, int most, double *weight)
{
	int			kept[QC_MOST_MARKS];
	int			nkept = rarest(index, mark, n, most < QC_MOST_MARKS ? most : QC_MOST_MARKS, kept);

	for (int i = 0; i < nkept; i++)
		add_to_texts(index, kept[i], log((index->ntexts + 1.0) / texts_of(index, kept[i])), weight);
}
