/*-------------------------------------------------------------------------
 *
 * qwen_classify.c
 *	  The module's entry: magic, settings, shared memory, hooks.
 *
 * It loads both ways: with shared_preload_libraries (all sessions then share
 * what they know of an endpoint) and at first use in a session.  Nothing here
 * touches the network: libcurl is set up by the process that uses it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "common/guc.h"
#include "common/shmem.h"
#include "common/statement.h"
#include "query/prefetch.h"
#include "queue/note.h"
#include "trust/calibration.h"
#include "worker/worker.h"

#ifdef PG_MODULE_MAGIC_EXT
PG_MODULE_MAGIC_EXT(.name = "qwen_classify",.version = QC_VERSION);
#else
PG_MODULE_MAGIC;
#endif

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	qc_guc_init();
	qc_statement_init();
	qc_prefetch_init();
	qc_note_init();
	qc_calibration_init();
	if (process_shared_preload_libraries_in_progress)
		qc_shmem_init();
	qc_utility_init();
	qc_launcher_init();
}
