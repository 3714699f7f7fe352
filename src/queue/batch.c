/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  A batch of keys as the arrays that a statement's unnest takes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "queue/batch.h"

/* Plans that are kept: a few for each task; beyond that all are made anew. */
#define MAX_PLANS 256

static void
add_array(QcArgs *args, Datum *values, bool *nulls, int n, Oid type)
{
	int16		typlen;
	bool		typbyval;
	char		typalign;
	int			dims[1] = {n};
	int			lower[1] = {1};

	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	args->type[args->n] = get_array_type(type);
	args->value[args->n++] = PointerGetDatum(construct_md_array(values, nulls, 1, dims, lower,
																 type, typlen, typbyval, typalign));
}

void
qc_args_keys(QcArgs *args, const QcTarget *target, QcItem **items, int n)
{
	Datum	   *ordinal = palloc(sizeof(Datum) * n);
	bool	   *none = palloc0(sizeof(bool) * n);
	Datum	  **value = palloc(sizeof(Datum *) * target->nkeys);

	for (int c = 0; c < target->nkeys; c++)
		value[c] = palloc(sizeof(Datum) * n);
	for (int i = 0; i < n; i++)
	{
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		ordinal[i] = Int32GetDatum(i);
		qc_key_values(target, items[i]->k, items[i]->kx, values, nulls);
		for (int c = 0; c < target->nkeys; c++)
			value[c][i] = values[c];
	}
	add_array(args, ordinal, none, n, INT4OID);
	for (int c = 0; c < target->nkeys; c++)
		add_array(args, value[c], none, n, target->key_type[c]);
}

void
qc_args_int8(QcArgs *args, const int64 *value, int n)
{
	Datum	   *values = palloc(sizeof(Datum) * n);
	bool	   *nulls = palloc0(sizeof(bool) * n);

	for (int i = 0; i < n; i++)
		values[i] = Int64GetDatum(value[i]);
	add_array(args, values, nulls, n, INT8OID);
}

void
qc_args_text(QcArgs *args, char *const *value, int n)
{
	Datum	   *values = palloc0(sizeof(Datum) * n);
	bool	   *nulls = palloc(sizeof(bool) * n);

	for (int i = 0; i < n; i++)
	{
		nulls[i] = value[i] == NULL;
		if (!nulls[i])
			values[i] = CStringGetTextDatum(value[i]);
	}
	add_array(args, values, nulls, n, TEXTOID);
}

void
qc_args_float8(QcArgs *args, const double *value, int n)
{
	Datum	   *values = palloc0(sizeof(Datum) * n);
	bool	   *nulls = palloc(sizeof(bool) * n);

	for (int i = 0; i < n; i++)
	{
		nulls[i] = isnan(value[i]);
		values[i] = Float8GetDatum(nulls[i] ? 0 : value[i]);
	}
	add_array(args, values, nulls, n, FLOAT8OID);
}

char *
qc_batch_sql(const QcTarget *target, const char *const *more, int nmore)
{
	StringInfoData sql;
	int			n = 1 + target->nkeys + nmore;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "unnest(");
	for (int i = 1; i <= n; i++)
		appendStringInfo(&sql, "%s$%d", i > 1 ? ", " : "", i);
	appendStringInfoString(&sql, ") AS r(i");
	for (int i = 1; i <= target->nkeys; i++)
		appendStringInfo(&sql, ", k%d", i);
	for (int i = 0; i < nmore; i++)
		appendStringInfo(&sql, ", %s", more[i]);
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/* ---- plans ---- */

typedef struct QcPlan
{
	char	   *sql;
	Oid			userid;			/* a plan checks the rights of who made it */
	SPIPlanPtr	plan;
} QcPlan;

static QcPlan plans[MAX_PLANS];
static int	nplans = 0;

static void
forget_plans(void)
{
	while (nplans > 0)
	{
		nplans--;
		SPI_freeplan(plans[nplans].plan);
		pfree(plans[nplans].sql);
	}
}

SPIPlanPtr
qc_plan(const char *sql, const QcArgs *args)
{
	SPIPlanPtr	plan;
	Oid			userid = GetUserId();

	for (int i = 0; i < nplans; i++)
		if (plans[i].userid == userid && strcmp(plans[i].sql, sql) == 0)
			return plans[i].plan;
	if (nplans == MAX_PLANS)
		forget_plans();
	plan = SPI_prepare(sql, args->n, (Oid *) args->type);
	if (plan == NULL)
		elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
	plans[nplans].sql = MemoryContextStrdup(TopMemoryContext, sql);
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep a plan");
	plans[nplans].plan = plan;
	plans[nplans++].userid = userid;
	return plan;
}
