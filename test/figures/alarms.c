/*-------------------------------------------------------------------------
 *
 * alarms.c
 *	  How often texts are suspected of giving orders: one a line, on standard
 *	  input; the labels are the arguments.
 *
 * With -l the suspected ones are printed; with -m each as it is asked about again.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "prompt/suspect.h"

int
main(int argc, char **argv)
{
	char		mode = argc > 1 && argv[1][0] == '-' ? argv[1][1] : 0;
	int			first = mode ? 2 : 1;
	QcFault		fault;
	QcLabels   *labels = qc_labels_from_names((const char *const *) argv + first, argc - first, &fault);
	char	   *line = NULL;
	size_t		room = 0;
	ssize_t		n;
	long		lines = 0;
	long		found = 0;
	size_t		bytes = 0;
	clock_t		spent = 0;

	if (labels == NULL)
		return 2;
	while ((n = getline(&line, &room, stdin)) > 0)
	{
		clock_t		from = clock();
		bool		suspected;
		char	   *at;

		if (line[n - 1] == '\n')
			line[--n] = '\0';
		while ((at = strstr(line, "\\n")) != NULL)
		{
			*at = '\n';
			memmove(at + 1, at + 2, strlen(at + 2) + 1);
		}
		n = (ssize_t) strlen(line);
		suspected = qc_suspect(line, (size_t) n, labels);
		spent += clock() - from;
		lines++;
		bytes += (size_t) n;
		found += suspected;
		if (mode == 'l' && suspected)
			printf("%s\n", line);
		if (mode == 'm')
		{
			char	   *rest = qc_suspect_without(line, (size_t) n, labels);

			printf("%d %s\n", suspected, rest);
			free(rest);
		}
	}
	if (!mode)
		printf("%ld of %ld texts (%.2f %%), %.1f MB/s\n", found, lines, lines ? 100.0 * found / lines : 0,
			   spent ? bytes / 1e6 / ((double) spent / CLOCKS_PER_SEC) : 0);
	free(line);
	qc_labels_free(labels);
	return 0;
}
