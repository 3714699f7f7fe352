/*-------------------------------------------------------------------------
 *
 * test_combine.c
 *	  One verdict of several.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/combine.h"

#include "tap.h"

#define MOST 20

/* A draw of label, of n labels; word NaN: the model said no number. */
static QcVerdict
drawn(int label, int n, double word, const char *reason)
{
	QcVerdict	draw = {0};

	draw.label = label;
	draw.nlabels = n;
	draw.confidence = word;
	draw.source = isnan(word) ? QC_SOURCE_NONE : QC_SOURCE_VERBAL;
	draw.reason = reason ? strdup(reason) : NULL;
	return draw;
}

static void
free_all(QcVerdict *draw, int n, QcVerdict *out)
{
	for (int i = 0; i < n; i++)
		qc_verdict_free(&draw[i]);
	qc_verdict_free(out);
}

/* labels: a digit each. */
static void
vote(const char *labels, int nlabels, int label, double confidence)
{
	QcVerdict	draw[MOST];
	QcVerdict  *of[MOST];
	QcVerdict	out;
	int			n = (int) strlen(labels);
	double		sum = 0;

	for (int i = 0; i < n; i++)
	{
		draw[i] = drawn(labels[i] - '0', nlabels, NAN, NULL);
		of[i] = &draw[i];
	}
	tap_ok(qc_verdict_vote(of, n, &out), labels, "no memory");
	for (int i = 0; i < nlabels; i++)
		sum += out.posterior[i];
	tap_ok(out.label == label && fabs(out.confidence - confidence) < 1e-12 &&
		   out.source == QC_SOURCE_VOTE && out.nlabels == nlabels && fabs(sum - 1) < 1e-12 &&
		   isnan(out.coverage) && isnan(out.verbal) && out.lo == out.confidence,
		   labels, "label %d, confidence %.17g, sum %.17g", out.label, out.confidence, sum);
	free_all(draw, n, &out);
}

static void
words_and_reasons(void)
{
	QcVerdict	draw[4] = {
		drawn(0, 3, .9, "first"), drawn(2, 3, .5, NULL), drawn(2, 3, NAN, "second"), drawn(2, 3, .7, "third")
	};
	QcVerdict  *of[4] = {&draw[0], &draw[1], &draw[2], &draw[3]};
	QcVerdict	out;

	tap_ok(qc_verdict_vote(of, 4, &out), "draws with words", "no memory");
	tap_ok(out.label == 2 && strcmp(out.reason, "second") == 0,
		   "the reason is the first that was given for the label", "%s", out.reason);
	tap_ok(fabs(out.verbal - .6) < 1e-12, "the word is the mean over the label's draws that said one",
		   "%g", out.verbal);
	free_all(draw, 4, &out);
}

int
main(void)
{
	vote("000", 3, 0, 3.5 / 4.5);
	vote("0121", 3, 1, 2.5 / 5.5);
	vote("2211", 3, 1, 2.5 / 5.5);	/* a tie: the first of the labels */
	vote("9", 10, 9, 1.5 / 6);
	vote("11111111111111111111", 2, 1, 20.5 / 21);
	words_and_reasons();
	return tap_end();
}
