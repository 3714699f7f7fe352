/*-------------------------------------------------------------------------
 *
 * prefetch.h
 *	  The prefetch node: requests for many rows of one query at once.
 *
 * When a statement was planned its plan is rewritten (surgery.c): a node that
 * makes calls of ours gets a prefetch node, which reads rows ahead, asks for
 * their answers (ahead.c) and gives the rows on in their order when theirs are
 * there.  The calls stay where they are; they find the answers by key.
 *
 *	  Before			After, the node below		After, the node split
 *	  ------			---------------------		---------------------
 *	  Result f(x)		Result f(x)					Prefetch f(x)
 *	   ->  Sort			 ->  Prefetch				 ->  Seq Scan x
 *						      ->  Sort
 *
 * Invariant: a plan with the node gives the rows of the plan without it, in
 * the same order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PREFETCH_H
#define QC_PREFETCH_H

#include "postgres.h"

#include "nodes/extensible.h"
#include "nodes/plannodes.h"

#include "query/calls.h"

/* Who reads a node's rows. */
typedef struct QcConsumer
{
	bool		may_stop;		/* it may not read them all */
	bool		is_query;		/* they are the query's rows, one to one */
	Limit	   *limit;			/* NULL, or what bounds them */
	bool		may_drop;		/* but some of them may not count */
} QcConsumer;

/*
 * What a node is told, in CustomScan.custom_exprs (expressions over the
 * child's rows) and custom_private (integers), in this order.
 */
typedef enum QcPrefetchExprs
{
	QC_EXPRS_CALLS,				/* FuncExprs */
	QC_EXPRS_GUARDS,			/* for each: a list, implicitly ANDed */
	QC_EXPRS_COUNT,				/* NULL, or the LIMIT that bounds the rows */
	QC_EXPRS_OFFSET,			/* and its OFFSET */
	QC_EXPRS_FIRST				/* FuncExprs that need no row: asked before any */
} QcPrefetchExprs;

typedef enum QcPrefetchPrivate
{
	QC_PRIVATE_MAY_STOP,
	QC_PRIVATE_IS_QUERY,
	QC_PRIVATE_MAY_DROP,
	QC_PRIVATE_MODIFIES,		/* reading a row changes a table */
	QC_PRIVATE_CTID,			/* columns of the child, for WHERE CURRENT OF; 0: none */
	QC_PRIVATE_TABLEOID
} QcPrefetchPrivate;

/* node.c */
extern const CustomScanMethods qc_prefetch_methods;

static inline bool
qc_is_prefetch(Plan *plan)
{
	return IsA(plan, CustomScan) && ((CustomScan *) plan)->methods == &qc_prefetch_methods;
}

/* surgery.c: rewrite a finished plan in place; options as of the planner. */
extern void qc_prefetch_plan(PlannedStmt *stmt, int cursor_options);

/* stack.c: the building blocks of that. */
typedef struct QcSurgery
{
	PlannedStmt *stmt;
	int			cursor_options;
	int			next_id;		/* plan_node_id */
	int			inserted;
} QcSurgery;

/* The node over its child where calls are those of the node above it. */
extern Plan *qc_put_below(QcSurgery *surgery, Plan *child, List *calls,
						  const QcConsumer *consumer, bool bounded);

/* The column of *targets that an expression is; added if need be. */
extern AttrNumber qc_column_of(List **targets, Node *expr);

/* carry.c: what an aggregating node computes from its calls becomes columns of the node below. */
extern void qc_carry(Plan *plan, List *calls, List *aggregates);

/* Calls in the node's target list, quals or inner join's quals move to nodes above it. */
extern Plan *qc_split(QcSurgery *surgery, Plan *plan, const QcConsumer *consumer);

/* The same of what a data-modifying node returns. */
extern Plan *qc_split_returning(QcSurgery *surgery, ModifyTable *plan, const QcConsumer *consumer);

/* Nodes over all children alike become one above them. */
extern Plan *qc_lift(QcSurgery *surgery, Plan *append, List *children, int nsort,
					 AttrNumber *sort_columns);

/* A node whose calls need no row. */
extern Plan *qc_put_first(QcSurgery *surgery, Plan *child, List *calls,
						  const QcConsumer *consumer);

/* A Material over a node that must be read again or backwards. */
extern Plan *qc_materialize(QcSurgery *surgery, Plan *child);

/* From _PG_init: the hooks. */
extern void qc_prefetch_init(void);

#endif							/* QC_PREFETCH_H */
