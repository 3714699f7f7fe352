/*-------------------------------------------------------------------------
 *
 * complaint.h
 *	  The error in a body.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_COMPLAINT_H
#define QC_PROMPT_COMPLAINT_H

#include <cjson/cJSON.h>

#include "prompt/reply.h"

/* Fill error, error_type and error_code; false if the body holds no error. */
extern bool qc_complaint_read(const cJSON *body, QcReply *out);

#endif							/* QC_PROMPT_COMPLAINT_H */
