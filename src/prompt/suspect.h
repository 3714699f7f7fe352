/*-------------------------------------------------------------------------
 *
 * suspect.h
 *	  Texts that seem to tell the model what to answer.
 *
 * A cheap look for the usual words in a dozen languages.  It proves nothing in
 * either direction: who is suspected is asked about once more, without the
 * sentences in question.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_SUSPECT_H
#define QC_PROMPT_SUSPECT_H

#include <stdbool.h>
#include <stddef.h>

#include "labels.h"

/* Does a sentence of the text (valid UTF-8) read like an order about its label? */
extern bool qc_suspect(const char *text, size_t len, const QcLabels *labels);

/*
 * The text without those sentences, malloc'ed; "[...]" stands for each.  All of
 * the text if nothing else is left of it.  NULL: no memory.
 */
extern char *qc_suspect_without(const char *text, size_t len, const QcLabels *labels);

#endif							/* QC_PROMPT_SUSPECT_H */
