#include "images/confine.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/str.h"
#include "base/sys.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { WORD_MAX = 8192, MEMORY_MAX = 1536 << 20 };

/* Owners, modes, special bits, file capabilities; a mode of 0000 must not stop us. */
static const cap_value_t needed[] = { CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,
				      CAP_FSETID, CAP_SETFCAP,      CAP_MKNOD };

int confine_say(int report, char what, const char *text)
{
	char word[WORD_MAX];
	int n = snprintf(word, sizeof word, "%c%s", what, text);

	if (n >= (int)sizeof word)
		n = sizeof word - 1;
	return file_write_all(report, word, (size_t)n + 1) < 0 ? fail_errno("report") : 0;
}

static int take_root(const char *target)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return fail_errno("confine: make mounts private");
	if (target &&
	    (mount(target, target, NULL, MS_BIND, NULL) < 0 ||
	     mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0))
		return fail_errno("confine: bind %s", target);
	if (!target) {
		target = "/tmp";
		if (mount("none", target, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
			return fail_errno("confine: mount an empty root");
	}
	if (chdir(target) < 0 || sys_pivot_root(".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0)
		return fail_errno("confine: make %s the root", target);
	return 0;
}

static int drop_caps(bool devices)
{
	cap_t caps = cap_init();
	int n = (int)COUNT(needed) - (devices ? 0 : 1), r = 0;

	if (!caps)
		return fail(ENOMEM, "confine: out of memory");
	for (cap_value_t v = 0; v < cap_max_bits(); v++)
		if (cap_drop_bound(v) < 0 && errno != EINVAL)
			r = fail_errno("confine: drop capability %d", v);
	/* root of this process keeps what the system gives it: a service manager may have taken some. */
	for (int i = 0; i < n; i++) {
		cap_flag_value_t have = CAP_CLEAR;
		cap_t now = cap_get_proc();

		if (now && cap_get_flag(now, needed[i], CAP_PERMITTED, &have) == 0 && have == CAP_SET) {
			cap_set_flag(caps, CAP_PERMITTED, 1, &needed[i], CAP_SET);
			cap_set_flag(caps, CAP_EFFECTIVE, 1, &needed[i], CAP_SET);
		}
		cap_free(now);
	}
	if (r == 0 && cap_set_proc(caps) < 0)
		r = fail_errno("confine: drop capabilities");
	cap_free(caps);
	return r;
}

static int set_limits(uint64_t bytes)
{
	const struct { int what; rlim_t max; } rows[] = {
		{ RLIMIT_CORE, 0 }, { RLIMIT_NOFILE, 64 }, { RLIMIT_FSIZE, bytes }, { RLIMIT_MEMLOCK, 0 },
#ifndef __SANITIZE_ADDRESS__
		{ RLIMIT_AS, MEMORY_MAX },
#endif
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct rlimit l;

		if (getrlimit(rows[i].what, &l) < 0)
			return fail_errno("confine: read limit %d", rows[i].what);
		l.rlim_cur = l.rlim_max = l.rlim_max < rows[i].max ? l.rlim_max : rows[i].max;
		if (setrlimit(rows[i].what, &l) < 0)
			return fail_errno("confine: set limit %d", rows[i].what);
	}
	/* EFBIG is an error with a name; the signal is not. */
	signal(SIGXFSZ, SIG_IGN);
	return 0;
}

static int work(const struct confine *c, confine_fn *fn, void *ctx, int report)
{
	auto_close int root = -1;

	if (setpgid(0, 0) < 0)
		return fail_errno("confine: leave the process group");
	if (!undefended("confine"))
		TRY(take_root(c->target));
	const char *top = undefended("confine") ? c->target : "/";
	if (c->target && (root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return fail_errno("confine: open the root");
	umask(0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail_errno("confine: no_new_privs");
	TRY(set_limits(c->bytes));
	if (!undefended("confine"))
		TRY(drop_caps(c->devices));
	return fn(ctx, root, report);
}

/* All from 3 on but two, either of which may be -1. */
static void close_others(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a, from = 3;

	if (low >= from) {
		if (low > from)
			(void)close_range((unsigned)from, (unsigned)low - 1, 0);
		from = low + 1;
	}
	if (high >= from) {
		if (high > from)
			(void)close_range((unsigned)from, (unsigned)high - 1, 0);
		from = high + 1;
	}
	(void)close_range((unsigned)from, ~0U, 0);
}

static _Noreturn void child(const struct confine *c, confine_fn *fn, void *ctx, int report)
{
	char text[1200];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Lists and locks of the store stay with the parent. */
	close_others(report, c->keep);
	if (work(c, fn, ctx, report) < 0) {
		snprintf(text, sizeof text, "%d %s", (int)err_class(), err_text());
		(void)confine_say(report, 'e', text);
		_exit(1);
	}
	_exit(0);
}

static int take_word(char *word, confine_heard *heard, void *ctx)
{
	char *text = word + 1;

	if (word[0] != 'e')
		return word[0] ? heard(ctx, word[0], text) : 0;
	unsigned class = (unsigned)strtoul(text, &text, 10);
	return fail_as(class >= ERR_OTHER && class <= ERR_PARTIAL ? (enum err_class)class : ERR_OTHER, "%s",
		       *text ? text + 1 : "unpack failed");
}

/* Words end in NUL. The child may be in the hands of an attacker: only its length is trusted. */
static int listen_to(int fd, confine_heard *heard, void *ctx)
{
	char got[2 * WORD_MAX];
	size_t have = 0;

	for (;;) {
		ssize_t n = TEMP_FAILURE_RETRY(read(fd, got + have, sizeof got - have));
		char *end;

		if (n < 0)
			return fail_errno("hear the extractor");
		if (n == 0)
			return 0;
		have += (size_t)n;
		while ((end = memchr(got, '\0', have))) {
			size_t len = (size_t)(end - got) + 1;

			TRY(take_word(got, heard, ctx));
			memmove(got, got + len, have -= len);
		}
		if (have == sizeof got)
			return fail_as(ERR_IMAGE, "the extractor broke its own protocol");
	}
}

int confine_run(const struct confine *c, confine_fn *fn, void *ctx, confine_heard *heard, void *heard_ctx)
{
	const uint64_t flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID;
	struct err_saved pending;
	int p[2], r, status = 0;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return fail_errno("create a pipe");
	auto_close int in = p[0], out = p[1];
	pid = sys_clone(flags, SIGCHLD, -1, NULL);
	if (pid < 0)
		return fail_class(fail_errno("start the confined extractor"),
				  errno == EPERM ? ERR_PERMISSION : ERR_OTHER);
	if (pid == 0)
		child(c, fn, ctx, out);
	drop_fd(&out);
	r = listen_to(in, heard, heard_ctx);
	if (r < 0)
		(void)kill(pid, SIGKILL);
	err_save(&pending);
	if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0)
		return fail_errno("wait for the extractor");
	err_restore(&pending);
	if (r == 0 && WIFSIGNALED(status))
		return fail_as(ERR_IMAGE, "the extractor was killed by signal %d", WTERMSIG(status));
	return r < 0 ? r : status ? fail(EIO, "the extractor failed") : 0;
}
