/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  A failure's words, and how it becomes an error.
 *
 * One table (errors.c) maps each kind to its SQLSTATE, its words, its hint
 * and the party that is charged.  Invariant: a failure's texts are valid UTF-8 and
 * never hold a key, a request body or the row's text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_ERRORS_H
#define QC_ERRORS_H

#include "common/compat.h"
#include "common/failkind.h"

typedef struct QcFailure
{
	QcFailKind	kind;
	int			http_status;	/* 0: none came */
	char		server[NAMEDATALEN];	/* for the hints, in the server encoding; or "" */
	char		message[256];	/* e.g. could not connect to ... : connection refused */
	char		detail[512];	/* the server's own words, key masked; or "" */
} QcFailure;

extern QcCharge qc_failure_charge(QcFailKind kind);

/* The kind in a word or two, for counts: "too long", "refused". */
extern const char *qc_failure_word(QcFailKind kind);

/* Fill a failure; formats as printf, clips at a UTF-8 character boundary. */
extern void qc_failure_set(QcFailure *failure, QcFailKind kind, int http_status,
						   const char *fmt,...) pg_attribute_printf(4, 5);

/* Add to the message; server and detail stay as they are. */
extern void qc_failure_append(QcFailure *failure, const char *fmt,...) pg_attribute_printf(2, 3);

/* Name the foreign server, so that the hint can be typed as it stands. */
extern void qc_failure_server(QcFailure *failure, const char *name);

/*
 * Put the server's own words into detail: clipped, made valid UTF-8, one line.
 * Of secret (NULL: none) no run of 8 characters or more stays readable.
 */
extern void qc_failure_words(QcFailure *failure, const char *words, const char *secret);

/* What a row's column reason says: message and detail as one text, palloc'ed. */
extern char *qc_failure_reason(const QcFailure *failure);

/* What the user is to type, palloc'ed; NULL: nothing helps. */
extern char *qc_failure_hint(const QcFailure *failure);

/* Raise it as an ERROR with its SQLSTATE, detail and the kind's hint. */
pg_noreturn extern void qc_failure_raise(const QcFailure *failure);

/* Convert UTF-8 to the server encoding; what it lacks becomes '?'.  palloc'ed. */
extern char *qc_utf8_to_server(const char *utf8);

#endif							/* QC_ERRORS_H */
