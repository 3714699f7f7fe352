/*-------------------------------------------------------------------------
 *
 * clean.c
 *	  qwen_clean: dirty text made readable (prompt/clean.h), in any encoding.
 *
 * No text makes it fail.  What the server's encoding cannot say in UTF-8 comes
 * back as it is, and no character is made that the encoding does not have.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "common/compat.h"
#include "common/errors.h"
#include "prompt/clean.h"

/* Arguments after the text, by position. */
enum
{
	ARG_HTML = 1, ARG_MOJIBAKE, ARG_CONTROLS, ARG_BOILERPLATE, ARG_PUNCTUATION, ARG_SPACE, ARG_URLS
};

/* The characters of a server encoding that is neither UTF-8 nor SQL_ASCII. */
typedef struct Repertoire
{
	FmgrInfo	from_utf8;
	bool		open;
} Repertoire;

static bool
is_utf8_server(void)
{
	return GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII;
}

/* Called below libxml2, so it must not throw: the conversion is looked up before. */
static bool
has_character(void *arg, uint32_t c)
{
	unsigned char utf8[MAX_MULTIBYTE_CHAR_LEN + 1] = {0};
	char		converted[MAX_MULTIBYTE_CHAR_LEN * MAX_CONVERSION_GROWTH + 1];
	int			len;

	unicode_to_utf8(c, utf8);
	len = pg_utf_mblen(utf8);
	return DatumGetInt32(FunctionCall6(&((Repertoire *) arg)->from_utf8,
									   Int32GetDatum(PG_UTF8), Int32GetDatum(GetDatabaseEncoding()),
									   CStringGetDatum((char *) utf8), CStringGetDatum(converted),
									   Int32GetDatum(len), BoolGetDatum(true))) == len;
}

/* Is somebody waiting for this statement to end? */
static bool
is_interrupted(void)
{
	return InterruptPending && (QueryCancelPending || ProcDiePending) &&
		InterruptHoldoffCount == 0 && QueryCancelHoldoffCount == 0 && CritSectionCount == 0;
}

static bool
bool_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? true : PG_GETARG_BOOL(n);
}

static QcUrls
urls_arg(FunctionCallInfo fcinfo)
{
	char	   *word;

	if (PG_ARGISNULL(ARG_URLS))
		return QC_URLS_KEEP;
	word = text_to_cstring(PG_GETARG_TEXT_PP(ARG_URLS));
	if (strcmp(word, "keep") == 0)
		return QC_URLS_KEEP;
	if (strcmp(word, "drop") == 0)
		return QC_URLS_DROP;
	if (strcmp(word, "domain") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized value for urls: \"%s\"", word),
				 errhint("Type urls => 'keep', urls => 'drop' or urls => 'domain'.")));
	return QC_URLS_DOMAIN;
}

static void
read_options(FunctionCallInfo fcinfo, Repertoire *repertoire, QcCleanOptions *options)
{
	qc_clean_defaults(options);
	options->html = bool_arg(fcinfo, ARG_HTML);
	options->mojibake = bool_arg(fcinfo, ARG_MOJIBAKE);
	options->controls = bool_arg(fcinfo, ARG_CONTROLS);
	options->boilerplate = bool_arg(fcinfo, ARG_BOILERPLATE);
	options->punctuation = bool_arg(fcinfo, ARG_PUNCTUATION);
	options->space = bool_arg(fcinfo, ARG_SPACE);
	options->urls = urls_arg(fcinfo);
	options->stop = is_interrupted;
	if (!is_utf8_server())
	{
		options->fits = has_character;
		options->arg = repertoire;
	}
}

/* Kept from call to call; NULL: the encoding has no conversion to UTF-8 (MULE_INTERNAL). */
static Repertoire *
repertoire_of(FunctionCallInfo fcinfo)
{
	Repertoire *repertoire = fcinfo->flinfo->fn_extra;
	Oid			proc;

	if (repertoire == NULL)
	{
		repertoire = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Repertoire));
		proc = is_utf8_server() ? InvalidOid : FindDefaultConversionProc(PG_UTF8, GetDatabaseEncoding());
		if (OidIsValid(proc))
			fmgr_info_cxt(proc, &repertoire->from_utf8, fcinfo->flinfo->fn_mcxt);
		repertoire->open = is_utf8_server() || OidIsValid(proc);
		fcinfo->flinfo->fn_extra = repertoire;
	}
	return repertoire->open ? repertoire : NULL;
}

/* The text in UTF-8, or NULL if a character of it cannot be converted. */
static char *
to_utf8(char *s, int len, size_t *utf8_len)
{
	Oid			proc;
	char	   *utf8;

	*utf8_len = len;
	if (is_utf8_server())
		return s;
	proc = FindDefaultConversionProc(GetDatabaseEncoding(), PG_UTF8);
	if (!OidIsValid(proc) || len > (INT_MAX - 1) / MAX_CONVERSION_GROWTH)
		return NULL;
	utf8 = MemoryContextAllocHuge(CurrentMemoryContext, (Size) len * MAX_CONVERSION_GROWTH + 1);
	if (pg_do_encoding_conversion_buf(proc, GetDatabaseEncoding(), PG_UTF8, (unsigned char *) s, len,
									  (unsigned char *) utf8, len * MAX_CONVERSION_GROWTH + 1, true) != len)
		return NULL;
	*utf8_len = strlen(utf8);
	return utf8;
}

/* qc_clean, and again from the start if what interrupted it was not the end. */
static char *
clean(const char *s, size_t len, QcCleanOptions *options, size_t *out_len)
{
	bool		stopped;
	char	   *text = qc_clean(s, len, options, out_len, &stopped);

	if (stopped)
	{
		CHECK_FOR_INTERRUPTS();
		options->stop = NULL;
		text = qc_clean(s, len, options, out_len, &stopped);
	}
	if (text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed on cleaning a text of %zu bytes.", len)));
	return text;
}

/* The malloc'ed text as one of ours.  Not inlined: its caller's variables are not for setjmp. */
static pg_noinline text *
take_text(char *utf8, size_t len)
{
	text	   *result;

	PG_TRY();
	{
		result = is_utf8_server() ? cstring_to_text_with_len(utf8, (int) len) :
			cstring_to_text(qc_utf8_to_server(utf8));
	}
	PG_FINALLY();
	{
		free(utf8);
	}
	PG_END_TRY();
	return result;
}

PG_FUNCTION_INFO_V1(qwen_classify_clean);
Datum
qwen_classify_clean(PG_FUNCTION_ARGS)
{
	text	   *input;
	Repertoire *repertoire;
	QcCleanOptions options;
	char	   *utf8 = NULL;
	char	   *cleaned;
	size_t		len;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	input = PG_GETARG_TEXT_PP(0);
	repertoire = repertoire_of(fcinfo);
	read_options(fcinfo, repertoire, &options);
	if (repertoire != NULL)
		utf8 = to_utf8(VARDATA_ANY(input), (int) VARSIZE_ANY_EXHDR(input), &len);
	if (utf8 == NULL)
		PG_RETURN_TEXT_P(input);
	cleaned = clean(utf8, len, &options, &len);
	PG_RETURN_TEXT_P(take_text(cleaned, len));
}
