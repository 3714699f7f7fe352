/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  A batch of keys as the arrays that a statement's unnest takes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/resowner.h"

#include "queue/batch.h"

/* Plans that are kept: a few for each task. */
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

/* ---- settings ---- */

/*
 * As the owner of the table.  Numbers must come out so that they read back the
 * same, and nobody's lock is waited for long: an ALTER TABLE under way would
 * else hold up every other task.
 */
void
qc_as_table_owner(QcAsOwner *saved, const QcTarget *target)
{
	qc_as_role(saved, target->owner);
	(void) set_config_option("extra_float_digits", "3", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("lock_timeout", QC_LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* An inheritance parent's children have keys of their own. */
char *
qc_table_sql(const QcTarget *target)
{
	if (get_rel_relkind(target->relid) == RELKIND_PARTITIONED_TABLE)
		return pstrdup(target->rel_sql);
	return psprintf("ONLY %s", target->rel_sql);
}

/* ---- plans ---- */

typedef struct QcPlan
{
	char	   *sql;
	Oid			userid;			/* who made it: expressions may have been folded */
	int			n;
	Oid		   *type;			/* of its arguments: a key may have got another one */
	SPIPlanPtr	plan;
} QcPlan;

static QcPlan plans[MAX_PLANS];
static int	nplans = 0;

void
qc_plans_trim(void)
{
	if (nplans < MAX_PLANS)
		return;
	while (nplans > 0)
	{
		nplans--;
		SPI_freeplan(plans[nplans].plan);
		pfree(plans[nplans].sql);
		pfree(plans[nplans].type);
	}
}

/*
 * Make the plan now, by the key's index whatever the statistics say: tables of
 * ours and of users' grow a thousandfold before they are analyzed, and a plan
 * that is kept must not read them whole for each batch.  The settings are back
 * before it runs, since the owner's functions and triggers plan too.
 */
static void
plan_by_index(SPIPlanPtr plan)
{
	static const char *const off[] = {"enable_seqscan", "enable_hashjoin", "enable_mergejoin",
	"enable_bitmapscan", "jit"};
	int			level = NewGUCNestLevel();
	CachedPlan *cached;

	for (int i = 0; i < (int) lengthof(off); i++)
		(void) set_config_option(off[i], "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	cached = SPI_plan_get_cached_plan(plan);
	if (cached != NULL)
		ReleaseCachedPlan(cached, CurrentResourceOwner);
	AtEOXact_GUC(false, level);
}

static SPIPlanPtr
find_plan(const char *sql, Oid userid, const QcArgs *args)
{
	for (int i = 0; i < nplans; i++)
		if (plans[i].userid == userid && strcmp(plans[i].sql, sql) == 0 &&
			plans[i].n == args->n && memcmp(plans[i].type, args->type, sizeof(Oid) * args->n) == 0)
			return plans[i].plan;
	return NULL;
}

/* Not kept when there is no room: a plan that is running may be among the others. */
SPIPlanPtr
qc_plan(const char *sql, const QcArgs *args)
{
	Oid			userid = GetUserId();
	SPIPlanPtr	plan = find_plan(sql, userid, args);

	if (plan == NULL)
	{
		plan = SPI_prepare_cursor(sql, args->n, (Oid *) args->type, CURSOR_OPT_GENERIC_PLAN);
		if (plan == NULL)
			elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
		if (nplans == MAX_PLANS)
			return plan;
		plans[nplans].sql = MemoryContextStrdup(TopMemoryContext, sql);
		plans[nplans].n = args->n;
		plans[nplans].type = MemoryContextAlloc(TopMemoryContext, sizeof(Oid) * Max(args->n, 1));
		memcpy(plans[nplans].type, args->type, sizeof(Oid) * args->n);
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "could not keep a plan");
		plans[nplans].plan = plan;
		plans[nplans++].userid = userid;
	}
	plan_by_index(plan);
	return plan;
}
