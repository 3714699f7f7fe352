/*-------------------------------------------------------------------------
 *
 * slots.h
 *		Room for a limited number of requests, the others waiting in a line.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_SLOTS_H
#define MOCK_SLOTS_H

#include "str.h"

typedef struct Ticket
{
	struct Slots *slots;
	struct Ticket *prev;
	struct Ticket *next;
	bool		waiting;
	bool		busy;
	void		(*start) (struct Ticket *t);
} Ticket;

typedef struct Slots
{
	int			busy;
	int			waiting;
	Ticket	   *first;
	Ticket	   *last;
} Slots;

extern void slots_enter(Slots *s, Ticket *t, int limit);
extern void slots_leave(Ticket *t, int limit);

#endif							/* MOCK_SLOTS_H */
