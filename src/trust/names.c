/*-------------------------------------------------------------------------
 *
 * names.c
 *	  A task's labels by name, in the task's order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "task/prompts.h"
#include "trust/names.h"

void
qc_names_read(const QcTask *task, QcNames *labels)
{
	QcSitePrompt *site = NULL;

	(void) qc_task_prompt(&site, CurrentMemoryContext, task, false);
	labels->n = qc_labels_own(site->prompt->labels);
	labels->abstains = site->prompt->labels->abstains;
	labels->name = palloc(sizeof(char *) * labels->n);
	for (int i = 0; i < labels->n; i++)
		labels->name[i] = text_to_cstring(site->label[i]);
}

int
qc_names_find(const QcNames *labels, const char *name)
{
	for (int i = 0; i < labels->n; i++)
		if (strcmp(labels->name[i], name) == 0)
			return i;
	return -1;
}
