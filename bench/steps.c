/*
 * What a command runs of its executable: every process of it is stepped, one instruction after another, until it
 * executes another program.
 *
 *	steps LOW HIGH CMD [ARG...]
 *
 * A line for each address in [LOW, HIGH) (hexadecimal) that was run: the address and how many times. It ends with the
 * command; processes that the command left are killed.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const program = "steps";
static unsigned long low, high;
static unsigned *times;

static void need(long r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s: %s: %s\n", program, what, strerror(errno));
	exit(125);
}

static pid_t begin(char **words)
{
	const long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			     PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	pid_t pid = fork();

	need(pid, "fork");
	if (pid == 0) {
		need(ptrace(PTRACE_TRACEME, 0, 0, 0), "ptrace");
		raise(SIGSTOP);
		execv(words[0], words);
		need(-1, words[0]);
	}
	need(waitpid(pid, NULL, 0), "waitpid");
	need(ptrace(PTRACE_SETOPTIONS, pid, 0, options), "ptrace");
	need(ptrace(PTRACE_CONT, pid, 0, 0), "ptrace");
	return pid;
}

static void count(pid_t pid)
{
	struct user_regs_struct regs;
	struct iovec all = { &regs, sizeof(regs) };
	unsigned long at;

	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &all) < 0)
		return;
#ifdef __aarch64__
	at = regs.pc;
#else
	at = regs.rip;
#endif
	if (at >= low && at < high)
		times[at - low]++;
}

/* Goes on with a process that stopped. The first execve(2) is the command's own start. */
static void go_on(pid_t pid, int status)
{
	static int begun;
	int event = status >> 16, signal = WSTOPSIG(status);

	if (event == PTRACE_EVENT_EXEC && begun++) {
		ptrace(PTRACE_DETACH, pid, 0, 0);
		return;
	}
	if (event || signal == SIGSTOP) {
		signal = 0;
	} else if (signal == SIGTRAP) {
		count(pid);
		signal = 0;
	}
	ptrace(PTRACE_SINGLESTEP, pid, 0, signal);
}

int main(int argc, char **argv)
{
	pid_t first, pid;
	int status;

	if (argc < 4) {
		fprintf(stderr, "usage: %s LOW HIGH CMD [ARG...]\n", program);
		return 125;
	}
	low = strtoul(argv[1], NULL, 16);
	high = strtoul(argv[2], NULL, 16);
	if (high <= low || !(times = calloc(high - low, sizeof(*times)))) {
		fprintf(stderr, "%s: no addresses from %s to %s\n", program, argv[1], argv[2]);
		return 125;
	}
	first = begin(argv + 3);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFSTOPPED(status))
			go_on(pid, status);
		else if (pid == first)
			break;
	}
	for (unsigned long at = low; at < high; at++)
		if (times[at - low])
			printf("%lx %u\n", at, times[at - low]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
