/*-------------------------------------------------------------------------
 *
 * hash.c
 *	  The 64-bit hash of an input, which tells one version of a text from another.
 *
 * It is stored (qwen.result, qwen.annotation, keys that are no integers), so
 * neither the algorithm nor what it is fed may ever change.  It depends on
 * bytes alone, not on collation, byte order or version.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "task/target.h"

PG_FUNCTION_INFO_V1(qwen_classify_input_hash);

/*
 * The multipliers are odd numbers of the 64-bit golden ratio and of the
 * finaliser of SplitMix64 (Steele, Lea, Flood 2014), whose mixing is used.
 */
#define MUL_A UINT64CONST(0x9E3779B97F4A7C15)
#define MUL_B UINT64CONST(0xBF58476D1CE4E5B9)
#define MUL_C UINT64CONST(0x94D049BB133111EB)

/* What stands for a NULL and between two values. */
#define SEED_NULL	UINT64CONST(0x6E756C6C)
#define SEED_VALUE	UINT64CONST(0x76616C75)

static uint64
mix(uint64 h)
{
	h = (h ^ (h >> 30)) * MUL_B;
	h = (h ^ (h >> 27)) * MUL_C;
	return h ^ (h >> 31);
}

/* Eight bytes as a little-endian number, whatever the machine. */
static uint64
word_at(const unsigned char *s)
{
	uint64		w = 0;

	for (int i = 7; i >= 0; i--)
		w = (w << 8) | s[i];
	return w;
}

uint64
qc_hash64(const void *bytes, size_t len, uint64 seed)
{
	const unsigned char *s = bytes;
	uint64		h = mix(seed + MUL_A + (uint64) len);
	uint64		tail = 0;
	size_t		rest = len & 7;

	for (size_t i = 0; i + 8 <= len; i += 8)
		h = mix((h ^ word_at(s + i)) + MUL_A);
	for (size_t i = rest; i > 0; i--)
		tail = (tail << 8) | s[len - rest + i - 1];
	return mix((h ^ tail) + MUL_A);
}

/* How values of a type become bytes. */
typedef struct QcHasher
{
	Oid			type;
	bool		text;			/* a varlena whose bytes are its text */
	bool		sends;			/* else by its send function ... */
	FmgrInfo	function;		/* ... or, of a type without one, its output function */
} QcHasher;

static bool
has_send(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	bool		has;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	has = OidIsValid(((Form_pg_type) GETSTRUCT(tuple))->typsend);
	ReleaseSysCache(tuple);
	return has;
}

static void
make_hasher(QcHasher *hasher, Oid type, MemoryContext cxt)
{
	Oid			base = getBaseType(type);
	char		category;
	bool		preferred;
	Oid			function;
	bool		varlena;

	get_type_category_preferred(base, &category, &preferred);
	hasher->type = type;
	hasher->text = (category == TYPCATEGORY_STRING && get_typlen(base) == -1);
	if (hasher->text)
		return;
	hasher->sends = has_send(base);
	if (hasher->sends)
		getTypeBinaryOutputInfo(base, &function, &varlena);
	else
		getTypeOutputInfo(base, &function, &varlena);
	fmgr_info_cxt(function, &hasher->function, cxt);
}

static uint64
hash_value(QcHasher *hasher, Datum value, bool isnull, uint64 h)
{
	struct varlena *bytes;
	uint64		result;

	if (isnull)
		return mix(h ^ SEED_NULL);
	if (hasher->text)
		bytes = PG_DETOAST_DATUM_PACKED(value);
	else if (hasher->sends)
		bytes = (struct varlena *) SendFunctionCall(&hasher->function, value);
	else
		bytes = (struct varlena *) cstring_to_text(OutputFunctionCall(&hasher->function, value));
	result = qc_hash64(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), mix(h ^ SEED_VALUE));
	if ((Pointer) bytes != DatumGetPointer(value))
		pfree(bytes);
	return result;
}

/* ---- qwen.input_hash(VARIADIC "any") ---- */

typedef struct QcHashers
{
	int			n;
	QcHasher	hasher[FLEXIBLE_ARRAY_MEMBER];
} QcHashers;

static QcHashers *
call_hashers(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;
	int			n = PG_NARGS();
	QcHashers  *hashers = flinfo->fn_extra;

	if (hashers != NULL && hashers->n == n)
		return hashers;
	if (get_fn_expr_variadic(flinfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("qwen.input_hash takes its values one by one"),
				 errhint("Write qwen.input_hash(a, b) instead of VARIADIC.")));
	hashers = MemoryContextAllocZero(flinfo->fn_mcxt,
									 offsetof(QcHashers, hasher) + n * sizeof(QcHasher));
	for (int i = 0; i < n; i++)
	{
		Oid			type = get_fn_expr_argtype(flinfo, i);

		if (!OidIsValid(type))
			ereport(ERROR,
					(errcode(ERRCODE_INDETERMINATE_DATATYPE),
					 errmsg("could not determine the type of argument %d of qwen.input_hash", i + 1)));
		make_hasher(&hashers->hasher[i], type, flinfo->fn_mcxt);
	}
	hashers->n = n;
	flinfo->fn_extra = hashers;
	return hashers;
}

Datum
qwen_classify_input_hash(PG_FUNCTION_ARGS)
{
	QcHashers  *hashers = call_hashers(fcinfo);
	uint64		h = 0;

	for (int i = 0; i < hashers->n; i++)
		h = hash_value(&hashers->hasher[i], PG_GETARG_DATUM(i), PG_ARGISNULL(i), h);
	PG_RETURN_INT64((int64) h);
}

/* ---- the same over a tuple in C ---- */

int64
qc_input_hash_tuple(const QcTarget *target, HeapTuple tuple, TupleDesc desc,
					const AttrNumber *map)
{
	uint64		h = 0;

	for (int i = 0; i < target->nreads; i++)
	{
		AttrNumber	attno = map ? map[target->reads[i] - 1] : target->reads[i];
		QcHasher	hasher;
		bool		isnull;
		Datum		value = heap_getattr(tuple, attno, desc, &isnull);

		make_hasher(&hasher, TupleDescAttr(desc, attno - 1)->atttypid, CurrentMemoryContext);
		h = hash_value(&hasher, value, isnull, h);
	}
	return (int64) h;
}
