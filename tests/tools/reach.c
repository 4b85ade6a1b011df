/*
 * reach: what one process can do to another and to its IPC objects, in one static program, for tests/bats/47-selinux.
 *
 *	victim NAME		leaves a process that listens on the abstract socket NAME and has shared memory of key
 *				0x7674; prints its pid when all is there
 *	try PID NAME		each way to it in turn, the names of those that worked
 */
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEY = 0x7674 };

static pid_t victim;
static const char *name;
static char secret[] = "secret";

static int abstract(int (*what)(int, const struct sockaddr *, socklen_t), int s)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strnlen(name, sizeof a.sun_path - 1);

	memcpy(a.sun_path + 1, name, n);
	return what(s, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n));
}

static int of_proc(const char *file)
{
	char path[64], byte;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)victim, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* An empty answer is none. */
	return fd < 0 || (strcmp(file, "root") != 0 && read(fd, &byte, 1) != 1) ? -1 : 0;
}

static int see_environ(void) { return of_proc("environ"); }
static int see_maps(void) { return of_proc("maps"); }
static int see_root(void) { return of_proc("root"); }

static int trace(void)
{
	if (ptrace(PTRACE_ATTACH, victim, NULL, NULL) < 0)
		return -1;
	(void)waitpid(victim, NULL, __WALL);
	return (int)ptrace(PTRACE_DETACH, victim, NULL, NULL);
}

static int memory(void)
{
	char got[sizeof secret];
	struct iovec here = { got, sizeof got }, there = { secret, sizeof got };

	return process_vm_readv(victim, &here, 1, &there, 1, 0) < 0 ? -1 : 0;
}

static int share(void)
{
	int id = shmget(KEY, 0, 0);

	return id < 0 || shmat(id, NULL, SHM_RDONLY) == (void *)-1 ? -1 : 0;
}

static int stream(void) { return abstract(connect, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
/* Last: it ends the other one. */
static int send_signal(void) { return kill(victim, SIGTERM); }

static const struct { const char *name; int (*run)(void); } ways[] = {
	{ "environ", see_environ }, { "maps", see_maps }, { "root", see_root }, { "ptrace", trace },
	{ "memory", memory }, { "shm", share }, { "abstract", stream }, { "signal", send_signal },
};

static int be_victim(void)
{
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	if (shmget(KEY, 4096, IPC_CREAT | 0600) < 0 || abstract(bind, s) < 0 || listen(s, 8) < 0)
		return perror("victim"), 1;
	pid = fork();
	if (pid == 0) {
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		for (;;)
			pause();
	}
	return pid < 0 || printf("%d\n", (int)pid) < 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";

	name = argc > 2 ? argv[argc - 1] : "";
	if (strcmp(verb, "victim") == 0 && argc == 3)
		return be_victim();
	if (strcmp(verb, "try") != 0 || argc != 4)
		return fputs("reach: wrong words\n", stderr), 2;
	victim = (pid_t)atoi(argv[2]);
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		if (ways[i].run() == 0)
			puts(ways[i].name);
	return 0;
}
