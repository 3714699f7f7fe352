/*-------------------------------------------------------------------------
 *
 * labels.h
 *		The labels that a system message lists.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_LABELS_H
#define MOCK_LABELS_H

#include "str.h"

typedef struct Listed
{
	Str		   *name;
	Str		   *code;			/* empty where the list has no codes */
	size_t		n;
	bool		codes;
} Listed;

extern void labels_listed(Listed *l, Str system, const Str *known, size_t n_known);
extern ptrdiff_t labels_find(const Str *names, size_t n, Str name, size_t hint);

#endif							/* MOCK_LABELS_H */
