/*-------------------------------------------------------------------------
 *
 * try_examples.c
 *	  qwen.try_examples: would examples out of people's corrections help?
 *
 * The task as it is and the task with the examples are asked about the same rows,
 * which people labelled and which are none of the examples.  The second one is
 * a task of its own, made in a subtransaction that is rolled back: what is tried is
 * what would be adopted, and nobody else sees it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/resowner.h"

#include "common/board.h"
#include "common/usage.h"
#include "prompt/block.h"
#include "prompt/pool.h"
#include "queue/own.h"
#include "queue/rows.h"
#include "task/define.h"
#include "trust/corrections.h"
#include "trust/quality.h"
#include "trust/stats/paired.h"

#define DEFAULT_SHOTS	6
#define BLOCK			4		/* examples of a static block */
#define LEAST_ROWS		20		/* that a comparison takes */
#define LEAST_EXAMPLES	4
#define MOST_EXAMPLES	1000
#define DEFAULT_ROWS	500

enum
{
	ARG_TASK, ARG_CHOICE, ARG_K, ARG_MAX_ROWS, ARG_ADOPT
};

/* What one of the two said of a row, and what it cost. */
typedef struct QcAnswers
{
	int		   *label;			/* of each row; -1: no answer */
	double	   *p;				/* of the person's label; NaN: not known */
	QcUsageCounts cost;
} QcAnswers;

typedef struct QcTry
{
	const QcTask *task;
	QcNames		labels;
	bool		similar;		/* chosen for each text; else a static block */
	int			k;
	const QcCorrection **example;	/* the pool, or the block */
	int			nexamples;
	int			ncorrected;
	char	   *examples;		/* of the task: JSON text of the block; NULL: as they are */
	const QcCorrection **row;	/* of the exam */
	int			n;
	int			naudits;
	int			nleft_out;		/* they are nearly an example that is always shown */
	QcAnswers		before;
	QcAnswers		after;
	int			nfailed;
	QcPaired	paired;
} QcTry;

/* ---- the arguments ---- */

static void
refuse_argument(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errhint("%s", hint)));
}

static void
read_arguments(FunctionCallInfo fcinfo, QcTry *try, int *max_rows)
{
	char	   *choice = PG_ARGISNULL(ARG_CHOICE) ? "similar" : text_to_cstring(PG_GETARG_TEXT_PP(ARG_CHOICE));

	try->similar = strcmp(choice, "similar") == 0;
	if (!try->similar && strcmp(choice, "static") != 0)
		refuse_argument(psprintf("unknown choice of examples \"%s\"", choice),
						"It is 'similar' (chosen for each text) or 'static' (the same for all).");
	try->k = !PG_ARGISNULL(ARG_K) ? PG_GETARG_INT32(ARG_K) : try->similar ? DEFAULT_SHOTS : BLOCK;
	if (try->k < 1 || try->k > QC_MOST_SHOTS)
		refuse_argument(psprintf("k must be from 1 to %d", QC_MOST_SHOTS),
						"It is how many examples go along with a text; 6 is usual.");
	*max_rows = PG_ARGISNULL(ARG_MAX_ROWS) ? DEFAULT_ROWS : PG_GETARG_INT32(ARG_MAX_ROWS);
	if (*max_rows < LEAST_ROWS)
		refuse_argument(psprintf("max_rows must be at least %d", LEAST_ROWS),
						"Fewer rows show nothing; 500 is usual.");
}

/* ---- which examples, which rows ---- */

static void
too_few(const QcTry *try, const char *what, int n, int least)
{
	const char *name = quote_literal_cstr(try->task->name);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("people have labelled too few rows of task \"%s\" to try examples", try->task->name),
			 errdetail("There are %d %s, and at least %d are needed; a hash of its key says which of the two a row is for.",
					   n, what, least),
			 errhint("Answer some: SELECT * FROM qwen.review(%s); and SELECT * FROM qwen.audit(%s);", name, name)));
}

/* A static block out of all that may be examples. */
static void
choose_block(QcTry *try)
{
	QcTold	   *told = palloc(sizeof(QcTold) * try->nexamples);
	int		   *pick = palloc(sizeof(int) * try->k);
	const QcCorrection **all = try->example;
	int			n;

	for (int i = 0; i < try->nexamples; i++)
	{
		size_t		len;

		told[i].text = qc_server_to_utf8(all[i]->item.text, strlen(all[i]->item.text), &len);
		if (told[i].text == NULL)
			told[i].text = "";
		told[i].label = all[i]->label;
		told[i].corrected = all[i]->corrected;
	}
	n = qc_choose_block(told, try->nexamples, try->labels.n, try->k, (uint64) try->task->version + 1, pick);
	if (n < 0)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	try->example = palloc(sizeof(QcCorrection *) * Max(n, 1));
	try->nexamples = n;
	for (int i = 0; i < n; i++)
		try->example[i] = all[pick[i]];
}

/* The block as the task keeps it: JSON text. */
static void
write_block(QcTry *try)
{
	MemoryContext cxt = CurrentMemoryContext;
	char	  **text = palloc(sizeof(char *) * try->nexamples);
	char	  **label = palloc(sizeof(char *) * try->nexamples);
	QcOwn		own;

	for (int i = 0; i < try->nexamples; i++)
	{
		text[i] = try->example[i]->item.text;
		label[i] = try->labels.name[try->example[i]->label];
	}
	qc_own_begin(&own);
	qc_own_texts(&own, text, try->nexamples);
	qc_own_texts(&own, label, try->nexamples);
	qc_own_run(&own, "SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('input', x.t, 'label', x.l) ORDER BY x.n)::text "
			   "FROM ROWS FROM (unnest($1), unnest($2)) WITH ORDINALITY AS x(t, l, n)", SPI_OK_SELECT);
	try->examples = qc_own_text_at(0, 1, cxt);
	qc_own_end(&own);
}

static void
take_examples(QcTry *try, const QcCorrections *all)
{
	try->example = palloc(sizeof(QcCorrection *) * (all->n + 1));
	for (int i = 0; i < all->n && try->nexamples < MOST_EXAMPLES; i++)
		if (all->row[i].example)
			try->example[try->nexamples++] = &all->row[i];
	if (try->nexamples < LEAST_EXAMPLES)
		too_few(try, "for examples", try->nexamples, LEAST_EXAMPLES);
	if (!try->similar)
	{
		choose_block(try);
		write_block(try);
	}
	for (int i = 0; i < try->nexamples; i++)
		try->ncorrected += try->example[i]->corrected;
}

/* The prompt of a task with such static examples, to see what it shows. */
static QcPrompt *
prompt_with(const QcTask *task, char *examples)
{
	QcTask		with = *task;
	QcSitePrompt *site = NULL;

	with.examples = examples;
	with.shots = 0;
	return qc_task_prompt(&site, CurrentMemoryContext, &with, false)->prompt;
}

static void
take_rows(QcTry *try, const QcCorrections *all, int max_rows)
{
	QcPrompt   *before = prompt_with(try->task, try->task->examples);
	QcPrompt   *after = prompt_with(try->task, try->examples ? try->examples : try->task->examples);

	try->row = palloc(sizeof(QcCorrection *) * (all->n + 1));
	for (int i = 0; i < all->n && try->n < max_rows; i++)
	{
		const QcCorrection *row = &all->row[i];
		size_t		len;
		char	   *utf8;

		if (row->example)
			continue;
		utf8 = qc_server_to_utf8(row->item.text, strlen(row->item.text), &len);
		if (utf8 == NULL || qc_prompt_shows(before, utf8, len) || qc_prompt_shows(after, utf8, len))
		{
			try->nleft_out++;
			continue;
		}
		try->naudits += row->audit;
		try->row[try->n++] = row;
	}
	if (try->n < LEAST_ROWS)
		too_few(try, "for a comparison", try->n, LEAST_ROWS);
}

/* ---- asking ---- */

/* What was counted since, of this process alone: a worker asks beside it. */
static void
count_since(QcUsageCounts *cost, const QcUsageCounts *before)
{
	cost->requests = qc_usage_own.requests - before->requests;
	cost->prompt_tokens = qc_usage_own.prompt_tokens - before->prompt_tokens;
	cost->cached_tokens = qc_usage_own.cached_tokens - before->cached_tokens;
}

/*
 * The label, and the probability of the person's: only where the server gives
 * one for each label.
 */
#define ASK_SQL \
	"SELECT q.i, (SELECT e.key FROM pg_catalog.jsonb_each_text(q.s) AS e ORDER BY e.value::pg_catalog.float8 DESC, e.key LIMIT 1), " \
	"CASE WHEN (SELECT count(*) FROM pg_catalog.jsonb_object_keys(q.s)) = %d THEN (q.s ->> q.h)::pg_catalog.float8 END " \
	"FROM (SELECT r.i, r.h, %s.qwen_scores(r.t, task => %s) AS s FROM unnest($1, $2, $3) AS r(i, t, h) OFFSET 0) AS q"

static void
question_arrays(const QcTry *try, QcArgs *args)
{
	Datum	   *ordinal = palloc(sizeof(Datum) * try->n);
	char	  **text = palloc(sizeof(char *) * try->n);
	char	  **human = palloc(sizeof(char *) * try->n);

	for (int i = 0; i < try->n; i++)
	{
		ordinal[i] = Int32GetDatum(i);
		text[i] = try->row[i]->item.text;
		human[i] = try->labels.name[try->row[i]->label];
	}
	args->type[0] = INT4ARRAYOID;
	args->value[0] = PointerGetDatum(construct_array(ordinal, try->n, INT4OID, 4, true, TYPALIGN_INT));
	args->n = 1;
	qc_args_text(args, text, try->n);
	qc_args_text(args, human, try->n);
}

/* That none of the labels fits is an answer, too: one that no person gave. */
static int
label_of(const QcTry *try, const char *name)
{
	int			label = qc_names_find(&try->labels, name);

	return label >= 0 ? label : try->labels.n;
}

static void
ask(const QcTry *try, const char *task, QcAnswers *said)
{
	char	   *sql = psprintf(ASK_SQL, try->labels.n + try->labels.abstains, qc_our_schema(), quote_literal_cstr(task));
	QcUsageCounts before = qc_usage_own;
	QcArgs		args = {0};
	int			level;

	question_arrays(try, &args);
	level = qc_set_for_asking();
	SPI_connect();
	/* not read-only: it must see the task that was just made */
	if (SPI_execute_with_args(sql, args.n, args.type, args.value, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not ask about the rows of people's");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *label = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2);

		said->label[qc_own_ordinal(i)] = label ? label_of(try, label) : -1;
		said->p[qc_own_ordinal(i)] = qc_own_float8_at(i, 3);
	}
	SPI_finish();
	AtEOXact_GUC(false, level);
	count_since(&said->cost, &before);
}

static void
begin_said(const QcTry *try, QcAnswers *said)
{
	said->label = palloc(sizeof(int) * try->n);
	said->p = palloc(sizeof(double) * try->n);
	for (int i = 0; i < try->n; i++)
	{
		said->label[i] = -1;
		said->p[i] = NAN;
	}
}

/* ---- the task with the examples ---- */

/* A copy of the task's row with another name and no table; all else goes along. */
static int32
copy_task(const QcTry *try, const char *name)
{
	int32		id;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, try->task->id);
	qc_own_text(&own, name);
	qc_own_text(&own, try->similar ? "similar" : "static");
	qc_own_int4(&own, try->k);
	qc_own_text(&own, try->examples);
	qc_own_run_once(&own, "INSERT INTO qwen.task SELECT f.* FROM qwen.task AS t, pg_catalog.nextval('qwen.task_id_seq') AS n(id), "
					"LATERAL pg_catalog.jsonb_populate_record(t, pg_catalog.jsonb_build_object('id', n.id, 'name', $2, "
					"'source', NULL, 'source_oid', NULL, 'example_choice', $3, 'example_k', $4, "
					"'examples', coalesce($5::pg_catalog.jsonb, t.examples))) AS f "
					"WHERE t.id = $1 RETURNING id", SPI_OK_INSERT_RETURNING);
	if (SPI_processed != 1)
		elog(ERROR, "task %d is gone", try->task->id);
	id = qc_own_ordinal(0);
	qc_own_end(&own);
	return id;
}

static void
ask_with_examples(QcTry *try)
{
	char	   *name = psprintf("%d: examples are tried for %d", MyProcPid, try->task->id);

	qc_corrections_freeze(copy_task(try, name), &try->labels, try->example, try->nexamples);
	ask(try, name, &try->after);
}

/* Nothing of it stays but the answers. */
static void
try_and_roll_back(QcTry *try)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		ask_with_examples(try);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		ReThrowError(error);
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
}

static void
compare(QcTry *try)
{
	QcPair	   *pair = palloc(sizeof(QcPair) * try->n);
	int			n = 0;

	for (int i = 0; i < try->n; i++)
	{
		int			human = try->row[i]->label;

		if (try->before.label[i] < 0 || try->after.label[i] < 0)
		{
			try->nfailed++;
			continue;
		}
		pair[n++] = (QcPair) {try->before.label[i] == human, try->after.label[i] == human,
		try->before.p[i], try->after.p[i]};
	}
	if (qc_paired(pair, n, &try->paired) != QC_STAT_OK || n < LEAST_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the model answered about %d of %d rows: too few to compare", n, try->n),
				 errhint("SELECT * FROM qwen.check_server(...); says what is wrong.")));
}

/* ---- adopting ---- */

/* The task may have changed while it was tried. */
static int32
adopt(const QcTry *try)
{
	QcTask	   *now = qc_task_for_change(try->task->name);
	QcOwn		own;

	if (now->id != try->task->id || now->version != try->task->version)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("task \"%s\" was changed while examples were tried", try->task->name),
				 errhint("Try them anew.")));
	qc_corrections_freeze(now->id, &try->labels, try->example, try->nexamples);
	qc_own_begin(&own);
	qc_own_int4(&own, now->id);
	qc_own_text(&own, try->similar ? "similar" : "static");
	qc_own_int4(&own, try->k);
	qc_own_text(&own, try->examples);
	qc_own_run(&own, "UPDATE qwen.task SET example_choice = $2, example_k = $3, "
			   "examples = coalesce($4::pg_catalog.jsonb, examples), version = version + 1 WHERE id = $1",
			   SPI_OK_UPDATE);
	qc_own_end(&own);
	qc_board_config_changes();
	now->version++;
	qc_task_tell_version(now);
	return now->version;
}

/* ---- saying it ---- */

static void
say(QcRows *rows, const char *item, const char *value, const char *note)
{
	Datum		values[3] = {0};
	bool		null[3] = {false, false, note == NULL};

	values[0] = CStringGetTextDatum(item);
	values[1] = CStringGetTextDatum(value);
	if (note != NULL)
		values[2] = CStringGetTextDatum(note);
	tuplestore_putvalues(rows->store, rows->desc, values, null);
}

static double
tokens_a_request(const QcAnswers *said)
{
	return (double) said->cost.prompt_tokens / Max(said->cost.requests, 1);
}

static double
cached(const QcAnswers *said)
{
	return 100.0 * said->cost.cached_tokens / Max(said->cost.prompt_tokens, 1);
}

static void
say_rows(QcRows *rows, const QcTry *try)
{
	const QcPaired *p = &try->paired;
	StringInfoData note;

	initStringInfo(&note);
	appendStringInfo(&note, "%d audits; others were shown for their doubt, or corrected by the way", try->naudits);
	if (try->nfailed > 0)
		appendStringInfo(&note, "; %d got no answer", try->nfailed);
	if (try->nleft_out > 0)
		appendStringInfo(&note, "; %d left out, nearly a static example", try->nleft_out);
	say(rows, "rows", psprintf("%d", p->n), note.data);
	say(rows, "examples", psprintf("%d", try->nexamples), try->similar ?
		psprintf("%d of them corrections; %d go along with a text", try->ncorrected, Min(try->k, try->nexamples)) :
		psprintf("%d of them corrections; the same for all texts", try->ncorrected));
}

static void
say_numbers(QcRows *rows, const QcTry *try)
{
	const QcPaired *p = &try->paired;

	say(rows, "accuracy", psprintf("%.3f -> %.3f", (double) p->old_right / p->n, (double) p->new_right / p->n),
		psprintf("%d and %d right", p->old_right, p->new_right));
	say(rows, "only new right", psprintf("%d", p->only_new), NULL);
	say(rows, "only old right", psprintf("%d", p->only_old), NULL);
	say(rows, "McNemar p", psprintf(p->p < 0.001 ? "%.1e" : "%.3f", p->p), "exact, two-sided");
	if (isnan(p->gain))
		say(rows, "log-loss", "not known", "the server gives no probabilities");
	else
		say(rows, "log-loss", psprintf("%.3f -> %.3f", p->old_loss, p->new_loss),
			psprintf("%s by %.3f, se %.3f", p->gain >= 0 ? "falls" : "rises", fabs(p->gain), p->se));
	say(rows, "prompt tokens", psprintf("%.0f -> %.0f", tokens_a_request(&try->before), tokens_a_request(&try->after)),
		psprintf("a request; %.0f and %.0f %% of them from the server's cache", cached(&try->before), cached(&try->after)));
}

static void
say_verdict(QcRows *rows, const QcTry *try, int32 version)
{
	static const char *const why[] = {
		[QC_BETTER_NOT] = "neither p < 0.05 nor a log-loss that falls by more than 2 se",
		[QC_BETTER_WORSE] = "fewer labels are right, p < 0.05",
		[QC_BETTER_LABELS] = "more labels are right, p < 0.05",
		[QC_BETTER_LOSS] = "the log-loss falls by more than 2 se"
	};
	bool		good = try->paired.better >= QC_BETTER_LABELS;
	const char *name = quote_literal_cstr(try->task->name);

	say(rows, "verdict", good ? "adopt" : "keep the old", why[try->paired.better]);
	if (version > 0)
		say(rows, "version", psprintf("%d", version), psprintf("old rows: SELECT qwen.relabel(%s);", name));
	else if (good)
		say(rows, "next", "adopt", psprintf("SELECT * FROM qwen.try_examples(%s, '%s', k => %d, adopt => true);",
											name, try->similar ? "similar" : "static", try->k));
	else
		say(rows, "version", psprintf("%d", try->task->version), "nothing was changed");
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_try_examples);

Datum
qwen_classify_try_examples(PG_FUNCTION_ARGS)
{
	QcTask	   *task = qc_task_argument(fcinfo, ARG_TASK);
	QcTry		try = {.task = task};
	QcCorrections all;
	const QcTarget *target;
	QcRows		rows;
	int			max_rows;
	int32		version = 0;

	qc_task_check_owner(task);
	if (task->multi)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("examples cannot be tried for task \"%s\": it gives a text several labels", task->name),
				 errhint("Write them yourself: SELECT qwen.alter_task(%s, examples => ...);", quote_literal_cstr(task->name))));
	read_arguments(fcinfo, &try, &max_rows);
	qc_rows_begin(&rows, fcinfo);
	target = qc_target_of(task);
	qc_reviews_check_reader(task, target);
	qc_reviews_settle(task);
	qc_names_read(task, &try.labels);
	qc_corrections_read(task, target, &try.labels, &all);
	take_examples(&try, &all);
	take_rows(&try, &all, max_rows);

	begin_said(&try, &try.before);
	begin_said(&try, &try.after);
	ask(&try, task->name, &try.before);
	try_and_roll_back(&try);
	compare(&try);
	if (!PG_ARGISNULL(ARG_ADOPT) && PG_GETARG_BOOL(ARG_ADOPT) && try.paired.better >= QC_BETTER_LABELS)
		version = adopt(&try);
	say_rows(&rows, &try);
	say_numbers(&rows, &try);
	say_verdict(&rows, &try, version);
	return (Datum) 0;
}
