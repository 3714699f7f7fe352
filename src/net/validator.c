/*-------------------------------------------------------------------------
 *
 * validator.c
 *	  The validator of CREATE and ALTER SERVER, USER MAPPING and WRAPPER.
 *
 * It is called with all options that the object will have, not with those
 * that change, and is not told which object that is.  So an option that only
 * some may set is judged by its presence:
 *
 * - Files of a server (superuser): an owner may alter the server's other
 *   options, since a server of theirs is found that has the very same value.
 *   This lends nothing: whoever owns that server may point it anywhere already.
 * - A key file of a mapping: no such leniency.  Its content goes to the
 *   server's url; who could repeat its name in a mapping for a server of their
 *   own would be sent the file.  The mapped role can drop the option.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "common/compat.h"
#include "net/foreign.h"
#include "net/option.h"
#include "net/url.h"

/* Edits between a name and the one that was meant; as in core's hints. */
#define MAX_EDITS 4

PG_FUNCTION_INFO_V1(qwen_classify_validator);

/* The option of this kind of object that the name comes closest to, or NULL. */
static const char *
closest_option(const char *name, QcOptionOf of)
{
	const char *best = NULL;
	int			best_edits = MAX_EDITS + 1;
	int			len = strlen(name);

	if (len == 0 || len >= NAMEDATALEN)
		return NULL;
	for (const QcOption *option = qc_options; option->name; option++)
	{
		int			edits;

		if (option->of != of)
			continue;
		edits = varstr_levenshtein_less_equal(name, len, option->name, strlen(option->name),
											  1, 1, 1, best_edits, true);

		/* half of the letters at least must be right */
		if (edits < best_edits && edits <= len / 2)
		{
			best = option->name;
			best_edits = edits;
		}
	}
	return best;
}

static char *
option_names(QcOptionOf of)
{
	StringInfoData names;

	initStringInfo(&names);
	for (const QcOption *option = qc_options; option->name; option++)
		if (option->of == of)
			appendStringInfo(&names, "%s%s", names.len ? ", " : "", option->name);
	return names.data;
}

/* Give a key to a server, and all roles can read it: say where it belongs. */
static void
check_other_object(const char *name, QcOptionOf of)
{
	for (const QcOption *option = qc_options; option->name; option++)
	{
		if (option->of == of || strcmp(option->name, name) != 0)
			continue;
		if (of == QC_OF_SERVER)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("invalid option \"%s\"", name),
					 errdetail("It is an option of user mappings, not of servers."),
					 errhint("Type: CREATE USER MAPPING FOR CURRENT_USER SERVER ... "
							 "OPTIONS (%s '...').", name)));
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\"", name),
				 errdetail("It is an option of servers, not of user mappings."),
				 errhint("Type: ALTER SERVER ... OPTIONS (ADD %s '...').", name)));
	}
}

/* The closest name first, as core does, then all of them: there are few. */
pg_noreturn static void
unknown_option(const char *name, QcOptionOf of)
{
	const char *meant = closest_option(name, of);
	const char *object = of == QC_OF_SERVER ? "a server" : "a user mapping";

	check_other_object(name, of);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 meant ?
			 errhint("Perhaps you meant the option \"%s\". The options of %s are: %s.",
					 meant, object, option_names(of)) :
			 errhint("The options of %s are: %s.", object, option_names(of))));
	pg_unreachable();
}

static bool
may_read_files(void)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES);
}

/* Whether the current user may have this option with this value. */
static void
check_setter(const QcOption *option, const char *value)
{
	if (option->setter == QC_SET_BY_OWNER || superuser())
		return;
	if (option->setter == QC_SET_BY_READER)
	{
		if (may_read_files())
			return;
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", option->name),
				 errdetail("Only superusers and members of pg_read_server_files may create or "
						   "alter a user mapping that names a file."),
				 errhint("Use OPTIONS (api_key '...'), together with DROP %s if it is there.",
						 option->name)));
	}
	if (!qc_foreign_owns_option(GetUserId(), option->name, value))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", option->name),
				 errdetail("Only superusers may name a file for a server."),
				 errhint("Have a superuser type: ALTER SERVER ... OPTIONS (ADD %s '...').",
						 option->name)));
}

/* The plain API is told by its path, and has no other place to be. */
static void
check_plain(const QcEndpoint *endpoint)
{
	bool		plain = endpoint->nreplicas > 0 && qc_url_is_plain(&endpoint->replica[0]);

	if (endpoint->nreplicas == 0 || endpoint->api == QC_API_AUTO ||
		plain == (endpoint->api == QC_API_INFERENCE))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("options \"%s\" and \"%s\" contradict each other", "url", "api"),
			 errdetail("An url that ends in /inference means api 'inference', and the other way round."),
			 errhint("Leave out api, or give an url as 'http://host:port/inference'.")));
}

/* What concerns more than one option. */
static void
check_together(const QcEndpoint *endpoint, QcOptionOf of)
{
	if (of == QC_OF_SERVER && endpoint->nreplicas == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"%s\" is required", "url"),
				 errdetail("A server of qwen_classify is the address of an inference server."),
				 errhint("Type: OPTIONS (url 'http://127.0.0.1:8080/v1').")));
	check_plain(endpoint);
	if (of == QC_OF_SERVER && endpoint->client_key && endpoint->client_cert == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"%s\" is required", "client_cert"),
				 errdetail("A client key is of no use without its certificate."),
				 errhint("Add client_cert '/path/to/cert.pem'.")));
	if (of == QC_OF_MAPPING && endpoint->api_key && endpoint->api_key_file)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options \"%s\" and \"%s\" exclude each other",
						"api_key", "api_key_file"),
				 errhint("Leave out one of them, or type ALTER USER MAPPING ... "
						 "OPTIONS (DROP api_key).")));
}

/*
 * Names and rights come before values: who may not set a file is not told
 * whether its name would do.
 */
static void
check_options(List *options, QcOptionOf of)
{
	QcEndpoint *endpoint = palloc0(sizeof(QcEndpoint));
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *def = lfirst_node(DefElem, cell);
		const QcOption *option = qc_option_find(def->defname, of);

		if (option == NULL)
			unknown_option(def->defname, of);
		check_setter(option, defGetString(def));
	}

	qc_options_read(endpoint, of, options);
	check_together(endpoint, of);
}

Datum
qwen_classify_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);

	if (catalog == ForeignServerRelationId)
		check_options(options, QC_OF_SERVER);
	else if (catalog == UserMappingRelationId)
		check_options(options, QC_OF_MAPPING);
	else if (options != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\"", linitial_node(DefElem, options)->defname),
				 errhint("There are options of servers and of user mappings only.")));
	PG_RETURN_VOID();
}
