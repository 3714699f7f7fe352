/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  The words of failures, and how a failure becomes an error.
 *
 * One table holds, for each kind, who is charged, the SQLSTATE, the word for
 * counts and the hint.  The SQLSTATEs are chosen so that a client can tell the
 * kinds apart and so that nobody mistakes them for its own connection's:
 * 28P01 makes clients ask for the database password again, 57014 means a
 * cancel, 57P03 makes pools drop a healthy connection, 42501 means that a GRANT
 * is missing in this database.
 *
 * Filling a failure never throws and allocates nothing: it happens in the
 * middle of other people's state machines.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "common/errors.h"

/* Shorter runs of a key may show: "sk-" and the like are no secret. */
#define QC_MASK_RUN		8
/* Shorter keys are no secrets at all ("x", "sk") and common as words. */
#define QC_MASK_LEAST	4

/* What a row's own faults have in common. */
#define HINT_ROW \
	"To go on without such rows, type: SET qwen_classify.on_error = 'null'."

typedef struct QcFailRule
{
	QcCharge	charge;
	int			sqlstate;
	const char *word;
	const char *hint;			/* $S is the server's name, ready to be typed */
} QcFailRule;

static const QcFailRule rule[QC_N_FAIL_KINDS] =
{
	[QC_FAIL_NONE] = {QC_CHARGE_NOBODY, ERRCODE_INTERNAL_ERROR, "no failure", NULL},

	[QC_FAIL_INPUT] = {QC_CHARGE_ROW, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
		"empty or not valid", HINT_ROW},
	[QC_FAIL_TOO_LONG] = {QC_CHARGE_ROW, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		"too long",
		"Send less of each text, ALTER SERVER $S OPTIONS (ADD max_input_chars '2000') "
	"(SET where it is there already), or start the inference server with a larger context."},
	[QC_FAIL_REFUSED] = {QC_CHARGE_ROW, ERRCODE_DATA_EXCEPTION, "refused", HINT_ROW},
	[QC_FAIL_REJECTED] = {QC_CHARGE_ROW, ERRCODE_INVALID_PARAMETER_VALUE, "rejected",
		"To see the request, type: SELECT qwen.preview(...) with the same arguments. "
	HINT_ROW},
	[QC_FAIL_BAD_ANSWER] = {QC_CHARGE_ROW, ERRCODE_INVALID_TEXT_REPRESENTATION,
		"unusable answer", HINT_ROW},
	[QC_FAIL_ROW_TIMEOUT] = {QC_CHARGE_ROW, ERRCODE_FDW_UNABLE_TO_CREATE_REPLY,
		"timed out",
		"Give it longer: ALTER SERVER $S OPTIONS (ADD request_timeout '60s') "
	"(SET where it is there already). " HINT_ROW},

	[QC_FAIL_LOOP] = {QC_CHARGE_ROW, ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION, "loop",
		"A trigger of the table changes the text whenever a label is written: make it leave "
	"the text alone where only the label changes."},

	[QC_FAIL_CONNECT] = {QC_CHARGE_SERVER, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
		"not reachable",
		"Start the inference server, or correct its address: "
	"ALTER SERVER $S OPTIONS (SET url 'http://host:port/v1')."},
	[QC_FAIL_TIMEOUT] = {QC_CHARGE_SERVER, ERRCODE_CONNECTION_FAILURE, "timed out",
		"Give it longer, ALTER SERVER $S OPTIONS (ADD request_timeout '60s'), or send less "
	"at once, ALTER SERVER $S OPTIONS (ADD max_concurrency '4') (SET where it is there already)."},
	[QC_FAIL_OVERLOADED] = {QC_CHARGE_SERVER, ERRCODE_INSUFFICIENT_RESOURCES, "overloaded",
		"Send less at once: ALTER SERVER $S OPTIONS (ADD max_concurrency '4') "
	"(SET where it is there already)."},
	[QC_FAIL_LOADING] = {QC_CHARGE_SERVER, ERRCODE_INSUFFICIENT_RESOURCES, "loading its model",
		"Try again when the model is loaded, or wait longer for it: "
	"ALTER SERVER $S OPTIONS (ADD retry_timeout '600s') (SET where it is there already)."},
	[QC_FAIL_SERVER] = {QC_CHARGE_SERVER, ERRCODE_FDW_ERROR, "server error",
		"The inference server's own log tells more. To test it, type: "
	"SELECT * FROM qwen.check_server($S)."},

	[QC_FAIL_AUTH] = {QC_CHARGE_USER, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
		"not authorized",
		"Give a key, CREATE USER MAPPING FOR CURRENT_USER SERVER $S OPTIONS (api_key '...'), "
	"or another one, ALTER USER MAPPING FOR CURRENT_USER SERVER $S OPTIONS (SET api_key '...')."},
	[QC_FAIL_MODEL] = {QC_CHARGE_USER, ERRCODE_UNDEFINED_OBJECT, "unknown model",
		"Name a model that the server has: ALTER SERVER $S OPTIONS (ADD model '...') "
	"(SET where it is there already); without the option its first model is used."},
	[QC_FAIL_PATH] = {QC_CHARGE_USER, ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE, "wrong url",
		"The url ends where the API begins, as in http://host:port/v1. Type: "
	"ALTER SERVER $S OPTIONS (SET url '...')."},
	[QC_FAIL_QUOTA] = {QC_CHARGE_USER, ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION, "quota used up",
		"Top up the account at the provider, or use another key: "
	"ALTER USER MAPPING FOR CURRENT_USER SERVER $S OPTIONS (SET api_key '...')."},
	[QC_FAIL_TLS] = {QC_CHARGE_USER, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION, "TLS failure",
		"If the certificate is of an authority of your own, a superuser types: "
	"ALTER SERVER $S OPTIONS (ADD ca_file '/path/to/ca.pem') (SET where it is there already)."},
	[QC_FAIL_PROTOCOL] = {QC_CHARGE_USER, ERRCODE_PROTOCOL_VIOLATION, "not an inference server",
		"The url must lead to an OpenAI-style API, as http://host:port/v1 does, or end in "
	"/inference. Type: ALTER SERVER $S OPTIONS (SET url '...')."},
	[QC_FAIL_BUDGET] = {QC_CHARGE_USER, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, "over the limit",
		"Label fewer rows at once, or have a superuser raise the limit: "
	"ALTER ROLE ... SET qwen_classify.max_requests = ... (0: no limit)."},
};

/* A kind from shared memory or a cast may be anything: then it is no failure. */
static const QcFailRule *
rule_of(QcFailKind kind)
{
	return &rule[(unsigned) kind < QC_N_FAIL_KINDS ? kind : QC_FAIL_NONE];
}

QcCharge
qc_failure_charge(QcFailKind kind)
{
	return rule_of(kind)->charge;
}

const char *
qc_failure_word(QcFailKind kind)
{
	return rule_of(kind)->word;
}

/*
 * Copy src to dst as one line of valid UTF-8, clipped at a character.  A byte
 * that starts no character becomes '?'; control characters, C1 included since
 * terminals obey them, become single spaces.
 */
static void
copy_line(char *dst, size_t room, const char *src, size_t len)
{
	size_t		n = 0;

	while (len > 0)
	{
		unsigned char c = (unsigned char) *src;
		int			width = pg_encoding_verifymbchar(PG_UTF8, src, (int) Min(len, 4));
		bool		blank;

		if (width < 0)
			width = 1;
		blank = c <= ' ' || c == 0x7f ||
			(width == 2 && c == 0xc2 && (unsigned char) src[1] < 0xa0);

		if (n + width >= room)
			break;
		if (blank)
		{
			if (n > 0 && dst[n - 1] != ' ')
				dst[n++] = ' ';
		}
		else if (width == 1)
			dst[n++] = c < 0x80 ? (char) c : '?';
		else
		{
			memcpy(dst + n, src, width);
			n += width;
		}
		src += width;
		len -= width;
	}
	while (n > 0 && dst[n - 1] == ' ')
		n--;
	dst[n] = '\0';
}

/* All fields are set: callers keep failures on the stack, uninitialised. */
void
qc_failure_set(QcFailure *failure, QcFailKind kind, int http_status,
			   const char *fmt,...)
{
	char		line[sizeof(failure->message) * 2];
	va_list		args;

	memset(failure, 0, sizeof(*failure));
	failure->kind = kind;
	failure->http_status = http_status;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	copy_line(failure->message, sizeof(failure->message), line, strlen(line));
}

void
qc_failure_append(QcFailure *failure, const char *fmt,...)
{
	char		line[sizeof(failure->message) * 2];
	size_t		len = strlen(failure->message);
	va_list		args;

	memcpy(line, failure->message, len);
	va_start(args, fmt);
	vsnprintf(line + len, sizeof(line) - len, fmt, args);
	va_end(args);
	copy_line(failure->message, sizeof(failure->message), line, strlen(line));
}

void
qc_failure_server(QcFailure *failure, const char *name)
{
	strlcpy(failure->server, name, sizeof(failure->server));
}

/* Length of the longest run at words that stands somewhere in secret. */
static size_t
secret_run(const char *words, const char *secret)
{
	size_t		best = 0;

	for (; *secret; secret++)
	{
		size_t		n = 0;

		while (secret[n] && words[n] == secret[n])
			n++;
		best = Max(best, n);
	}
	return best;
}

/*
 * Servers echo keys, whole or in part ("invalid key sk-live-abc...").  Masking
 * comes before clipping: a clip must not leave half a key unrecognised.
 */
void
qc_failure_words(QcFailure *failure, const char *words, const char *secret)
{
	char		masked[sizeof(failure->detail) * 2];
	size_t		secret_len = secret ? strlen(secret) : 0;
	size_t		n = 0;

	failure->detail[0] = '\0';
	if (words == NULL)
		return;

	while (*words && n + 4 < sizeof(masked))
	{
		size_t		run = secret_len >= QC_MASK_LEAST ? secret_run(words, secret) : 0;

		if (run > 0 && run >= Min(secret_len, QC_MASK_RUN))
		{
			memcpy(masked + n, "***", 3);
			n += 3;
			words += run;
		}
		else
			masked[n++] = *words++;
	}
	copy_line(failure->detail, sizeof(failure->detail), masked, n);
}

/*
 * The conversion from UTF-8 to the server encoding, or InvalidOid: outside a
 * transaction the catalog cannot be asked.
 */
static Oid
conversion_from_utf8(void)
{
	if (!IsTransactionState())
		return InvalidOid;
	return FindDefaultConversionProc(PG_UTF8, GetDatabaseEncoding());
}

/* Append what can be converted of a chunk; returns the bytes taken. */
static int
convert_chunk(StringInfo out, Oid proc, const char *src, int len)
{
	int			taken = 0;
	int			plain = 0;

	/* ASCII is the same in every server encoding. */
	while (plain < len && (signed char) src[plain] > 0)
		plain++;
	appendBinaryStringInfo(out, src, plain);
	if (plain == len || !OidIsValid(proc))
		return plain;

	src += plain;
	len = Min(len - plain, 4096);
	enlargeStringInfo(out, len * MAX_CONVERSION_GROWTH + 1);
	taken = pg_do_encoding_conversion_buf(proc, PG_UTF8, GetDatabaseEncoding(),
										  (unsigned char *) unconstify(char *, src), len,
										  (unsigned char *) out->data + out->len,
										  len * MAX_CONVERSION_GROWTH + 1, true);
	out->len += strlen(out->data + out->len);
	return plain + taken;
}

/*
 * In a SQL_ASCII database bytes are what the clients make of them; texts went
 * out as UTF-8 from there, so they also come back as UTF-8.
 */
char *
qc_utf8_to_server(const char *utf8)
{
	int			encoding = GetDatabaseEncoding();
	bool		same = encoding == PG_UTF8 || encoding == PG_SQL_ASCII;
	Oid			proc = same ? InvalidOid : conversion_from_utf8();
	int			len = (int) strlen(utf8);
	StringInfoData out;

	initStringInfo(&out);
	while (len > 0)
	{
		int			width = pg_encoding_verifymbchar(PG_UTF8, utf8, len);

		if (same && width > 0)
			appendBinaryStringInfo(&out, utf8, width);
		else if (!same && width > 0)
		{
			int			taken = convert_chunk(&out, proc, utf8, len);

			if (taken > 0)
				width = taken;
			else
				appendStringInfoChar(&out, '?');
		}
		else
		{
			appendStringInfoChar(&out, '?');
			width = 1;
		}
		utf8 += width;
		len -= width;
	}
	return out.data;
}

/* A hint with the server's name in the places where it is to be typed. */
static char *
hint_for(const QcFailure *failure)
{
	const char *template = rule_of(failure->kind)->hint;
	const char *name = failure->server[0] ? failure->server : "...";
	StringInfoData hint;

	initStringInfo(&hint);
	for (const char *p = template; *p; p++)
	{
		if (p[0] != '$' || p[1] != 'S')
			appendStringInfoChar(&hint, *p);
		else
		{
			bool		is_literal = p > template && p[-1] == '(';

			appendStringInfoString(&hint, is_literal ? quote_literal_cstr(name) :
								   failure->server[0] ? quote_identifier(name) : name);
			p++;
		}
	}
	return hint.data;
}

/* The detail of a bad answer says itself who said what. */
static const char *
speaker(const QcFailure *failure)
{
	return failure->kind == QC_FAIL_BAD_ANSWER ? "" : "The server says: ";
}

char *
qc_failure_reason(const QcFailure *failure)
{
	if (failure->detail[0] == '\0')
		return pstrdup(failure->message);
	return psprintf("%s. %s%s", failure->message, speaker(failure), failure->detail);
}

char *
qc_failure_hint(const QcFailure *failure)
{
	return rule_of(failure->kind)->hint ? hint_for(failure) : NULL;
}

/*
 * Everything is converted before the error is built: a throw from within
 * ereport's arguments would lose the failure for another one.
 */
void
qc_failure_raise(const QcFailure *failure)
{
	const QcFailRule *r = rule_of(failure->kind);
	char	   *message = qc_utf8_to_server(failure->message);
	char	   *detail = failure->detail[0] ? qc_utf8_to_server(failure->detail) : NULL;
	char	   *hint = qc_failure_hint(failure);

	ereport(ERROR,
			(errcode(r->sqlstate),
			 errmsg_internal("%s", message),
			 detail ? errdetail("%s%s", speaker(failure), detail) : 0,
			 hint ? errhint("%s", hint) : 0));
	pg_unreachable();
}
