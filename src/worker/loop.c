/*-------------------------------------------------------------------------
 *
 * loop.c
 *	  x
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "common/guc.h"
#include "net/pool.h"
#include "worker/worker.h"

TimestampTz
qc_loop_run(void)
{
	TimestampTz start = GetCurrentTimestamp();
	QcBoardDatabase *place = qc_worker_place();

	for (;;)
	{
		bool		away = place != NULL && place->away;
		bool		same;

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (away || GetCurrentTimestamp() - start > qc_worker_idle_timeout * INT64CONST(1000000))
			return 0;
		StartTransactionCommand();
		same = qc_worker_extension_same();
		CommitTransactionCommand();
		if (!same)
			qc_worker_leave(0, true);
		qc_pool_wait(1000);
	}
}
