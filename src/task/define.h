/*-------------------------------------------------------------------------
 *
 * define.h
 *	  Making, changing and dropping tasks: what create.c and rename.c share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_DEFINE_H
#define QC_DEFINE_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "task/prompts.h"
#include "task/task.h"

/* Old names of labels and their new ones, in the server encoding. */
typedef struct QcRename
{
	int			n;
	char	  **from;
	char	  **to;
} QcRename;

/* Read '{"bug":"defect"}'; error with a hint. */
extern void qc_rename_read(Jsonb *json, QcRename *rename);

/*
 * In a tree, where names are paths: every label whose path changes by a rename
 * of it or of one above it.  An error with a hint for one that would move.
 */
extern void qc_rename_within(QcRename *rename, const QcSitePrompt *site);

/* The new name of a label, or the label itself. */
extern const char *qc_rename_of(const QcRename *rename, const char *label);

/*
 * The labels of a prompt as they are stored: a JSON object in the order
 * written, or an array where no label has a description or others within it.
 * rename may be NULL.
 */
extern char *qc_labels_stored(const QcSitePrompt *site, const QcRename *rename);

/* The renamed labels must be old's, and the new names fresh's. */
extern void qc_rename_check(const QcRename *rename, const QcSitePrompt *old,
							const QcSitePrompt *fresh);

/* Examples (JSON text) with their labels renamed. */
extern char *qc_rename_examples(const QcRename *rename, const char *examples);

/*
 * Rewrite the labels that stand in the attached table (as its owner) and in
 * our own tables.  only: nothing else changed, so that what is there is of
 * the new version.  task is as it was before.
 */
extern void qc_rename_rows(const QcTask *task, const QcRename *rename,
						   int32 version, bool only);

/* A NOTICE that the task is at a new version, and what that means for the rows. */
extern void qc_task_tell_version(const QcTask *task);

#endif							/* QC_DEFINE_H */
