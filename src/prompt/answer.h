/*-------------------------------------------------------------------------
 *
 * answer.h
 *	  From a reply to a verdict: which label, how probable, why.
 *
 * Invariant: a verdict's label is one of the labels asked about, whatever
 * the reply said; a probability that the reply does not hold is NaN.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_ANSWER_H
#define QC_PROMPT_ANSWER_H

#include "message.h"
#include "reply.h"

/* Where a confidence comes from; the names are stored, so only add. */
typedef enum QcSource
{
	QC_SOURCE_NONE,				/* nobody gave a number */
	QC_SOURCE_VERBAL,			/* the model's own word */
	QC_SOURCE_MASKED,			/* logprobs taken after the grammar */
	QC_SOURCE_RENORM,			/* raw logprobs, renormalised over the labels */
	QC_SOURCE_VOTE				/* the share of several draws */
} QcSource;

extern const char *qc_source_name(QcSource source);

/* What was asked: the labels that the answer may be, and in which form. */
typedef struct QcAsked
{
	const QcLabels *labels;
	QcMode		mode;
	bool		codes;
	const int  *subset;			/* indexes, or NULL: all labels */
	int			nsubset;
} QcAsked;

/* Labels that share tokens and that the answer's path did not tell apart. */
typedef struct QcSubtree
{
	int		   *member;
	int			n;
	double		mass;			/* probability of all of them together */
} QcSubtree;

typedef struct QcVerdict
{
	int			label;			/* index into the labels */
	double		confidence;		/* NaN: unknown */
	QcSource	source;
	double	   *posterior;		/* nlabels numbers that sum to 1, or NULL */
	int			nlabels;		/* labels->n of the set that was asked about */
	double		coverage;		/* raw mass on the labels at the first position;
								 * NaN where it cannot be known (masked) */
	double		verbal;			/* of votes, the model's own word on average; NaN: none */
	double		lo;				/* bounds of the label's probability: they */
	double		hi;				/* differ while subtrees are unsettled */
	double		least;			/* what a settled share is times at least and at */
	double		most;			/* most, since a list may have been too short to
								 * show every label; 0: it was not */
	QcSubtree  *subtree;
	int			nsubtrees;
	char	   *reason;			/* or NULL */
	bool		suspect;		/* the text gives orders, and they changed the answer */
	bool		truncated;		/* the reply was cut; the label was saved */
} QcVerdict;

typedef enum QcReading
{
	QC_READ_OK,
	QC_READ_NO_TEXT,			/* nothing that could be an answer */
	QC_READ_BAD_LABEL,			/* an answer, but not one of the labels */
	QC_READ_REFUSED,			/* the server's filter refused the text */
	QC_READ_AGAIN,				/* the server gave up by itself */
	QC_READ_NO_MEMORY
} QcReading;

/*
 * Read a reply by the rules of servers.md 6.4 and labels.md A4.  In label
 * mode the label is the posterior's largest (the model's word breaks ties);
 * with a reason it is the one that the reply names, since the reason speaks
 * of it.  said, if not NULL, gets the first 80 bytes (clipped at a character)
 * of what a bad answer said.  Free out with qc_verdict_free in every case.
 */
extern QcReading qc_verdict_read(const QcReply *reply, const QcAsked *asked,
								 QcVerdict *out, char said[81]);

/* Spread a subtree's mass by the posterior of a request about its members only. */
extern void qc_verdict_refine(QcVerdict *verdict, int subtree,
							  const QcVerdict *child, QcMode mode);
extern void qc_verdict_free(QcVerdict *verdict);

#endif							/* QC_PROMPT_ANSWER_H */
