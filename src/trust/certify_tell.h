/*-------------------------------------------------------------------------
 *
 * certify_tell.h
 *	  A certificate in words.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_CERTIFY_TELL_H
#define QC_CERTIFY_TELL_H

#include "queue/rows.h"
#include "trust/calibration.h"
#include "trust/certify.h"

/* The rows (item, value) of qwen.certify. */
extern void qc_certify_tell(QcRows *rows, const QcTask *task, const QcPromise *promise,
							const QcAudits *audits, QcCertificate *walk,
							const QcCalibration *calibration);

#endif							/* QC_CERTIFY_TELL_H */
