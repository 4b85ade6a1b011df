#include "base/fault.h"

#ifdef VZRUN_FAULT_POINTS
#include "base/err.h"
#include "base/str.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { NAMES_MAX = 4096 };

/*
 * Shared with the children of a clone, so that one number means one point in the tree. Names are constants,
 * at the same place in all of them; what a child passes where it can open no file is on the list all the
 * same.
 */
static struct shared { unsigned n; pid_t owner; const char *name[NAMES_MAX]; } *shared;

static void write_log(void)
{
	const char *path = getenv("VZRUN_FAULT_LOG");
	FILE *f = path && getpid() == shared->owner ? fopen(path, "ae") : NULL;

	for (unsigned i = 0; f && i < shared->n && i < NAMES_MAX; i++)
		fprintf(f, "%u %s\n", i + 1, shared->name[i] ? shared->name[i] : "?");
	if (f && fclose(f) != 0)
		abort();
}

static void begin(void)
{
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || atexit(write_log) != 0)
		abort();
	shared->owner = getpid();
}

static uint64_t wanted(const char *variable)
{
	const char *s = getenv(variable);
	uint64_t v = 0;

	return s && str_u64(s, 1000000, &v) == 0 ? v : 0;
}

int fault_point(const char *name)
{
	unsigned n;

	if (!shared)
		begin();
	n = __atomic_add_fetch(&shared->n, 1, __ATOMIC_SEQ_CST);
	if (n <= NAMES_MAX)
		shared->name[n - 1] = name;
	if (n == wanted("VZRUN_KILL")) {
		kill(getpid(), SIGKILL);	/* raise(3) of musl means the thread that it knows: the one before a clone */
		_exit(137);	/* the first process of a pid namespace does not hear its own SIGKILL */
	}
	if (n == wanted("VZRUN_FAULT"))
		return fail(EIO, "injected fault: %s", name);
	return 0;
}

bool undefended(const char *name)
{
	return environ && undefended_in(environ, name);
}
#endif
