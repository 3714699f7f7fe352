/*-------------------------------------------------------------------------
 *
 * slots.c
 *		Room for a limited number of requests, the others waiting in a line.
 *
 * As llama-server does it: no request is refused, the line is first come,
 * first served, and a client that goes away leaves the line.
 *
 * Invariant: a ticket waits, or is busy, or is neither; nobody waits while
 * there is room.
 *
 *-------------------------------------------------------------------------
 */
#include "slots.h"

static void
begin(Slots *s, Ticket *t)
{
	t->busy = true;
	s->busy++;
	t->start(t);
}

static void
unlink_ticket(Slots *s, Ticket *t)
{
	*(t->prev ? &t->prev->next : &s->first) = t->next;
	*(t->next ? &t->next->prev : &s->last) = t->prev;
	t->prev = t->next = NULL;
	t->waiting = false;
	s->waiting--;
}

static void
append_ticket(Slots *s, Ticket *t)
{
	t->prev = s->last;
	t->next = NULL;
	*(s->last ? &s->last->next : &s->first) = t;
	s->last = t;
	t->waiting = true;
	s->waiting++;
}

/* limit <= 0 means that there is always room. */
void
slots_enter(Slots *s, Ticket *t, int limit)
{
	t->slots = s;
	if (limit <= 0 || s->busy < limit)
		begin(s, t);
	else
		append_ticket(s, t);
}

/* Served, or given up while waiting or while being served. */
void
slots_leave(Ticket *t, int limit)
{
	Slots	   *s = t->slots;

	if (t->waiting)
		unlink_ticket(s, t);
	if (!t->busy)
		return;
	t->busy = false;
	s->busy--;
	while (s->first != NULL && (limit <= 0 || s->busy < limit))
	{
		Ticket	   *next = s->first;

		unlink_ticket(s, next);
		begin(s, next);
	}
}
