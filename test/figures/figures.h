/*-------------------------------------------------------------------------
 *
 * figures.h
 *	  Rows that a real model has labelled, for figures made with the statistics of src/trust/stats/.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FIGURES_H
#define FIGURES_H

#include <stdbool.h>
#include <stdint.h>

/* All rows of one set, in the recorded order; labels are numbers from 0. */
typedef struct Rows
{
	int			n;
	int			labels;			/* how many there are */
	double	   *p;				/* raw confidence in the label given */
	bool	   *right;
	int		   *truth;
	int		   *label;			/* the one given */
	float	   *top;			/* labels probabilities of each row, or NULL */
	double	   *mean_log;		/* of each label, over the rows: of ln p, and of p */
	double	   *mean;
} Rows;

extern void *room(size_t count, size_t size);
extern void check(int status, const char *what);

extern void figure_calibration(const Rows *rows);
extern void figure_certificate(const Rows *rows);
extern void figure_drift(const Rows *rows);

#endif							/* FIGURES_H */
