/*-------------------------------------------------------------------------
 *
 * mux.c
 *	  One descriptor that is readable when one of libcurl's sockets is ready.
 *
 * libcurl says "watch this socket" at the start of every transfer and "leave
 * it" at its end, although the next transfer uses the same connection.  So a
 * socket of ours stays armed for reading when libcurl leaves it, and a
 * request on a kept connection costs no system call here.  If such a socket
 * becomes ready while nobody wants it (the server closed it), it is disarmed
 * then.  Sockets that libcurl opens itself (its name resolver's) are closed
 * behind our back: those are disarmed at once, since a number that is used
 * again must not look armed.
 *
 *-------------------------------------------------------------------------
 */
#include "common/compat.h"

#include <unistd.h>

#ifdef QC_MUX_EPOLL
#include <sys/epoll.h>
#else
#include <sys/event.h>
#include <sys/time.h>
#endif

#include "storage/fd.h"

#include "net/mux.h"

typedef struct QcSocket
{
	unsigned char wanted;		/* by libcurl */
	unsigned char armed;		/* in the kernel */
	bool		ours;			/* opened by qc_mux_opened: closing is seen */
} QcSocket;

static int	mux_fd = -1;

/* By descriptor; malloc'ed, since it grows under libcurl. */
static QcSocket *sockets = NULL;
static int	nsockets = 0;

/* NULL without memory: the caller then does without. */
static QcSocket *
qc_mux_socket(int fd)
{
	if (fd < 0)
		return NULL;
	if (fd >= nsockets)
	{
		int			n = Max(fd + 1, Max(64, 2 * nsockets));
		QcSocket   *grown = realloc(sockets, n * sizeof(QcSocket));

		if (grown == NULL)
			return NULL;
		memset(grown + nsockets, 0, (n - nsockets) * sizeof(QcSocket));
		sockets = grown;
		nsockets = n;
	}
	return &sockets[fd];
}

#ifdef QC_MUX_EPOLL

static int
qc_mux_create(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

/*
 * Our notes may be wrong about a socket that was closed behind our back, so
 * the kernel's word decides between add and modify.
 */
static void
qc_mux_arm(int fd, QcSocket *s, int what)
{
	struct epoll_event ev = {0};
	int			op = s->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	ev.data.fd = fd;
	ev.events = ((what & QC_MUX_IN) ? EPOLLIN : 0) | ((what & QC_MUX_OUT) ? EPOLLOUT : 0);

	if (what == 0)
		(void) epoll_ctl(mux_fd, EPOLL_CTL_DEL, fd, &ev);
	else if (epoll_ctl(mux_fd, op, fd, &ev) < 0)
		(void) epoll_ctl(mux_fd, errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev);
	s->armed = what;
}

static int
qc_mux_ready(QcMuxEvent *event, int max)
{
	struct epoll_event ev[64];
	int			n = epoll_wait(mux_fd, ev, Min(max, (int) lengthof(ev)), 0);

	for (int i = 0; i < n; i++)
	{
		event[i].fd = ev[i].data.fd;
		event[i].what = ((ev[i].events & (EPOLLIN | EPOLLHUP)) ? QC_MUX_IN : 0)
			| ((ev[i].events & EPOLLOUT) ? QC_MUX_OUT : 0)
			| ((ev[i].events & EPOLLERR) ? QC_MUX_ERR : 0);
	}
	return n;
}

#else							/* QC_MUX_KQUEUE */

static int
qc_mux_create(void)
{
	return kqueue();
}

/* One filter a direction; deleting one that is not there is no error to us. */
static void
qc_mux_filter(int fd, int filter, bool on)
{
	struct kevent ev;

	EV_SET(&ev, fd, filter, on ? EV_ADD : EV_DELETE, 0, 0, 0);
	(void) kevent(mux_fd, &ev, 1, NULL, 0, NULL);
}

static void
qc_mux_arm(int fd, QcSocket *s, int what)
{
	int			changed = s->armed ^ what;

	if (changed & QC_MUX_IN)
		qc_mux_filter(fd, EVFILT_READ, (what & QC_MUX_IN) != 0);
	if (changed & QC_MUX_OUT)
		qc_mux_filter(fd, EVFILT_WRITE, (what & QC_MUX_OUT) != 0);
	s->armed = what;
}

static int
qc_mux_ready(QcMuxEvent *event, int max)
{
	static const struct timespec at_once = {0, 0};
	struct kevent ev[64];
	int			n = kevent(mux_fd, NULL, 0, ev, Min(max, (int) lengthof(ev)), &at_once);

	for (int i = 0; i < n; i++)
	{
		event[i].fd = (int) ev[i].ident;
		event[i].what = (ev[i].filter == EVFILT_READ ? QC_MUX_IN : QC_MUX_OUT)
			| ((ev[i].flags & EV_ERROR) ? QC_MUX_ERR : 0);
	}
	return n;
}

#endif

/*
 * Once a process, never closed.  It counts as the server's external descriptor
 * like the sockets in it.
 */
int
qc_mux_open(void)
{
	if (mux_fd >= 0)
		return mux_fd;

	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not wait for an inference server: too many files are open"),
				 errhint("Raise max_files_per_process.")));
	mux_fd = qc_mux_create();
	if (mux_fd < 0)
	{
		int			save_errno = errno;

		ReleaseExternalFD();
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not wait for an inference server: %m")));
	}
	return mux_fd;
}

/* A new socket may have the number of an old one: whatever was noted is void. */
void
qc_mux_opened(int fd)
{
	QcSocket   *s = qc_mux_socket(fd);

	if (s == NULL)
		return;
	s->wanted = s->armed = 0;
	s->ours = true;
}

/* The kernel drops a closed socket by itself; only our notes need mending. */
void
qc_mux_closing(int fd)
{
	QcSocket   *s = qc_mux_socket(fd);

	if (s == NULL)
		return;
	s->wanted = s->armed = 0;
	s->ours = false;
}

/* The system call is made only when the kernel must do something else. */
bool
qc_mux_want(int fd, int what)
{
	QcSocket   *s = qc_mux_socket(fd);

	if (s == NULL)
		return false;
	s->wanted = what;

	/* What may stay armed: reading, on a socket whose end we shall see. */
	if (s->ours && what == 0 && s->armed == QC_MUX_IN)
		return true;
	if (s->armed != what)
		qc_mux_arm(fd, s, what);
	return true;
}

/* A socket that nobody wants was kept armed in vain: libcurl need not know. */
int
qc_mux_collect(QcMuxEvent *event, int max)
{
	int			n = qc_mux_ready(event, max);
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		QcSocket   *s = qc_mux_socket(event[i].fd);

		if (s != NULL && s->wanted == 0)
			qc_mux_arm(event[i].fd, s, 0);
		else
			event[kept++] = event[i];
	}
	return kept;
}
