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
#include "common/compat.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "queue/own.h"
#include "trust/calibration.h"

static const char *const methods[] = {
	[QC_MAP_TEMP] = "temp",
	[QC_MAP_PLATT] = "platt",
	[QC_MAP_BETA] = "beta",
	[QC_MAP_ISOTONIC] = "isotonic",
	[QC_MAP_PAIR] = "pair",
};

const char *
qc_calibration_method(QcMethod method, bool calibrated)
{
	return calibrated ? methods[method] : "prior";
}

/*
 * By the rules of the calls, but of the worker's session: what this one has
 * SET is not what labels the rows.
 */
char *
qc_calibration_server(const QcTask *task)
{
	MemoryContext cxt = CurrentMemoryContext;
	const char *name = task->server ? task->server : GetConfigOptionResetString("qwen_classify.server");
	char	   *server = NULL;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_text(&own, name ? name : "");
	qc_own_int4(&own, (int32) task->owner);
	qc_own_run(&own, "SELECT s.srvname || COALESCE((SELECT ' (' || o.option_value || ')' "
			   "FROM pg_catalog.pg_options_to_table(s.srvoptions) AS o WHERE o.option_name = 'model'), '') "
			   "FROM pg_catalog.pg_foreign_server AS s "
			   "JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw "
			   "WHERE w.fdwname = 'qwen_classify' AND CASE WHEN $1 <> '' THEN s.srvname = $1 "
			   "ELSE pg_catalog.has_server_privilege($2::pg_catalog.oid, s.oid, 'USAGE') END", SPI_OK_SELECT);
	if (SPI_processed == 1)
		server = qc_own_text_at(0, 1, cxt);
	qc_own_end(&own);
	return server ? server : pstrdup("");
}

/* ---- reading ---- */

/* Of the columns 4 and 5; false: nothing that we would have written. */
static bool
read_map(QcCalibration *c)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 5, &isnull);
	ArrayType  *params = DatumGetArrayTypeP(value);
	int			n = ArrayGetNItems(ARR_NDIM(params), ARR_DIMS(params));
	bool		known = false;

	if (strcmp(c->method, "prior") == 0)
	{
		c->map.method = QC_MAP_TEMP;
		known = true;
	}
	for (int i = 0; i < QC_MAP_METHODS && !known; i++)
		if (strcmp(c->method, methods[i]) == 0)
		{
			c->map.method = (QcMethod) i;
			known = true;
		}
	if (!known || n < 1 || ARR_HASNULL(params))
		return false;
	c->map.nparams = n;
	c->map.params = MemoryContextAlloc(c->cxt, sizeof(double) * n);
	memcpy(c->map.params, ARR_DATA_PTR(params), sizeof(double) * n);
	return c->map.method != QC_MAP_PAIR && qc_map_valid(&c->map);
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
	if (!read_map(c))
		c->stale = MemoryContextStrdup(cxt, "it was not made by this version of the extension");
	return c;
}

static void
compare(QcCalibration *c, const QcTask *task)
{
	char	   *server = qc_calibration_server(task);
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

QcCalibration *
qc_calibration_read(const QcTask *task, MemoryContext parent)
{
	QcCalibration *c = NULL;
	QcOwn		own;

	qc_own_begin(&own);
	qc_own_int4(&own, task->id);
	qc_own_run(&own, "SELECT version::pg_catalog.int8, server, source, method, params, n::pg_catalog.int8, fitted_at "
			   "FROM qwen.calibration WHERE task = $1", SPI_OK_SELECT);
	if (SPI_processed == 1)
		c = read_row(parent);
	qc_own_end(&own);
	if (c != NULL)
		compare(c, task);
	return c;
}

void
qc_calibration_free(QcCalibration *calibration)
{
	if (calibration != NULL)
		MemoryContextDelete(calibration->cxt);
}

double
qc_calibrated(const QcCalibration *calibration, const char *source, double raw)
{
	if (calibration == NULL || calibration->stale != NULL || isnan(raw) ||
		source == NULL || strcmp(source, calibration->source) != 0)
		return raw;
	return qc_map_apply(&calibration->map, raw, 0);
}
