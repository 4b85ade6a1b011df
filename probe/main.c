#include "probe/probe.h"
#include "base/scope.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

/* One write(2) a line: children may die at any point. */
static void line(const char *name, const char *fmt, va_list ap)
{
	char text[1024];
	int head = snprintf(text, sizeof text, "%s\t", name), n;

	n = vsnprintf(text + head, sizeof text - 1 - (size_t)head, fmt, ap);
	if (n < 0)
		return;
	n = (int)strlen(text);
	for (int i = head; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
	text[n++] = '\n';
	if (write(STDOUT_FILENO, text, (size_t)n) != n)
		_exit(1);
}

void found(const char *row, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(row, fmt, ap);
	va_end(ap);
}

void fact(const char *name, const char *fmt, ...)
{
	char key[64];
	va_list ap;

	snprintf(key, sizeof key, "=%s", name);
	va_start(ap, fmt);
	line(key, fmt, ap);
	va_end(ap);
}

static int end(void)
{
	return printf("end\n") < 0 || fflush(stdout) == EOF;
}

void give_up(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("=cannot", fmt, ap);
	va_end(ap);
	exit(end());
}

static void interrupt(int sig)
{
	(void)sig;
}

/* First a signal that only interrupts, again and again; a call that goes on all the same is killed. */
static void child_main(int (*fn)(void *), void *arg)
{
	struct sigaction sa = { .sa_handler = interrupt };
	struct itimerval often = { { 0, 100000 }, { 0, 100000 } };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	_exit(fn(arg) & 255);
}

int in_child(int (*fn)(void *arg), void *arg)
{
	sigset_t chld, old;
	struct timespec patience = { 2, 0 };
	int status;
	pid_t pid;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &old);
	while (sigtimedwait(&chld, NULL, &(struct timespec){ 0 }) > 0)
		;
	pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		child_main(fn, arg);
	}
	if (pid < 0)
		give_up("fork: %s", strerrordesc_np(errno));
	/* A filter may know nothing of this call: then waiting has no limit but the child's own timer. */
	if (sigtimedwait(&chld, NULL, &patience) < 0 && errno == EAGAIN)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

void try_all(const struct probe_try *tries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in_child(tries[i].fn, NULL) == YES)
			found(tries[i].row, "%s", tries[i].item);
}

static bool is_number(const char *s)
{
	return s[strspn(s, "0123456789")] == '\0';
}

enum { DEPTH_MAX = 24 };

static void walk_dir(int dirfd, char *path, size_t size, dev_t dev, int depth, walk_fn *each, void *ctx)
{
	DIR *d = fdopendir(dirfd);
	size_t n = strlen(path);

	for (struct dirent *e; d && (e = readdir(d));) {
		struct stat st;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") || n + strlen(e->d_name) + 2 > size)
			continue;
		/* Processes come and go; what is theirs is not the machine's. */
		if (str_eq(path, "/proc") && (is_number(e->d_name) || str_eq(e->d_name, "self") ||
					      str_eq(e->d_name, "thread-self")))
			continue;
		snprintf(path + n, size - n, "/%s", e->d_name);
		if (fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			each(path, st.st_mode, ctx);
			if (S_ISDIR(st.st_mode) && st.st_dev == dev && depth < DEPTH_MAX) {
				int sub = openat(dirfd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

				if (sub >= 0)
					walk_dir(sub, path, size, dev, depth + 1, each, ctx);
			}
		}
		path[n] = '\0';
	}
	if (d)
		closedir(d);
	else
		close(dirfd);
}

void walk(const char *dir, walk_fn *each, void *ctx)
{
	char path[4096];
	struct stat st;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	snprintf(path, sizeof path, "%s", dir);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0)
		walk_dir(fd, path, sizeof path, st.st_dev, 0, each, ctx);
	else
		close(fd);
}

static void (*const batteries[])(void) = {
	probe_self, probe_calls, probe_interfaces, probe_writable, probe_readable, probe_devices, probe_kernel_log,
	probe_mounts, probe_others, probe_keys, probe_figures, probe_powers,
};

int main(void)
{
	/* Who does not read us ends us; nothing that we call may keep us for ever. */
	alarm(300);
	if (printf("vzrun-probe %d\n", PROBE_VERSION) < 0 || fflush(stdout) == EOF)
		return 1;
	for (size_t i = 0; i < COUNT(batteries); i++)
		batteries[i]();
	return end();
}
