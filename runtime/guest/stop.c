#include "runtime/guest/nic.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/guest/events.h"
#include "runtime/guest/idrange.h"
#include "runtime/guest/keeper_wire.h"
#include "runtime/guest/life.h"
#include "runtime/guest/stats.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>

enum { DEFAULT_MS = 60000 };

static const struct { const char *exe; const char *signal; } inits[] = {
	{ "systemd", "RTMIN+3" }, { "busybox", "SIGUSR2" }, { "openrc-init", "SIGTERM" },
	{ "runit-init", "SIGCONT" }, { "s6-svscan", "SIGUSR2" }, { "tini", "SIGTERM" }, { "dumb-init", "SIGTERM" },
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The program, and the name that it was called by: busybox is an init for some of its names only. */
static void who_is(pid_t pid, char *exe, char *called, size_t size)
{
	char path[32], text[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	n = readlink(path, text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	/* Replaced by an upgrade, it is what it was. */
	if (str_ends(text, " (deleted)"))
		text[strlen(text) - strlen(" (deleted)")] = '\0';
	snprintf(exe, size, "%s", base_name(text));
	snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	if (file_peek(AT_FDCWD, path, text, sizeof text) < 0)
		text[0] = '\0';
	snprintf(called, size, "%s", base_name(text));
}

/* sysvinit has no signal for it: its own command is run inside. */
static int shutdown_command(const struct guest_where *at, const char *name)
{
	static const char *args[] = { "/sbin/shutdown", "-h", "now", NULL };
	struct exec_req r = { .root = at->root, .id = name, .args = { args, 3 } };
	auto_container struct container c = CONTAINER_INIT;

	/*
	 * It is our child in the guest's pid namespace, which does not end before the last process in it is
	 * reaped; we wait for the guest, so the kernel must reap, until stop() has seen the guest dead.
	 */
	signal(SIGCHLD, SIG_IGN);
	TRY(container_exec(&r, &c));
	return container_go(&c);
}

/* The signal that was sent; 0: its own command was run. */
static int ask_to_stop(const struct guest_where *at, const char *name, pid_t pid, const char *configured)
{
	char exe[256], called[256];
	const char *signal = configured ? configured : "SIGTERM";
	int sig;

	TRY(fault_point("ask to stop"));
	who_is(pid, exe, called, sizeof exe);
	for (size_t i = 0; i < COUNT(inits); i++)
		if (str_eq(inits[i].exe, exe) && (!str_eq(exe, "busybox") || str_eq(called, "init")))
			signal = inits[i].signal;
	if (str_eq(exe, "init") && !configured && shutdown_command(at, name) >= 0)
		return 0;
	sig = signal_number(signal);
	TRY_IN(sig, "guest \"%s\": config.json: vzrun.stopSignal", name);
	TRY(container_kill(at->root, name, sig, false));
	return sig;
}

/* Whether a signal reaches it: an init is given none that it neither handles nor blocks. */
static bool hears(pid_t pid, int sig)
{
	static const char *const sets[] = { "\nSigBlk:", "\nSigCgt:" };
	auto_free char *text = NULL;
	unsigned long long set = 0;
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	if (file_read(AT_FDCWD, path, &text, NULL) < 0) {
		err_clear();
		return true;
	}
	for (size_t i = 0; i < COUNT(sets); i++) {
		const char *p = strstr(text, sets[i]);

		set |= p ? strtoull(p + strlen(sets[i]), NULL, 16) : 0;
	}
	return set >> (sig - 1) & 1;
}

/* The keeper closes its socket when it has cleared up. */
bool keeper_done(int keeper)
{
	struct keeper_packet p;
	struct pollfd pf = { keeper, POLLIN, 0 };

	while (TEMP_FAILURE_RETRY(poll(&pf, 1, 10000)) > 0)
		if (TEMP_FAILURE_RETRY(recv(keeper, &p, sizeof p, 0)) <= 0)
			return true;
	return false;
}

/* Without a keeper this command clears up; but not what another `start` has begun meanwhile. */
static int clear_up(const struct guest_where *at, const char *name, const char *how, int netns)
{
	struct net_port ports[NET_PORTS_MAX];
	size_t n;

	auto_close int dir = -1;
	int idle = guest_take_idle(at, name, &dir), swept;

	if (idle <= 0)
		return idle;
	if (netns >= 0 && !keeper_lives(at, name)) {
		if (nic_ports(at, name, dir, NULL, ports, &n) >= 0) {
			(void)traffic_keep(dir, ports, n, netns, false);
			links_drop(ports, n, netns);
		}
		(void)links_end(dir, netns);
		err_clear();
	}
	swept = guest_sweep(at, name, dir);
	TRY(swept);
	if (swept > 0)
		(void)event_add(dir, &(struct guest_event){ .event = "ended", .detail = how });
	/* What is left of them the next claim takes. */
	if (idrange_sweep() < 0)
		err_clear();
	return 0;
}

struct stopping {
	const struct guest_where *at;
	const char *name;
	int init, keeper, dir;	/* dir: the guest's; -1: it is gone */
	pid_t pid;
	bool lent;		/* it has links that are not of its networks */
};

/*
 * The init's pidfd; a guest that is just being started or rebooted is waited for. -ENODATA: it runs, and somebody took
 * its container's record away.
 */
static int find_running(struct stopping *s)
{
	auto_close int dir = guest_dir(s->at, s->name);
	bool lost = false;

	TRY(dir);
	for (int tries = 0; tries < 10; tries++) {
		enum guest_status st = guest_status(s->at, s->name, &s->pid);

		if (st == GUEST_UNKNOWN)
			return -EIO;
		err_clear();
		if (st == GUEST_RUNNING || st == GUEST_PAUSED)
			s->init = guest_init(s->at, s->name, &s->pid);
		if (s->init >= 0)
			return 0;
		lost = st == GUEST_STARTING;
		if (st == GUEST_STOPPED)
			break;
		/* Whoever boots it holds the lock until its init runs. */
		if (TEMP_FAILURE_RETRY(flock(dir, LOCK_EX)) < 0 || flock(dir, LOCK_UN) < 0)
			return fail_errno("wait for guest %s", s->name);
	}
	if (lost && keeper_lives(s->at, s->name)) {
		fail_as(ERR_STATE, "guest \"%s\" runs, and the record of its container is gone", s->name);
		err_try("vzrun stop --kill %s", s->name);
		return -ENODATA;
	}
	fail_as(ERR_STATE, "guest \"%s\" is not running", s->name);
	err_try("vzrun why %s   |   vzrun start %s", s->name, s->name);
	return -EBUSY;
}

/* It ended by itself, or somebody else was faster: that is what we want, too. */
static int unless_ended(int r)
{
	if (r >= 0 || (err_class() != ERR_STATE && err_class() != ERR_NOT_FOUND && r != -ENODATA))
		return r;
	err_clear();
	return 0;
}

static int kill_it(struct stopping *s)
{
	TRY(fault_point("kill"));
	TRY(unless_ended(container_kill(s->at->root, s->name, SIGKILL, false)));
	int dead = sys_pidfd_wait(s->init, 30000);
	if (dead < 0)
		return fail_errno("wait for the end of guest %s", s->name);
	if (dead == 1)
		return 0;
	return fail_as(ERR_TIMEOUT, "guest \"%s\" does not die: a process hangs in the kernel", s->name);
}

static void nap(int ms)
{
	(void)nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

/* Of what could not be done for lack of something nothing follows for the guest. */
static bool is_shortage(int r)
{
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -EAGAIN;
}

/* One that has just begun, and does not hear yet, is asked again; so is one that could not be asked or waited for. */
static bool ends_when_asked(struct stopping *s, uint64_t ms, const char *signal)
{
	int left = ms > INT_MAX ? INT_MAX : (int)ms, step = 20;

	while (left > 0) {
		int most = left, sig = ask_to_stop(s->at, s->name, s->pid, signal), dead = -1;

		if (sig < 0 && !is_shortage(sig))
			return false;
		if (step < left && (sig < 0 || (sig > 0 && !hears(s->pid, sig))))
			most = step;
		if (sig >= 0)
			dead = sys_pidfd_wait(s->init, most);
		if (dead == 1)
			return true;
		if (dead < 0)
			nap(most = step < left ? step : left);
		left -= most;
		step = step < 1000 ? 2 * step : step;
	}
	return false;
}

/* Helpers of the clearing up are waited for, and so is the next boot's init, by a keeper that has this of us. */
static void reap_again(void)
{
	signal(SIGCHLD, SIG_DFL);
}

static int stop(struct stopping *s, uint64_t ms, const char *signal, bool *killed)
{
	const struct keeper_packet late = { .msg = KEEPER_STOPPING, .code = 1 };
	pid_t pid;
	int r = 0;

	if (guest_status(s->at, s->name, &pid) == GUEST_PAUSED)
		TRY(unless_ended(container_pause(s->at->root, s->name, false)));
	s->keeper = keeper_connect(s->at, s->name, KEEPER_STOPPING, 0);
	/* The keeper holds the network namespace; with lent links it is held here too: a keeper that answers may be dying. */
	auto_close int netns = s->keeper < 0 || s->lent ? guest_netns(s->at, s->name) : -1;
	*killed = !ends_when_asked(s, ms, signal);
	err_clear();
	/* What its keeper will say of it. */
	if (*killed && ms > 0 && s->keeper >= 0)
		(void)send(s->keeper, &late, sizeof late, MSG_NOSIGNAL);
	if (*killed)
		r = kill_it(s);
	reap_again();
	TRY(r);
	TRY(fault_point("wait for the keeper"));
	/* A keeper that could not be reached may be clearing up; `pid` excludes one that boots the guest anew. */
	if (s->keeper < 0 && (s->keeper = keeper_connect(s->at, s->name, KEEPER_STOPPING, s->pid)) < 0)
		err_clear();
	/* A keeper that was killed meanwhile left its socket, and everything else that it should clear up. */
	if (s->keeper >= 0 && keeper_done(s->keeper) &&
	    faccessat(s->dir, "keeper.sock", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return clear_up(s->at, s->name, *killed ? "killed by the host; it had no keeper"
						: "stopped by the host; it had no keeper", netns);
}

/* Its keeper alone knows its init. */
static int kill_lost(struct stopping *s)
{
	struct keeper_packet p = { .msg = KEEPER_KILL };

	s->keeper = keeper_connect(s->at, s->name, KEEPER_STOPPING, 0);
	if (s->keeper < 0 || send(s->keeper, &p, sizeof p, MSG_NOSIGNAL) < 0 || !keeper_done(s->keeper))
		return fail_as(ERR_TIMEOUT, "guest \"%s\" does not die: its keeper does not answer", s->name);
	err_clear();
	return 0;
}

int guest_stop(const struct guest_where *at, const char *name, const uint64_t *timeout_ms, bool *killed)
{
	struct stopping s = { .at = at, .name = name, .init = -1, .keeper = -1, .dir = -1 };
	auto_guest struct guest g = { .dir_fd = -1 };
	auto_close int dir = -1;
	uint64_t ms = DEFAULT_MS;
	int r;

	*killed = false;
	TRY(fault_point("find the guest"));
	r = find_running(&s);
	if (r == -ENODATA && timeout_ms && *timeout_ms == 0) {
		*killed = true;
		r = kill_lost(&s);
		drop_fd(&s.keeper);
		return r;
	}
	TRY(r);
	/* Whatever its file says: a guest whose configuration is broken is stopped, too. */
	if ((dir = guest_dir(at, name)) < 0 || guest_open(at, name, false, &g) < 0)
		err_clear();
	s.dir = dir;
	s.lent = dir >= 0 && links_any(dir);
	if (timeout_ms)
		ms = *timeout_ms;
	else if (g.conf.stop_timeout.set)
		ms = g.conf.stop_timeout.v > INT_MAX / 1000 ? INT_MAX : g.conf.stop_timeout.v * 1000;
	r = stop(&s, ms, g.conf.stop_signal, killed);
	drop_fd(&s.init);
	drop_fd(&s.keeper);
	return r;
}
