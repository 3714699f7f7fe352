/*-------------------------------------------------------------------------
 *
 * clean_stage.h
 *	  The stages of cleaning; clean.c alone runs them.
 *
 * A stage reads valid UTF-8 and appends its version of it to a buffer.  It
 * returns false if it has nothing to change; what it appended is then dropped.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_CLEAN_STAGE_H
#define QC_PROMPT_CLEAN_STAGE_H

#include "prompt/buf.h"
#include "prompt/clean.h"

typedef bool (*QcCleanStage) (const char *s, size_t len, const QcCleanOptions *options, QcBuf *out);

extern bool qc_clean_html(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out);
extern bool qc_clean_mojibake(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out);
extern bool qc_clean_controls(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out);
extern bool qc_clean_urls(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out);
extern bool qc_clean_boilerplate(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out);
extern bool qc_clean_punctuation(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out);
extern bool qc_clean_space(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out);

#endif							/* QC_PROMPT_CLEAN_STAGE_H */
