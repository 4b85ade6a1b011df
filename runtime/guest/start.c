#include "runtime/guest/guest.h"
#include "base/dgram.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The next message of the keeper; 0 when the time is up, -ECHILD when it is gone. */
static int hear(int fd, struct keeper_packet *p, uint64_t end)
{
	uint64_t now = now_ms();
	struct pollfd pf = { fd, POLLIN, 0 };
	int left = !end ? -1 : end <= now ? 0 : end - now > INT_MAX ? INT_MAX : (int)(end - now);
	ssize_t n;

	if (TEMP_FAILURE_RETRY(poll(&pf, 1, left)) == 0)
		return 0;
	memset(p, 0, sizeof *p);
	n = TEMP_FAILURE_RETRY(recv(fd, p, sizeof *p, 0));
	if (n < (ssize_t)offsetof(struct keeper_packet, text))
		return fail(ECHILD, "the keeper died");
	p->text[sizeof p->text - 1] = '\0';
	return (int)p->msg;
}

static int report_failure(const struct keeper_packet *p)
{
	int r = fail(p->code < 0 ? -p->code : EIO, "%s", p->text);

	return p->class > ERR_OTHER && p->class <= ERR_PARTIAL ? fail_class(r, (enum err_class)p->class) : r;
}

static int wait_for_start(int fd, const char *name, bool wait, uint64_t end, struct guest_started *out)
{
	struct keeper_packet p;

	for (;;) {
		int m = hear(fd, &p, end);

		if (m == 0) {
			fail_as(ERR_TIMEOUT, "guest \"%s\" runs, but did not report that it is up in time", name);
			err_try("vzrun logs %s", name);
			return -ETIMEDOUT;
		}
		TRY_IN(m, "guest \"%s\" not started", name);
		if (m == KEEPER_FAILED)
			return fail_in(report_failure(&p), "guest \"%s\" not started", name);
		if (m == KEEPER_ENDED)
			return fail_as(ERR_STATE, "guest \"%s\" ended while it was starting (vzrun why %s)", name, name);
		if (m == KEEPER_STARTED)
			out->pid = p.code;
		out->ready |= m == KEEPER_READY;
		if (out->ready || (m == KEEPER_STARTED && !wait))
			return 0;
	}
}

/* What a killed keeper or a crash left under our name is no guest: it is cleared first. */
static int clear_remains(const struct guest *g)
{
	struct container_info i;
	int r = container_info(g->at.root, g->name, &i);
	enum status s = r < 0 ? ST_CREATING : i.status;

	if (r == -ENOENT || err_class() == ERR_NOT_FOUND) {
		err_clear();
		return 0;
	}
	if (r >= 0)
		container_info_free(&i);
	if (r >= 0 && s != ST_STOPPED)
		return fail_as(ERR_STATE, "guest \"%s\" is already %s", g->name, status_name(s));
	return container_delete(g->at.root, g->name, true);
}

int guest_start(const struct guest_where *at, const char *name, bool wait, uint64_t timeout_ms,
		struct guest_started *out)
{
	auto_guest struct guest g;
	uint64_t begin = now_ms();
	int sv[2], r;
	pid_t pid;

	*out = (struct guest_started){ 0 };
	TRY(guest_open(at, name, true, &g));
	TRY(clear_remains(&g));
	TRY(dgram_pair(sv));
	pid = sys_clone(0, SIGCHLD, -1, NULL);
	if (pid == 0) {
		close(sv[0]);
		keeper_main(&g, sv[1]);
	}
	close(sv[1]);
	auto_close int mine = sv[0];
	if (pid < 0)
		return fail_errno("start the keeper");
	r = wait_for_start(mine, name, wait, timeout_ms ? begin + timeout_ms : 0, out);
	out->ms = now_ms() - begin;
	return r;
}

int keeper_connect(const struct guest_where *at, const char *name, enum keeper_msg hello)
{
	struct keeper_packet p = { .msg = hello };
	auto_close int dir = guest_dir(at, name);

	TRY(dir);
	auto_close int fd = dgram_connect(dir, "keeper.sock", SOCK_SEQPACKET);
	TRY_IN(fd, "guest \"%s\" has no keeper", name);
	TRY(dgram_send(fd, &p, offsetof(struct keeper_packet, text), NULL, 0));
	return take_fd(&fd);
}

static const struct { const char *exe; const char *signal; } inits[] = {
	{ "systemd", "RTMIN+3" }, { "busybox", "SIGUSR2" }, { "openrc-init", "SIGTERM" }, { "runit-init", "SIGCONT" },
	{ "s6-svscan", "SIGUSR2" }, { "tini", "SIGTERM" }, { "dumb-init", "SIGTERM" },
};

static void exe_of(pid_t pid, char *out, size_t size)
{
	char path[32], exe[PATH_MAX], *slash;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof exe - 1);
	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	snprintf(out, size, "%s", slash ? slash + 1 : exe);
}

/* sysvinit has no signal for it: its own command is run inside. */
static int shutdown_command(const struct guest_where *at, const char *name)
{
	static const char *args[] = { "/sbin/shutdown", "-h", "now", NULL };
	struct exec_req r = { .root = at->root, .id = name, .args = { args, 3 } };
	auto_container struct container c = CONTAINER_INIT;

	TRY(container_exec(&r, &c));
	return container_go(&c);
}

static int ask_to_stop(const struct guest_where *at, const char *name, pid_t pid, const char *configured)
{
	char exe[256];
	const char *signal = configured ? configured : "SIGTERM";
	int sig;

	exe_of(pid, exe, sizeof exe);
	for (size_t i = 0; i < COUNT(inits); i++)
		if (str_eq(inits[i].exe, exe))
			signal = inits[i].signal;
	if (str_eq(exe, "init") && !configured && shutdown_command(at, name) >= 0)
		return 0;
	sig = signal_number(signal);
	TRY(sig);
	return container_kill(at->root, name, sig, false);
}

static int wait_for_end(int keeper, int pidfd, uint64_t ms)
{
	uint64_t end = now_ms() + ms;
	struct keeper_packet p;

	if (keeper < 0)
		return sys_pidfd_wait(pidfd, ms > INT_MAX ? INT_MAX : (int)ms);
	for (;;) {
		int m = hear(keeper, &p, end);

		if (m == 0)
			return 0;
		if (m == -ECHILD || m == KEEPER_ENDED || m == KEEPER_FAILED) {
			/* Its last word comes before it is gone; the socket's end comes after. */
			while (m > 0 && (m = hear(keeper, &p, now_ms() + 10000)) > 0)
				;
			err_clear();
			return 1;
		}
	}
}

int guest_stop(const struct guest_where *at, const char *name, uint64_t timeout_ms, bool *killed)
{
	auto_guest struct guest g;
	pid_t pid;
	int r;

	*killed = false;
	TRY(guest_open(at, name, false, &g));
	if (guest_status(at, name, &pid) == GUEST_STOPPED)
		return fail_as(ERR_STATE, "guest \"%s\" is not running", name);
	if (guest_status(at, name, &pid) == GUEST_PAUSED)
		TRY(container_pause(at->root, name, false));
	auto_close int keeper = keeper_connect(at, name, KEEPER_STOPPING);
	err_clear();
	auto_close int pidfd = sys_pidfd_of(pid, sys_start_time(pid));
	r = 0;
	if (timeout_ms > 0 && ask_to_stop(at, name, pid, g.conf.stop_signal) >= 0)
		r = wait_for_end(keeper, pidfd, timeout_ms);
	if (r == 0) {
		*killed = true;
		if (container_kill(at->root, name, SIGKILL, false) < 0 && err_class() != ERR_STATE &&
		    err_class() != ERR_NOT_FOUND)
			return -EIO;
		err_clear();
		r = wait_for_end(keeper, pidfd, 30000);
	}
	if (r == 0)
		return fail_as(ERR_TIMEOUT, "guest \"%s\" does not die: a process hangs in the kernel", name);
	/* Without a keeper nobody else clears up. */
	return container_delete(at->root, name, true);
}
