/* dnsmasq as a process: found, started, known again, ended. */
#include "netns/dns_process.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { START_MS = 20000, END_MS = 3000, LOG_CUT = 256 << 10, LOG_MAX = 4 << 20 };

void dns_where_of(const struct net_home *h, const char *network, struct dns_where *w)
{
	snprintf(w->name, sizeof w->name, "%016llx.%.63s", (unsigned long long)h->id, network);
	snprintf(w->path, sizeof w->path, NET_DNS_DIR "/%s", w->name);
}

int net_dns_program(char path[PATH_MAX])
{
	const char *only = getenv("VZRUN_DNSMASQ"), *dirs = getenv("PATH");
	char all[PATH_MAX];
	int r;

	if (only && *only) {
		if (access(only, X_OK) == 0 && snprintf(path, PATH_MAX, "%s", only) < PATH_MAX)
			return 0;
		r = fail_as(ERR_UNSUPPORTED, "dnsmasq: VZRUN_DNSMASQ=%.200s is no program", only);
		return r;
	}
	snprintf(all, sizeof all, "%s:/usr/sbin:/sbin:/usr/local/sbin:/usr/bin", dirs ? dirs : "");
	for (char *save = NULL, *dir = strtok_r(all, ":", &save); dir; dir = strtok_r(NULL, ":", &save))
		if (*dir == '/' && snprintf(path, PATH_MAX, "%s/dnsmasq", dir) < PATH_MAX && access(path, X_OK) == 0)
			return 0;
	r = fail_as(ERR_UNSUPPORTED, "dnsmasq: not found in PATH nor in /usr/sbin");
	err_try("install dnsmasq (Debian: dnsmasq-base), or set VZRUN_DNSMASQ to it, or do without: --dns no");
	return r;
}

/* ---- the process on record ---------------------------------------------------------------- */

/* Changes when the host gets other resolvers. */
uint64_t dns_resolv_stamp(void)
{
	struct stat st;

	if (stat("/etc/resolv.conf", &st) < 0)
		return 0;
	return str_hash(&st.st_mtim, sizeof st.st_mtim) ^ st.st_ino ^ st.st_dev << 32;
}

bool dns_run_read(const struct dns_where *w, struct dns_run *r)
{
	char path[160], text[128];

	snprintf(path, sizeof path, "%s/run", w->path);
	return file_peek(AT_FDCWD, path, text, sizeof text) > 0 &&
	       sscanf(text, "%lu %lu %lu %lu", &r->pid, &r->start, &r->bridge, &r->stamp) == 4;
}

int dns_run_write(int dir, const struct dns_run *r)
{
	char text[128];
	int n = snprintf(text, sizeof text, "%lu %lu %lu %lu\n", r->pid, r->start, r->bridge, r->stamp);

	return file_write_volatile(dir, "run", text, (size_t)n, 0600);
}

/*
 * Of the one that wrote the pid file: whoever was killed before it wrote "run" left it so. Its command line
 * tells; the file is dnsmasq's own, and may say anything.
 */
static int pidfd_by_file(const struct dns_where *w, struct dns_run *r)
{
	char path[192], text[32], line[4096], want[192];
	ssize_t n;

	snprintf(path, sizeof path, "%s/pid", w->path);
	if (file_peek(AT_FDCWD, path, text, sizeof text) <= 0 || str_u64(text, INT32_MAX, &r->pid) < 0 || r->pid < 2)
		return -1;
	r->start = sys_start_time((pid_t)r->pid);
	snprintf(path, sizeof path, "/proc/%lu/cmdline", r->pid);
	snprintf(want, sizeof want, "--pid-file=%s/pid", w->path);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, line, sizeof line);
	return n > 0 && memmem(line, (size_t)n, want, strlen(want) + 1) ? sys_pidfd_of((pid_t)r->pid, r->start) : -1;
}

static int pidfd_of(const struct dns_where *w)
{
	struct dns_run r;
	int fd = dns_run_read(w, &r) ? sys_pidfd_of((pid_t)r.pid, r.start) : -1;

	return fd >= 0 ? fd : pidfd_by_file(w, &r);
}

int dns_process_end(const struct dns_where *w)
{
	auto_close int fd = pidfd_of(w);

	if (fd < 0)
		return 0;
	(void)sys_pidfd_kill(fd, SIGTERM);
	if (sys_pidfd_wait(fd, END_MS) == 1)
		return 0;
	(void)sys_pidfd_kill(fd, SIGKILL);
	return sys_pidfd_wait(fd, END_MS) == 1 ? 0 : fail(EBUSY, "%s: dnsmasq does not end", w->path);
}

/* It says some lines each time; they are for whoever looks now. */
static void cut_log(const struct dns_where *w)
{
	char path[192];
	struct stat st;

	snprintf(path, sizeof path, "%s/log", w->path);
	auto_close int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > LOG_CUT && ftruncate(fd, 0) < 0)
		log_debug("%s: cannot be cut", path);
}

void dns_process_tell(const struct dns_where *w)
{
	auto_close int fd = pidfd_of(w);

	if (fd < 0)
		return;
	cut_log(w);
	(void)sys_pidfd_kill(fd, SIGHUP);
}

/* ---- start --------------------------------------------------------------------------------- */

/* Whose uid is not root's. */
static bool find_user(char *text, const char *name, struct dns_user *u)
{
	struct passwd_entry e;

	while (passwd_next(&text, &e))
		if (str_eq(e.name, name) && e.uid != 0) {
			snprintf(u->name, sizeof u->name, "%s", e.name);
			u->gid = e.gid;
			return true;
		}
	return false;
}

/* Not getpwnam(): this executable is static, and the files are all that such a user comes from. */
int dns_user_find(struct dns_user *u)
{
	static const char *const wanted[] = { "dnsmasq", "nobody" };
	bool found = false;

	for (size_t i = 0; i < COUNT(wanted) && !found; i++) {
		auto_free char *text = NULL;

		found = file_read(AT_FDCWD, "/etc/passwd", &text, NULL) == 0 && find_user(text, wanted[i], u);
	}
	auto_fclose FILE *f = found ? fopen("/etc/group", "re") : NULL;
	for (struct group *g; f && (g = fgetgrent(f));)
		if (g->gr_gid == u->gid) {
			snprintf(u->group, sizeof u->group, "%s", g->gr_name);
			return 0;
		}
	return fail_as(ERR_UNSUPPORTED, "dnsmasq: the host has no user \"dnsmasq\" nor \"nobody\" for it to run as");
}

static int failed(int status, const struct buf *err)
{
	const char *says = buf_text(err);
	size_t n;

	while (*says == '\n')
		says++;
	if (str_starts(says, "dnsmasq: "))
		says += strlen("dnsmasq: ");
	n = strcspn(says, "\n");
	return n ? fail(EIO, "dnsmasq: %.*s", (int)n, says) : fail(EIO, "dnsmasq: ended with status %d", status);
}

/* It says that all its sockets are there by going to the background. No guest fills the disk by its log. */
static int launch(const char *program, const char *const *argv)
{
	static const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
	auto_buf struct buf out = { 0 }, err = { 0 };
	struct proc_req req = { .path = program, .argv = argv, .env = env, .cwd = "/", .out = &out, .err = &err,
				.timeout_ms = START_MS };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	struct rlimit was, most;
	int status, r;

	if (getrlimit(RLIMIT_FSIZE, &was) < 0)
		return fail_errno("limit of a file's size");
	most = was;
	if (most.rlim_cur > LOG_MAX)
		most.rlim_cur = LOG_MAX;
	sigaction(SIGXFSZ, &ignore, &old);
	(void)setrlimit(RLIMIT_FSIZE, &most);
	r = proc_run(&req, &status);
	(void)setrlimit(RLIMIT_FSIZE, &was);
	sigaction(SIGXFSZ, &old, NULL);
	TRY(r);
	return status == 0 ? 0 : failed(status, &err);
}

/* hosts, dhcp and servers are there. */
int dns_process_start(const struct dns_where *w, int dir, const struct net_def *d, const struct dns_user *u,
		      int bridge_index)
{
	static const char *const old[] = { "run", "pid", "log" };
	auto_arena struct arena a = { 0 };
	struct dns_run r = { .bridge = (uint64_t)bridge_index, .stamp = dns_resolv_stamp() };
	char program[PATH_MAX];
	const char **argv;

	TRY(net_dns_program(program));
	TRY(fault_point("dnsmasq that still runs"));
	TRY(dns_process_end(w));
	for (size_t i = 0; i < COUNT(old); i++)
		(void)unlinkat(dir, old[i], 0);
	argv = net_dns_args(&a, d, w->path, u->name, u->group);
	if (!argv)
		return fail(ENOMEM, "out of memory");
	TRY(fault_point("dnsmasq"));
	TRY(launch(program, argv));
	TRY(fault_point("dnsmasq on record"));
	auto_close int fd = pidfd_by_file(w, &r);
	if (fd < 0)
		return fail(EIO, "dnsmasq: ended as soon as it had started");
	log_debug("network %s: dnsmasq runs as process %lu", d->name, r.pid);
	return dns_run_write(dir, &r);
}
