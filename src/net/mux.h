/*-------------------------------------------------------------------------
 *
 * mux.h
 *	  One descriptor that is readable when one of libcurl's sockets is ready.
 *
 * The server's WaitEventSet cannot drop a single event, so libcurl's sockets
 * sit in an epoll or kqueue descriptor and only that one sits in the set.
 * Nothing here throws, except qc_mux_open: the rest runs under libcurl.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_MUX_H
#define QC_MUX_H

#include <stdbool.h>

#define QC_MUX_IN	0x1
#define QC_MUX_OUT	0x2
#define QC_MUX_ERR	0x4			/* only reported, never asked for */

typedef struct QcMuxEvent
{
	int			fd;
	int			what;			/* QC_MUX_ bits */
} QcMuxEvent;

/* Open it once a process; throws when the descriptors are used up. */
extern int	qc_mux_open(void);

/* A socket that we opened or are about to close ourselves. */
extern void qc_mux_opened(int fd);
extern void qc_mux_closing(int fd);

/* What is wanted of a socket from now on; 0: nothing.  False: no memory. */
extern bool qc_mux_want(int fd, int what);

/* Up to max sockets that are ready now, without waiting. */
extern int	qc_mux_collect(QcMuxEvent *event, int max);

#endif							/* QC_MUX_H */
