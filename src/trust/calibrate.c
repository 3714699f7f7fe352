/*-------------------------------------------------------------------------
 *
 * calibrate.c
 *	  qwen.calibrate: what people said of reviewed rows, made into a map.
 *
 * Audits count once, rows that were chosen for their scores by what they stand
 * for.  How good the map is, is told of rows that it was not shown, and of audits
 * alone: they are the fair sample.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/board.h"
#include "queue/own.h"
#include "queue/rows.h"
#include "trust/answered.h"
#include "trust/calibration.h"
#include "trust/reviews.h"
#include "trust/stats/choose.h"
#include "trust/stats/score.h"

#define LEVEL 0.95

/* How well a confidence holds. */
typedef struct QcHolds
{
	bool		known;
	bool		slope_known;
	QcMeasure	loss;
	QcMeasure	slope;
} QcHolds;

/* What may stand beside the map, by QcExtra. */
static const struct
{
	const char *item;
	const char *words;
}			extras[QC_EXTRAS] = {
	{"label mix", "favourites count less"},
	{"coverage", "text outside labels"},
	{"labels", "a shift for each"},
	{"label slopes", "a steepness for each"},
};

/* ---- saying it ---- */

static void
say(QcRows *rows, const char *item, const char *value, const char *note)
{
	Datum		values[3];
	bool		nulls[3] = {false, value == NULL, note == NULL};

	values[0] = CStringGetTextDatum(item);
	values[1] = value ? CStringGetTextDatum(value) : (Datum) 0;
	values[2] = note ? CStringGetTextDatum(note) : (Datum) 0;
	tuplestore_putvalues(rows->store, rows->desc, values, nulls);
}

static void
check(QcStat status)
{
	if (status == QC_STAT_NO_MEMORY)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (status != QC_STAT_OK)
		elog(ERROR, "could not fit a map to the reviews: status %d", (int) status);
}

/* ---- how good it is ---- */

/* Of the audits: what p says against what people said. */
static QcHolds
holds(const QcAnswered *a, const double *p, uint64 seed)
{
	double	   *told = palloc(sizeof(double) * (a->n + 1));
	bool	   *right = palloc(a->n + 1);
	QcHolds		h = {0};
	QcMeasure	shift;
	int			n = 0;

	for (int i = 0; i < a->n; i++)
		if (a->audit[i])
		{
			told[n] = p[i];
			right[n++] = a->right[i];
		}
	h.known = qc_score_log_loss(told, right, n, LEVEL, seed, &h.loss) == QC_STAT_OK;
	h.slope_known = qc_score_slope(told, right, n, LEVEL, &h.slope, &shift) == QC_STAT_OK;
	return h;
}

static void
say_holds(QcRows *rows, const char *when, const QcHolds *h, const char *note)
{
	if (h->known)
		say(rows, psprintf("log-loss %s", when),
			psprintf("%.3f (%.3f to %.3f)", h->loss.value, h->loss.lo, h->loss.hi), note);
}

static void
say_slope(QcRows *rows, const char *when, const QcHolds *h, const char *note)
{
	if (h->slope_known)
		say(rows, psprintf("slope %s", when),
			psprintf("%.2f (se %.2f)", h->slope.value, h->slope.se), note);
}

/* ---- storing ---- */

static char *
params_text(const QcModel *model)
{
	StringInfoData s;
	double	   *number;
	int			n;

	check(qc_model_pack(model, &number, &n));
	initStringInfo(&s);
	for (int i = 0; i < n; i++)
		appendStringInfo(&s, "%c%.17g", i ? ',' : '{', number[i]);
	appendStringInfoChar(&s, '}');
	free(number);
	return s.data;
}

static void
append_number(StringInfo json, const char *name, double value)
{
	if (isfinite(value))
		appendStringInfo(json, ", \"%s\": %.6g", name, value);
}

static char *
metrics_json(const QcAnswered *a, const QcChoice *choice, const QcHolds *before, const QcHolds *after)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"reviews\": %d, \"audits\": %d", a->n, a->naudits);
	append_number(&json, "log_loss_raw_weighted", choice->raw_log_loss);
	append_number(&json, "log_loss_weighted", choice->told_log_loss);
	append_number(&json, "brier_weighted", choice->brier);
	append_number(&json, "log_loss_before", before->known ? before->loss.value : NAN);
	append_number(&json, "log_loss_after", after->known ? after->loss.value : NAN);
	for (int i = 0; i < QC_EXTRAS; i++)
		if (choice->trial[i].tried)
			appendStringInfo(&json, ", \"%s\": {\"taken\": %s, \"gain\": %.6g, \"se\": %.6g}", extras[i].item,
							 choice->trial[i].taken ? "true" : "false", choice->trial[i].gain, choice->trial[i].error);
	append_number(&json, "slope_before", before->slope_known ? before->slope.value : NAN);
	append_number(&json, "slope_after", after->slope_known ? after->slope.value : NAN);
	appendStringInfoChar(&json, '}');
	return json.data;
}

static void
store(const QcTask *task, const QcAnswered *a, const QcModel *model, const char *method, const char *metrics)
{
	char	   *server = qc_calibration_server(task);
	QcOwn		own;

	if (qc_task_lock(task->id, AccessShareLock) != task->version)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("task \"%s\" changed while its reviews were read", task->name),
				 errhint("Type the same again.")));
	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_int4(&own, task->version);
	qc_own_text(&own, server);
	qc_own_text(&own, a->source);
	qc_own_text(&own, method);
	qc_own_text(&own, params_text(model));
	qc_own_int4(&own, a->n);
	qc_own_text(&own, metrics);
	qc_own_run(&own, "INSERT INTO qwen.calibration AS c (task, version, server, source, method, params, n, metrics) "
			   "VALUES ($1, $2, $3, $4, $5, $6::pg_catalog.float8[], $7, $8::pg_catalog.jsonb) "
			   "ON CONFLICT (task) DO UPDATE SET version = excluded.version, server = excluded.server, "
			   "source = excluded.source, method = excluded.method, params = excluded.params, "
			   "n = excluded.n, metrics = excluded.metrics, fitted_at = pg_catalog.now()", SPI_OK_INSERT);
	qc_own_end(&own);
	qc_board_config_changes();
}

/* ---- qwen.calibrate ---- */

/* Of a map's name, whatever follows it. */
static const char *
method_words(const char *method)
{
	if (strncmp(method, "prior", 5) == 0)
		return "a guess: models are too sure, by a temperature of 1.7";
	if (strncmp(method, "temp", 4) == 0)
		return "how steep the numbers are";
	if (strncmp(method, "platt", 5) == 0)
		return "how steep the numbers are, and a shift";
	if (strncmp(method, "beta", 4) == 0)
		return "steepness at both ends, and a shift";
	if (strncmp(method, "pair", 4) == 0)
		return "votes and the model's own number together";
	return "any rising curve";
}

static void
say_method(QcRows *rows, const char *method)
{
	say(rows, "method", method, method_words(method));
}

/* What was tried beside the map, and what it was worth. */
static void
say_extras(QcRows *rows, const QcChoice *choice, const QcModel *model)
{
	for (int i = 0; i < QC_EXTRAS; i++)
	{
		const QcTrial *trial = &choice->trial[i];

		if (trial->tried)
			say(rows, extras[i].item, !trial->taken ? "left out" :
				i == QC_EXTRA_MIX ? psprintf("strength %.1f", model->strength) : "taken",
				psprintf("%s: log-loss %+.4f (se %.4f)", extras[i].words, 0 - trial->gain, trial->error));
	}
}

static void
say_reviews(QcRows *rows, const QcAnswered *a)
{
	say(rows, "reviews", psprintf("%d", a->n),
		a->n == 0 ? NULL : a->naudits == a->n ? "all of them audits" :
		psprintf("%d audits, %d chosen by their scores and weighted", a->naudits, a->n - a->naudits));
	say(rows, "source", a->source, "of the numbers");
	if (a->nother > 0)
		say(rows, "left out", psprintf("%d", a->nother),
			"of another version or source, or without a number");
}

static void
say_next(QcRows *rows, const QcTask *task, const QcReviews *reviews)
{
	int			n = reviews->n;
	int			at = qc_reviews_next(reviews);
	char	   *name = quote_literal_cstr(task->name);

	say(rows, "rows there", "as they are", psprintf("SELECT qwen.recalibrate(%s);", name));
	if (at > 0)
		say(rows, "next", psprintf("%d more %s", at - n, at - n == 1 ? "review" : "reviews"),
			psprintf("SELECT * FROM qwen.review(%s, %d);", name, Min(at - n, 20)));
	else
		say(rows, "next", "enough reviews", "again after the task or the model changed");
}

static void
say_quality(QcRows *rows, const QcAnswered *a, const QcHolds *before, const QcHolds *after)
{
	bool		better = before->known && after->known && after->loss.value < before->loss.value;

	say_holds(rows, "before", before, psprintf("of %d audits; 0 would be perfect", a->naudits));
	say_holds(rows, "after", after, better ? "of rows that the map had not seen (10 folds)" :
			  "of rows that the map had not seen: no better on so few");
	say_slope(rows, "before", before, "1 is right; below it the numbers are too sure");
	say_slope(rows, "after", after, "of rows that the map had not seen");
	if (!after->known)
		say(rows, "log-loss", NULL, "no audit among the reviews, so no fair sample");
}

static void
fit(QcRows *rows, const QcTask *task, const QcAnswered *a)
{
	QcReviews	reviews = qc_answered_reviews(a);
	QcHolds		before = {0};
	QcHolds		after = {0};
	QcChoice	choice;
	QcModel		model;

	check(qc_model_choose(&reviews, (uint64) task->id, &model, &choice));
	if (choice.calibrated)
	{
		double	   *told = palloc(sizeof(double) * a->n);

		check(qc_model_out_of_fold(&choice.recipe, &reviews, (uint64) task->id, told));
		before = holds(a, a->p, (uint64) task->id);
		after = holds(a, told, (uint64) task->id);
	}
	store(task, a, &model, qc_calibration_method(&choice.recipe, choice.calibrated),
		  metrics_json(a, &choice, &before, &after));
	say_method(rows, qc_calibration_method(&(QcRecipe) {.method = choice.recipe.method}, choice.calibrated));
	say_extras(rows, &choice, &model);
	qc_model_free(&model);
	say_reviews(rows, a);
	if (choice.calibrated)
		say_quality(rows, a, &before, &after);
	say(rows, "new rows", "calibrated", "qwen.result keeps the server's numbers");
	say_next(rows, task, &reviews);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_calibrate);

Datum
qwen_classify_calibrate(PG_FUNCTION_ARGS)
{
	QcTask	   *task = qc_task_argument(fcinfo, 0);
	QcAnswered	answered;
	QcRows		rows;

	qc_task_check_owner(task);
	qc_reviews_check_kept(task);
	qc_rows_begin(&rows, fcinfo);
	qc_reviews_settle(task);
	qc_answered_read(task, &answered);
	fit(&rows, task, &answered);
	return (Datum) 0;
}

/* ---- qwen.calibration_of ---- */

static char *
bar(double share)
{
	char	   *s = palloc0(41);

	memset(s, '#', (size_t) rint(Min(Max(share, 0), 1) * 40));
	return s;
}

/* An answer with one of the task's labels, of which nothing else is known. */
static double
told(const QcCalibration *c, double raw, int label)
{
	QcSaid		said = {raw, raw, label, NULL, NAN};

	return qc_model_apply(&c->model, &said);
}

static void
say_told(QcRows *rows, const char *item, double p)
{
	say(rows, item, p < 0.9995 ? psprintf("%.3f", p) : "over 0.999", bar(p));
}

static void
say_map(QcRows *rows, const QcCalibration *c)
{
	static const double raws[] = {0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999};

	for (int i = 0; i < (int) lengthof(raws); i++)
		say_told(rows, psprintf("raw %g", raws[i]), told(c, raws[i], -1));
}

/* A factor by which a label is said too often, as far as it is taken to be. */
static double
too_often(const QcModel *model, int label)
{
	double		mean = 0;

	for (int l = 0; l < model->nlabels; l++)
		mean += model->bias[l] / model->nlabels;
	return exp(model->strength * (model->bias[label] - mean));
}

static void
say_labels(QcRows *rows, const QcCalibration *c)
{
	for (int l = 0; l < c->labels.n; l++)
	{
		char	   *name = pnstrdup(c->labels.name[l], pg_mbcliplen(c->labels.name[l], (int) strlen(c->labels.name[l]), 24));

		if (c->model.bias != NULL)
			say(rows, name, psprintf("x %.2f", 1 / too_often(&c->model, l)), "its probability, against labels said too often");
		if (c->model.shift != NULL)
			say_told(rows, psprintf("%s, raw 0.8", name), told(c, 0.8, l));
	}
}

static void
say_state(QcRows *rows, const QcTask *task, const QcCalibration *c)
{
	char	   *name = quote_literal_cstr(task->name);
	char	   *why = c ? qc_calibration_outdated(task, c) : NULL;

	if (c == NULL)
		say(rows, "state", "uncalibrated", "rows show the server's numbers");
	else if (why != NULL)
		say(rows, "state", "stale", why);
	else if (strcmp(c->method, "prior") == 0)
		say(rows, "state", "uncalibrated", "the shipped guess is applied; 20 reviews make a map");
	else
		say(rows, "state", "active", "new rows show calibrated numbers");
	if (why != NULL)
		say(rows, "new rows", "raw", "they show the server's numbers");
	if (c == NULL || why != NULL)
		say(rows, "next", "calibrate", psprintf("SELECT * FROM qwen.calibrate(%s);", name));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_calibration_of);

Datum
qwen_classify_calibration_of(PG_FUNCTION_ARGS)
{
	QcTask	   *task = qc_task_argument(fcinfo, 0);
	QcCalibration *c;
	QcRows		rows;

	if (!qc_task_visible(task))
		qc_task_check_owner(task);
	qc_rows_begin(&rows, fcinfo);
	c = qc_calibration_read(task, CurrentMemoryContext);
	say_state(&rows, task, c);
	if (c == NULL)
		return (Datum) 0;
	say_method(&rows, c->method);
	say(&rows, "reviews", psprintf("%d", c->n), NULL);
	say(&rows, "fitted", psprintf("%.19s", timestamptz_to_str(c->fitted_at)),
		psprintf("version %d, server %s, source %s", c->version, c->server, c->source));
	if (c->model.map.params != NULL)
	{
		say_map(&rows, c);
		say_labels(&rows, c);
	}
	return (Datum) 0;
}
