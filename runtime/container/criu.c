#include "runtime/container/criu.h"
#include "base/dgram.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/container/criu_wire.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOTIFY = 6, MESSAGE_MAX = 65536, FD_AT = 3 };

struct answer { unsigned type; bool success; pid_t pid; int code; char script[64], text[256]; };

static void copy_text(char *out, size_t size, const struct criu_reader *in)
{
	snprintf(out, size, "%.*s", (int)(in->end - in->p), (const char *)in->p);
}

static void read_answer(const void *p, size_t n, struct answer *a)
{
	struct criu_reader r = { p, (const unsigned char *)p + n };
	struct criu_item i, k;

	*a = (struct answer){ 0 };
	while (criu_next(&r, &i)) {
		if (i.field == 1)
			a->type = (unsigned)i.n;
		else if (i.field == 2)
			a->success = i.n != 0;
		else if (i.field == 4 || i.field == 5)
			while (criu_next(&i.in, &k)) {
				if (i.field == 5 && k.field == 1)
					copy_text(a->script, sizeof a->script, &k.in);
				else if (k.field == (i.field == 5 ? 2u : 1u))
					a->pid = (pid_t)k.n;
			}
		else if (i.field == 7)
			a->code = (int)i.n;
		else if (i.field == 9)
			copy_text(a->text, sizeof a->text, &i.in);
	}
}

/* ---- the process -------------------------------------------------------------------------------- */

/* Each descriptor to its place: first out of the way of all places, then back. */
static int place_fds(const struct criu_run *r, int sock)
{
	int high[DGRAM_FDS_MAX];

	if (r->nfds + 1 > DGRAM_FDS_MAX)
		return fail(E2BIG, "too many descriptors for criu");
	for (size_t i = 0; i <= r->nfds; i++)
		if ((high[i] = fcntl(i ? r->fds[i - 1] : sock, F_DUPFD_CLOEXEC, 200)) < 0)
			return fail_errno("pass descriptors to criu");
	for (size_t i = 0; i <= r->nfds; i++)
		if (dup2(high[i], FD_AT + (int)i) < 0)
			return fail_errno("pass descriptors to criu");
	return sys_cloexec_from(FD_AT + 1 + (int)r->nfds) < 0 ? fail_errno("close descriptors") : 0;
}

static int become_criu(const struct criu_run *r, int sock)
{
	sigset_t none;

	if (r->join)
		TRY(cg_join_self(r->join));
	/* Restored processes inherit criu's session keyring, which must not hold keys of the caller. */
	if (r->type == CRIU_RESTORE && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0) < 0 &&
	    errno != ENOSYS)
		return fail_errno("make a session keyring");
	/* Ctrl-C must not kill criu while the tree is stopped: when the runtime ends criu resumes the tree. */
	if (r->type != CRIU_RESTORE && setpgid(0, 0) < 0)
		return fail_errno("make a process group");
	TRY(place_fds(r, sock));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execlp(r->program, r->program, "swrk", "3", (char *)NULL);
	return fail_errno("criu: exec %s", r->program);
}

static int start(const struct criu_run *r, int sock, pid_t *pid)
{
	int says[2];

	if (pipe2(says, O_CLOEXEC) < 0)
		return fail_errno("start criu");
	*pid = sys_clone(0, SIGCHLD, r->join ? r->join->v2_dir : -1, NULL);
	if (*pid == 0) {
		(void)become_criu(r, sock);
		(void)!write(says[1], err_text(), strlen(err_text()));
		_exit(1);
	}
	close(says[1]);
	auto_close int heard = says[0];
	if (*pid < 0)
		return fail_errno("start criu");
	/* The pipe is O_CLOEXEC: end of file means that the exec succeeded, text says why it did not. */
	char text[512];
	ssize_t n = TEMP_FAILURE_RETRY(read(heard, text, sizeof text - 1));
	if (n <= 0)
		return 0;
	text[n] = '\0';
	(void)waitpid(*pid, NULL, 0);
	*pid = 0;
	return fail_as(ERR_CHECKPOINT, "%s", text);
}

static int ended(void)
{
	return fail_as(ERR_CHECKPOINT, "criu ended without an answer");
}

/* A criu that has died does not read; its log says why it died. */
static int tell(int fd, const struct buf *b)
{
	int r = b->oom ? fail(ENOMEM, "out of memory") : dgram_send(fd, b->p, b->n, NULL, 0);

	return r == -EPIPE || r == -ECONNRESET ? ended() : r;
}

static int send_request(int fd, enum criu_type type, const struct buf *opts)
{
	auto_buf struct buf b = { 0 };

	criu_num(&b, 1, type);
	criu_msg(&b, 2, opts);
	return tell(fd, &b);
}

static int answer_notice(const struct criu_run *run, int fd, const struct answer *a, int *passed)
{
	auto_buf struct buf b = { 0 };
	int r = run->notify ? run->notify(run->ctx, a->script, a->pid, passed) : 0;

	criu_num(&b, 1, NOTIFY);
	criu_num(&b, 3, r >= 0);
	if (r >= 0)
		return tell(fd, &b);
	/* criu rolls back when it gets this answer; the error to report is the one that happened here. */
	struct err_saved s;
	err_save(&s);
	(void)tell(fd, &b);
	err_restore(&s);
	return r;
}

/*
 * "(00.012345) Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds": the text behind the place, but not that
 * it may raise no limit, which it says on each host that does not let it, and goes on.
 */
static bool first_error(const char *log, char *out, size_t size)
{
	for (const char *p = log; (p = strstr(p, "Error (")); p++) {
		const char *text = strstr(p, "): ");

		if (!text || text >= p + strcspn(p, "\n") || str_starts(text + 3, "rlimit: "))
			continue;
		text += 3;
		snprintf(out, size, "%.*s", (int)strcspn(text, "\n"), text);
		return true;
	}
	return false;
}

static int refused(const struct answer *a)
{
	char why[256];

	if (first_error(a->text, why, sizeof why))
		return fail_as(ERR_CHECKPOINT, "criu failed: %s", why);
	return fail_as(ERR_CHECKPOINT, "criu failed%s%s", a->code ? ": " : "",
		       a->code ? strerrordesc_np(a->code) : "");
}

static int converse(struct criu_run *run, int fd)
{
	static char text[MESSAGE_MAX];

	TRY(send_request(fd, run->type, run->opts));
	for (;;) {
		int passed = -1, r;
		size_t nfds = 1;
		ssize_t n = dgram_recv(fd, text, sizeof text, &passed, &nfds);
		struct answer a;

		if (n <= 0)
			return ended();
		read_answer(text, (size_t)n, &a);
		if (a.type == NOTIFY) {
			r = answer_notice(run, fd, &a, &passed);
			drop_fd(&passed);
			TRY(r);
			continue;
		}
		drop_fd(&passed);
		if (!a.success)
			return refused(&a);
		run->restored = a.pid;
		return 0;
	}
}

int criu_talk(struct criu_run *run)
{
	int sv[2], r, status;
	pid_t pid = 0;

	TRY(dgram_pair(sv));
	auto_close int ours = sv[0];
	r = start(run, sv[1], &pid);
	close(sv[1]);
	TRY(r);
	r = run->started ? run->started(run->ctx, pid) : 0;
	if (r >= 0)
		r = converse(run, ours);
	/* criu exits when the socket closes: after its last answer, or after rolling back. */
	drop_fd(&ours);
	if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) == pid && r >= 0 && run->type != CRIU_PRE_DUMP &&
	    !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return fail_as(ERR_CHECKPOINT, "criu ended with status %d", status);
	return r;
}

/* ---- what it says of itself --------------------------------------------------------------------- */

int criu_check(const char *program)
{
	const char *argv[] = { program, "check", NULL };
	auto_buf struct buf out = { 0 }, err = { 0 };
	struct proc_req req = { .path = program, .argv = argv, .out = &out, .err = &err, .timeout_ms = 60000 };
	char why[256];
	int status, r = proc_run(&req, &status);

	if (r == -ENOENT || r == -EACCES)
		return fail_as(ERR_CHECKPOINT, "checkpoint and restore need criu: %s is not installed", program);
	TRY_IN(r, "criu check");
	if (status == 0)
		return 0;
	if (!first_error(buf_text(&err), why, sizeof why) && !first_error(buf_text(&out), why, sizeof why))
		snprintf(why, sizeof why, "exit status %d", status);
	return fail_as(ERR_CHECKPOINT, "criu does not work on this host: %s (criu check)", why);
}

int criu_why(int r, int dirfd, const char *dir, const char *log)
{
	auto_free char *text = NULL;
	struct err_saved s;
	char why[256];
	bool found;

	err_save(&s);
	found = file_read(dirfd, log, &text, NULL) >= 0 && first_error(text, why, sizeof why);
	err_restore(&s);
	if (found && strstr(s.text, why))
		return fail_as(ERR_CHECKPOINT, "%s (%s/%s)", s.text, dir, log);
	return found ? fail_as(ERR_CHECKPOINT, "%s: %s (%s/%s)", s.text, why, dir, log) : r;
}
