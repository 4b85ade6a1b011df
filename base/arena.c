#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4000 };	/* a page with its head */

struct arena_chunk {
	struct arena_chunk *prev;
	size_t used, size;
	max_align_t data[];
};

#ifdef __GLIBC__
/* It keeps what was freed, and a sanitizer shall see what is used after that. */
static struct arena_chunk *take_page(void)
{
	return NULL;
}

static bool give_page(struct arena_chunk *c)
{
	(void)c;
	return false;
}
#else
/* musl asks the kernel for each page, and gives each back at once; a command lives from few enough that these do. */
enum { PAGES = 12 };
static struct { _Alignas(4096) char bytes[4096]; } pages[PAGES];
static struct arena_chunk *given;
static size_t taken;

/* Cleared, like what calloc gives. */
static struct arena_chunk *take_page(void)
{
	struct arena_chunk *c = given;

	if (c)
		given = c->prev;
	else if (taken < PAGES)
		c = (struct arena_chunk *)&pages[taken++];
	return c;
}

static bool give_page(struct arena_chunk *c)
{
	if ((uintptr_t)c - (uintptr_t)pages >= sizeof pages)
		return false;
	memset(c->data, 0, c->used);
	*c = (struct arena_chunk){ .prev = given };
	given = c;
	return true;
}
#endif

static struct arena_chunk *grow(struct arena *a, size_t bytes)
{
	size_t size = bytes > CHUNK ? bytes : CHUNK;
	struct arena_chunk *c = size == CHUNK ? take_page() : NULL;

	if (!c)
		c = calloc(1, sizeof *c + size);
	if (!c)
		return NULL;
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
		if (!give_page(c))
			free(c);
	}
	a->last = NULL;
}

void *mem_grow(void *was, const void *few, size_t few_bytes, size_t bytes)
{
	bool moves = was && was == few;
	void *more = realloc(moves ? NULL : was, bytes);

	return more && moves ? memcpy(more, few, few_bytes) : more;
}
