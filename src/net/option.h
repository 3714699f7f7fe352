/*-------------------------------------------------------------------------
 *
 * option.h
 *	  The options of servers and user mappings: the one table of them.
 *
 * The validator checks with it when an option is set, the endpoint reads with
 * it when it is used; both by the same functions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_OPTION_H
#define QC_OPTION_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "net/endpoint.h"

typedef enum QcOptionOf
{
	QC_OF_SERVER,
	QC_OF_MAPPING
} QcOptionOf;

typedef enum QcOptionType
{
	QC_OPTION_URL,
	QC_OPTION_MODEL,
	QC_OPTION_API,
	QC_OPTION_INT,
	QC_OPTION_DURATION,			/* int, milliseconds */
	QC_OPTION_REAL,
	QC_OPTION_BOOL,
	QC_OPTION_OBJECT,			/* a JSON object */
	QC_OPTION_FILE,				/* an absolute path */
	QC_OPTION_HEADER,			/* the name of a header */
	QC_OPTION_KEY				/* never shown */
} QcOptionType;

typedef enum QcOptionSetter
{
	QC_SET_BY_OWNER,			/* whoever may alter the server or mapping */
	QC_SET_BY_READER,			/* pg_read_server_files, superuser */
	QC_SET_BY_SUPERUSER
} QcOptionSetter;

typedef struct QcOption
{
	const char *name;
	QcOptionOf	of;
	QcOptionType type;
	QcOptionSetter setter;
	double		min;			/* of numbers and durations */
	double		max;
	const char *unit;			/* what a number counts, for messages */
	const char *preset;			/* the default, as it would be written; NULL: none */
	const char *hint;			/* what to type instead of a wrong value */
	size_t		field;			/* offset in QcEndpoint */
} QcOption;

/* The table; ends with a NULL name. */
extern const QcOption qc_options[];

/*
 * Check a list of options of one object and set the endpoint's fields, the
 * defaults first.  All is made in the current memory context and ends with it,
 * cJSON's malloc'ed tree included.  Rights are not checked.
 */
extern void qc_options_read(QcEndpoint *endpoint, QcOptionOf of, List *options);

/* The option of that name of such an object; NULL: there is none. */
extern const QcOption *qc_option_find(const char *name, QcOptionOf of);

/* What is wrong with a key, in words that do not repeat it; NULL: nothing. */
extern const char *qc_option_key_fault(const char *key);

#endif							/* QC_OPTION_H */
