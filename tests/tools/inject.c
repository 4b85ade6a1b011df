/*
 * inject: one system call of a command fails, or is the last thing that its process does.
 *
 *	inject [-o FILE] [-t SECONDS] [-w] list COMMAND [ARG...]
 *	inject [-o FILE] [-t SECONDS] [-w] fail PROCESS:CALL ERROR COMMAND [ARG...]
 *	inject [-o FILE] [-t SECONDS] [-w] kill PROCESS:CALL COMMAND [ARG...]
 *
 * The command and all that it forks is traced, until it executes something else than COMMAND and its helpers
 * (the files COMMAND*): a container's process, a hook. A process is numbered by its ancestry, its calls by their
 * order: 0 is the command, 0.2 its second child, 0.2:7 that one's seventh call. So a number means the same call
 * in every run, whichever process comes first. fail: the call is not made, and returns ERROR (ENOSPC).
 * kill: SIGKILL before the call is made. Calls that cannot fail (exit, getpid) are not counted.
 * close is made and returns ERROR: that is how it fails.
 *
 * Ends with the command and its status (128 + N for a signal, 124 after SECONDS, default 30: all that is traced is
 * killed). What was traced then and lives goes on untraced; with -w it is followed to its end. FILE gets a line each:
 *	call PROCESS:CALL NAME		of list
 *	hit PROCESS:CALL NAME		it was made to fail
 *	crash PROCESS SIGNAL		a process is about to die of its own doing
 *	hang PROCESS NAME		where a process was, after SECONDS
 */
#include "tests/tools/inject_call.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 512, NAME = 96, STATUS_TIMEOUT = 124 };
enum mode { LIST, FAIL, KILL };

/* A slot with a pid and no name: a child that stopped before its parent told of it. */
struct process {
	pid_t pid;
	char name[NAME];
	int calls, children;
	bool counting;		/* it executes what we follow */
	bool aimed_at;		/* the target is a call of its */
	bool failing;		/* the call that it is in was replaced */
};

static struct process table[PROCESSES];
static glob_t followed;
static FILE *out;
static enum mode mode;
static char target[NAME + 16];
static int error;
static bool hit;
static volatile sig_atomic_t late;

static void on_alarm(int sig)
{
	(void)sig;
	late = 1;
}

static int error_number(const char *name)
{
	for (int e = 1; e < 200; e++)
		if (strerrorname_np(e) && strcmp(strerrorname_np(e), name) == 0)
			return e;
	errx(2, "no error %s", name);
}

static struct process *find(pid_t pid)
{
	struct process *free_one = NULL;

	for (size_t i = 0; i < PROCESSES; i++) {
		if (table[i].pid == pid)
			return &table[i];
		if (!table[i].pid && !free_one)
			free_one = &table[i];
	}
	if (!free_one)
		errx(2, "more than %d processes", PROCESSES);
	*free_one = (struct process){ .pid = pid };
	return free_one;
}

static bool traced(void)
{
	for (size_t i = 0; i < PROCESSES; i++)
		if (table[i].pid)
			return true;
	return false;
}

static bool is_followed(pid_t pid)
{
	char exe[64], to[PATH_MAX] = "";
	struct stat a, b;

	snprintf(exe, sizeof exe, "/proc/%d/exe", pid);
	if (readlink(exe, to, sizeof to - 1) > 0 && strncmp(to, "/memfd:vzrun", 12) == 0)
		return true;
	if (stat(exe, &a) < 0)
		return false;
	for (size_t i = 0; i < followed.gl_pathc; i++)
		if (stat(followed.gl_pathv[i], &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
			return true;
	return false;
}

static void enter(struct process *p, uint64_t nr)
{
	char number[sizeof target];

	if (!p->counting || !call_can_fail(nr))
		return;
	snprintf(number, sizeof number, "%s:%d", p->name, ++p->calls);
	if (mode == LIST)
		fprintf(out, "call %s %s\n", number, call_name(nr));
	if (hit || strcmp(number, target) != 0)
		return;
	hit = true;
	fprintf(out, "hit %s %s\n", number, call_name(nr));
	if (mode == KILL)
		kill(p->pid, SIGKILL);
	else
		p->failing = nr == SYS_close || call_replace(p->pid) == 0;
}

/* To its next call as long as its calls matter: each stop costs what ten calls do. */
static void resume(struct process *p, int sig)
{
	bool matters = mode == LIST || (p->aimed_at && !hit) || p->failing;

	ptrace(p->counting && matters ? PTRACE_SYSCALL : PTRACE_CONT, p->pid, 0, sig);
}

static void name(struct process *p, const char *parent, int number)
{
	size_t n;

	if (parent)
		snprintf(p->name, sizeof p->name, "%.80s.%d", parent, number);
	else
		strcpy(p->name, "0");
	n = strlen(p->name);
	p->aimed_at = strncmp(target, p->name, n) == 0 && target[n] == ':';
}

static void call_stop(struct process *p)
{
	struct __ptrace_syscall_info info = { 0 };

	if (ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, sizeof info, &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		enter(p, info.entry.nr);
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && p->failing) {
		call_result(p->pid, -error);
		p->failing = false;
	}
}

static void born(struct process *parent)
{
	unsigned long pid = 0;
	struct process *child;

	if (ptrace(PTRACE_GETEVENTMSG, parent->pid, 0, &pid) < 0)
		return;
	child = find((pid_t)pid);
	bool waits = child->calls < 0;
	name(child, parent->name, ++parent->children);
	child->counting = parent->counting;
	child->calls = 0;
	if (waits)
		resume(child, 0);
}

static void crash(struct process *p, int sig)
{
	if (sig == SIGSEGV || sig == SIGABRT || sig == SIGBUS || sig == SIGILL || sig == SIGFPE || sig == SIGSYS)
		fprintf(out, "crash %s SIG%s\n", p->name, sigabbrev_np(sig));
}

static void stopped(struct process *p, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	if (!p->name[0]) {
		p->calls = -1;		/* until its parent has told */
		return;
	}
	switch (event) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		born(p);
		break;
	case PTRACE_EVENT_EXEC:
		p->counting = is_followed(p->pid);
		if (!p->counting && strcmp(p->name, "0") != 0) {
			ptrace(PTRACE_DETACH, p->pid, 0, 0);
			p->pid = 0;
			return;
		}
		break;
	case 0:
		if (sig == (SIGTRAP | 0x80)) {
			call_stop(p);
		} else {
			crash(p, sig);
			resume(p, sig);
			return;
		}
	}
	resume(p, 0);
}

static void tell_hang(void)
{
	for (size_t i = 0; i < PROCESSES; i++) {
		if (!table[i].pid)
			continue;
		fprintf(out, "hang %s %s\n", table[i].name, call_of(table[i].pid));
		kill(table[i].pid, SIGKILL);
	}
}

/* The command's status, or -1 as long as nothing is to be returned. */
static int follow(pid_t command, bool to_the_end)
{
	int status, result = -1;

	while (traced() && (result < 0 || to_the_end)) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == EINTR && late) {
			tell_hang();
			return STATUS_TIMEOUT;
		}
		if (pid < 0)
			continue;
		struct process *p = find(pid);
		if (WIFSTOPPED(status)) {
			stopped(p, status);
			continue;
		}
		p->pid = 0;
		if (pid == command)
			result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
	return result;
}

static pid_t begin(char **argv)
{
	int go[2];
	char c;

	if (pipe2(go, O_CLOEXEC) < 0)
		err(2, "pipe");
	pid_t pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (pid == 0) {
		close(go[1]);
		if (read(go[0], &c, 1) < 0)
			_exit(2);
		execv(argv[0], argv);
		err(127, "%s", argv[0]);
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
		   PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC) < 0)
		err(2, "ptrace");
	name(find(pid), NULL, 0);
	close(go[0]);
	close(go[1]);
	return pid;
}

static void usage(void)
{
	errx(2, "usage: inject [-o FILE] [-t SECONDS] [-w] list | fail PROCESS:CALL ERROR | kill PROCESS:CALL  COMMAND...");
}

int main(int argc, char **argv)
{
	struct sigaction alarmed = { .sa_handler = on_alarm };
	char pattern[PATH_MAX];
	unsigned seconds = 30;
	bool to_the_end = false;
	const char *verb;
	int c;

	out = stderr;
	while ((c = getopt(argc, argv, "+o:t:w")) >= 0)
		switch (c) {
		case 'o':
			out = fopen(optarg, "we");
			if (!out)
				err(2, "%s", optarg);
			break;
		case 't': seconds = (unsigned)atoi(optarg); break;
		case 'w': to_the_end = true; break;
		default: usage();
		}
	argv += optind;
	verb = argv[0] ? *argv++ : "";
	mode = strcmp(verb, "list") == 0 ? LIST : strcmp(verb, "fail") == 0 ? FAIL : KILL;
	if (mode == KILL && strcmp(verb, "kill") != 0)
		usage();
	if (mode != LIST && argv[0])
		snprintf(target, sizeof target, "%s", *argv++);
	if (mode == FAIL && argv[0])
		error = error_number(*argv++);
	if (!argv[0])
		usage();
	snprintf(pattern, sizeof pattern, "%s*", argv[0]);
	if (glob(pattern, 0, NULL, &followed) != 0)
		errx(2, "%s: no such file", argv[0]);

	sigaction(SIGALRM, &alarmed, NULL);
	pid_t command = begin(argv);
	alarm(seconds);
	int status = follow(command, to_the_end);
	fclose(out);
	return status;
}
