#include "runtime/guest/keeper.h"
#include "base/dgram.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Away from the terminal, the session and the signals of whoever started us. */
static int detach(void)
{
	sigset_t all;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || setsid() < 0)
		return fail_errno("detach the keeper");
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null, fd) < 0)
			return fail_errno("detach the keeper");
	if (null > 2)
		close(null);
	log_quiet();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_NAME, "vzrun-keeper");
	return chdir("/") < 0 ? fail_errno("chdir /") : 0;
}

static int sockets(struct keeper *k)
{
	int dir = k->g->dir_fd;

	(void)unlinkat(dir, "keeper.sock", 0);
	(void)unlinkat(dir, "notify", 0);
	TRY(k->listener = dgram_listen(dir, "keeper.sock", SOCK_SEQPACKET));
	TRY(k->notify = dgram_listen(dir, "notify", SOCK_DGRAM));
	/* Written by the guest's init, which is nobody on the host; the directory keeps others out. */
	if (fchmodat(dir, "notify", 0666, 0) < 0)
		return fail_errno("open the notify socket for the guest");
	return 0;
}

static void on_notify(struct keeper *k)
{
	char text[1024];
	ssize_t n = recv(k->notify, text, sizeof text - 1, MSG_DONTWAIT);

	if (n <= 0 || k->ready)
		return;
	text[n] = '\0';
	if (!str_starts(text, "READY=1") && !strstr(text, "\nREADY=1"))
		return;
	k->ready = true;
	keeper_tell(k, KEEPER_READY, 0, "");
	(void)event_add(k->g->dir_fd, &(struct guest_event){ .event = "ready" });
}

static void turn(struct keeper *k)
{
	struct pollfd p[6 + CLIENTS_MAX] = {
		{ k->pidfd, POLLIN, 0 }, { k->tty, POLLIN, 0 }, { k->listener, POLLIN, 0 },
		{ k->notify, POLLIN, 0 }, { k->oom, POLLIN | POLLPRI, 0 }, { k->oom_pending ? k->kmsg : -1, POLLIN, 0 },
	};

	for (size_t i = 0; i < CLIENTS_MAX; i++)
		p[6 + i] = (struct pollfd){ k->client[i].fd, POLLIN, 0 };
	if (poll(p, COUNT(p), -1) < 0)
		return;
	if (p[1].revents)
		keeper_console(k);
	if (p[3].revents)
		on_notify(k);
	if (p[4].revents || p[5].revents)
		oom_look(k);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (p[6 + i].revents)
			keeper_client(k, i);
	if (p[2].revents)
		keeper_accept(k);
}

enum ending { END_STOP, END_REBOOT };

/* A pid namespace's reboot(2) kills its init: SIGHUP for a restart, SIGINT for power-off and halt. */
static enum ending judge(struct keeper *k, int status)
{
	struct guest_event e = { .event = "ended", .pid = { k->pid, true } };
	char text[256];

	oom_look(k);
	if (WIFEXITED(status)) {
		e.code = (struct opt_i64){ WEXITSTATUS(status), true };
		snprintf(text, sizeof text, "its init exited with status %d", WEXITSTATUS(status));
	} else {
		e.signal = (struct opt_i64){ WTERMSIG(status), true };
		if (WTERMSIG(status) == SIGHUP)
			snprintf(text, sizeof text, "rebooted from inside");
		else if (WTERMSIG(status) == SIGINT)
			snprintf(text, sizeof text, k->stopping ? "stopped by the host, powered off cleanly"
								: "powered off from inside");
		else if (WTERMSIG(status) == SIGKILL && k->victim_pid == k->pid)
			snprintf(text, sizeof text, "out of memory: the kernel killed its init (%s)", k->victim);
		else if (WTERMSIG(status) == SIGKILL)
			snprintf(text, sizeof text, k->stopping ? "killed by the host: it did not stop in time"
								: "killed from the host by SIGKILL");
		else
			snprintf(text, sizeof text, "its init died of signal %d (SIG%s)", WTERMSIG(status),
				 sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
	}
	e.detail = text;
	(void)event_add(k->g->dir_fd, &e);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP && !k->stopping ? END_REBOOT : END_STOP;
}

static enum ending watch(struct keeper *k)
{
	int status = 0;

	while (waitpid(k->pid, &status, WNOHANG) != k->pid)
		turn(k);
	for (int i = 0; k->tty >= 0 && i < 64; i++)
		keeper_console(k);
	return judge(k, status);
}

static int one_boot(struct keeper *k, enum ending *end)
{
	int r = keeper_boot(k);

	/* Started or not: the guest is no longer being worked on. */
	(void)flock(k->g->dir_fd, LOCK_UN);
	if (r >= 0) {
		(void)malloc_trim(0);
		*end = watch(k);
	}
	struct err_saved s;
	err_save(&s);
	keeper_unboot(k);
	if (container_delete(k->g->at.root, k->g->name, true) < 0)
		(void)event_add(k->g->dir_fd, &(struct guest_event){ .event = "cleanup-failed", .detail = err_text() });
	err_restore(&s);
	return r;
}

/* The file may have been edited while the guest ran: an edit counts from the next start, and this is one. */
static int reload(struct keeper *k)
{
	struct guest fresh;

	TRY(guest_open(&k->g->at, k->g->name, false, &fresh));
	guest_close(k->g);
	*k->g = fresh;
	return 0;
}

static int keep(struct keeper *k)
{
	enum ending end = END_STOP;

	TRY(detach());
	TRY(sockets(k));
	for (;;) {
		TRY(one_boot(k, &end));
		if (end == END_STOP)
			return 0;
		k->ready = false;
		TRY(reload(k));
	}
}

_Noreturn void keeper_main(struct guest *g, int report)
{
	static struct keeper k;
	int r;

	k = (struct keeper){ .g = g, .report = report, .listener = -1, .notify = -1, .pidfd = -1, .tty = -1, .tty_slave = -1, .oom = -1,
			     .kmsg = -1, .log = -1 };
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		k.client[i].fd = -1;
	r = keep(&k);
	if (r < 0)
		(void)event_add(g->dir_fd, &(struct guest_event){ .event = "failed", .detail = err_text() });
	keeper_tell(&k, r < 0 ? KEEPER_FAILED : KEEPER_ENDED, r, r < 0 ? err_text() : "");
	(void)unlinkat(g->dir_fd, "keeper.sock", 0);
	(void)unlinkat(g->dir_fd, "notify", 0);
	_exit(r < 0);
}
