/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Filling in a QcFault.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/fault.h"

#include <stdio.h>
#include <string.h>

#include "prompt/message.h"
#include "prompt/text.h"

bool
qc_fault(QcFault *fault, QcStatus status, int index, const char *detail, size_t len)
{
	/* The detail goes into an error message: what is not valid ends it. */
	size_t		n = qc_utf8_valid(detail, len, NULL);

	n = qc_utf8_clip(detail, n, sizeof(fault->detail) - 1);
	fault->status = status;
	fault->index = index;
	if (n > 0)
		memcpy(fault->detail, detail, n);
	fault->detail[n] = '\0';
	return false;
}

bool
qc_fault_at(QcFault *fault, QcStatus status, int index, size_t byte)
{
	char		detail[64];
	int			n = snprintf(detail, sizeof(detail), "byte %zu", byte + 1);

	return qc_fault(fault, status, index, detail, (size_t) n);
}
