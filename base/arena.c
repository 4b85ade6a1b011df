#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4000 };

struct arena_chunk {
	struct arena_chunk *prev;
	size_t used, size;
	max_align_t data[];
};

/*
 * One that was freed, cleared: musl gives a page back at once, and a loop that fills an arena each time would ask the
 * kernel for it each time. glibc keeps it anyhow, and a sanitizer shall see what is used after it was freed.
 */
static struct arena_chunk *spare;
#ifdef __GLIBC__
enum { KEEPS_ONE = 0 };
#else
enum { KEEPS_ONE = 1 };
#endif

static struct arena_chunk *grow(struct arena *a, size_t bytes)
{
	size_t size = bytes > CHUNK ? bytes : CHUNK;
	struct arena_chunk *c = size == CHUNK && spare ? spare : calloc(1, sizeof *c + size);

	if (!c)
		return NULL;
	if (c == spare)
		spare = NULL;
	c->prev = a->last;
	c->size = size;
	a->last = c;
	return c;
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
	struct arena_chunk *c = a->last;
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
	if (!c || c->size - c->used < bytes)
		c = grow(a, bytes);
	if (!c)
		return NULL;
	p = (char *)c->data + c->used;
	c->used += bytes;
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = arena_alloc(a, n, 1);

	return p ? memcpy(p, s, n) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1, 1);
	if (p)
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return p;
}

void arena_free(struct arena *a)
{
	for (struct arena_chunk *c = a->last, *prev; c; c = prev) {
		prev = c->prev;
		if (!KEEPS_ONE || spare || c->size != CHUNK) {
			free(c);
			continue;
		}
		memset(c->data, 0, c->used);
		*(spare = c) = (struct arena_chunk){ 0 };
	}
	a->last = NULL;
}
