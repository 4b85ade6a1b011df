#include "base/proc.h"
#include "base/clock.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { KEEP_MAX = 8 << 20, DRAIN_MAX = 64 };	/* 64: more reads than a full pipe has */

struct run {
	const struct proc_req *req;
	pid_t pid;
	int pidfd, in, out, err;	/* our ends */
	int signals;			/* those that are held back; -1: not looked at */
	size_t fed;
};

static sigset_t held;

/* errno is what the parent reads as the reason. */
static _Noreturn void give_up(int report)
{
	int code = errno;

	if (write(report, &code, sizeof code) < 0)
		_exit(126);
	_exit(127);
}

static void put_at(int fd, int at, int report)
{
	if (fd == at ? fcntl(fd, F_SETFD, 0) < 0 : dup2(fd, at) < 0)
		give_up(report);
}

static _Noreturn void child(const struct proc_req *req, int in, int out, int err, int report)
{
	int high[64];

	(void)setpgid(0, 0);
	if (req->umask)
		umask(req->umask);
	if (req->cwd && chdir(req->cwd) < 0 && chdir("/") < 0)
		give_up(report);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* First out of the way of 0..2+n, then into place. */
	int to = report;
	report = fcntl(to, F_DUPFD_CLOEXEC, 100);
	if (report < 0)
		give_up(to);
	for (size_t i = 0; i < req->nfds && i < COUNT(high); i++)
		if ((high[i] = fcntl(req->fds[i], F_DUPFD_CLOEXEC, 100)) < 0)
			give_up(report);
	put_at(in, 0, report);
	if (out >= 0)
		put_at(out, 1, report);
	if (err >= 0)
		put_at(err, 2, report);
	if (sys_cloexec_from(3) < 0)
		give_up(report);
	for (size_t i = 0; i < req->nfds && i < COUNT(high); i++)
		put_at(high[i], 3 + (int)i, report);
	if (strchr(req->path, '/'))
		execve(req->path, (char *const *)req->argv, req->env ? (char *const *)req->env : environ);
	else
		execvpe(req->path, (char *const *)req->argv, req->env ? (char *const *)req->env : environ);
	give_up(report);
}

static int pipe_pair(int p[2], bool wanted)
{
	p[0] = p[1] = -1;
	if (wanted && pipe2(p, O_CLOEXEC) < 0)
		return fail_errno("create a pipe");
	return 0;
}

static int start(struct run *r)
{
	int in[2], out[2], err[2], report[2], code = 0;

	TRY(pipe_pair(in, r->req->in));
	auto_close int in0 = r->req->in ? in[0] : r->req->our_in ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) :
			     open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_close int in1 = in[1];
	if (in0 < 0)
		return fail_errno("standard input of %s", r->req->path);
	if (in1 >= 0 && fcntl(in1, F_SETFL, O_NONBLOCK) < 0)
		return fail_errno("create a pipe");
	TRY(pipe_pair(out, r->req->out));
	auto_close int out0 = out[0], out1 = out[1];
	TRY(pipe_pair(err, r->req->err));
	auto_close int err0 = err[0], err1 = err[1];
	TRY(pipe_pair(report, true));
	auto_close int report0 = report[0], report1 = report[1];

	r->pid = sys_clone(0, SIGCHLD, -1, &r->pidfd);
	if (r->pid < 0)
		return fail_errno("start %s", r->req->path);
	if (r->pid == 0)
		child(r->req, in0, out1, err1, report1);
	drop_fd(&report1);
	if (TEMP_FAILURE_RETRY(read(report0, &code, sizeof code)) > 0) {
		waitpid(r->pid, NULL, 0);
		close(r->pidfd);
		errno = code;
		return fail_errno("run %s", r->req->path);
	}
	r->in = take_fd(&in1);
	r->out = take_fd(&out0);
	r->err = take_fd(&err0);
	return 0;
}

static void feed(struct run *r)
{
	ssize_t n = write(r->in, r->req->in + r->fed, r->req->in_n - r->fed);

	if (n > 0)
		r->fed += (size_t)n;
	if ((n < 0 && errno != EAGAIN && errno != EINTR) || r->fed == r->req->in_n)
		drop_fd(&r->in);
}

static int take(const struct run *r, int *fd, struct buf *b)
{
	char part[4096];
	ssize_t n = read(*fd, part, sizeof part);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return fail_errno("read what %s says", r->req->path);
	if (n > 0 && b->n < KEEP_MAX)
		buf_add(b, part, (size_t)n);
	if (n == 0)
		drop_fd(fd);
	return 0;
}

/* 0: the program ended; its own children may still hold the pipes, we do not wait for those. */
static int attend(struct run *r)
{
	int64_t end = r->req->timeout_ms > 0 ? (int64_t)clock_ms() + r->req->timeout_ms : 0;

	for (int drained = 0;;) {
		struct pollfd p[] = { { r->pidfd, POLLIN, 0 }, { r->in, POLLOUT, 0 },
				      { r->out, POLLIN, 0 }, { r->err, POLLIN, 0 }, { r->signals, POLLIN, 0 } };
		int64_t left = end ? end - (int64_t)clock_ms() : -1;

		if (end && left <= 0)
			return fail(ETIMEDOUT, "%s did not end within %d ms", r->req->path, r->req->timeout_ms);
		if (poll(p, COUNT(p), (int)left) < 0 && errno != EINTR)
			return fail_errno("wait for %s", r->req->path);
		if (p[4].revents)
			return fail(EINTR, "%s: ended by a signal", r->req->path);
		if (p[1].revents)
			feed(r);
		if (p[2].revents)
			TRY(take(r, &r->out, r->req->out));
		if (p[3].revents)
			TRY(take(r, &r->err, r->req->err));
		/* What it wrote itself is there by now; who else holds the pipes is not waited for. */
		if (p[0].revents && (!(p[2].revents & POLLIN || p[3].revents & POLLIN) || ++drained > DRAIN_MAX))
			return 0;
	}
}

int proc_run(const struct proc_req *req, int *status)
{
	auto_close int signals = req->gives_way ? signalfd(-1, &held, SFD_CLOEXEC) : -1;
	struct run r = { .req = req, .pidfd = -1, .in = -1, .out = -1, .err = -1, .signals = signals };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	int w, ret;

	if (req->gives_way && signals < 0)
		return fail_errno("signalfd");
	TRY(start(&r));
	if (sigaction(SIGPIPE, &ignore, &old) < 0) {
		ret = fail_errno("ignore SIGPIPE");
	} else {
		ret = attend(&r);
		sigaction(SIGPIPE, &old, NULL);
	}
	if (ret < 0)
		kill(-r.pid, SIGKILL);
	/* Reaped by another, it may have failed. */
	if (TEMP_FAILURE_RETRY(waitpid(r.pid, &w, 0)) < 0)
		ret = ret < 0 ? ret : fail_errno("wait for %s", req->path);
	else
		*status = WIFEXITED(w) ? WEXITSTATUS(w) : 128 + WTERMSIG(w);
	drop_fd(&r.pidfd);
	drop_fd(&r.in);
	drop_fd(&r.out);
	drop_fd(&r.err);
	return ret;
}

void proc_hold_signals(sigset_t *old)
{
	static const int customary[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction now;

	sigemptyset(&held);
	for (size_t i = 0; i < COUNT(customary); i++)
		if (sigaction(customary[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(&held, customary[i]);
	sigprocmask(SIG_BLOCK, &held, old);
}

void proc_let_signals(const sigset_t *old)
{
	sigemptyset(&held);
	sigprocmask(SIG_SETMASK, old, NULL);
}
