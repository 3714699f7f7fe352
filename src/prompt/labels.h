/*-------------------------------------------------------------------------
 *
 * labels.h
 *	  A set of labels with their descriptions.
 *
 * Invariant: at least one label, at most QC_MAX_LABELS, all different, in
 * the order written, valid UTF-8, none blank, none with control characters.
 * In a tree every node is a label, named by its path ("finance/stock"); a node
 * stands before what is within it, and no part of a path holds the separator.
 * Where abstains is set, one more stands last, which is not the user's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_LABELS_H
#define QC_PROMPT_LABELS_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

#define QC_MAX_LABELS		1000
#define QC_MAX_LABEL_CHARS	200	/* of a path, too */
#define QC_MAX_LABEL_DEPTH	8

#define QC_SEPARATOR		"/"	/* unless somebody wants another */

typedef struct QcLabel
{
	char	   *name;			/* as the user wrote it; in a tree the path */
	char	   *description;	/* or NULL */
	int			parent;			/* the label that it is within; -1: none */
	int			nchildren;		/* labels right within it; 0: a leaf */
	size_t		own;			/* where in name its own part begins */
} QcLabel;

typedef struct QcLabels
{
	int			n;
	QcLabel    *label;
	bool		abstains;		/* the last one says that none of the others fits */
	bool		tree;			/* some label has others within it */
} QcLabels;

/*
 * Make a set from n names (a NULL pointer stands for a NULL member), or from
 * JSON text: an object of label to description (string or null), or an array
 * of strings.  A value that is an object or array again makes a tree; there the
 * key "" holds the description of the label that the object is the value of.
 * Duplicate keys of the text are seen.  Returns NULL and fills *fault when
 * something is wrong.  Free with qc_labels_free.
 */
extern QcLabels *qc_labels_from_names(const char *const *name, int n, QcFault *fault);
extern QcLabels *qc_labels_from_json(const char *json, size_t len,
									 const char *separator, QcFault *fault);
extern void qc_labels_free(QcLabels *labels);

/*
 * Let the answer be that no label fits: under a name that nobody can take for
 * one of the user's.  False: no memory.
 */
extern bool qc_labels_add_none(QcLabels *labels, QcFault *fault);

/* How many of them are the user's own; is this one not? */
static inline int
qc_labels_own(const QcLabels *labels)
{
	return labels->abstains ? labels->n - 1 : labels->n;
}

static inline bool
qc_label_is_none(const QcLabels *labels, int i)
{
	return labels->abstains && i == labels->n - 1;
}

/*
 * Find the label that an answer means: exactly, else after trimming quotes
 * and white space, else by NFKC_Casefold (case, full width, composition) if
 * only one label folds to it.  Never by "contains".  Returns its index or -1.
 */
extern int	qc_labels_find(const QcLabels *labels, const char *answer, size_t len);

/* The code of label i: A..Z while n <= 26, else AA, AB, ...; buf of 4. */
extern const char *qc_label_code(int i, int n, char *buf);

#endif							/* QC_PROMPT_LABELS_H */
