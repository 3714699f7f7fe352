/*-------------------------------------------------------------------------
 *
 * key.c
 *	  The key of a row, as the queue keeps it.
 *
 * One integer column is its own key.  Any other primary key is the text of
 * its columns as a row, written and read under fixed settings so that every
 * session means the same, with a 64-bit hash of that text beside it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "task/target.h"

#define SEED_KEY UINT64CONST(0x6B6579)

/* An error in between undoes it at the abort. */
int
qc_fix_settings(void)
{
	int			level = NewGUCNestLevel();

	(void) set_config_option("datestyle", "ISO, YMD", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("intervalstyle", "postgres", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("extra_float_digits", "3", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("bytea_output", "hex", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("timezone", "UTC", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

static char *
row_text(const QcTarget *target, Datum *values, bool *nulls)
{
	HeapTuple	row = heap_form_tuple(target->key_desc, values, nulls);
	int			level = qc_fix_settings();
	char	   *text = OidOutputFunctionCall(F_RECORD_OUT, HeapTupleGetDatum(row));

	AtEOXact_GUC(false, level);
	heap_freetuple(row);
	return text;
}

static int64
integer_key(Oid type, Datum value)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

int64
qc_key_hash(const char *kx)
{
	return (int64) qc_hash64(kx, strlen(kx), SEED_KEY);
}

void
qc_key_of_tuple(const QcTarget *target, HeapTuple tuple, TupleDesc desc,
				const AttrNumber *map, int64 *k, char **kx)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	for (int i = 0; i < target->nkeys; i++)
	{
		AttrNumber	attno = map ? map[target->key[i] - 1] : target->key[i];

		values[i] = heap_getattr(tuple, attno, desc, &nulls[i]);
	}
	if (target->int_key)
	{
		*k = integer_key(target->key_type[0], values[0]);
		*kx = NULL;
		return;
	}
	*kx = row_text(target, values, nulls);
	*k = qc_key_hash(*kx);
}

void
qc_key_values(const QcTarget *target, int64 k, const char *kx,
			  Datum *values, bool *nulls)
{
	Datum		record;
	HeapTupleHeader header;
	HeapTupleData tuple;
	int			level;

	if (target->int_key)
	{
		Oid			type = target->key_type[0];

		nulls[0] = false;
		values[0] = type == INT2OID ? Int16GetDatum((int16) k) :
			type == INT4OID ? Int32GetDatum((int32) k) : Int64GetDatum(k);
		return;
	}
	level = qc_fix_settings();
	record = OidInputFunctionCall(F_RECORD_IN, unconstify(char *, kx),
								  target->key_desc->tdtypeid, target->key_desc->tdtypmod);
	AtEOXact_GUC(false, level);
	header = DatumGetHeapTupleHeader(record);
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, target->key_desc, values, nulls);
}

char *
qc_key_text(int64 k, const char *kx)
{
	if (kx != NULL && kx[0] != '\0')
		return pstrdup(kx);
	return psprintf(INT64_FORMAT, k);
}

static bool
is_row(const char *text)
{
	size_t		len = strlen(text);

	return len >= 2 && text[0] == '(' && text[len - 1] == ')';
}

/* A value of a key's only column, by its type's input function. */
static Datum
column_value(const QcTarget *target, const char *text)
{
	Oid			input;
	Oid			ioparam;
	Datum		value;
	int			level = qc_fix_settings();

	getTypeInputInfo(target->key_type[0], &input, &ioparam);
	value = OidInputFunctionCall(input, unconstify(char *, text), ioparam,
								 TupleDescAttr(target->key_desc, 0)->atttypmod);
	AtEOXact_GUC(false, level);
	return value;
}

/* The values are written anew, so that (1, 2) and (1,2) are one key. */
void
qc_key_of_text(const QcTarget *target, const char *text, int64 *k, char **kx)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS] = {false};

	if (target->int_key)
	{
		*k = integer_key(target->key_type[0], column_value(target, text));
		*kx = NULL;
		return;
	}
	if (target->nkeys == 1 && !is_row(text))
		values[0] = column_value(target, text);
	else
		qc_key_values(target, 0, text, values, nulls);
	for (int i = 0; i < target->nkeys; i++)
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("column %d of the key is NULL", i + 1)));
	*kx = row_text(target, values, nulls);
	*k = qc_key_hash(*kx);
}
