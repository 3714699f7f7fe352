/*-------------------------------------------------------------------------
 *
 * tree.h
 *	  A server's JSON as a tree, parsed within limits and into few blocks.
 *
 * An answer with logprobs is some 500 values in 5 kB.  As many mallocs are
 * half of what a call costs, so the values lie in blocks that are freed
 * together, and the strings in one copy of the text.  What is read from the
 * tree are cJSON's own nodes, by cJSON's own functions; it must not be
 * changed nor given to cJSON_Delete.
 *
 * Half of the values are the numbers of "bytes": [104, 105].  Such a member is
 * an array without children whose valuestring holds the bytes, valueint of
 * them and a NUL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_TREE_H
#define QC_PROMPT_TREE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* What a bare NaN becomes: no probability has such a logarithm. */
#define QC_NOT_A_NUMBER 1e9

typedef struct QcTree
{
	const cJSON *root;			/* NULL: not JSON, or no memory */
	struct QcTreeBlock *block;	/* private */
	char	   *text;			/* private */
} QcTree;

/*
 * Parse what a server wrote: what follows the first value is ignored, bare
 * NaN and Infinity are taken as printers of floats mean them.  Numbers are
 * right to the last bit or two, whatever the locale.  Free it either way.
 */
extern bool qc_tree_parse(QcTree *tree, const char *s, size_t len);

/* The text that all strings of the tree stand in: free() it when they are no longer needed. */
extern char *qc_tree_take_text(QcTree *tree);
extern void qc_tree_free(QcTree *tree);

#endif							/* QC_PROMPT_TREE_H */
