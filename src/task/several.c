/*-------------------------------------------------------------------------
 *
 * several.c
 *	  Several labels of one text, as they stand in a column of type text[].
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"

#include "common/compat.h"
#include "task/several.h"

/* As the type's output function has it. */
static bool
needs_quotes(const char *name)
{
	return name[0] == '\0' || pg_strcasecmp(name, "NULL") == 0 ||
		strpbrk(name, "\"\\{}, \t\n\r\v\f") != NULL;
}

static void
append_quoted(StringInfo s, const char *name)
{
	appendStringInfoChar(s, '"');
	for (; *name; name++)
	{
		if (*name == '"' || *name == '\\')
			appendStringInfoChar(s, '\\');
		appendStringInfoChar(s, *name);
	}
	appendStringInfoChar(s, '"');
}

char *
qc_several_text(const char *const *name, int n)
{
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfoChar(&s, '{');
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoChar(&s, ',');
		if (needs_quotes(name[i]))
			append_quoted(&s, name[i]);
		else
			appendStringInfoString(&s, name[i]);
	}
	appendStringInfoChar(&s, '}');
	return s.data;
}

char **
qc_several_names(const char *array_text, int *n)
{
	Datum		array = OidInputFunctionCall(F_ARRAY_IN, pstrdup(array_text), TEXTOID, -1);
	Datum	   *member;
	bool	   *null;
	char	  **name;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &member, &null, n);
	name = palloc(sizeof(char *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		if (null[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a label must not be NULL"),
					 errhint("Where no label fits, write an empty array: '{}'.")));
		name[i] = TextDatumGetCString(member[i]);
	}
	return name;
}

void
qc_several_refuse(const QcTask *task, const char *what, const char *hint)
{
	if (!task->multi)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s is about tasks that give a text one label", what),
			 errdetail("Task \"%s\" gives several.", task->name),
			 errhint("%s", hint)));
}
