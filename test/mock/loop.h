/*-------------------------------------------------------------------------
 *
 * loop.h
 *		The event loop: descriptors, timers, and the end of the process.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_LOOP_H
#define MOCK_LOOP_H

#include <stddef.h>
#include <stdint.h>

#define MSEC UINT64_C(1000000)	/* times are nanoseconds */

#define container_of(ptr, type, member) \
	((type *) ((char *) (ptr) - offsetof(type, member)))

typedef struct Watch
{
	int			fd;
	void		(*ready) (struct Watch *w, uint32_t events);
} Watch;

typedef struct Timer
{
	uint64_t	due;
	size_t		slot;			/* place in the heap + 1; 0 = not armed */
	void		(*fire) (struct Timer *t);
} Timer;

extern void loop_init(void);
extern void loop_add(Watch *w, uint32_t events);
extern void loop_change(Watch *w, uint32_t events);
extern void loop_run(void (*after_batch) (void));
extern uint64_t loop_now(void);
extern void timer_set(Timer *t, uint64_t delay);
extern void timer_clear(Timer *t);

#endif							/* MOCK_LOOP_H */
