#include "runtime/container/container.h"
#include "base/dgram.h"
#include "base/file.h"
#include "base/scope.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int send_fd(const char *what, const char *socket_path, const char *text, int passed)
{
	auto_close int fd = dgram_connect_path(socket_path);

	TRY_IN(fd, "%s %s", what, socket_path);
	return dgram_send(fd, text, strlen(text), &passed, 1);
}

int console_send(const char *socket_path, int *master)
{
	/* The text is a name for the terminal; engines log it. */
	TRY(send_fd("console socket", socket_path, "/dev/ptmx", *master));
	drop_fd(master);
	return 0;
}

int pidfd_send(const char *socket_path, int pidfd)
{
	return send_fd("pidfd socket", socket_path, "pidfd", pidfd);
}

int write_pid_file(const char *path, pid_t pid)
{
	char text[16], dir[PATH_MAX], base[PATH_MAX];
	int n = snprintf(text, sizeof text, "%d", (int)pid);

	if (strlen(path) >= sizeof dir)
		return fail(ENAMETOOLONG, "--pid-file: too long");
	strcpy(dir, path);
	strcpy(base, path);
	auto_close int at = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return fail_errno("--pid-file %s", path);
	return file_write_volatile(at, basename(base), text, (size_t)n, 0644);
}

/* RTMIN+N and RTMAX-N. 0: it is none of these. */
static int real_time(const char *name)
{
	bool up = strncasecmp(name, "RTMIN", 5) == 0;
	uint64_t n = 0;

	if ((!up && strncasecmp(name, "RTMAX", 5) != 0) ||
	    (name[5] && (name[5] != (up ? '+' : '-') || str_u64(name + 6, (uint64_t)(SIGRTMAX - SIGRTMIN), &n) < 0)))
		return 0;
	return up ? SIGRTMIN + (int)n : SIGRTMAX - (int)n;
}

int signal_number(const char *text)
{
	/* signal(7): synonyms */
	static const struct { const char *name; int sig; } synonyms[] = {
		{ "CLD", SIGCHLD }, { "IO", SIGPOLL }, { "IOT", SIGABRT }, { "UNUSED", SIGSYS },
	};
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	uint64_t n;
	int sig = 0;

	if (str_u64(text, (uint64_t)SIGRTMAX, &n) == 0)
		return (int)n;
	for (int i = 1; i < 32; i++)
		if (sigabbrev_np(i) && strcasecmp(sigabbrev_np(i), name) == 0)
			sig = i;
	for (size_t i = 0; i < COUNT(synonyms); i++)
		if (strcasecmp(synonyms[i].name, name) == 0)
			sig = synonyms[i].sig;
	if (!sig)
		sig = real_time(name);
	return sig ? sig : fail_as(ERR_USAGE, "unknown signal \"%s\"", text);
}
