/*-------------------------------------------------------------------------
 *
 * fault.h
 *	  Filling in a QcFault.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_FAULT_H
#define QC_PROMPT_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "prompt/status.h"

/* Always false, so that a check can end in "return qc_fault(...)". */
extern bool qc_fault(QcFault *fault, QcStatus status, int index,
					 const char *detail, size_t len);

/* The same with the parser's position as the detail. */
extern bool qc_fault_at(QcFault *fault, QcStatus status, int index, size_t byte);

#endif							/* QC_PROMPT_FAULT_H */
