#include "runtime/child/bpf.h"
#include "runtime/child/seccomp.h"
#include "runtime/guest/profile.h"
#include "tests/unit/unit.h"

#include <asm/ioctls.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ALLOWED    SECCOMP_RET_ALLOW
#define NOT_PERM   (SECCOMP_RET_ERRNO | EPERM)
#define NOT_THERE  (SECCOMP_RET_ERRNO | ENOSYS)
#define NO_FAMILY  (SECCOMP_RET_ERRNO | EAFNOSUPPORT)
#define HIGH       (UINT64_C(7) << 32)

static int compile(unsigned features, struct seccomp_prog *p)
{
	auto_arena struct arena a = { 0 };
	const struct spec_seccomp *s = profile_seccomp(&a, features);

	if (!s)
		return fail(ENOMEM, "no profile");
	TRY(spec_seccomp_check(s));
	return seccomp_compile(s, -1, p);
}

static uint64_t answer(const struct seccomp_prog *p, int nr, uint64_t a0, uint64_t a1)
{
	struct seccomp_data d = { .nr = nr, .arch = seccomp_arch_native(), .args = { a0, a1 } };

	return bpf_run(p->insns, p->len, &d);
}

enum { USER = PROFILE_USERNS, NEST = PROFILE_USERNS | PROFILE_NESTING, ALL = -1, HOST = 0 };

#ifdef __x86_64__
enum { I386_TOO = SYS_modify_ldt };	/* with PROFILE_I386 it is allowed */
#else
enum { I386_TOO = -1 };
#endif

static const struct { int features, nr; uint64_t a0, a1, want; } rows[] = {
	{ ALL, SYS_read, 0, 0, ALLOWED },
	{ ALL, SYS_reboot, 0xfee1dead, 0, ALLOWED },
	{ ALL, SYS_openat2, 0, 0, ALLOWED },
	{ ALL, SYS_kexec_load, 0, 0, NOT_PERM },
	{ ALL, SYS_init_module, 0, 0, NOT_PERM },
	{ ALL, SYS_finit_module, 0, 0, NOT_PERM },
	{ ALL, SYS_bpf, 0, 0, NOT_PERM },
	{ ALL, SYS_perf_event_open, 0, 0, NOT_PERM },
	{ ALL, SYS_userfaultfd, 0, 0, NOT_PERM },
	{ ALL, SYS_open_by_handle_at, 0, 0, NOT_PERM },
	{ ALL, SYS_swapon, 0, 0, NOT_PERM },
	{ ALL, SYS_syslog, 0, 0, NOT_PERM },
	{ ALL, SYS_io_uring_setup, 0, 0, NOT_THERE },
#ifdef __x86_64__
	{ ALL, SYS_iopl, 0, 0, NOT_PERM },
	{ ALL, SYS_modify_ldt, 0, 0, NOT_THERE },
	{ ALL, SYS_uselib, 0, 0, NOT_THERE },
#endif
	{ ALL, SYS_vmsplice, 0, 0, NOT_THERE },
	{ ALL, SYS_fanotify_init, 0, 0, NOT_THERE },
	{ ALL, SYS_pidfd_getfd, 0, 0, NOT_THERE },
	{ ALL, SYS_adjtimex, 0, 0, NOT_PERM },
	{ ALL, SYS_clock_adjtime, 0, 0, NOT_PERM },
	{ ALL, SYS_nfsservctl, 0, 0, NOT_THERE },
	{ ALL, 9999, 0, 0, NOT_THERE },
	{ HOST, SYS_keyctl, 0, 0, NOT_THERE },
	{ USER, SYS_keyctl, 0, 0, NOT_THERE },
	{ NEST, SYS_keyctl, 0, 0, ALLOWED },
	{ HOST, SYS_mount, 0, 0, NOT_PERM },
	{ HOST, SYS_setns, 0, 0, NOT_PERM },
	{ USER, SYS_mount, 0, 0, ALLOWED },
	{ USER, SYS_move_mount, 0, 0, ALLOWED },
	{ USER, SYS_setns, 0, 0, ALLOWED },
	{ USER, SYS_fsopen, 0, 0, ALLOWED },
	{ HOST, SYS_fsopen, 0, 0, NOT_PERM },
	{ ALL, SYS_clone, SIGCHLD, 0, ALLOWED },
	{ ALL, SYS_clone, 0x3d0f00, 0, ALLOWED },
	{ HOST, SYS_clone, CLONE_NEWNS | SIGCHLD, 0, NOT_PERM },
	{ USER, SYS_clone, CLONE_NEWNS | SIGCHLD, 0, ALLOWED },
	{ USER, SYS_clone, CLONE_NEWUSER | CLONE_NEWNS, 0, NOT_PERM },
	{ USER, SYS_clone, HIGH | CLONE_NEWUSER, 0, NOT_PERM },
	{ NEST, SYS_clone, CLONE_NEWUSER, 0, ALLOWED },
	{ HOST, SYS_clone3, 0, 0, NOT_THERE },
	{ USER, SYS_clone3, 0, 0, NOT_THERE },
	{ NEST, SYS_clone3, 0, 0, ALLOWED },
	{ ALL, SYS_unshare, CLONE_FILES, 0, ALLOWED },
	{ HOST, SYS_unshare, 0x80, 0, NOT_PERM },
	{ HOST, SYS_unshare, CLONE_NEWNET | CLONE_FS, 0, NOT_PERM },
	{ USER, SYS_unshare, CLONE_NEWNET, 0, ALLOWED },
	{ USER, SYS_unshare, CLONE_NEWUSER, 0, NOT_PERM },
	{ NEST, SYS_unshare, CLONE_NEWUSER, 0, ALLOWED },
	{ ALL, SYS_personality, PER_LINUX, 0, ALLOWED },
	{ ALL, SYS_personality, 0xffffffff, 0, ALLOWED },
	{ ALL, SYS_personality, READ_IMPLIES_EXEC, 0, NOT_THERE },
	{ ALL, SYS_personality, HIGH | READ_IMPLIES_EXEC, 0, NOT_THERE },
};

TEST(answers)
{
	for (int features = 0; features < 8; features++) {
		auto_seccomp struct seccomp_prog p = { 0 };

		CHECK(compile((unsigned)features, &p) == 0);
		for (size_t i = 0; i < COUNT(rows); i++) {
			if ((rows[i].features != ALL && rows[i].features != (features & NEST)) ||
			    (rows[i].nr == I386_TOO && (features & PROFILE_I386)))
				continue;
			if (answer(&p, rows[i].nr, rows[i].a0, rows[i].a1) != rows[i].want)
				printf("# features %d, row %zu, call %d: %jx\n", features, i, rows[i].nr,
				       (uintmax_t)answer(&p, rows[i].nr, rows[i].a0, rows[i].a1));
			CHECK(answer(&p, rows[i].nr, rows[i].a0, rows[i].a1) == rows[i].want);
		}
	}
}

TEST(mediated)
{
	auto_seccomp struct seccomp_prog user = { 0 }, host = { 0 };

	CHECK(compile(PROFILE_USERNS | PROFILE_MEDIATED, &user) == 0 && compile(PROFILE_MEDIATED, &host) == 0);
	CHECK(answer(&user, SYS_fsopen, 0, 0) == NOT_THERE && answer(&host, SYS_fsopen, 0, 0) == NOT_PERM);
	CHECK(answer(&user, SYS_mount, 0, 0) == ALLOWED && answer(&user, SYS_move_mount, 0, 0) == ALLOWED);
}

/* Every request near the two, and each of their one-bit neighbours; the upper half never matters. */
TEST(terminals)
{
	auto_seccomp struct seccomp_prog p = { 0 };

	CHECK(compile(PROFILE_USERNS, &p) == 0);
	for (uint64_t i = 0; i < 0x10000 + 64; i++) {
		uint64_t request = i < 0x10000 ? i : (i & 32 ? TIOCSTI : TIOCLINUX) ^ UINT64_C(1) << (i & 31);
		uint64_t want = request == TIOCSTI || request == TIOCLINUX ? NOT_PERM : ALLOWED;

		CHECK(answer(&p, SYS_ioctl, 0, request) == want);
		CHECK(answer(&p, SYS_ioctl, 0, HIGH | request) == want);
	}
	CHECK(answer(&p, SYS_ioctl, 0, 0x80045430) == ALLOWED);
	CHECK(answer(&p, SYS_ioctl, 0, UINT64_MAX) == ALLOWED);
}

TEST(families)
{
	static const int open[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET };
	auto_seccomp struct seccomp_prog p = { 0 }, with_i386 = { 0 };

	CHECK(compile(PROFILE_USERNS, &p) == 0 && compile(PROFILE_USERNS | PROFILE_I386, &with_i386) == 0);
	for (int family = 0; family < 300; family++) {
		bool want = false;

		for (size_t i = 0; i < COUNT(open); i++)
			want |= open[i] == family;
		for (uint64_t high = 0; high <= HIGH; high += HIGH) {
			uint64_t arg = high | (uint64_t)family;

			CHECK(answer(&p, SYS_socket, arg, 0) == (want ? ALLOWED : NO_FAMILY));
			CHECK(answer(&with_i386, SYS_socket, arg, 0) == (want ? ALLOWED : NOT_THERE));
		}
	}
	CHECK(answer(&p, SYS_socket, UINT32_MAX, 0) == NO_FAMILY);
}

TEST(other_architectures)
{
	const bool x86 = seccomp_arch_native() == AUDIT_ARCH_X86_64;

	for (unsigned features = 0; features < 8; features++) {
		auto_seccomp struct seccomp_prog p = { 0 };
		struct seccomp_data d = { .arch = AUDIT_ARCH_I386, .nr = 3 };

		CHECK(compile(features, &p) == 0);
		CHECK(bpf_run(p.insns, p.len, &d) ==
		      (x86 && features & PROFILE_I386 ? ALLOWED : SECCOMP_RET_KILL_THREAD));
		/* x32 */
		CHECK(!x86 || answer(&p, 0x40000000, 0, 0) == SECCOMP_RET_KILL_THREAD);
		d.arch = x86 ? AUDIT_ARCH_AARCH64 : AUDIT_ARCH_X86_64;
		CHECK(bpf_run(p.insns, p.len, &d) == SECCOMP_RET_KILL_THREAD);
	}
}

/* --- the kernel's own word --------------------------------------------------------------------------- */

static int under_profile(unsigned features, int (*what)(void))
{
	struct seccomp_prog p = { 0 };
	int status;
	pid_t pid;

	CHECK(compile(features, &p) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_attach(&p, NULL) < 0)
			_exit(99);
		_exit(what());
	}
	seccomp_free(&p);
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

#define FAILS(call, code) (errno = 0, (call) < 0 && errno == (code))

static int live_calls(void)
{
	char c;
	int pipes[2];

	if (pipe(pipes) < 0 || write(pipes[1], "x", 1) != 1 || read(pipes[0], &c, 1) != 1)
		return 1;
	if (!FAILS(unshare(CLONE_NEWUSER), EPERM))
		return 2;
	if (!FAILS(ioctl(pipes[0], TIOCSTI, "x"), EPERM) || !FAILS(ioctl(pipes[0], TIOCLINUX, "x"), EPERM))
		return 3;
	if (!FAILS(ioctl(pipes[0], TCGETS, &c), ENOTTY))
		return 4;
	if (!FAILS(socket(AF_VSOCK, SOCK_STREAM, 0), EAFNOSUPPORT) ||
	    !FAILS(socket(AF_ALG, SOCK_SEQPACKET, 0), EAFNOSUPPORT))
		return 5;
	if (socket(AF_UNIX, SOCK_STREAM, 0) < 0)
		return 6;
	if (!FAILS(syscall(SYS_io_uring_setup, 1, NULL), ENOSYS) ||
	    !FAILS(syscall(SYS_clone3, NULL, 0), ENOSYS))
		return 7;
	return FAILS(syscall(SYS_bpf, 0, NULL, 0), EPERM) ? 0 : 8;
}

static int run_shell(void)
{
	execl("/bin/sh", "sh", "-c", "test $(echo a b | wc -w) = 2 && ls / >/dev/null && sleep 0.01",
	      (char *)NULL);
	return 98;
}

#ifdef __x86_64__
static int int_0x80(void)
{
	long nr = 20;	/* getpid */

	__asm__ volatile("int $0x80" : "+a"(nr) : : "memory", "r8", "r9", "r10", "r11");
	return nr > 0 ? 1 : 0;
}
#endif

TEST(alive)
{
	CHECK(under_profile(PROFILE_USERNS, live_calls) == 0);
	for (unsigned features = 0; features < 8; features++)
		CHECK(under_profile(features, run_shell) == 0);
#ifdef __x86_64__
	CHECK(under_profile(PROFILE_USERNS, int_0x80) == 1000 + SIGSYS);
#endif
}

TEST(caps)
{
	static const unsigned nowhere[] = {
		CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_TIME, CAP_MAC_ADMIN, CAP_MAC_OVERRIDE, CAP_SYSLOG,
		CAP_WAKE_ALARM, CAP_BLOCK_SUSPEND, CAP_AUDIT_CONTROL, 39
	};
	uint64_t user = profile_caps(PROFILE_USERNS), host = profile_caps(0);

	for (size_t i = 0; i < COUNT(nowhere); i++)
		CHECK(!((user | host) >> nowhere[i] & 1));
	CHECK((host & ~user) == 0 && (user >> CAP_SYS_ADMIN & 1) && !(host >> CAP_SYS_ADMIN & 1));
	CHECK(__builtin_popcountll(host) < 16 && user >> 41 == 0);
}

UNIT_MAIN(UNIT(answers), UNIT(mediated), UNIT(terminals), UNIT(families), UNIT(other_architectures),
	  UNIT(alive), UNIT(caps))
