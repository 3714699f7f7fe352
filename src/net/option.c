/*-------------------------------------------------------------------------
 *
 * option.c
 *	  The options of servers and user mappings: the one table of them.
 *
 * Options of a server can be read by every role, so no secret may stand in
 * them; those of a mapping by its user and the server's owner.  The values of
 * keys, and URLs that may hold one, are never repeated in a message.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "commands/defrem.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "common/compat.h"
#include "net/body.h"
#include "net/kind.h"
#include "net/option.h"
#include "net/url.h"

/* Names of models are paths at times, but not novels. */
#define MAX_MODEL_BYTES		512
/* It goes into every request, and each reader of the catalog sees it. */
#define MAX_EXTRA_BYTES		(64 * 1024)
#define MAX_HEADER_BYTES	100

#define DAY_MS		(24 * 60 * 60 * 1000.0)
#define HINT_TIME	"Write a time with its unit, as in '500ms', '2s' or '5min'; " \
	"a number alone means seconds."
#define HINT_FILE	"Give an absolute path on the database server, as in '/etc/ssl/certs/ca.pem'."
#define FIELD(f)	offsetof(QcEndpoint, f)

#define SERVER		QC_OF_SERVER
#define ANYONE		QC_SET_BY_OWNER
#define SUPERUSER	QC_SET_BY_SUPERUSER

const QcOption qc_options[] = {
	{"url", SERVER, QC_OPTION_URL, ANYONE, 0, 0, NULL, NULL, NULL, 0},
	{"model", SERVER, QC_OPTION_MODEL, ANYONE, 0, 0, NULL, NULL,
		"Give the name by which the server knows the model, as in 'qwen2.5-7b-instruct'.",
	FIELD(model)},
	{"api", SERVER, QC_OPTION_API, ANYONE, 0, 0, NULL, "auto", NULL, FIELD(api)},
	{"max_concurrency", SERVER, QC_OPTION_INT, ANYONE, 0, 10000, "requests", "0",
		"Write a whole number, as in '16'; 0 lets it be found.", FIELD(max_concurrency)},
	{"requests_per_minute", SERVER, QC_OPTION_INT, ANYONE, 0, 10000000, "requests", "0",
		"Write a whole number, as in '600'; 0 sets no limit.", FIELD(requests_per_minute)},
	{"tokens_per_minute", SERVER, QC_OPTION_INT, ANYONE, 0, 2000000000, "tokens", "0",
		"Write a whole number, as in '100000'; 0 sets no limit.", FIELD(tokens_per_minute)},
	{"connect_timeout", SERVER, QC_OPTION_DURATION, ANYONE, 1, DAY_MS, NULL, "2s",
	HINT_TIME, FIELD(connect_timeout)},
	{"request_timeout", SERVER, QC_OPTION_DURATION, ANYONE, 1, DAY_MS, NULL, "30s",
	HINT_TIME, FIELD(request_timeout)},
	{"retry_timeout", SERVER, QC_OPTION_DURATION, ANYONE, 0, DAY_MS, NULL, "300s",
	HINT_TIME, FIELD(retry_timeout)},
	{"max_input_chars", SERVER, QC_OPTION_INT, ANYONE, 0, 10000000, "characters", "4000",
		"Write a whole number, as in '4000'; 0 sends as much as the model's context holds.",
	FIELD(max_input_chars)},
	{"max_tokens", SERVER, QC_OPTION_INT, ANYONE, 16, 32768, "tokens", "160",
	"Write a whole number, as in '160'.", FIELD(max_tokens)},
	{"temperature", SERVER, QC_OPTION_REAL, ANYONE, 0, 2, NULL, "0",
	"Write a number, as in '0' or '0.7'.", FIELD(temperature)},
	{"codes", SERVER, QC_OPTION_BOOL, ANYONE, 0, 0, NULL, "off",
	"Write 'on' or 'off'.", FIELD(codes)},
	{"exact", SERVER, QC_OPTION_BOOL, ANYONE, 0, 0, NULL, "off",
	"Write 'on' or 'off'.", FIELD(exact)},
	{"guard", SERVER, QC_OPTION_BOOL, ANYONE, 0, 0, NULL, "on",
	"Write 'on' or 'off'.", FIELD(guard)},
	{"extra_body", SERVER, QC_OPTION_OBJECT, ANYONE, 0, 0, NULL, NULL,
		"Give a JSON object whose members go into every request, as in '{\"seed\": 1}'.",
	FIELD(extra_body)},
	{"ca_file", SERVER, QC_OPTION_FILE, SUPERUSER, 0, 0, NULL, NULL, HINT_FILE, FIELD(ca_file)},
	{"client_cert", SERVER, QC_OPTION_FILE, SUPERUSER, 0, 0, NULL, NULL, HINT_FILE,
	FIELD(client_cert)},
	{"client_key", SERVER, QC_OPTION_FILE, SUPERUSER, 0, 0, NULL, NULL, HINT_FILE,
	FIELD(client_key)},
	{"auth_header", SERVER, QC_OPTION_HEADER, ANYONE, 0, 0, NULL, NULL,
		"Give the name of the header that is to carry the key, as in 'api-key'; "
	"without the option it is \"Authorization: Bearer\".", FIELD(auth_header)},
	{"api_key_file", QC_OF_MAPPING, QC_OPTION_FILE, QC_SET_BY_READER, 0, 0, NULL, NULL,
		"Give an absolute path on the database server, as in '/etc/qwen/key'.",
	FIELD(api_key_file)},
	{"api_key", QC_OF_MAPPING, QC_OPTION_KEY, ANYONE, 0, 0, NULL, NULL,
		"Give the key alone, on one line, without the name of a header or \"Bearer\".",
	FIELD(api_key)},
	{NULL, SERVER, QC_OPTION_URL, ANYONE, 0, 0, NULL, NULL, NULL, 0}
};

/* The value is wrong; detail says in what way. */
pg_noreturn static void
bad_value(const QcOption *option, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\"", option->name),
			 errdetail("%s.", detail),
			 option->hint ? errhint("%s", option->hint) : 0));
	pg_unreachable();
}

/* A value for a message: its start, in case it is a page. */
static const char *
shown(const char *value)
{
	int			clip = pg_mbcliplen(value, strlen(value), 60);

	return psprintf("\"%.*s%s\"", clip, value, value[clip] ? "..." : "");
}

/* "1 ms to 24 h", "16 to 32768 tokens". */
static char *
range_text(const QcOption *option)
{
	if (option->type == QC_OPTION_DURATION)
		return psprintf("%g ms to %g h", option->min, option->max / (60 * 60 * 1000));
	return psprintf("%.15g to %.15g%s%s", option->min, option->max,
					option->unit ? " " : "", option->unit ? option->unit : "");
}

/* NaN compares with nothing, and would pass the two others. */
static void
check_range(const QcOption *option, const char *value, double number)
{
	if (isnan(number) || number < option->min || number > option->max)
		bad_value(option, psprintf("%s is outside the range of %s", shown(value),
								   range_text(option)));
}

/* parse_int rounds 4.7 to 5, as it does for settings. */
static double
read_number(const QcOption *option, const char *value)
{
	double		number;
	int			whole;

	if (option->type == QC_OPTION_INT && parse_int(value, &whole, 0, NULL))
		number = whole;
	else if (!parse_real(value, &number, 0, NULL))
		bad_value(option, psprintf("%s is not a number", shown(value)));
	else if (option->type == QC_OPTION_INT)
		number = option->max + 1;	/* a number, but no int */
	check_range(option, value, number);
	return number;
}

/*
 * With a unit as in a setting.  Without one: seconds, as in connect_timeout
 * of other servers (libpq's), and not the milliseconds that a setting would
 * take; nobody gives a model 30 ms.
 */
static int
read_duration(const QcOption *option, const char *value)
{
	double		number;

	if (parse_real(value, &number, 0, NULL))
		number *= 1000;
	else if (!parse_real(value, &number, GUC_UNIT_MS, NULL))
		bad_value(option, psprintf("%s is not a time", shown(value)));
	number = rint(number);
	check_range(option, value, number);
	return (int) number;
}

static bool
read_bool(const QcOption *option, const char *value)
{
	bool		result;

	if (!parse_bool(value, &result))
		bad_value(option, psprintf("%s is neither true nor false", shown(value)));
	return result;
}

/* The names are listed where the kinds are, so that the hint cannot rot. */
static QcApi
read_api(const QcOption *option, const char *value)
{
	QcOption	with_hint = *option;
	const QcKind *kind = qc_kind_named(value);
	StringInfoData names;

	if (strcmp(value, "auto") == 0)
		return QC_API_AUTO;
	if (kind)
		return kind->api;

	initStringInfo(&names);
	appendStringInfoString(&names, "Valid values are: auto");
	for (int i = 0; qc_kinds[i]; i++)
		appendStringInfo(&names, ", %s", qc_kinds[i]->name);
	appendStringInfoChar(&names, '.');
	with_hint.hint = names.data;
	bad_value(&with_hint, psprintf("There is no API %s", shown(value)));
}

static bool
has_control(const char *value)
{
	for (; *value; value++)
		if ((unsigned char) *value < ' ' || *value == 0x7f)
			return true;
	return false;
}

/*
 * Text that goes into JSON is UTF-8, whatever the database's encoding.  The
 * bytes of a SQL_ASCII database are taken for UTF-8 if they are that.
 */
static char *
to_utf8(const QcOption *option, const char *value)
{
	int			len = strlen(value);
	char	   *utf8 = pg_server_to_any(value, len, PG_UTF8);

	if (utf8 == value)
		utf8 = pstrdup(value);
	if (!pg_verify_mbstr(PG_UTF8, utf8, strlen(utf8), true))
		bad_value(option, "The value is not valid UTF-8");
	return utf8;
}

static char *
read_model(const QcOption *option, const char *value)
{
	if (value[0] == '\0')
		bad_value(option, "The name is empty");
	if (strlen(value) > MAX_MODEL_BYTES)
		bad_value(option, psprintf("The name is longer than %d bytes", MAX_MODEL_BYTES));
	if (has_control(value))
		bad_value(option, "The name holds a control character");
	return to_utf8(option, value);
}

/*
 * Keys that carry the row's text, that have an option of their own, or that
 * would change the form of the answer, are refused; the rest is the user's.
 */
static const char *
owned_key(const cJSON *object)
{
	for (const cJSON *member = object->child; member; member = member->next)
		if (qc_body_owns(member->string))
			return member->string;
	return NULL;
}

static void
delete_tree(void *tree)
{
	cJSON_Delete(tree);
}

/* The tree is malloc'ed, and lives as long as the current memory context. */
static cJSON *
read_object(const QcOption *option, const char *value)
{
	MemoryContextCallback *end = palloc(sizeof(MemoryContextCallback));
	char	   *utf8;
	cJSON	   *object;
	const char *owned;

	if (strlen(value) > MAX_EXTRA_BYTES)
		bad_value(option, psprintf("The value is longer than %d bytes", MAX_EXTRA_BYTES));
	utf8 = to_utf8(option, value);
	object = cJSON_ParseWithOpts(utf8, NULL, true);
	end->func = delete_tree;
	end->arg = object;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, end);

	if (object == NULL)
		bad_value(option, psprintf("%s is not valid JSON", shown(value)));
	if (!cJSON_IsObject(object))
		bad_value(option, psprintf("%s is JSON, but not an object", shown(value)));
	owned = owned_key(object);
	if (owned && strcmp(owned, "model") == 0)
		bad_value(option, "The model has an option of its own, model");
	if (owned)
		bad_value(option, psprintf("The member \"%s\" is set for each request", owned));
	return object;
}

/*
 * Whether the file is there shows when it is used: a dump must be restorable
 * before the files are.  Relative paths would mean the data directory.
 */
static char *
read_file(const QcOption *option, const char *value)
{
	if (!is_absolute_path(value))
		bad_value(option, psprintf("%s is not an absolute path", shown(value)));
	if (strlen(value) >= MAXPGPATH)
		bad_value(option, "The path is too long");
	if (has_control(value))
		bad_value(option, "The path holds a control character");
	return pstrdup(value);
}

/* Headers that frame the message: another value breaks or splits the request. */
static bool
is_framing_header(const char *name)
{
	static const char *const framing[] = {
		"Host", "Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding",
		"TE", "Trailer", "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Expect",
		"Accept", "Accept-Encoding", "Range"
	};

	for (size_t i = 0; i < lengthof(framing); i++)
		if (pg_strcasecmp(name, framing[i]) == 0)
			return true;
	return false;
}

static char *
read_header(const QcOption *option, const char *value)
{
	/* RFC 9110's token */
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t		len = strlen(value);

	if (len == 0 || len > MAX_HEADER_BYTES || strspn(value, token) != len)
		bad_value(option, psprintf("%s is not the name of a header", shown(value)));
	if (is_framing_header(value))
		bad_value(option, psprintf("The header %s is set for each request", shown(value)));
	return pstrdup(value);
}

/* A line break in a header's value begins another header: that is the attack. */
const char *
qc_option_key_fault(const char *key)
{
	size_t		len = strlen(key);

	if (len == 0)
		return "The key is empty";
	if (strchr(key, '\n') || strchr(key, '\r'))
		return "The key has more than one line";
	for (size_t i = 0; i < len; i++)
		if (key[i] < ' ' || key[i] == 0x7f)
			return "The key holds a character that cannot stand in an HTTP header";
	if (key[0] == ' ' || key[len - 1] == ' ')
		return "The key begins or ends with a blank";
	return NULL;
}

static char *
read_key(const QcOption *option, const char *value)
{
	const char *fault = qc_option_key_fault(value);

	if (fault)
		bad_value(option, fault);
	return pstrdup(value);
}

/* Parse a value into its field of the endpoint, by its type. */
static void
read_option(QcEndpoint *endpoint, const QcOption *option, const char *value)
{
	void	   *field = (char *) endpoint + option->field;

	switch (option->type)
	{
		case QC_OPTION_URL:
			endpoint->nreplicas = qc_url_parse(value, endpoint->replica);
			break;
		case QC_OPTION_MODEL:
			*(char **) field = read_model(option, value);
			break;
		case QC_OPTION_API:
			*(QcApi *) field = read_api(option, value);
			break;
		case QC_OPTION_INT:
			*(int *) field = (int) read_number(option, value);
			break;
		case QC_OPTION_DURATION:
			*(int *) field = read_duration(option, value);
			break;
		case QC_OPTION_REAL:
			*(double *) field = read_number(option, value);
			break;
		case QC_OPTION_BOOL:
			*(bool *) field = read_bool(option, value);
			break;
		case QC_OPTION_OBJECT:
			*(cJSON **) field = read_object(option, value);
			break;
		case QC_OPTION_FILE:
			*(char **) field = read_file(option, value);
			break;
		case QC_OPTION_HEADER:
			*(char **) field = read_header(option, value);
			break;
		case QC_OPTION_KEY:
			*(char **) field = read_key(option, value);
			break;
	}
}

const QcOption *
qc_option_find(const char *name, QcOptionOf of)
{
	for (const QcOption *option = qc_options; option->name; option++)
		if (option->of == of && strcmp(option->name, name) == 0)
			return option;
	return NULL;
}

void
qc_options_read(QcEndpoint *endpoint, QcOptionOf of, List *options)
{
	ListCell   *cell;

	for (const QcOption *option = qc_options; option->name; option++)
		if (option->of == of && option->preset)
			read_option(endpoint, option, option->preset);

	foreach(cell, options)
	{
		DefElem    *def = lfirst_node(DefElem, cell);
		const QcOption *option = qc_option_find(def->defname, of);

		/* the validator let it in once; an older one may have */
		if (option)
			read_option(endpoint, option, defGetString(def));
	}
}
