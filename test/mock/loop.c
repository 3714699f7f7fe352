/*-------------------------------------------------------------------------
 *
 * loop.c
 *		The event loop: descriptors, timers, and the end of the process.
 *
 * One thread, one epoll descriptor, a heap of timers behind one timerfd
 * (epoll's own timeout has milliseconds only, too coarse for a mock whose
 * delays are compared with an ideal).
 *
 * Invariant: a handler runs to its end before another starts, so no state of
 * the mock needs a lock.
 *
 *-------------------------------------------------------------------------
 */
#include "loop.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"

#define BATCH 256

/* There is one loop in the process. */
static int	epoll_fd;
static bool stopping;

static Watch clock_watch;
static Watch signal_watch;

static Timer **heap;
static size_t heap_len;
static size_t heap_cap;
static uint64_t armed_for;		/* what the timerfd is set to; 0 = nothing */

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* Nanoseconds of a clock that is never set. */
uint64_t
loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t) ts.tv_sec * 1000 * MSEC + (uint64_t) ts.tv_nsec;
}

void
loop_add(Watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events,.data.ptr = w};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, w->fd, &ev) < 0)
		die("epoll_ctl");
}

void
loop_change(Watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events,.data.ptr = w};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) < 0)
		die("epoll_ctl");
}

/* ---- the heap of timers ---- */

/* A timer knows its place, so that it can be taken out. */
static void
place(size_t at, Timer *t)
{
	heap[at] = t;
	t->slot = at + 1;
}

/* Towards the root while its parent is later. */
static void
sift_up(size_t at, Timer *t)
{
	while (at > 0 && heap[(at - 1) / 2]->due > t->due)
	{
		place(at, heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(at, t);
}

/* Towards the leaves while a child is earlier. */
static void
sift_down(size_t at, Timer *t)
{
	size_t		child;

	while ((child = 2 * at + 1) < heap_len)
	{
		if (child + 1 < heap_len && heap[child + 1]->due < heap[child]->due)
			child++;
		if (heap[child]->due >= t->due)
			break;
		place(at, heap[child]);
		at = child;
	}
	place(at, t);
}

/* Harmless on a timer that is not set. */
void
timer_clear(Timer *t)
{
	size_t		at = t->slot - 1;
	Timer	   *last;

	if (t->slot == 0)
		return;
	t->slot = 0;
	last = heap[--heap_len];
	if (last == t)
		return;
	if (at > 0 && heap[(at - 1) / 2]->due > last->due)
		sift_up(at, last);
	else
		sift_down(at, last);
}

/* Sets it anew if it was set. */
void
timer_set(Timer *t, uint64_t delay)
{
	timer_clear(t);
	t->due = loop_now() + delay;
	if (heap_len == heap_cap)
	{
		heap_cap = heap_cap ? 2 * heap_cap : 256;
		heap = must_realloc(heap, heap_cap * sizeof(Timer *));
	}
	heap_len++;
	sift_up(heap_len - 1, t);
}

/* Told once a batch rather than at each timer_set: one syscall for many. */
static void
arm_clock(void)
{
	uint64_t	due = heap_len ? heap[0]->due : 0;
	struct itimerspec when = {0};

	if (due == armed_for)
		return;
	armed_for = due;
	when.it_value.tv_sec = (time_t) (due / (1000 * MSEC));
	when.it_value.tv_nsec = (long) (due % (1000 * MSEC));
	timerfd_settime(clock_watch.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Timers that are set meanwhile wait for the next round. */
static void
clock_ready(Watch *w, uint32_t events)
{
	uint64_t	ticks;
	uint64_t	now = loop_now();

	(void) events;
	if (read(w->fd, &ticks, sizeof(ticks)) < 0)
		return;
	armed_for = 0;
	while (heap_len > 0 && heap[0]->due <= now)
	{
		Timer	   *t = heap[0];

		timer_clear(t);
		t->fire(t);
	}
}

/* SIGTERM or SIGINT: the batch is finished, then the loop. */
static void
signal_ready(Watch *w, uint32_t events)
{
	(void) w;
	(void) events;
	stopping = true;
}

void
loop_init(void)
{
	sigset_t	set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	clock_watch.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	signal_watch.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (epoll_fd < 0 || clock_watch.fd < 0 || signal_watch.fd < 0)
		die("event loop");
	clock_watch.ready = clock_ready;
	signal_watch.ready = signal_ready;
	loop_add(&clock_watch, EPOLLIN);
	loop_add(&signal_watch, EPOLLIN);
}

/*
 * after_batch runs when no handler is on the stack and no event of the batch
 * is left: the place to free what an event might still have pointed to.
 */
void
loop_run(void (*after_batch) (void))
{
	struct epoll_event ev[BATCH];

	while (!stopping)
	{
		int			n;

		arm_clock();
		n = epoll_wait(epoll_fd, ev, BATCH, -1);
		for (int i = 0; i < n; i++)
		{
			Watch	   *w = ev[i].data.ptr;

			w->ready(w, ev[i].events);
		}
		after_batch();
	}
}
