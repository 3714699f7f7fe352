/*-------------------------------------------------------------------------
 *
 * keyfile.h
 *	  The file that a mapping's api_key_file names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_KEYFILE_H
#define QC_KEYFILE_H

#include "postgres.h"

#include "net/endpoint.h"

/*
 * Read the endpoint's key file into api_key, in its memory context, and note
 * the file's state in key_stamp.  Errors never tell what the file holds.
 */
extern void qc_keyfile_read(QcEndpoint *endpoint);

/* Is the file no longer as it was read? */
extern bool qc_keyfile_changed(const QcEndpoint *endpoint);

#endif							/* QC_KEYFILE_H */
