/* Many small allocations, one free. Zero-initialise; single-threaded. */
#pragma once
#include "base/err.h"
#include <stdarg.h>
#include <stddef.h>

struct arena { struct arena_chunk *last; };

/* Zeroed and aligned; NULL when memory is out or n * size overflows. */
void *arena_alloc(struct arena *a, size_t n, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
void arena_free(struct arena *a);	/* empties; the arena may be used again */

#define auto_arena __attribute__((cleanup(arena_free)))

/*
 * For what usually fits into `few`, of few_bytes, and rarely not: `was` (few, or malloc'ed; NULL: nothing yet) grown to
 * `bytes`, malloc'ed, the caller's to free. NULL: out of memory, `was` stays.
 */
void *mem_grow(void *was, const void *few, size_t few_bytes, size_t bytes);
