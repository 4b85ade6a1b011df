#include "images/template.h"
#include "base/err.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/str.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const struct { const char *variant, *packages; } variants[] = {
	/* What a system container boots, sees its network and its processes with; nothing else. */
	{ "system", "systemd,systemd-sysv,dbus,iproute2,iputils-ping,procps" },
	{ "minbase", "" },
};

/*
 * The words are ours, nothing of the caller's is in them; mmdebstrap gives the root as $1. machine-id is
 * empty and the package lists are gone already.
 */
static const char clean_up[] =
	"--customize-hook=rm -rf \"$1\"/etc/resolv.conf \"$1\"/etc/hostname"
	" \"$1\"/var/lib/dbus/machine-id \"$1\"/etc/ssh/ssh_host_*; : > \"$1\"/etc/machine-id;"
	" chmod 444 \"$1\"/etc/machine-id";

static const char *find(void)
{
	static const char *const where[] = { "/usr/bin/mmdebstrap", "/usr/local/bin/mmdebstrap" };
	const char *env = getenv("VZRUN_MMDEBSTRAP");

	for (size_t i = 0; !env && i < COUNT(where); i++)
		if (access(where[i], X_OK) == 0)
			return where[i];
	return env && access(env, X_OK) == 0 ? env : NULL;
}

int template_debian_check(const struct template *t)
{
	if (find())
		return 0;
	int r = fail_as(ERR_UNSUPPORTED, "template debian:%s: mmdebstrap is not installed", t->suite);
	err_try("apt-get install mmdebstrap");
	return r;
}

static _Noreturn void run_builder(const struct debian *d, const char *path, int out, int log)
{
	static const char *const tidy_env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
		"HOME=/root", "DEBIAN_FRONTEND=noninteractive"
	};
	const char *argv[24], *env[10];
	char include[256], tmp[PATH_MAX + 8];
	struct sources src;
	size_t n = 0, e = 0;

	for (; e < COUNT(tidy_env); e++)
		env[e] = tidy_env[e];
	snprintf(tmp, sizeof tmp, "TMPDIR=%s", d->dir);
	env[e++] = tmp;
	for (char **v = environ; *v; v++)
		if (e + 1 < COUNT(env) && (str_starts(*v, "http_proxy=") || str_starts(*v, "https_proxy=") ||
					   str_starts(*v, "SOURCE_DATE_EPOCH=")))
			env[e++] = *v;
	env[e] = NULL;
	argv[n++] = "mmdebstrap";
	argv[n++] = "--mode=root";
	argv[n++] = "--variant=minbase";
	argv[n++] = "--format=tar";
	argv[n++] = "--aptopt=APT::Install-Recommends \"false\"";
	for (size_t i = 0; i < COUNT(variants); i++)
		if (str_eq(variants[i].variant, d->t->variant) && *variants[i].packages) {
			snprintf(include, sizeof include, "--include=%s", variants[i].packages);
			argv[n++] = include;
		}
	argv[n++] = clean_up;
	argv[n++] = d->t->suite;
	argv[n++] = "-";
	(void)template_sources("/etc/apt", d->t->suite, &src);
	for (size_t i = 0; i < src.n; i++)
		argv[n++] = src.path[i];
	argv[n] = NULL;
	umask(022);
	signal(SIGPIPE, SIG_DFL);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(log, 2) < 0 || chdir("/") < 0)
		_exit(126);
	execve(path, (char *const *)argv, (char *const *)env);
	_exit(127);
}

/* We are the first process of a pid namespace: orphans of the build are ours to reap. */
static int wait_for(pid_t pid)
{
	int status;

	for (;;) {
		pid_t got = wait(&status);

		if (got < 0 && errno != EINTR)
			return fail_errno("wait for mmdebstrap");
		if (got == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

static int explain(const struct debian *d, int status)
{
	auto_free char *log = NULL;
	const char *error = NULL;
	char *save = NULL;
	size_t n;

	if (file_read(AT_FDCWD, d->log, &log, &n) == 0)
		for (char *line = strtok_r(log, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			/* What mmdebstrap itself adds only says that something failed. */
			if (str_starts(line, "E: ") &&
			    !(error && (strstr(line, "mmdebstrap failed") || strstr(line, "apt-get "))))
				error = line + 3;
	return fail_as(ERR_IMAGE, "mmdebstrap failed: %.400s%s", error ? error : "exit status ",
		       error ? "" : status == 127 ? "127" : "not zero");
}

int template_debian(void *ctx, int out)
{
	const struct debian *d = ctx;
	const char *path = find();
	int status;
	pid_t pid;

	if (!path)
		return fail_as(ERR_UNSUPPORTED, "mmdebstrap is not installed");
	auto_close int log = open(d->log, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0)
		return fail_errno("open %s", d->log);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return fail_errno("mount /proc for mmdebstrap");
	pid = fork();
	if (pid < 0)
		return fail_errno("start mmdebstrap");
	if (pid == 0)
		run_builder(d, path, out, log);
	status = wait_for(pid);
	TRY(status);
	return status ? explain(d, status) : 0;
}
