#include "images/produce.h"
#include "base/err.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static _Noreturn void child(produce_fn *fn, void *ctx, int out, int err)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* A reader that gave up is an error like any other. */
	signal(SIGPIPE, SIG_IGN);
	if (fn(ctx, out) < 0) {
		dprintf(err, "%d %s\n%s", (int)err_class(), err_text(), err_try_text());
		_exit(1);
	}
	_exit(0);
}

int produce_start(struct producer *p, uint64_t flags, produce_fn *fn, void *ctx)
{
	int data[2], err[2];

	*p = (struct producer){ .fd = -1, .err = -1 };
	if (pipe2(data, O_CLOEXEC) < 0)
		return fail_errno("create a pipe");
	auto_close int in = data[0], out = data[1];
	if (pipe2(err, O_CLOEXEC) < 0)
		return fail_errno("create a pipe");
	auto_close int err_in = err[0], err_out = err[1];
	p->pid = sys_clone(flags, SIGCHLD, -1, NULL);
	if (p->pid < 0)
		return fail_class(fail_errno("start a process"), errno == EPERM ? ERR_PERMISSION : ERR_OTHER);
	if (p->pid == 0) {
		close(in);
		close(err_in);
		child(fn, ctx, out, err_out);
	}
	p->fd = take_fd(&in);
	p->err = take_fd(&err_in);
	return 0;
}

int produce_end(struct producer *p)
{
	auto_free char *text = NULL;
	char *line, *more;
	int status = 0;
	pid_t pid = p->pid;

	drop_fd(&p->fd);
	TRY(file_read_fd(p->err, "message of a process", 65536, &text, NULL));
	drop_fd(&p->err);
	p->pid = 0;
	if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0)
		return fail_errno("wait for a process");
	if (status == 0)
		return 0;
	if (!*text)
		return fail(EIO, "the writing process was killed by signal %d", WTERMSIG(status));
	unsigned class = (unsigned)strtoul(text, &line, 10);
	more = line;
	while (*more && *more != '\n')
		more++;
	if (*more)
		*more++ = '\0';
	int r = fail_as(class ? class : ERR_OTHER, "%s", *line ? line + 1 : "failed");
	if (*more)
		err_try("%s", more);
	return r;
}

void produce_kill(struct producer *p)
{
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		TEMP_FAILURE_RETRY(waitpid(p->pid, NULL, 0));
		p->pid = 0;
	}
	drop_fd(&p->fd);
	drop_fd(&p->err);
}
