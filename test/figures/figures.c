/*-------------------------------------------------------------------------
 *
 * figures.c
 *	  The extension's own statistics, on rows read from standard input.
 *
 *	figures calibration | certificate | drift | fold LABELS
 *		rows as lines of "confidence right truth label", then LABELS probabilities, see tell.py
 *	figures mcnemar B C
 *
 * fold prints for each row what the map that its reviews would get says of it
 * when it was fitted without it.  Everything random has a fixed seed.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trust/stats/choose.h"
#include "trust/stats/exact.h"

#include "figures.h"

void *
room(size_t count, size_t size)
{
	void	   *p = calloc(count + 1, size);

	if (p == NULL)
	{
		fputs("figures: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

void
check(int status, const char *what)
{
	if (status == QC_STAT_OK)
		return;
	fprintf(stderr, "figures: %s: status %d\n", what, status);
	exit(1);
}

static void
grow(Rows *rows, int size)
{
	rows->p = realloc(rows->p, sizeof(double) * size);
	rows->right = realloc(rows->right, sizeof(bool) * size);
	rows->truth = realloc(rows->truth, sizeof(int) * size);
	rows->label = realloc(rows->label, sizeof(int) * size);
	rows->top = realloc(rows->top, sizeof(float) * ((size_t) size * rows->labels + 1));
	if (!rows->p || !rows->right || !rows->truth || !rows->label || !rows->top)
		check(QC_STAT_NO_MEMORY, "rows");
}

static void
read_rows(Rows *rows)
{
	double		p;
	int			right;
	int			truth;
	int			label;

	while (scanf("%lf %d %d %d", &p, &right, &truth, &label) == 4)
	{
		if (rows->n % 1024 == 0)
			grow(rows, rows->n + 1024);
		rows->p[rows->n] = p;
		rows->right[rows->n] = right != 0;
		rows->truth[rows->n] = truth;
		rows->label[rows->n] = label;
		for (int l = 0; l < rows->labels; l++)
			if (scanf("%f", &rows->top[(size_t) rows->n * rows->labels + l]) != 1)
				check(QC_STAT_INPUT, "probabilities of the labels");
		rows->n++;
	}
	if (rows->n == 0 || !feof(stdin))
		check(QC_STAT_INPUT, "rows of standard input");
}

/* As qwen.calibrate takes them from recent results. */
static void
take_means(Rows *rows)
{
	rows->mean_log = room((size_t) rows->labels, sizeof(double));
	rows->mean = room((size_t) rows->labels, sizeof(double));
	for (int i = 0; i < rows->n; i++)
		for (int l = 0; l < rows->labels; l++)
		{
			double		p = rows->top[(size_t) i * rows->labels + l];

			rows->mean[l] += p / rows->n;
			rows->mean_log[l] += log(fmax(p, exp(-9))) / rows->n;
		}
}

static void
print_folds(const Rows *rows)
{
	QcReviews	reviews = {rows->n, rows->p, NULL, rows->right, NULL};
	double	   *told = room((size_t) rows->n, sizeof(double));
	QcChoice	choice;
	QcModel		model;

	check(qc_model_choose(&reviews, 1, &model, &choice), "choice of a map");
	check(qc_model_out_of_fold(&choice.recipe, &reviews, 1, told), "map out of fold");
	for (int i = 0; i < rows->n; i++)
		printf("%.9g\n", told[i]);
	qc_model_free(&model);
	free(told);
}

int
main(int argc, char **argv)
{
	Rows		rows = {0};

	if (argc == 4 && strcmp(argv[1], "mcnemar") == 0)
	{
		printf("%.6g\n", qc_mcnemar(atoi(argv[2]), atoi(argv[3])));
		return 0;
	}
	if (argc != 3)
	{
		fputs("usage: figures calibration|certificate|drift|fold LABELS < rows\n       figures mcnemar B C\n", stderr);
		return 2;
	}
	rows.labels = atoi(argv[2]);
	read_rows(&rows);
	take_means(&rows);
	if (strcmp(argv[1], "calibration") == 0)
		figure_calibration(&rows);
	else if (strcmp(argv[1], "certificate") == 0)
		figure_certificate(&rows);
	else if (strcmp(argv[1], "drift") == 0)
		figure_drift(&rows);
	else if (strcmp(argv[1], "fold") == 0)
		print_folds(&rows);
	else
		return 2;
	return 0;
}
