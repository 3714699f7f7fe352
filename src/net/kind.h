/*-------------------------------------------------------------------------
 *
 * kind.h
 *	  One small table of functions for each kind of inference server.
 *
 * A kind knows its paths and the body of its requests; everything else
 * (sending, retrying, reading answers) is the same for all.  Kinds are plain
 * C over cJSON: they never touch the network or the server's memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_KIND_H
#define QC_KIND_H

#include <cjson/cJSON.h>

#include "common/facts.h"
#include "prompt/answer.h"

/* An example as two turns of the chat. */
typedef struct QcTurn
{
	const char *user;
	const char *answer;
} QcTurn;

/* All that shapes one request body. */
typedef struct QcBodySpec
{
	const char *model;			/* NULL: leave the field out */
	const char *system;
	const char *user;
	const QcTurn *turn;			/* between the two */
	int			nturns;
	const QcAsked *asked;		/* labels, mode, codes, subset: the constraint */
	double		temperature;
	int			seed;			/* of a draw; 0: leave the field out */
	int			max_tokens;		/* of a reply with a reason; label lengths are computed */
	const QcFacts *facts;
	const cJSON *extra_body;	/* merged last; NULL: none */
} QcBodySpec;

typedef struct QcKind
{
	QcApi		api;
	const char *name;			/* as in the server option api */

	/* Path of generation below the base URL (or from the root: at_root). */
	const char *path;
	bool		at_root;		/* true: below the URL without its /v1 */

	/* The body, a new tree owned by the caller; NULL: no memory. */
	cJSON	   *(*body) (const QcBodySpec *spec);
} QcKind;

extern const QcKind qc_kind_openai;
extern const QcKind qc_kind_vllm;
extern const QcKind qc_kind_sglang;
extern const QcKind qc_kind_llamacpp;
extern const QcKind qc_kind_ollama;
extern const QcKind qc_kind_tgi;
extern const QcKind qc_kind_lmdeploy;
extern const QcKind qc_kind_inference;

/* All of them, for messages that list the names; ends with NULL. */
extern const QcKind *const qc_kinds[];

/* The kind of an api (auto: openai), and by name (NULL: no such name). */
extern const QcKind *qc_kind_of(QcApi api);
extern const QcKind *qc_kind_named(const char *name);

#endif							/* QC_KIND_H */
