/*-------------------------------------------------------------------------
 *
 * own.c
 *	  Statements over our own tables, as the extension's owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "queue/own.h"

void
qc_own_begin(QcOwn *own)
{
	memset(own, 0, sizeof(*own));
	qc_as_extension_owner(&own->saved);
	SPI_connect();
}

static void
add(QcOwn *own, Oid type, Datum value, bool isnull)
{
	own->args.type[own->args.n] = type;
	own->args.value[own->args.n] = value;
	own->null[own->args.n++] = isnull;
}

void
qc_own_int4(QcOwn *own, int32 value)
{
	add(own, INT4OID, Int32GetDatum(value), false);
}

void
qc_own_int8(QcOwn *own, int64 value)
{
	add(own, INT8OID, Int64GetDatum(value), false);
}

void
qc_own_float8(QcOwn *own, double value)
{
	add(own, FLOAT8OID, Float8GetDatum(isnan(value) ? 0 : value), isnan(value));
}

void
qc_own_time(QcOwn *own, int64 value)
{
	add(own, TIMESTAMPTZOID, TimestampTzGetDatum(value), false);
}

void
qc_own_text(QcOwn *own, const char *value)
{
	add(own, TEXTOID, value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

void
qc_own_keys(QcOwn *own, QcItem **items, int n)
{
	Datum	   *ordinal = palloc(sizeof(Datum) * n);
	int64	   *k = palloc(sizeof(int64) * n);
	char	  **kx = palloc(sizeof(char *) * n);

	for (int i = 0; i < n; i++)
	{
		ordinal[i] = Int32GetDatum(i);
		k[i] = items[i]->k;
		kx[i] = items[i]->kx ? items[i]->kx : "";
	}
	add(own, INT4ARRAYOID,
		PointerGetDatum(construct_array(ordinal, n, INT4OID, 4, true, TYPALIGN_INT)), false);
	qc_args_int8(&own->args, k, n);
	qc_args_text(&own->args, kx, n);
}

void
qc_own_int8s(QcOwn *own, const int64 *value, int n)
{
	qc_args_int8(&own->args, value, n);
}

void
qc_own_times(QcOwn *own, const int64 *value, int n)
{
	Datum	   *values = palloc(sizeof(Datum) * n);

	for (int i = 0; i < n; i++)
		values[i] = TimestampTzGetDatum(value[i]);
	add(own, TIMESTAMPTZARRAYOID,
		PointerGetDatum(construct_array(values, n, TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL,
										TYPALIGN_DOUBLE)), false);
}

void
qc_own_texts(QcOwn *own, char *const *value, int n)
{
	qc_args_text(&own->args, value, n);
}

void
qc_own_float8s(QcOwn *own, const double *value, int n)
{
	qc_args_float8(&own->args, value, n);
}

static void
mark_nulls(const QcOwn *own, char *nulls)
{
	for (int i = 0; i < own->args.n; i++)
		nulls[i] = own->null[i] ? 'n' : ' ';
	nulls[own->args.n] = '\0';
}

static void
expect(int rc, int expected)
{
	if (rc != expected)
		elog(ERROR, "could not run a statement over a table of qwen: %s",
			 SPI_result_code_string(rc));
}

static void
run(QcOwn *own, const char *sql, bool read_only, int expected)
{
	char		nulls[QC_BATCH_PARAMS + 1];

	mark_nulls(own, nulls);
	expect(SPI_execute_plan(qc_plan(sql, &own->args), own->args.value, nulls, read_only, 0), expected);
}

void
qc_own_run(QcOwn *own, const char *sql, int expected)
{
	run(own, sql, false, expected);
}

void
qc_own_look(QcOwn *own, const char *sql)
{
	run(own, sql, true, SPI_OK_SELECT);
}

void
qc_own_run_once(QcOwn *own, const char *sql, int expected)
{
	char		nulls[QC_BATCH_PARAMS + 1];

	mark_nulls(own, nulls);
	expect(SPI_execute_with_args(sql, own->args.n, own->args.type, own->args.value, nulls, false, 0),
		   expected);
}

void
qc_own_end(QcOwn *own)
{
	SPI_finish();
	qc_as_before(&own->saved);
}

int32
qc_own_ordinal(uint64 row)
{
	bool		isnull;

	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull));
}

char *
qc_own_text_at(uint64 row, int col, MemoryContext cxt)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col);

	return value ? MemoryContextStrdup(cxt, value) : NULL;
}

int64
qc_own_int8_at(uint64 row, int col, bool *isnull)
{
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col, isnull);

	return *isnull ? 0 : DatumGetInt64(value);
}

double
qc_own_float8_at(uint64 row, int col)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col, &isnull);

	return isnull ? NAN : DatumGetFloat8(value);
}
