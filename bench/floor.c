/*
 * The floor: the least work that a run, or an exec, of the default configuration (`vzrun spec`) takes on this
 * kernel. What a runtime takes beyond it is its own.
 *
 *	floor run  [-g DIR]... [-u DIR] [-m BYTES] [-s FILE] ROOTFS CMD [ARG...]
 *	floor exec [-g DIR]... [-u DIR] [-s FILE] PID CMD [ARG...]
 *
 * -g: a group of a v1 hierarchy, -u: one of v2; run makes and removes them, exec joins those that are there.
 * -m: the group's memory limit. -s: a seccomp program, raw (struct sock_filter), attached right before exec.
 *
 * run:   groups, clone in new namespaces, join, all mounts of the configuration (the cgroup mount too), nodes
 *        and links, pivot, read-only and masked paths, host name, limits, capabilities, filter, execve, wait,
 *        removal of the groups.
 * exec:  groups and all namespaces of a running container, clone, limits, capabilities, filter, execve, wait.
 *
 * Left out, because a container runs without it, or because it is a runtime's way and not the container's
 * need: parsing (the configuration is the tables below); state and journal, so nobody could list, join or
 * delete it; a protected copy of the executable (CVE-2019-5736); safe resolution of paths in the root, and
 * any verification; device rules, session keyring, loopback up. Each way is the quickest that was measured:
 * mount(2) takes fewer calls than fsopen(2); a masked directory is looked at first, as binding a file on it
 * fails and still waits for a grace period; v1 is joined by the child through `tasks`, v2 by clone3: any
 * other write waits for one too.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof *(a))

enum { FLOOR_FAILED = 125, GROUPS_MAX = 16 };

enum {
	NAMESPACES = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
	LOCKED = MS_NOSUID | MS_NODEV | MS_NOEXEC,
};

static const struct {
	const char *source, *target, *type;
	unsigned long flags;
	const char *data;
	mode_t make;				/* the target is made first */
} mounts[] = {
	{ "proc", "proc", "proc", 0, NULL, 0 },
	{ "tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k", 0 },
	{ "devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5", 0755 },
	{ "shm", "dev/shm", "tmpfs", LOCKED, "mode=1777,size=65536k", 0755 },
	{ "mqueue", "dev/mqueue", "mqueue", LOCKED, NULL, 0755 },
	{ "sysfs", "sys", "sysfs", LOCKED | MS_RDONLY, NULL, 0 },
};

static const struct { const char *path; unsigned major, minor; } nodes[] = {
	{ "dev/null", 1, 3 }, { "dev/zero", 1, 5 }, { "dev/full", 1, 7 },
	{ "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 },
};

static const char *const links[][2] = {
	{ "/proc/self/fd", "dev/fd" }, { "/proc/self/fd/0", "dev/stdin" }, { "/proc/self/fd/1", "dev/stdout" },
	{ "/proc/self/fd/2", "dev/stderr" }, { "/proc/kcore", "dev/core" }, { "pts/ptmx", "dev/ptmx" },
};

static const char *const masked[] = {
	"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
	"/sys/firmware",
};

static const char *const kept[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

static const uint64_t kept_caps = 1ull << CAP_AUDIT_WRITE | 1ull << CAP_KILL | 1ull << CAP_NET_BIND_SERVICE;
static const char *const environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", NULL,
};

struct plan {
	char *group[GROUPS_MAX];
	size_t groups;
	char *unified, *limit;
	struct sock_fprog filter;
	char *subject, **argv;			/* the root, or the pid */
};

static void need(long r, const char *what)
{
	if (r < 0)
		err(FLOOR_FAILED, "%s", what);
}

static const char *join_path(const char *dir, const char *name)
{
	static char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		need(-1, dir);
	}
	return path;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	need(fd, path);
	need(write(fd, text, strlen(text)), path);
	close(fd);
}

static void make_groups(const struct plan *p)
{
	for (size_t i = 0; i < p->groups; i++) {
		const char *limit = join_path(p->group[i], "memory.limit_in_bytes");

		need(mkdir(p->group[i], 0755), p->group[i]);
		if (p->limit && access(limit, F_OK) == 0)
			write_file(limit, p->limit);
	}
	if (!p->unified)
		return;
	need(mkdir(p->unified, 0755), p->unified);
	if (p->limit)
		write_file(join_path(p->unified, "memory.max"), p->limit);
}

static void join_groups(const struct plan *p)
{
	for (size_t i = 0; i < p->groups; i++)
		write_file(join_path(p->group[i], "tasks"), "0");
}

static void remove_group(const char *dir)
{
	/* A task may leave its group a little after it was waited for. */
	for (int left = 10000; rmdir(dir) < 0; left--) {
		need(errno == EBUSY && left ? 0 : -1, dir);
		sched_yield();
	}
}

static void remove_groups(const struct plan *p)
{
	for (size_t i = 0; i < p->groups; i++)
		remove_group(p->group[i]);
	if (p->unified)
		remove_group(p->unified);
}

static int open_unified(const struct plan *p)
{
	int fd = p->unified ? open(p->unified, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	need(p->unified ? fd : 0, "open the group");
	return fd;
}

static pid_t clone_into(int group, unsigned long flags)
{
	struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD };
	pid_t pid;

	if (group >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)group;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	need(pid, "clone3");
	return pid;
}

static void bind_over(const char *source, const char *target, unsigned long attributes)
{
	need(mount(source, target, NULL, MS_BIND, NULL), target);
	if (attributes)
		need(mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | attributes, NULL), target);
}

static void mount_groups(const struct plan *p)
{
	const char *at = "sys/fs/cgroup", *target;
	char path[PATH_MAX];

	if (p->groups == 0) {
		if (p->unified)
			need(mount("cgroup", at, "cgroup2", LOCKED | MS_RDONLY | MS_RELATIME, NULL), at);
		return;
	}
	need(mount("cgroup", at, "tmpfs", LOCKED, "mode=755,size=4096"), at);
	for (size_t i = 0; i < p->groups; i++) {
		snprintf(path, sizeof path, "%s", p->group[i]);
		target = join_path(at, basename(dirname(path)));
		need(mkdir(target, 0755), target);
		bind_over(p->group[i], target, LOCKED | MS_RDONLY);
	}
	need(mount(NULL, at, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | LOCKED, NULL), at);
}

static void mount_root(const struct plan *p)
{
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make / private");
	need(mount(p->subject, p->subject, NULL, MS_BIND | MS_REC, NULL), p->subject);
	need(chdir(p->subject), p->subject);
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		if (mounts[i].make)
			need(mkdir(mounts[i].target, mounts[i].make), mounts[i].target);
		need(mount(mounts[i].source, mounts[i].target, mounts[i].type, mounts[i].flags, mounts[i].data),
		     mounts[i].target);
	}
	mount_groups(p);
}

static void make_devices(void)
{
	umask(0);
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		need(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)), nodes[i].path);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		need(symlink(links[i][0], links[i][1]), links[i][1]);
	umask(022);
}

static void pivot(void)
{
	need(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	need(umount2(".", MNT_DETACH), "umount the old root");
	need(chdir("/"), "/");
}

static void make_readonly(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		if (mount(kept[i], kept[i], NULL, MS_BIND | MS_REC, NULL) < 0 && errno == ENOENT)
			continue;
		need(mount(NULL, kept[i], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), kept[i]);
	}
}

/* One empty directory serves them all. */
static void mask(void)
{
	const char *empty = NULL;
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(masked); i++) {
		if (stat(masked[i], &st) < 0)
			continue;
		if (!S_ISDIR(st.st_mode) || empty) {
			bind_over(S_ISDIR(st.st_mode) ? empty : "/dev/null", masked[i], 0);
		} else {
			empty = masked[i];
			need(mount("mask", empty, "tmpfs", LOCKED | MS_RDONLY, "size=0,nr_inodes=2"), empty);
		}
	}
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2] = { { 0 } };

	/* The first one that the kernel does not know ends the list. */
	for (int cap = 0; cap < 64; cap++)
		if (!(kept_caps >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break;
	sets[0].effective = sets[0].permitted = (uint32_t)kept_caps;
	need(syscall(SYS_capset, &head, sets), "capset");
}

static _Noreturn void become(const struct plan *p)
{
	const struct rlimit files = { 1024, 1024 };

	need(setrlimit(RLIMIT_NOFILE, &files), "RLIMIT_NOFILE");
	need(setgroups(0, NULL), "setgroups");
	drop_capabilities();
	need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	if (p->filter.len)
		need(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p->filter), "seccomp");
	execve(p->argv[0], p->argv, (char *const *)environment);
	err(FLOOR_FAILED, "%s", p->argv[0]);
}

static int wait_for(pid_t pid)
{
	int status;

	need(waitpid(pid, &status, 0), "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run(const struct plan *p)
{
	pid_t pid;
	int status;

	make_groups(p);
	pid = clone_into(open_unified(p), NAMESPACES);
	if (pid == 0) {
		join_groups(p);
		need(unshare(CLONE_NEWCGROUP), "unshare cgroup namespace");
		mount_root(p);
		make_devices();
		pivot();
		make_readonly();
		mask();
		need(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "make / read-only");
		need(sethostname("floor", 5), "sethostname");
		become(p);
	}
	status = wait_for(pid);
	remove_groups(p);
	return status;
}

static int exec(const struct plan *p)
{
	int target = (int)syscall(SYS_pidfd_open, atoi(p->subject), 0), group = open_unified(p);
	int later = p->unified ? CLONE_NEWCGROUP : 0;
	pid_t pid;

	need(target, "pidfd_open");
	join_groups(p);
	/* From within a cgroup namespace v2 takes nobody who is outside of it. */
	need(setns(target, (NAMESPACES | CLONE_NEWCGROUP) & ~later), "setns");
	pid = clone_into(group, 0);
	if (pid > 0)
		return wait_for(pid);
	if (later)
		need(setns(target, later), "setns");
	need(chdir("/"), "/");
	become(p);
}

static void load_filter(struct plan *p, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	need(fd, path);
	need(fstat(fd, &st), path);
	p->filter.len = (unsigned short)((size_t)st.st_size / sizeof *p->filter.filter);
	p->filter.filter = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	need(p->filter.filter == MAP_FAILED ? -1 : 0, path);
	close(fd);
}

static int usage(void)
{
	fputs("floor run|exec [-g DIR]... [-u DIR] [-m BYTES] [-s FILE] ROOTFS|PID CMD [ARG...]\n", stderr);
	return FLOOR_FAILED;
}

int main(int argc, char **argv)
{
	static struct plan p;
	const char *verb = argc > 1 ? argv[1] : "";
	int o;

	optind = 2;
	while ((o = getopt(argc, argv, "+g:u:m:s:")) > 0) {
		if (o == 'g' && p.groups < GROUPS_MAX)
			p.group[p.groups++] = optarg;
		else if (o == 'u')
			p.unified = optarg;
		else if (o == 'm')
			p.limit = optarg;
		else if (o == 's')
			load_filter(&p, optarg);
		else
			return usage();
	}
	if (argc - optind < 2)
		return usage();
	p.subject = argv[optind];
	p.argv = argv + optind + 1;
	if (strcmp(verb, "run") == 0)
		return run(&p);
	return strcmp(verb, "exec") == 0 ? exec(&p) : usage();
}
