#include "runtime/guest/profile.h"
#include "base/scope.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/socket.h>

typedef const char *const words[];

static words files = {
	"access", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range", "creat", "dup",
	"dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod",
	"fchmodat", "fchmodat2", "fchown", "fchownat", "fcntl", "fdatasync", "fgetxattr",
	"file_getattr", "file_setattr", "flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat",
	"fstatfs", "fsync", "ftruncate", "getcwd", "getdents", "getdents64", "getxattr", "getxattrat",
	"lchown", "lgetxattr", "link", "linkat", "listmount", "listxattr", "listxattrat", "llistxattr",
	"lremovexattr", "lseek", "lsetxattr", "lstat", "mkdir", "mkdirat", "mknod", "mknodat",
	"name_to_handle_at", "newfstatat", "open", "openat", "openat2", "pread64", "preadv", "preadv2",
	"pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv",
	"removexattr", "removexattrat", "rename", "renameat", "renameat2", "rmdir", "sendfile",
	"setxattr", "setxattrat", "splice", "stat", "statfs", "statmount", "statx", "symlink",
	"symlinkat", "sync", "sync_file_range", "sync_file_range2", "syncfs", "tee", "truncate",
	"umask", "unlink", "unlinkat", "utime", "utimensat", "utimes", "write", "writev", NULL
};

static words waiting = {
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2",
	"epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "inotify_add_watch", "inotify_init",
	"inotify_init1", "inotify_rm_watch", "io_cancel", "io_destroy", "io_getevents", "io_setup",
	"io_submit", "memfd_create", "pipe", "pipe2", "poll", "ppoll", "pselect6", "select", "signalfd",
	"signalfd4", "timerfd_create", "timerfd_gettime", "timerfd_settime", NULL
};

static words memory = {
	"brk", "get_mempolicy", "madvise", "map_shadow_stack", "mbind", "membarrier", "mincore",
	"mlock", "mlock2", "mlockall", "mmap", "mprotect", "mremap", "mseal", "msync", "munlock",
	"munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect", "set_mempolicy", NULL
};

static words processes = {
	"arch_prctl", "capget", "capset", "execve", "execveat", "exit", "exit_group", "fork", "futex",
	"futex_waitv", "getcpu", "getegid", "geteuid", "getgid", "getgroups", "getitimer", "getpgid",
	"getpgrp", "getpid", "getppid", "getpriority", "getrandom", "getresgid", "getresuid",
	"getrlimit", "getrusage", "getsid", "gettid", "getuid", "ioprio_get", "ioprio_set", "kill",
	"landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "lsm_get_self_attr",
	"lsm_list_modules", "lsm_set_self_attr", "pause", "pidfd_open", "pidfd_send_signal", "prctl",
	"prlimit64", "process_vm_readv", "process_vm_writev", "ptrace", "restart_syscall", "rseq",
	"rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn",
	"rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo", "sched_get_priority_max",
	"sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam",
	"sched_getscheduler", "sched_rr_get_interval", "sched_setaffinity", "sched_setattr",
	"sched_setparam", "sched_setscheduler", "sched_yield", "seccomp", "set_robust_list",
	"set_tid_address", "setfsgid", "setfsuid", "setgid", "setgroups", "setitimer", "setpgid",
	"setpriority", "setregid", "setresgid", "setresuid", "setreuid", "setrlimit", "setsid",
	"setuid", "sigaltstack", "tgkill", "tkill", "uprobe", "uretprobe", "vfork", "wait4", "waitid",
	NULL
};

static words machine = {
	"alarm", "chroot", "clock_getres", "clock_gettime", "clock_nanosleep", "gettimeofday",
	"nanosleep", "reboot", "setdomainname", "sethostname", "sysinfo", "time", "timer_create",
	"timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime", "times", "uname",
	"vhangup", "riscv_flush_icache", "riscv_hwprobe", "swapcontext", NULL
};

static words messages = {
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen",
	"mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink",
	"msgctl", "msgget", "msgrcv", "msgsnd", "recvfrom", "recvmmsg", "recvmsg", "semctl", "semget",
	"semop", "semtimedop", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shmat", "shmctl",
	"shmdt", "shmget", "shutdown", "socketpair", NULL
};

static words mounts = {
	"fsconfig", "fsmount", "fspick", "mount", "mount_setattr", "move_mount", "open_tree",
	"open_tree_attr", "pivot_root", "setns", "umount2", NULL
};

/* Not where a profile is to see what is mounted: programs fall back to mount(2). */
static words new_mounts = { "fsopen", NULL };

static words nesting = { "add_key", "clone", "clone3", "keyctl", "request_key", "unshare", NULL };

static words old_words = {
	"_llseek", "_newselect", "arm_fadvise64_64", "arm_sync_file_range", "breakpoint", "cacheflush",
	"chown32", "clock_getres_time64", "clock_gettime64", "clock_nanosleep_time64", "fadvise64_64",
	"fchown32", "fcntl64", "fstat64", "fstatat64", "fstatfs64", "ftruncate64", "futex_time64",
	"get_thread_area", "getegid32", "geteuid32", "getgid32", "getgroups32", "getresgid32",
	"getresuid32", "getuid32", "ipc", "lchown32", "lstat64", "mmap2", "modify_ldt",
	"mq_timedreceive_time64", "mq_timedsend_time64", "nice", "ppoll_time64", "pselect6_time64",
	"readdir", "recv", "recvmmsg_time64", "rt_sigtimedwait_time64", "sched_rr_get_interval_time64",
	"semtimedop_time64", "send", "sendfile64", "set_thread_area", "set_tls", "setfsgid32",
	"setfsuid32", "setgid32", "setgroups32", "setregid32", "setresgid32", "setresuid32",
	"setreuid32", "setuid32", "sgetmask", "sigaction", "signal", "sigpending", "sigprocmask",
	"sigreturn", "sigsuspend", "socketcall", "ssetmask", "stat64", "statfs64", "timer_gettime64",
	"timer_settime64", "timerfd_gettime64", "timerfd_settime64", "truncate64", "ugetrlimit",
	"umount", "utimensat_time64", "waitpid", NULL
};

static words forbidden = {
	"acct", "adjtimex", "bpf", "clock_adjtime", "clock_adjtime64", "clock_settime",
	"clock_settime64", "delete_module", "finit_module", "init_module", "ioperm", "iopl",
	"kexec_file_load", "kexec_load", "open_by_handle_at", "perf_event_open", "quotactl",
	"quotactl_fd", "settimeofday", "stime", "swapoff", "swapon", "syslog", "userfaultfd", NULL
};

/* OLD_WORDS: 32-bit calls, of a 32-bit machine or of 32-bit programs. */
enum { OLD_WORDS = 0x100, RULES_MAX = 200 };

static const struct group {
	const char *const *names;
	unsigned with, without;		/* features */
	int action;
} groups[] = {
	{ files,     0, 0, SC_ALLOW },
	{ waiting,   0, 0, SC_ALLOW },
	{ memory,    0, 0, SC_ALLOW },
	{ processes, 0, 0, SC_ALLOW },
	{ machine,   0, 0, SC_ALLOW },
	{ messages,  0, 0, SC_ALLOW },
	{ mounts,    PROFILE_USERNS, 0, SC_ALLOW },
	{ mounts,    0, PROFILE_USERNS, SC_ERRNO },
	{ new_mounts, PROFILE_USERNS, PROFILE_MEDIATED, SC_ALLOW },
	{ new_mounts, 0, PROFILE_USERNS, SC_ERRNO },
	{ nesting,   PROFILE_NESTING, 0, SC_ALLOW },
	{ old_words, OLD_WORDS, 0, SC_ALLOW },
	{ forbidden, 0, 0, SC_ERRNO },
};

/* What an argument's value leads to; code is an errno for SC_ERRNO. */
struct verdict { int action; unsigned code; };
static const struct verdict allow = { SC_ALLOW, 0 }, forbid = { SC_ERRNO, EPERM }, silent = { 0 };

/* Whatever does not fit is noticed once, at the end. */
struct profile {
	struct arena *a;
	struct spec_seccomp *s;
	unsigned features;
	bool oom;
};

static struct strv list_of(struct profile *p, const char *const *names)
{
	struct strv list = { 0 };
	size_t n = 0;

	while (names[n])
		n++;
	list.v = arena_alloc(p->a, n + 1, sizeof *list.v);
	if (list.v)
		memcpy(list.v, names, (list.n = n) * sizeof *list.v);
	else
		p->oom = true;
	return list;
}

static struct spec_seccomp_call *add_rule(struct profile *p, const char *const *names, struct verdict v)
{
	static struct spec_seccomp_call nowhere;
	struct spec_seccomp_call *call = &nowhere;

	if (p->s->syscalls.n < RULES_MAX)
		call = (struct spec_seccomp_call *)p->s->syscalls.v + p->s->syscalls.n++;
	else
		p->oom = true;
	*call = (struct spec_seccomp_call){ .names = list_of(p, names), .action = v.action };
	if (v.action == SC_ERRNO)
		call->errno_ret = (struct opt_u32){ v.code, true };
	return call;
}

static void add_when(struct profile *p, const char *name, struct verdict v, unsigned index, int op,
		     uint64_t value, uint64_t value_two)
{
	const char *const names[] = { name, NULL };
	struct spec_seccomp_arg *arg = arena_alloc(p->a, 1, sizeof *arg);
	struct spec_seccomp_call *call;

	if (v.action == silent.action)
		return;
	if (!arg) {
		p->oom = true;
		return;
	}
	*arg = (struct spec_seccomp_arg){ { index, true }, { value, true }, { value_two, true }, op };
	call = add_rule(p, names, v);
	call->args.v = arg;
	call->args.n = 1;
}

/* The kernel looks at 32 bits of these arguments, the filter at 64: the upper ones must not matter. */
struct choice {
	const char *name;
	unsigned index;
	const uint32_t *values;
	size_t n;
	struct verdict listed, others;
};

static size_t listed_under(const struct choice *c, uint32_t mask, uint32_t value)
{
	size_t found = 0;

	for (size_t i = 0; i < c->n; i++)
		found += (c->values[i] & mask) == value;
	return found;
}

/*
 * Rules for one call that overlap are decided by libseccomp's own order. So "all but these"
 * is spelled as prefixes, like routes: each holds no listed value, and none overlaps another.
 */
static void add_choice(struct profile *p, const struct choice *c)
{
	uint32_t mask = 0, path = 0;

	for (size_t i = 0; i < c->n; i++) {
		add_when(p, c->name, c->listed, c->index, SC_MASKED_EQ, UINT32_MAX, c->values[i]);
		for (uint32_t bit = UINT32_C(1) << 31; bit; bit >>= 1) {
			bool shared = false;

			mask = ~(bit - 1);
			path = (c->values[i] & mask) ^ bit;
			/* An earlier value may have had the same way to this fork. */
			for (size_t j = 0; j < i; j++)
				shared |= (c->values[j] & (mask << 1)) == (path & (mask << 1));
			if (!shared && listed_under(c, mask, path) == 0)
				add_when(p, c->name, c->others, c->index, SC_MASKED_EQ, mask, path);
		}
	}
}

static const uint32_t terminal_injection[] = { TIOCSTI, TIOCLINUX };
static const uint32_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET };

/*
 * On i386 socket() is also socketcall(), which hides its arguments: libseccomp has one
 * rule for all families there, and refuses two that differ.
 */
static void add_choices(struct profile *p)
{
	const struct choice all[] = {
		{ "ioctl", 1, terminal_injection, COUNT(terminal_injection), forbid, allow },
		{ "socket", 0, families, COUNT(families), allow,
		  p->features & PROFILE_I386 ? silent : (struct verdict){ SC_ERRNO, EAFNOSUPPORT } },
	};

	for (size_t i = 0; i < COUNT(all); i++)
		add_choice(p, &all[i]);
}

/* Memory layout and the 32-bit machine; not READ_IMPLIES_EXEC and the other bits of old systems. */
static void add_personalities(struct profile *p)
{
	static const uint32_t known[] = {
		PER_LINUX, PER_LINUX32, UNAME26, PER_LINUX32 | UNAME26, ADDR_NO_RANDOMIZE,
		PER_LINUX32 | ADDR_NO_RANDOMIZE, UINT32_MAX,
	};

	for (size_t i = 0; i < COUNT(known); i++)
		add_when(p, "personality", allow, 0, SC_EQ, known[i], 0);
}

#ifdef __s390x__
enum { CLONE_FLAGS_ARG = 1 };
#else
enum { CLONE_FLAGS_ARG = 0 };
#endif
/* The low byte of clone's flags is a signal, and CLONE_NEWTIME lies there. */
enum {
	NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
		     CLONE_NEWPID | CLONE_NEWNET,
	NEWTIME = 0x80,
};

static void add_namespaces(struct profile *p, const char *name, unsigned index, uint32_t refused)
{
	add_when(p, name, allow, index, SC_MASKED_EQ, refused, 0);
	for (uint32_t bit = 1; bit; bit <<= 1)
		if (refused & bit)
			add_when(p, name, forbid, index, SC_MASKED_EQ, bit, bit);
}

/* clone3 keeps its flags in memory: it gets ENOSYS, and libc falls back to clone. */
static void add_clones(struct profile *p)
{
	uint32_t refused = p->features & PROFILE_USERNS ? CLONE_NEWUSER : NAMESPACES;

	if (p->features & PROFILE_NESTING)
		return;
	add_namespaces(p, "clone", CLONE_FLAGS_ARG, refused);
	add_namespaces(p, "unshare", 0, refused == NAMESPACES ? NAMESPACES | NEWTIME : refused);
}

static void add_groups(struct profile *p)
{
	for (size_t i = 0; i < COUNT(groups); i++) {
		const struct group *g = &groups[i];

		if ((p->features & g->with) == g->with && !(p->features & g->without))
			add_rule(p, g->names, g->action == SC_ALLOW ? allow : forbid);
	}
}

const struct spec_seccomp *profile_seccomp(struct arena *a, unsigned features)
{
	struct profile p = { .a = a, .features = features };

	p.s = arena_alloc(a, 1, sizeof *p.s);
	if (!p.s)
		return NULL;
	p.s->syscalls.v = arena_alloc(a, RULES_MAX, sizeof(struct spec_seccomp_call));
	if (!p.s->syscalls.v)
		return NULL;
	if (features & PROFILE_I386 || sizeof(long) == 4)
		p.features |= OLD_WORDS;
	p.s->default_action = SC_ERRNO;
	p.s->default_errno_ret = (struct opt_u32){ ENOSYS, true };
#ifdef __x86_64__
	static words two_archs = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", NULL };

	if (features & PROFILE_I386)
		p.s->architectures = list_of(&p, two_archs);
#endif
	add_groups(&p);
	add_choices(&p);
	add_personalities(&p);
	add_clones(&p);
	return p.oom ? NULL : p.s;
}

#define BIT(cap) (UINT64_C(1) << (cap))
#ifndef CAP_PERFMON
enum { CAP_PERFMON = 38, CAP_BPF = 39, CAP_CHECKPOINT_RESTORE = 40 };
#endif

/* What reaches past every namespace, or only opens more of the kernel. */
static const uint64_t never =
	BIT(CAP_SYS_MODULE) | BIT(CAP_SYS_RAWIO) | BIT(CAP_SYS_PACCT) | BIT(CAP_SYS_TIME) |
	BIT(CAP_AUDIT_CONTROL) | BIT(CAP_AUDIT_READ) | BIT(CAP_MAC_OVERRIDE) | BIT(CAP_MAC_ADMIN) |
	BIT(CAP_SYSLOG) | BIT(CAP_WAKE_ALARM) | BIT(CAP_BLOCK_SUSPEND) | BIT(CAP_PERFMON) | BIT(CAP_BPF);

/*
 * Without a user namespace these are the host's own. Enough for systemd on mounts made
 * for it; CAP_SYS_BOOT is what reboot(2) in a pid namespace asks for, and kexec is filtered.
 */
static const uint64_t on_host =
	BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_KILL) |
	BIT(CAP_SETGID) | BIT(CAP_SETUID) | BIT(CAP_SETPCAP) | BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_NET_RAW) |
	BIT(CAP_SYS_CHROOT) | BIT(CAP_SYS_BOOT) | BIT(CAP_AUDIT_WRITE) | BIT(CAP_SETFCAP);

uint64_t profile_caps(unsigned features)
{
	return features & PROFILE_USERNS ? (BIT(CAP_CHECKPOINT_RESTORE + 1) - 1) & ~never : on_host;
}
