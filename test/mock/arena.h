/*-------------------------------------------------------------------------
 *
 * arena.h
 *		Memory that lives for one request.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_ARENA_H
#define MOCK_ARENA_H

#include <stddef.h>

#include "str.h"

extern void *arena_alloc(size_t size);
extern Str	arena_copy(Str s);
extern void arena_reset(void);
extern void arena_serve_cjson(void);

/* Memory that outlives a request; ends the process when there is none. */
extern void *must_alloc(size_t size);
extern void *must_realloc(void *p, size_t size);

#endif							/* MOCK_ARENA_H */
