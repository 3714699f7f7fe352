/*-------------------------------------------------------------------------
 *
 * arena.c
 *		Memory that lives for one request.
 *
 * A reply is made in one go, before the event loop turns to another
 * connection, so one arena serves the whole process. cJSON allocates from it
 * too: parsing costs no malloc, and a parsed body is never freed by hand.
 *
 * Invariant: nothing allocated here is used after the arena_reset() at the
 * start of the next request.
 *
 *-------------------------------------------------------------------------
 */
#include "arena.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

/* Large enough that an ordinary request never needs a second block. */
#define BLOCK_SIZE (1024 * 1024)

typedef struct Block
{
	struct Block *older;
	size_t		used;
	size_t		size;
	_Alignas(16) char data[];
} Block;

static Block *newest;

void *
must_alloc(size_t size)
{
	return must_realloc(NULL, size);
}

void *
must_realloc(void *p, size_t size)
{
	p = realloc(p, size);
	if (p == NULL)
	{
		fputs("qwen_mock: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

static void
add_block(size_t size)
{
	Block	   *b = must_alloc(sizeof(Block) + size);

	b->older = newest;
	b->used = 0;
	b->size = size;
	newest = b;
}

void *
arena_alloc(size_t size)
{
	void	   *p;

	size = (size + 15) & ~(size_t) 15;
	if (newest == NULL || newest->used + size > newest->size)
		add_block(size > BLOCK_SIZE ? size : BLOCK_SIZE);
	p = newest->data + newest->used;
	newest->used += size;
	return p;
}

/* A copy that is also terminated, for callers that need a C string. */
Str
arena_copy(Str s)
{
	char	   *copy = arena_alloc(s.n + 1);

	if (s.n > 0)
		memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	return (Str) {copy, s.n};
}

/* Keeps the oldest block, so that a steady load allocates nothing. */
void
arena_reset(void)
{
	while (newest != NULL && newest->older != NULL)
	{
		Block	   *older = newest->older;

		free(newest);
		newest = older;
	}
	if (newest != NULL)
		newest->used = 0;
}

static void
keep(void *p)
{
	(void) p;
}

void
arena_serve_cjson(void)
{
	cJSON_Hooks hooks = {arena_alloc, keep};

	cJSON_InitHooks(&hooks);
}
