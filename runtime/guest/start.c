#include "runtime/guest/checkpoint.h"
#include "base/clock.h"
#include "base/dgram.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/guest/idrange.h"
#include "runtime/guest/keeper_wire.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The next message of the keeper; 0 when the time is up, -ECHILD when it is gone. */
static int hear(int fd, struct keeper_packet *p, uint64_t end)
{
	uint64_t now = clock_ms();
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

/* See say() of the keeper: three texts. */
static int report_failure(const struct keeper_packet *p)
{
	const char *why = p->text + strlen(p->text) + 1, *end = p->text + sizeof p->text - 1;
	const char *try = why < end ? why + strlen(why) + 1 : end;
	int r = fail(p->code < 0 ? -p->code : EIO, "%s", p->text);

	if (why < end && *why)
		err_why("%s", why);
	if (try < end && *try)
		err_try("%s", try);
	return p->class > ERR_OTHER && p->class <= ERR_PARTIAL ? fail_class(r, (enum err_class)p->class) : r;
}

/*
 * The keeper closes the connection after its last message. Where that was lost, a new connection gets it again. 0: the
 * keeper died, and the pending error says so.
 */
static int ask_again(const struct guest_where *at, const char *name, int *fd)
{
	struct err_saved s;

	err_save(&s);
	int other = keeper_connect(at, name, KEEPER_WATCH, 0);
	if (other == -EBUSY) {
		err_restore(&s);
		return 0;
	}
	TRY_IN(other, "guest \"%s\" may have started", name);
	close(*fd);
	*fd = other;
	err_clear();
	return 1;
}

static int wait_for_start(const struct guest_where *at, const char *name, int *fd, bool wait, uint64_t end,
			  struct guest_started *out)
{
	struct keeper_packet p;
	bool asked = false;

	for (;;) {
		int m = hear(*fd, &p, end);

		if (m == -ECHILD && !asked) {
			int again = ask_again(at, name, fd);

			TRY(again);
			asked = true;
			if (again)
				continue;
		}
		if (m == 0) {
			fail_as(ERR_TIMEOUT, "guest \"%s\" runs, but did not report that it is up in time", name);
			err_try("vzrun logs %s", name);
			return -ETIMEDOUT;
		}
		TRY_IN(m, "guest \"%s\" not started", name);
		if (m == KEEPER_WARNED)
			log_warn("%s", p.text);
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

static int running(const char *name, const char *what)
{
	fail_as(ERR_STATE, "guest \"%s\" is already %s", name, what);
	return -EBUSY;
}

/* The former keeper is clearing up, or is about to boot once more. 0: it is gone. */
static int outlive_keeper(const struct guest_where *at, const char *name)
{
	struct keeper_packet p;
	auto_close int fd = keeper_connect(at, name, KEEPER_WATCH, 0);
	int m;

	if (fd < 0 && fd != -EBUSY)
		return fd;
	if (fd < 0) {
		err_clear();
		return 0;
	}
	do
		m = hear(fd, &p, clock_ms() + 10000);
	while (m == KEEPER_ENDED || m == KEEPER_FAILED);
	if (m == -ECHILD) {
		err_clear();
		return 0;
	}
	return m < 0 ? m : running(name, "starting");
}

/* Locked, and nothing of an earlier life is left of it. */
static int open_stopped(const struct guest_where *at, const char *name, struct guest *g)
{
	pid_t pid;

	for (int tries = 0; tries < 3; tries++) {
		int r = guest_open(at, name, true, g), swept;

		if (r < 0)
			return r;
		auto_close int init = guest_init(at, name, &pid);
		if (init >= 0 && sys_pidfd_wait(init, 0) == 0) {
			guest_close(g);
			return running(name, "running");
		}
		err_clear();
		if (!keeper_lives(at, name)) {
			swept = guest_sweep(at, name, g->dir_fd);
			if (swept < 0)
				guest_close(g);
			return swept < 0 ? swept : 0;
		}
		guest_close(g);
		TRY(outlive_keeper(at, name));
	}
	return running(name, "being started or stopped");
}

static pid_t fork_keeper(struct guest *g, int *report, const struct checkpoint_opts *restore)
{
	int sv[2];
	pid_t pid;

	TRY(fault_point("keeper"));
	TRY(dgram_pair(sv));
	pid = sys_clone(0, SIGCHLD, -1, NULL);
	if (pid == 0) {
		close(sv[0]);
		keeper_main(g, sv[1], restore);
	}
	close(sv[1]);
	*report = sv[0];
	return pid < 0 ? fail_errno("start the keeper") : pid;
}

/* Whose processes are in a checkpoint does not boot beside them. */
static int check_suspended(const struct guest *g, bool wanted)
{
	int is = guest_look_suspended(g->dir_fd);

	TRY(is);
	if (is == wanted)
		return 0;
	if (is) {
		fail_as(ERR_STATE, "guest \"%s\" is suspended: its processes are in a checkpoint", g->name);
		err_try("vzrun restore %s   |   vzrun checkpoint --discard %s", g->name, g->name);
	} else {
		fail_as(ERR_STATE, "guest \"%s\" has no checkpoint", g->name);
		err_try("vzrun start %s", g->name);
	}
	return -EBUSY;
}

static int start(const struct guest_where *at, const char *name, bool wait, uint64_t timeout_ms,
		 const struct checkpoint_opts *restore, struct guest_started *out)
{
	auto_guest struct guest g = { .dir_fd = -1 };
	auto_close int report = -1;
	uint64_t begin = clock_ms();
	pid_t keeper;
	int r;

	*out = (struct guest_started){ 0 };
	TRY(open_stopped(at, name, &g));
	TRY(check_suspended(&g, restore != NULL));
	keeper = fork_keeper(&g, &report, restore);
	TRY_IN(keeper, "guest \"%s\" not started", name);
	r = wait_for_start(at, name, &report, wait, timeout_ms ? begin + timeout_ms : 0, out);
	/* A keeper that failed clears up before it exits; one that was killed has not. */
	if (r < 0 && r != -ETIMEDOUT) {
		struct err_saved s;

		err_save(&s);
		if (keeper_lives(at, name)) {
			err_restore(&s);
			return r;
		}
		(void)TEMP_FAILURE_RETRY(waitpid(keeper, NULL, 0));
		(void)flock(g.dir_fd, LOCK_EX);
		(void)guest_sweep(at, name, g.dir_fd);
		(void)idrange_sweep();
		err_restore(&s);
	}
	if (r >= 0 && !out->pid)
		(void)guest_status(at, name, &out->pid);
	out->ms = clock_ms() - begin;
	return r;
}

int guest_start(const struct guest_where *at, const char *name, bool wait, uint64_t timeout_ms,
		struct guest_started *out)
{
	return start(at, name, wait, timeout_ms, NULL, out);
}

int guest_restore(const struct guest_where *at, const char *name, const struct checkpoint_opts *o,
		  struct guest_started *out)
{
	auto_free char *criu = strdup(o->criu ? o->criu : "criu");
	struct checkpoint_opts with = *o;

	/* The words of the command line are where the keeper writes its title. */
	if (!criu)
		return fail(ENOMEM, "out of memory");
	with.criu = criu;
	return start(at, name, true, 0, &with, out);
}

bool keeper_lives(const struct guest_where *at, const char *name)
{
	auto_close int dir = guest_dir(at, name);
	auto_close int fd = dir < 0 ? dir : -ENOENT;

	if (dir >= 0 && (faccessat(dir, "keeper.sock", F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT))
		fd = dgram_connect(dir, "keeper.sock", SOCK_SEQPACKET);
	err_clear();
	return fd != -ENOENT && fd != -ECONNREFUSED;
}

int keeper_connect(const struct guest_where *at, const char *name, enum keeper_msg hello, pid_t init)
{
	struct keeper_packet p = { .msg = hello, .pid = init };
	auto_close int dir = guest_dir(at, name);

	TRY(dir);
	auto_close int fd = dgram_connect(dir, "keeper.sock", SOCK_SEQPACKET);
	if (fd < 0 && fd != -ENOENT && fd != -ECONNREFUSED)
		return fail_in(fd, "keeper of guest \"%s\"", name);
	if (fd < 0) {
		pid_t pid;
		bool down = guest_status(at, name, &pid) == GUEST_STOPPED;

		fail_as(ERR_STATE, down ? "guest \"%s\" is not running" : "guest \"%s\" has lost its keeper", name);
		err_try(down ? "vzrun why %s   |   vzrun start %s" : "vzrun why %s   |   vzrun restart %s", name, name);
		return -EBUSY;
	}
	int r = dgram_send(fd, &p, offsetof(struct keeper_packet, text), NULL, 0);
	if (r == -EPIPE || r == -ECONNRESET)
		return fail_class(fail(EBUSY, "the keeper of guest \"%s\" has just ended", name), ERR_STATE);
	TRY(r);
	return take_fd(&fd);
}
