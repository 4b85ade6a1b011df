/*
 * Resources that release themselves when their variable leaves scope. Declare the
 * variable where the resource is acquired; every destructor accepts the empty value
 * (NULL, -1) and keeps errno.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SCOPED(fn) __attribute__((cleanup(fn)))

static inline void scope_free(void *p) { free(*(void **)p); }

static inline void scope_close(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void scope_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define auto_free SCOPED(scope_free)
#define auto_close SCOPED(scope_close)
#define auto_fclose SCOPED(scope_fclose)

/* Give ownership away: the variable forgets what it held. */
static inline int take_fd(int *fd) { int v = *fd; *fd = -1; return v; }
/* Close now and forget. */
static inline void drop_fd(int *fd) { scope_close(fd); *fd = -1; }
#define TAKE(p) ({ __typeof__(p) take_v_ = (p); (p) = NULL; take_v_; })

/*
 * Zeroes a large static variable, but for the first time: it is zero then, and its pages are not even there.
 * For structures with buffers, of which most is never written.
 */
#define FRESH(v)                                                                     \
	do {                                                                         \
		static bool fresh_used_;                                             \
		/* One access: a look before the write would be a page fault more. */ \
		if (__atomic_exchange_n(&fresh_used_, true, __ATOMIC_RELAXED))       \
			__builtin_memset(&(v), 0, sizeof(v));                        \
	} while (0)

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
