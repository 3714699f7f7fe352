/*-------------------------------------------------------------------------
 *
 * expression.c
 *	  The input as an SQL expression over a row of the table.
 *
 * The user's words are kept in qwen.task as deparsed at attach time, so that
 * another search_path later changes nothing; here they are parsed again, which
 * finds a column that was renamed or dropped since.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "nodes/bitmapset.h"
#include "access/sysattr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/ruleutils.h"

#include "task/expression.h"
#include "task/target.h"

/* "SELECT (...)" must be one expression and nothing else. */
static Node *
parse_single(const char *expression)
{
	List	   *raw = raw_parser(psprintf("SELECT (%s\n)", expression), RAW_PARSE_DEFAULT);
	SelectStmt *select;
	ResTarget  *target;

	if (list_length(raw) != 1 || !IsA(linitial_node(RawStmt, raw)->stmt, SelectStmt))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("input is not one SQL expression")));
	select = (SelectStmt *) linitial_node(RawStmt, raw)->stmt;
	if (select->op != SETOP_NONE || list_length(select->targetList) != 1 ||
		select->fromClause != NIL || select->whereClause != NULL || select->intoClause != NULL ||
		select->groupClause != NIL || select->sortClause != NIL || select->limitCount != NULL ||
		select->limitOffset != NULL || select->withClause != NULL || select->lockingClause != NIL ||
		select->distinctClause != NIL || select->havingClause != NULL || select->windowClause != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("input is not one SQL expression")));
	target = linitial_node(ResTarget, select->targetList);
	if (target->name != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("input is not one SQL expression")));
	return target->val;
}

/*
 * Analysed as in a select list, where the parser takes everything and notes
 * what it saw: so the words about what is refused are ours.
 */
static void
refuse_queries(const ParseState *pstate, const char *what)
{
	const char *has = NULL;

	if (pstate->p_hasSubLinks)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s has a subquery", what),
				 errhint("Put the subquery into a function that is STABLE.")));
	if (pstate->p_hasAggs)
		has = "an aggregate";
	else if (pstate->p_hasWindowFuncs)
		has = "a window function";
	else if (pstate->p_hasTargetSRFs)
		has = "a function that returns a set";
	if (has)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s has %s", what, has),
				 errhint("It is computed from one row and gives one value.")));
}

/* Analysed over the table under the name s, or its own where a person wrote it. */
static Node *
analyse(Relation rel, const char *expression, bool stored, Oid type, const char *what,
		AttrNumber *column)
{
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item;
	Node	   *node;

	pstate->p_sourcetext = NULL;
	item = addRangeTableEntryForRelation(pstate, rel, AccessShareLock,
										 stored ? makeAlias("s", NIL) : NULL, false, true);
	addNSItemToQuery(pstate, item, true, true, true);
	node = transformExpr(pstate, parse_single(expression), EXPR_KIND_SELECT_TARGET);
	refuse_queries(pstate, what);
	*column = IsA(node, Var) ? ((Var *) node)->varattno : InvalidAttrNumber;
	node = coerce_to_target_type(pstate, node, exprType(node), type, -1,
								 COERCION_EXPLICIT, COERCE_EXPLICIT_CAST, -1);
	if (node == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s cannot be cast to %s", what, format_type_be(type))));
	assign_expr_collations(pstate, node);
	if (contain_volatile_functions(node))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("%s calls a volatile function", what),
				 errhint("Use functions that are IMMUTABLE or STABLE.")));
	free_parsestate(pstate);
	return node;
}

/* Columns that an expression reads, ascending; a whole row is refused. */
static void
columns_of(Node *node, AttrNumber **reads, int *nreads)
{
	Bitmapset  *attrs = NULL;
	int			i = -1;

	pull_varattnos(node, 1, &attrs);
	*reads = palloc(sizeof(AttrNumber) * (bms_num_members(attrs) + 1));
	*nreads = 0;
	while ((i = bms_next_member(attrs, i)) >= 0)
	{
		AttrNumber	attno = i + FirstLowInvalidHeapAttributeNumber;

		if (attno == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("input reads the whole row"),
					 errhint("Name the columns: subject || E'\\n' || body.")));
		if (attno < 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("input reads a system column")));
		(*reads)[(*nreads)++] = attno;
	}
	if (*nreads == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("input reads no column of the table")));
}

/*
 * With a path of pg_catalog alone, the deparser qualifies everything else; and
 * a date in it is read as it was meant, whatever the next session's DateStyle.
 */
static char *
deparse(Relation rel, Node *node)
{
	int			level = qc_fix_settings();
	List	   *context;
	char	   *sql;

	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	context = deparse_context_for("s", RelationGetRelid(rel));
	sql = psprintf("(%s)", deparse_expression(node, context, true, false));
	AtEOXact_GUC(false, level);
	return sql;
}

typedef struct QcReadingOf
{
	Relation	rel;
	const char *words;
	bool		stored;			/* as deparsed here before */
	bool		condition;
	AttrNumber	column;			/* it is this column and nothing else; 0: it is not */
	char	   *sql;
	AttrNumber *reads;
	int			nreads;
} QcReadingOf;

static void
read_words(QcReadingOf *r)
{
	Node	   *node;

	if (r->condition)
		node = analyse(r->rel, r->words, r->stored, BOOLOID, "filter", &r->column);
	else
	{
		node = analyse(r->rel, r->words, r->stored, TEXTOID, "input", &r->column);
		columns_of(node, &r->reads, &r->nreads);
	}
	r->sql = deparse(r->rel, node);
}

/*
 * Errors of the parser become a message: in a subtransaction, since they may
 * come with locks and open relations.
 */
static bool
read_or_why(QcReadingOf *r, char **why)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool good = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		read_words(r);
		ReleaseCurrentSubTransaction();
		good = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
			ReThrowError(error);
		*why = error->hint ? psprintf("%s (%s)", error->message, error->hint) : error->message;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	return good;
}

bool
qc_expression_read(Relation rel, const char *expression, char **sql,
				   AttrNumber **reads, int *nreads, char **why)
{
	QcReadingOf r = {.rel = rel, .words = expression, .stored = true};

	if (!read_or_why(&r, why))
		return false;
	*sql = r.sql;
	*reads = r.reads;
	*nreads = r.nreads;
	return true;
}

bool
qc_input_read(Relation rel, const char *words, char **sql, AttrNumber *column,
			  AttrNumber **reads, int *nreads, char **why)
{
	QcReadingOf r = {.rel = rel, .words = words};

	*column = get_attnum(RelationGetRelid(rel), words);
	if (*column > 0)
	{
		*reads = palloc(sizeof(AttrNumber));
		(*reads)[0] = *column;
		*nreads = 1;
		*sql = psprintf("(s.%s)", quote_identifier(words));
		return true;
	}
	if (!read_or_why(&r, why))
		return false;
	*sql = r.sql;
	*column = r.column;
	*reads = r.reads;
	*nreads = r.nreads;
	return true;
}

char *
qc_condition_read(Relation rel, const char *condition, char **why)
{
	QcReadingOf r = {.rel = rel, .words = condition, .condition = true};

	return read_or_why(&r, why) ? r.sql : NULL;
}
