#include "base/helper.h"
#include "base/proc.h"
#include "base/scope.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef VZRUN_PREFIX
#define VZRUN_PREFIX "/usr/local"
#endif
#define LIBEXEC VZRUN_PREFIX "/libexec/vzrun"
#define PARENT "VZRUN_HELPER_OF"

static const char *called_from;

void helper_set_dir(const char *dir)
{
	called_from = dir;
}

/* 1: it is there, and may be executed. 0: not so. */
static int is_there(const char *dir, const char *name, char path[PATH_MAX])
{
	if (!dir || !*dir || snprintf(path, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
		return 0;
	if (access(path, X_OK) == 0)
		return 1;
	return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : fail_errno("look for %s", path);
}

int helper_find(const char *name, char path[PATH_MAX])
{
	const char *only = getenv("VZRUN_LIBEXEC");
	int r = is_there(only && *only ? only : called_from, name, path);

	if (r == 0 && !(only && *only))
		r = is_there(LIBEXEC, name, path);
	if (r != 0)
		return r < 0 ? r : 0;
	if (only && *only)
		r = fail_as(ERR_UNSUPPORTED, "%s: not found in %s", name, only);
	else
		r = fail_as(ERR_UNSUPPORTED, "%s: not found beside vzrun nor in %s", name, LIBEXEC);
	err_try("VZRUN_LIBEXEC=DIR with the directory that has it");
	return r;
}

static int helper_failed(const struct helper_call *c, const char *path, int status, const struct buf *err)
{
	const char *says = buf_text(err);
	size_t n = strlen(c->name);

	if (strncmp(says, c->name, n) == 0 && str_starts(says + n, ": "))
		says += n + 2;
	if (status >= 128)
		return fail_as(ERR_OTHER, "%s: %s was killed by signal %d", c->what, path, status - 128);
	fail_as(status > 0 && status <= ERR_PARTIAL ? (enum err_class)status : ERR_OTHER, "%s: %.*s", c->what,
		*says ? (int)strcspn(says, "\n") : 64, *says ? says : "the helper failed and said nothing");
	/* A second line is what the user can try. */
	says += strcspn(says, "\n");
	if (str_starts(says, "\ntry: "))
		err_try("%.*s", (int)strcspn(says + 6, "\n"), says + 6);
	return -EIO;
}

const char **helper_env(void)
{
	static char parent[sizeof PARENT + 16];
	const char **env;
	size_t n = 0, at = 0;

	while (environ[n])
		n++;
	env = calloc(n + 2, sizeof *env);
	if (!env)
		return NULL;
	snprintf(parent, sizeof parent, PARENT "=%d", (int)getpid());
	for (size_t i = 0; i < n; i++)
		if (!str_starts(environ[i], PARENT "="))
			env[at++] = environ[i];
	env[at] = parent;
	return env;
}

void helper_follow(void)
{
	const char *parent = getenv(PARENT);
	uint64_t pid;

	if (!parent || str_u64(parent, INT_MAX, &pid) < 0)
		return;
	unsetenv(PARENT);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if ((uint64_t)getppid() != pid)
		raise(SIGKILL);
}

int helper_run(const struct helper_call *c)
{
	const char *argv[] = { c->name, c->verb, NULL };
	auto_buf struct buf err = { 0 };
	auto_free const char **env = helper_env();
	struct proc_req req = { .argv = argv, .env = env, .in = c->in, .in_n = c->in_n, .out = c->out, .err = &err,
				.timeout_ms = c->timeout_ms };
	char path[PATH_MAX];
	int status, r;

	if (!env)
		return fail(ENOMEM, "%s: out of memory", c->what);
	TRY_IN(helper_find(c->name, path), "%s", c->what);
	req.path = path;
	r = proc_run(&req, &status);
	if (r == -ENOENT || r == -EACCES) {
		r = fail_as(ERR_UNSUPPORTED, "%s: cannot run %s: %s", c->what, path, strerrordesc_np(-r));
		err_try("install %s there, or set VZRUN_LIBEXEC to its directory", c->name);
		return r;
	}
	if (r < 0)
		return fail_in(r, "%s", c->what);
	return status == 0 ? 0 : helper_failed(c, path, status, &err);
}
