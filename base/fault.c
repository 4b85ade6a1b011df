#include "base/fault.h"

#ifdef VZRUN_FAULT_POINTS
#include "base/err.h"
#include "base/str.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Shared with the children of a clone, so that one number means one point in the tree. */
static unsigned *counter(void)
{
	static unsigned *n;

	if (!n) {
		n = mmap(NULL, sizeof *n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (n == MAP_FAILED)
			abort();
	}
	return n;
}

static uint64_t wanted(const char *variable)
{
	const char *s = getenv(variable);
	uint64_t v = 0;

	return s && str_u64(s, 1000000, &v) == 0 ? v : 0;
}

static void note(unsigned n, const char *name)
{
	const char *path = getenv("VZRUN_FAULT_LOG");
	char line[128];
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

	if (fd < 0)
		return;
	snprintf(line, sizeof line, "%u %s\n", n, name);
	if (write(fd, line, strlen(line)) < 0)
		abort();
	close(fd);
}

int fault_point(const char *name)
{
	unsigned n = __atomic_add_fetch(counter(), 1, __ATOMIC_SEQ_CST);

	note(n, name);
	if (n == wanted("VZRUN_KILL")) {
		raise(SIGKILL);
		_exit(137);	/* the first process of a pid namespace does not hear its own SIGKILL */
	}
	if (n == wanted("VZRUN_FAULT"))
		return fail(EIO, "injected fault: %s", name);
	return 0;
}
#endif
