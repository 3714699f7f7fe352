/*-------------------------------------------------------------------------
 *
 * reviews.h
 *	  What people said of rows that they were asked about.
 *
 * Invariant: an answered row of qwen.review_row is the judgement of a person
 * on the text whose hash stands in it; qc_reviews_settle makes it so, and is
 * called first by whatever reads reviews.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_REVIEWS_H
#define QC_REVIEWS_H

#include "postgres.h"

#include "fmgr.h"

#include "queue/entry.h"
#include "trust/names.h"

/*
 * Copy answers that came as plain UPDATEs into qwen.review_row; drop unanswered
 * rows whose text changed; let the others say what the machine says now.
 */
extern void qc_reviews_settle(const QcTask *task);

/* ---- a function's task, and who may ---- */

/* Its owner, and who may read the table and UPDATE the label column. */
extern void qc_reviews_check_reviewer(const QcTask *task, const QcTarget *target);

/* Who may read the key, the input and the label. */
extern void qc_reviews_check_reader(const QcTask *task, const QcTarget *target);

/* An error for tasks without qwen.result. */
extern void qc_reviews_check_kept(const QcTask *task);

/* The task stays, and its draws come one after the other, until the end of the transaction. */
extern void qc_reviews_begin_draw(const QcTask *task, const char *function);

/* How many rows somebody asks for, NULL: 20. */
extern int	qc_reviews_n(FunctionCallInfo fcinfo, int arg);

/* The key in an argument (text, or an integer), as it is stored. */
extern void qc_reviews_key(FunctionCallInfo fcinfo, int arg, const QcTask *task,
						   const QcTarget *target, QcItem *item);

/*
 * Audits go by this hash of the key, task $1, from the lowest on.  The task's
 * seed is secret, so that nobody can tell which rows come next.
 */
#define QC_DRAW_HASH(of) \
	"pg_catalog.hashtextextended((CASE WHEN " of ".kx = '' THEN " of ".k::pg_catalog.text ELSE " of ".kx END) " \
	"COLLATE pg_catalog.\"C\", (SELECT t.seed FROM qwen.task AS t WHERE t.id = $1))"

/* A row that is shown to the model as an example tells nothing of its errors. */
#define QC_NO_EXAMPLE(of) \
	"NOT EXISTS (SELECT FROM qwen.example AS e WHERE e.task = " of ".task AND e.k = " of ".k AND e.kx = " of ".kx)"

/* The current user's name. */
extern const char *qc_reviews_role(void);

/* ---- rows that are asked about ---- */

typedef struct QcAsked
{
	QcItem		item;			/* the key; looked at: text, hash, label, confidence as they are now */
	char	   *reason;			/* in the row, or NULL */

	/* what the machine said, and of which text */
	int64		text_hash;
	int32		version;
	char	   *label;			/* empty: that none fits */
	double		confidence;		/* raw; NaN: none */
	double		coverage;		/* NaN: not known */
	double		verbal;			/* beside votes; NaN: none */
	char	   *source;
	float4	   *top;			/* of every label, or NULL */
	int			ntop;
	bool		suspect;		/* the text gives orders that changed the answer */

	/* how it was drawn */
	char	   *role;			/* NULL: not yet */
	double		prob;
	bool		answered;
} QcAsked;

/* Columns of qc_asked_read: the machine's from m, the probabilities and the like from r, the draw as given. */
#define QC_ASKED(m, r, draw) \
	m ".k, " m ".kx, " m ".text_hash, " m ".version, " m ".label, " m ".confidence, " \
	m ".coverage::pg_catalog.float8, " m ".source, " r ".top, " \
	r ".suspect IS TRUE, " draw ", " r ".verbal::pg_catalog.float8"
#define QC_NOT_DRAWN "NULL::pg_catalog.text, NULL::pg_catalog.float8, false"
#define QC_AS_DRAWN "v.role, v.prob, v.human IS NOT NULL"

/* The rows of a SELECT of QC_ASKED that just ran, copied to a context. */
extern QcAsked *qc_asked_read(MemoryContext cxt, int *n);

/*
 * Rows that were drawn before and wait for an answer, with their texts: of the
 * roles for which "v.role ..." holds, in the order given, but for those that are
 * shown to somebody else now; at most most.
 */
extern QcAsked *qc_asked_open(const QcTask *task, const QcTarget *target, const char *of_role,
							  const char *order, int most, int *n);

/* Read the rows of the table as they are now, reasons too. */
extern void qc_asked_look(const QcTask *task, const QcTarget *target, QcAsked *asked, int n);

/*
 * Does the row still have the text that the machine answered, and a label?  None,
 * where the machine found that none fits.
 */
extern bool qc_asked_stands(const QcAsked *asked);

static inline bool
qc_asked_undecided(const QcAsked *asked)
{
	return asked->label[0] == '\0';
}

/* The most probable other label, -1: not known. */
extern int	qc_asked_second(const QcAsked *asked, const QcTask *task, const QcNames *labels);

/* Write what was drawn (role and prob are set); who is asked is the current user. */
extern void qc_asked_draw(const QcTask *task, QcAsked **asked, int n);
extern void qc_asked_show(const QcTask *task, QcAsked **asked, int n);

#endif							/* QC_REVIEWS_H */
