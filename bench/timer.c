/*
 * Runs commands one after another and says of each what it took. Small and static, because the peak of a
 * process's memory includes what its parent had when it forked, and a Python's would drown a runtime's.
 *
 *	timer [-c] FD CMD [ARG...] [; CMD [ARG...]]...
 *
 * A line to descriptor FD for each: nanoseconds from start to end, microseconds of CPU (its own and of the
 * processes it waited for), KiB of peak memory, status as a shell has it; one that fails is the last. After
 * all, a line with the CPU time of the processes that they left and that ended meanwhile: those become the
 * timer's children, which reaps them at once, as an init should.
 *
 * -c: in a mount namespace where v2 of a hybrid host shows no controllers, which some runtimes refuse.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const controllers = "/sys/fs/cgroup/unified/cgroup.controllers";

static uint64_t orphans_us;

static void need(long r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "timer: %s: %s\n", what, strerror(errno));
	exit(125);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_us(const struct rusage *u)
{
	return (uint64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000u +
	       (uint64_t)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

/* The next word that ends a command becomes its end. */
static char **cut(char **words)
{
	while (*words && strcmp(*words, ";") != 0)
		words++;
	if (!*words)
		return NULL;
	*words = NULL;
	return words + 1;
}

static int one(int out, char **argv)
{
	uint64_t start = now_ns(), end;
	pid_t pid = vfork(), ended;
	struct rusage used;
	int status;

	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	need(pid, "vfork");
	while ((ended = wait4(-1, &status, 0, &used)) != pid) {
		need(ended, "wait");
		orphans_us += cpu_us(&used);
	}
	end = now_ns();
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	dprintf(out, "%" PRIu64 " %" PRIu64 " %ld %d\n", end - start, cpu_us(&used), used.ru_maxrss, status);
	return status;
}

static void cover(void)
{
	need(unshare(CLONE_NEWNS), "unshare");
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make / private");
	need(mount("/dev/null", controllers, NULL, MS_BIND, NULL), controllers);
}

int main(int argc, char **argv)
{
	struct rusage used;
	int out;

	if (argc > 1 && strcmp(argv[1], "-c") == 0) {
		cover();
		argv++, argc--;
	}
	if (argc < 3) {
		fputs("timer [-c] FD CMD [ARG...] [; CMD [ARG...]]...\n", stderr);
		return 125;
	}
	out = atoi(argv[1]);
	need(fcntl(out, F_SETFD, FD_CLOEXEC), argv[1]);
	need(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "become a reaper");
	for (char **words = argv + 2, **next; words && *words; words = next) {
		next = cut(words);
		if (one(out, words) != 0)
			return 1;
	}
	while (wait4(-1, NULL, WNOHANG, &used) > 0)
		orphans_us += cpu_us(&used);
	dprintf(out, "%" PRIu64 "\n", orphans_us);
	return 0;
}
