/*-------------------------------------------------------------------------
 *
 * inquiry.h
 *	  One text to label, in as many requests as its prompt says (prompt/how.h).
 *
 * For a plain question it is a call (net/call.h) and nothing more.  Otherwise
 * it asks several questions, each of which may again be several, and makes one
 * verdict of theirs: see net/steps.h, which also says how to add such a way of
 * asking.
 *
 * Invariants: it moves on in qc_inquiry_done and qc_inquiry_wait only; it holds
 * nothing but calls, in a memory context below its creator's, so whatever ends
 * that ends them; the first failure of one of them is its own, and the others
 * are aborted.  Budgets and windows see its requests one by one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_INQUIRY_H
#define QC_INQUIRY_H

#include "net/call.h"

typedef struct QcInquiry QcInquiry;

/* Start; it belongs to parent.  Throws nothing that waiting would not. */
extern QcInquiry *qc_inquiry_start(MemoryContext parent, const QcCallSpec *spec);

/* Drive the pool until it is done. */
extern void qc_inquiry_wait(QcInquiry *inquiry);

/* Move it on by what was answered since; may throw what starting may. */
extern bool qc_inquiry_done(QcInquiry *inquiry);

/* These are as of a call: see net/call.h. */
extern const QcFailure *qc_inquiry_failure(const QcInquiry *inquiry);
extern const QcVerdict *qc_inquiry_verdict(const QcInquiry *inquiry);
extern QcVerdict qc_inquiry_take_verdict(QcInquiry *inquiry);
extern bool qc_inquiry_was_cut(const QcInquiry *inquiry);
extern QcCallCost qc_inquiry_cost(const QcInquiry *inquiry);
extern const QcFailure *qc_inquiry_trouble(const QcInquiry *inquiry);
extern void qc_inquiry_free(QcInquiry *inquiry);

/* The body of its first request. */
extern char *qc_inquiry_preview(const QcCallSpec *spec);

#endif							/* QC_INQUIRY_H */
