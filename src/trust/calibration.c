/*-------------------------------------------------------------------------
 *
 * calibration.c
 *	  From the server's numbers to a confidence that people bear out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/board.h"
#include "queue/own.h"
#include "trust/calibration.h"

static const char *const methods[] = {
	[QC_MAP_TEMP] = "temp",
	[QC_MAP_PLATT] = "platt",
	[QC_MAP_BETA] = "beta",
	[QC_MAP_ISOTONIC] = "isotonic",
	[QC_MAP_PAIR] = "pair",
};

#define PLUS_MIX		"+mix"
#define PLUS_COVERAGE	"+coverage"
#define PLUS_LABELS		"+labels"

char *
qc_calibration_method(const QcRecipe *recipe, bool calibrated)
{
	return psprintf("%s%s%s%s", calibrated ? methods[recipe->method] : "prior",
					recipe->mix != QC_MIX_NONE ? PLUS_MIX : "",
					recipe->coverage ? PLUS_COVERAGE : "",
					recipe->labels != QC_PER_LABEL_NONE ? PLUS_LABELS : "");
}

static bool
take_word(const char **words, const char *word)
{
	size_t		len = strlen(word);

	if (strncmp(*words, word, len) != 0)
		return false;
	*words += len;
	return true;
}

/* The reverse, but for how it was fitted; false: not one of ours. */
static bool
parse_method(const char *words, QcRecipe *recipe)
{
	bool		known = take_word(&words, "prior");

	*recipe = (QcRecipe) {.method = QC_MAP_TEMP};
	for (int i = 0; i < QC_MAP_METHODS && !known; i++)
		if (take_word(&words, methods[i]))
		{
			recipe->method = (QcMethod) i;
			known = true;
		}
	if (take_word(&words, PLUS_MIX))
		recipe->mix = QC_MIX_FITTED;
	recipe->coverage = take_word(&words, PLUS_COVERAGE);
	if (take_word(&words, PLUS_LABELS))
		recipe->labels = QC_PER_LABEL_SLOPE;
	return known && *words == '\0';
}

/* A server with its option model, which is how a calibration keeps it. */
static char *
server_words(Oid serverid)
{
	ForeignServer *server = GetForeignServer(serverid);
	ListCell   *cell;

	foreach(cell, server->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "model") == 0)
			return psprintf("%s (%s)", server->servername, defGetString(option));
	}
	return server->servername;
}

/*
 * By the rules of the calls, but of the worker's session: what this one has
 * SET is not what labels the rows.
 */
char *
qc_calibration_server(const QcTask *task)
{
	const char *name = task->server ? task->server : GetConfigOptionResetString("qwen_classify.server");
	Oid			serverid = InvalidOid;
	bool		isnull;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_text(&own, name ? name : "");
	qc_own_int4(&own, (int32) task->owner);
	qc_own_run(&own, "SELECT s.oid::pg_catalog.int8 FROM pg_catalog.pg_foreign_server AS s "
			   "JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw "
			   "WHERE w.fdwname = 'qwen_classify' AND CASE WHEN $1 <> '' THEN s.srvname = $1 "
			   "ELSE pg_catalog.has_server_privilege($2::pg_catalog.oid, s.oid, 'USAGE') END", SPI_OK_SELECT);
	if (SPI_processed == 1)
		serverid = (Oid) qc_own_int8_at(0, 1, &isnull);
	qc_own_end(&own);
	return OidIsValid(serverid) ? server_words(serverid) : pstrdup("");
}

/* ---- reading ---- */

/* Of the columns 4 and 5; false: nothing that we would have written. */
static bool
read_model(QcCalibration *c)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 5, &isnull);
	ArrayType  *params = DatumGetArrayTypeP(value);
	int			n = ArrayGetNItems(ARR_NDIM(params), ARR_DIMS(params));
	QcRecipe	recipe;
	double	   *number;

	if (!parse_method(c->method, &recipe) || n < 1 || ARR_HASNULL(params))
		return false;
	number = MemoryContextAlloc(c->cxt, sizeof(double) * n);
	memcpy(number, ARR_DATA_PTR(params), sizeof(double) * n);
	return qc_model_unpack(&recipe, number, n, &c->model);
}

static QcCalibration *
read_row(MemoryContext parent)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "qwen_classify calibration", ALLOCSET_SMALL_SIZES);
	QcCalibration *c = MemoryContextAllocZero(cxt, sizeof(QcCalibration));
	bool		isnull;

	c->cxt = cxt;
	c->version = (int32) qc_own_int8_at(0, 1, &isnull);
	c->server = qc_own_text_at(0, 2, cxt);
	c->source = qc_own_text_at(0, 3, cxt);
	c->method = qc_own_text_at(0, 4, cxt);
	c->n = (int) qc_own_int8_at(0, 6, &isnull);
	c->fitted_at = qc_own_int8_at(0, 7, &isnull);
	if (!read_model(c))
		c->stale = MemoryContextStrdup(cxt, "it was not made by this version of the extension");
	return c;
}

static void
compare(QcCalibration *c, const QcTask *task, const char *server)
{
	char	   *why = NULL;

	if (c->stale != NULL)
		return;
	if (c->version != task->version)
		why = psprintf("it was fitted to version %d of the task, which is version %d now",
					   c->version, task->version);
	else if (strcmp(c->server, server) != 0)
		why = psprintf("it was fitted to server %s, and rows are labelled by %s now",
					   c->server, server[0] ? server : "no server");
	if (why != NULL)
		c->stale = MemoryContextStrdup(c->cxt, why);
}

/* The labels whose numbers it has. */
static void
read_labels(QcCalibration *c, const QcTask *task)
{
	MemoryContext old;

	if (c->stale != NULL || c->model.nlabels == 0)
		return;
	old = MemoryContextSwitchTo(c->cxt);
	qc_names_read(task, &c->labels);
	MemoryContextSwitchTo(old);
	if (c->labels.n + c->labels.abstains != c->model.nlabels)
		c->stale = MemoryContextStrdup(c->cxt, "it was fitted to other labels");
}

#define ROW_SQL \
	"SELECT version::pg_catalog.int8, server, source, method, params, n::pg_catalog.int8, fitted_at " \
	"FROM qwen.calibration WHERE task = $1"

QcCalibration *
qc_calibration_read(const QcTask *task, MemoryContext parent)
{
	QcCalibration *c = NULL;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_run(&own, ROW_SQL, SPI_OK_SELECT);
	if (SPI_processed == 1)
		c = read_row(parent);
	qc_own_end(&own);
	if (c != NULL)
	{
		compare(c, task, qc_calibration_server(task));
		read_labels(c, task);
	}
	return c;
}

/* The same of the answers of a server, within somebody's query. */
static QcCalibration *
read_in_query(const QcTask *task, Oid serverid, MemoryContext parent)
{
	QcCalibration *c = NULL;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_look(&own, ROW_SQL);
	if (SPI_processed == 1)
		c = read_row(parent);
	qc_own_end(&own);
	if (c == NULL)
		return NULL;
	compare(c, task, server_words(serverid));
	read_labels(c, task);
	return c->stale == NULL ? c : NULL;
}

void
qc_calibration_free(QcCalibration *calibration)
{
	if (calibration != NULL)
		MemoryContextDelete(calibration->cxt);
}

/* The worker's last rows may have another kind of number. */
char *
qc_calibration_outdated(const QcTask *task, const QcCalibration *c)
{
	QcBoardTask place;

	if (c->stale != NULL)
		return c->stale;
	if (!qc_board_task_read(MyDatabaseId, task->id, &place) || place.source[0] == '\0' ||
		strcmp(place.source, c->source) == 0)
		return NULL;
	return psprintf("it was fitted to numbers of source %s, and rows come with %s now", c->source, place.source);
}

const char *
qc_calibration_state(const QcTask *task)
{
	QcCalibration *c = qc_calibration_read(task, CurrentMemoryContext);

	if (c == NULL)
		return "none";
	if (qc_calibration_outdated(task, c) != NULL)
		return "stale";
	return strcmp(c->method, "prior") == 0 ? "shipped prior" : "calibrated";
}

/* ---- applying ---- */

bool
qc_calibration_is_rich(const QcCalibration *c)
{
	return c->model.map.method == QC_MAP_PAIR || c->model.bias != NULL || c->model.coverage != NULL || c->model.shift != NULL;
}

double
qc_calibrated(const QcCalibration *c, const QcRawAnswer *raw)
{
	QcSaid		said = {raw->confidence, isnan(raw->verbal) ? raw->confidence : (float4) raw->verbal, -1, NULL, (float4) raw->coverage};	/* as qwen.result keeps it */

	if (c == NULL || c->stale != NULL || isnan(raw->confidence) ||
		raw->source == NULL || strcmp(raw->source, c->source) != 0)
		return raw->confidence;
	if (c->labels.n > 0 && raw->label != NULL)
		said.label = qc_names_find(&c->labels, raw->label);
	if (raw->top != NULL && raw->ntop == c->model.nlabels)
		said.top = raw->top;
	return qc_model_apply(&c->model, &said);
}

/* Of the task that the last row was of, in one execution of a statement. */
typedef struct QcShownSite
{
	int32		task;
	QcCalibration *calibration; /* or NULL */
} QcShownSite;

static const QcCalibration *
site_calibration(FunctionCallInfo fcinfo, int32 id)
{
	QcShownSite *site = fcinfo->flinfo->fn_extra;
	QcTask	   *task;

	if (site != NULL && site->task == id)
		return site->calibration;
	if (site == NULL)
		fcinfo->flinfo->fn_extra = site = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(QcShownSite));
	qc_calibration_free(site->calibration);
	site->calibration = NULL;
	site->task = id;
	task = qc_task_by_id(id);
	if (task != NULL)
		site->calibration = qc_calibration_read(task, fcinfo->flinfo->fn_mcxt);
	return site->calibration;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(qwen_classify_shown_confidence);

/* For our own statements over qwen.result: task, source, label, confidence, top, coverage, verbal. */
Datum
qwen_classify_shown_confidence(PG_FUNCTION_ARGS)
{
	QcRawAnswer raw = {.coverage = NAN,.verbal = NAN};
	const QcCalibration *c;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	c = site_calibration(fcinfo, PG_GETARG_INT32(0));
	raw.source = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	raw.label = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	raw.confidence = PG_GETARG_FLOAT8(3);
	if (!PG_ARGISNULL(4))
	{
		ArrayType  *top = PG_GETARG_ARRAYTYPE_P(4);

		if (ARR_NDIM(top) == 1 && !ARR_HASNULL(top))
		{
			raw.top = (const float4 *) ARR_DATA_PTR(top);
			raw.ntop = ARR_DIMS(top)[0];
		}
	}
	if (!PG_ARGISNULL(5))
		raw.coverage = PG_GETARG_FLOAT4(5);
	if (!PG_ARGISNULL(6))
		raw.verbal = PG_GETARG_FLOAT4(6);
	PG_RETURN_FLOAT8(qc_calibrated(c, &raw));
}

void
qc_calibration_init(void)
{
	qc_showing.read = read_in_query;
	qc_showing.confidence = qc_calibrated;
}
