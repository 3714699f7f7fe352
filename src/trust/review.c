/*-------------------------------------------------------------------------
 *
 * review.c
 *	  qwen.review: rows that need a person.
 *
 * Most are those that the machine is least sure of (role queue).  Where labels
 * part ways near the threshold a few more teach most (role active).  Both are
 * chosen by their scores, so the share that was chosen is kept with them: what is
 * learned from them must be weighed by it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/compat.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "queue/own.h"
#include "queue/rows.h"
#include "trust/acceptance.h"
#include "trust/calibration.h"
#include "trust/reviews.h"
#include "trust/similar.h"

#define ACTIVE_SHARE	0.3
#define NEAR			0.1		/* of the threshold */
#define CLIP			200		/* characters of an input that are shown */
#define PAGES			20		/* that are searched for rows that stand */
#define MOST_ACTIVE		5000	/* that are looked at */

typedef struct QcReview
{
	const QcTask *task;
	const QcTarget *target;
	QcNames		labels;
	QcAcceptance acceptance;	/* which labels need nobody */
	QcCalibration *calibration; /* or NULL */
	double		raw_above;		/* the same before it was calibrated */
	bool		rich;			/* no such number: more counts than the raw one */
	int			n;				/* rows that were asked for */
	QcSimilar	seen;
	QcAsked   **row;			/* that are shown */
	int			rows;
	int			drawn;			/* the last of them are new */
} QcReview;

/* ---- which rows ---- */

/* What a machine said, nobody has touched, and nobody was asked about. */
#define UNTOUCHED \
	"r.task = $1 AND r.state IN ('labelled', 'undecided') AND NOT EXISTS (SELECT FROM qwen.annotation AS a " \
	"WHERE a.task = r.task AND a.k = r.k AND a.kx = r.kx AND a.text_hash = r.text_hash)"
#define NOT_ASKED \
	" AND NOT EXISTS (SELECT FROM qwen.review_row AS v WHERE v.task = r.task AND v.k = r.k AND v.kx = r.kx " \
	"AND (v.text_hash = r.text_hash OR v.role = 'audit'))"
#define SHOWN	QC_SHOWN_SQL("r")
#define RICH_UNSURE	" AND (" SHOWN " < $2 OR r.confidence IS NULL OR r.state = 'undecided' OR r.suspect)"
#define RICH_AROUND	" AND r.state = 'labelled' AND " SHOWN " >= $2 - $3 AND " SHOWN " < $2 + $3"
#define ABOVE	"(CASE WHEN r.source = $4 THEN $5 ELSE $2 END)"
#define UNSURE	" AND (r.confidence < " ABOVE " OR r.confidence IS NULL OR r.state = 'undecided' OR r.suspect)"
#define AROUND	" AND r.state = 'labelled' AND r.confidence >= " ABOVE " - $3 AND r.confidence < " ABOVE " + $3"

/* Between the two most probable labels. */
#define MARGIN \
	"CROSS JOIN LATERAL (SELECT coalesce(pg_catalog.max(x) - (pg_catalog.array_agg(x ORDER BY x DESC))[2], " \
	"r.confidence) AS margin FROM unnest(r.top) AS x) AS m "

/*
 * The least of the server's numbers that is shown as that much.  A calibration
 * never turns two numbers round, so halving finds it; beyond 1: none.
 */
static double
shown_for(const QcCalibration *calibration, double raw)
{
	return qc_calibrated(calibration, &(QcRawAnswer) {.source = calibration->source,.confidence = raw,.coverage = NAN,.verbal = NAN});
}

static double
raw_threshold(const QcCalibration *calibration, double above)
{
	double		low = 0;
	double		high = 1;

	if (shown_for(calibration, 1) < above)
		return 2;
	for (int i = 0; i < 50; i++)
	{
		double		middle = (low + high) / 2;

		if (shown_for(calibration, middle) < above)
			low = middle;
		else
			high = middle;
	}
	return high;
}

/*
 * A certificate speaks of the server's numbers, a number that somebody set of
 * what is shown.
 */
static void
find_threshold(QcReview *review)
{
	QcCalibration *calibration;

	review->acceptance = qc_acceptance_read(review->task);
	if (review->acceptance.certified)
		return;
	calibration = qc_calibration_read(review->task, CurrentMemoryContext);
	if (calibration == NULL || calibration->stale != NULL)
		return;
	review->calibration = calibration;
	review->rich = qc_calibration_is_rich(calibration);
	review->raw_above = review->rich ? 0 : raw_threshold(calibration, review->acceptance.above);
}

static void
begin_query(const QcReview *review, QcOwn *own)
{
	const QcAcceptance *a = &review->acceptance;

	qc_own_begin(own);
	qc_own_int4(own, review->task->id);
	qc_own_float8(own, a->certified ? QC_ACCEPT_NONE : a->above);
	qc_own_float8(own, NEAR);
	qc_own_text(own, review->calibration ? review->calibration->source : a->source);
	qc_own_float8(own, review->calibration ? review->raw_above : a->above);
}

static const char *
unsure(const QcReview *review)
{
	return review->rich ? RICH_UNSURE : UNSURE;
}

static const char *
around(const QcReview *review)
{
	return review->rich ? RICH_AROUND : AROUND;
}

static int64
count_rows(const QcReview *review, const char *condition)
{
	QcOwn		own;
	bool		isnull;
	int64		n;

	begin_query(review, &own);
	qc_own_run_once(&own, psprintf("SELECT count(*) FROM qwen.result AS r WHERE " UNTOUCHED "%s", condition), SPI_OK_SELECT);
	n = qc_own_int8_at(0, 1, &isnull);
	qc_own_end(&own);
	return n;
}

/*
 * Rows near the threshold, those first whose labels are nearest to each other:
 * enough of each label, since one label may have nearly all of them.
 */
#define ACTIVE_SQL \
	"SELECT " QC_ASKED("r", "r", QC_NOT_DRAWN) " FROM (SELECT r.*, m.margin, pg_catalog.row_number() OVER " \
	"(PARTITION BY r.label ORDER BY m.margin, r.k, r.kx) AS nth FROM qwen.result AS r " MARGIN \
	"WHERE " UNTOUCHED "%s" NOT_ASKED ") AS r WHERE r.nth <= $6 ORDER BY r.margin, r.k, r.kx LIMIT $7"

/* Those whose text gives orders, then the least sure, a page at a time. */
#define QUEUE_SQL \
	"SELECT " QC_ASKED("r", "r", QC_NOT_DRAWN) " FROM qwen.result AS r WHERE " UNTOUCHED "%s" NOT_ASKED \
	" ORDER BY r.suspect DESC, %s, r.k, r.kx LIMIT $6 OFFSET $7"

static QcAsked *
read_page(const QcReview *review, bool active, int page, int size, int *n)
{
	MemoryContext cxt = CurrentMemoryContext;
	QcAsked    *asked;
	QcOwn		own;

	begin_query(review, &own);
	qc_own_int8(&own, size);
	qc_own_int8(&own, active ? MOST_ACTIVE : (int64) page * size);
	qc_own_run_once(&own, active ? psprintf(ACTIVE_SQL, around(review)) :
					psprintf(QUEUE_SQL, unsure(review), review->rich ? SHOWN : "r.confidence"), SPI_OK_SELECT);
	asked = qc_asked_read(cxt, n);
	qc_own_end(&own);
	return asked;
}

/* ---- choosing ---- */

static void
take(QcReview *review, QcAsked *asked)
{
	review->row[review->rows++] = asked;
	qc_similar_add(&review->seen, asked->item.text, asked->text_hash);
}

/* The label that stands there is the machine's, and no text of its kind is shown yet. */
static bool
fits(QcReview *review, const QcAsked *asked)
{
	return qc_asked_stands(asked) &&
		(qc_asked_undecided(asked) || strcmp(asked->item.old_label, asked->label) == 0) &&
		!qc_similar_seen(&review->seen, asked->item.text, asked->text_hash);
}

static int
with_label(const QcReview *review, int from, const char *label)
{
	int			n = 0;

	for (int i = from; i < review->rows; i++)
		if (strcmp(review->row[i]->label, label) == 0)
			n++;
	return n;
}

/* Draw at most wanted rows: of active ones at most a third with one label. */
static void
draw(QcReview *review, bool active, int wanted)
{
	int			from = review->rows;
	int			until = from + wanted;
	int			a_label = active ? Max(1, (wanted + 2) / 3) : wanted;
	int			size = 5 * wanted + 50;
	int			n = size;
	int64		all = wanted > 0 ? count_rows(review, active ? around(review) : unsure(review)) : 0;

	for (int page = 0; page < (active ? 1 : PAGES) && n == size && review->rows < until; page++)
	{
		QcAsked    *asked = read_page(review, active, page, size, &n);

		qc_asked_look(review->task, review->target, asked, n);
		for (int i = 0; i < n && review->rows < until; i++)
		{
			if (!fits(review, &asked[i]) || with_label(review, from, asked[i].label) >= a_label)
				continue;
			asked[i].role = active ? "active" : "queue";
			asked[i].prob = Min(1.0, (double) (active ? wanted : review->n) / (double) Max(all, 1));
			take(review, &asked[i]);
		}
	}
}

/* Those that were drawn before and wait for an answer. */
static void
take_open(QcReview *review)
{
	int			n;
	QcAsked    *asked = qc_asked_open(review->task, review->target, "<> 'audit'",
									  "v.confidence, v.k, v.kx", review->n, &n);

	for (int i = 0; i < n; i++)
		if (qc_asked_stands(&asked[i]))
			take(review, &asked[i]);
}

static int
open_active(const QcReview *review)
{
	int			n = 0;

	for (int i = 0; i < review->rows; i++)
		if (strcmp(review->row[i]->role, "active") == 0)
			n++;
	return n;
}

static void
choose(QcReview *review)
{
	int			active = (int) (review->n * ACTIVE_SHARE);
	int			before;

	review->row = palloc(sizeof(QcAsked *) * review->n);
	take_open(review);
	before = review->rows;
	active = Min(active - open_active(review), review->n - review->rows);
	if (active > 0)
		draw(review, true, active);
	if (review->rows < review->n)
		draw(review, false, review->n - review->rows);
	review->drawn = review->rows - before;
	qc_asked_draw(review->task, review->row + before, review->drawn);
	qc_asked_show(review->task, review->row, review->rows);
}

/* ---- showing ---- */

enum
{
	OUT_KEY, OUT_INPUT, OUT_LABEL, OUT_CONFIDENCE, OUT_SECOND, OUT_SECOND_CONFIDENCE,
	OUT_REASON, OUT_WHY, N_OUT
};

/* A text's beginning on one line. */
static char *
clipped(const char *text)
{
	int			whole = (int) strlen(text);
	int			len = pg_mbcharcliplen(text, whole, CLIP);
	char	   *s = pnstrdup(text, len);

	for (char *c = s; *c; c++)
		if (*c == '\n' || *c == '\r' || *c == '\t')
			*c = ' ';
	return len < whole ? psprintf("%s...", s) : s;
}

static double
calibrated(const QcReview *review, const QcAsked *asked)
{
	return qc_calibrated(review->calibration, &(QcRawAnswer) {asked->source, asked->label, asked->confidence,
															  asked->top, asked->ntop, asked->coverage, asked->verbal});
}

/* What stands in the row, or would. */
static double
shown_confidence(const QcReview *review, const QcAsked *asked)
{
	if (asked->item.old_confidence)
		return strtod(asked->item.old_confidence, NULL);
	return calibrated(review, asked);
}

static bool
is_unsure(const QcReview *review, const QcAsked *asked)
{
	return !qc_accepted(&review->acceptance, asked->source, asked->confidence, calibrated(review, asked));
}

static char *
why(const QcReview *review, const QcAsked *asked, int second)
{
	int			own = qc_names_find(&review->labels, asked->label);

	if (asked->suspect)
		return pstrdup("the text gives orders");
	if (qc_asked_undecided(asked))
		return pstrdup("none of the labels fits");
	if (isnan(asked->confidence))
		return pstrdup("no confidence");
	if (second >= 0 && asked->top[second] >= asked->top[own] / 2)
		return psprintf("%.2f against %.2f for %s", asked->top[own], asked->top[second],
						review->labels.name[second]);
	if (review->acceptance.above >= QC_ACCEPT_NONE)
		return pstrdup("nothing is certified");
	return psprintf("%s %.2f", is_unsure(review, asked) ? "below" : "near", review->acceptance.above);
}

static void
put_number(Datum *value, bool *null, double number)
{
	*null = isnan(number);
	*value = Float8GetDatum(*null ? 0 : rint(number * 1000) / 1000);
}

static void
put_row(QcReview *review, const QcAsked *asked, QcRows *out)
{
	int			second = qc_asked_second(asked, review->task, &review->labels);
	Datum		value[N_OUT] = {0};
	bool		null[N_OUT] = {0};

	value[OUT_KEY] = CStringGetTextDatum(qc_key_text(asked->item.k, asked->item.kx));
	value[OUT_INPUT] = CStringGetTextDatum(clipped(asked->item.text));
	value[OUT_LABEL] = CStringGetTextDatum(asked->label);
	null[OUT_LABEL] = qc_asked_undecided(asked);
	put_number(&value[OUT_CONFIDENCE], &null[OUT_CONFIDENCE],
			   shown_confidence(review, asked));
	null[OUT_SECOND] = second < 0;
	if (second >= 0)
		value[OUT_SECOND] = CStringGetTextDatum(review->labels.name[second]);
	put_number(&value[OUT_SECOND_CONFIDENCE], &null[OUT_SECOND_CONFIDENCE],
			   second < 0 ? (double) NAN : (double) asked->top[second]);
	null[OUT_REASON] = asked->reason == NULL;
	if (asked->reason)
		value[OUT_REASON] = CStringGetTextDatum(asked->reason);
	value[OUT_WHY] = CStringGetTextDatum(why(review, asked, second));
	tuplestore_putvalues(out->store, out->desc, value, null);
}

/* Texts that give orders, then the least sure; who gave no confidence is last. */
static int
by_confidence(const void *a, const void *b, void *review)
{
	double		x = shown_confidence(review, *(QcAsked *const *) a);
	double		y = shown_confidence(review, *(QcAsked *const *) b);
	int			suspects = (*(QcAsked *const *) b)->suspect - (*(QcAsked *const *) a)->suspect;

	if (suspects != 0)
		return suspects;
	if (isnan(x) || isnan(y))
		return isnan(x) - isnan(y);
	return x < y ? -1 : x > y;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_review);

Datum
qwen_classify_review(PG_FUNCTION_ARGS)
{
	QcReview	review = {0};
	QcTask	   *task = qc_task_argument(fcinfo, 0);
	QcRows		out;

	qc_rows_begin(&out, fcinfo);
	review.n = qc_reviews_n(fcinfo, 1);
	review.task = task;
	qc_reviews_check_kept(task);
	review.target = qc_target_of(task);
	qc_reviews_check_reviewer(task, review.target);
	qc_reviews_begin_draw(task, "qwen.review()");
	qc_reviews_settle(task);
	qc_names_read(task, &review.labels);
	find_threshold(&review);
	qc_similar_begin(&review.seen);

	choose(&review);
	qsort_arg(review.row, review.rows, sizeof(QcAsked *), by_confidence, &review);
	for (int i = 0; i < review.rows; i++)
		put_row(&review, review.row[i], &out);
	return (Datum) 0;
}
