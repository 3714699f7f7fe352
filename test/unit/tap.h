/*-------------------------------------------------------------------------
 *
 * tap.h
 *	  The three lines of TAP that a unit test needs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_TAP_H
#define QC_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int	tap_count = 0;
static int	tap_failed = 0;

/* "ok N - name", and after a failure what was seen instead. */
static inline void __attribute__((format(printf, 3, 4)))
tap_ok(bool ok, const char *name, const char *fmt,...)
{
	va_list		args;

	printf("%sok %d - %s\n", ok ? "" : "not ", ++tap_count, name);
	if (ok)
		return;
	tap_failed++;
	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

static inline int
tap_end(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed > 0;
}

#endif							/* QC_TAP_H */
