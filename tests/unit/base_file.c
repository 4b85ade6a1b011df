#include "base/file.h"
#include "base/scope.h"
#include "base/err.h"
#include "tests/unit/unit.h"

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int make_dir(char path[32])
{
	strcpy(path, "/tmp/vzrun-unit.XXXXXX");
	return mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static int write_atomic(int dir, const char *name, const char *text)
{
	return file_write_atomic(dir, name, text, strlen(text), 0600);
}

static bool is(int dir, const char *name, const char *text)
{
	char now[64];

	return file_peek(dir, name, now, sizeof now) >= 0 && strcmp(now, text) == 0;
}

/* What a writer that is killed between the two names leaves. */
static int leave(int dir, const char *tmp)
{
	int fd = openat(dir, tmp, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && write(fd, "half", 4) == 4);
	return fd;
}

TEST(writer_takes_over_what_a_killed_one_left)
{
	char path[32];
	auto_close int dir = make_dir(path);

	CHECK(write_atomic(dir, "a", "one") == 0 && is(dir, "a", "one"));
	close(leave(dir, ".a.vzrun-new"));
	CHECK(write_atomic(dir, "a", "two") == 0 && is(dir, "a", "two"));
	CHECK(faccessat(dir, ".a.vzrun-new", F_OK, 0) < 0);
	unlinkat(dir, "a", 0);
	rmdir(path);
}

TEST(sweep_removes_what_nobody_writes)
{
	char path[32];
	auto_close int dir = make_dir(path);
	int living = leave(dir, ".living.vzrun-new");

	close(leave(dir, ".dead.vzrun-new"));
	close(leave(dir, "no.vzrun-new"));
	/* An editor's, or an administrator's. */
	close(leave(dir, ".other.new"));
	/* Nobody who writes here has made these. */
	CHECK(mkdirat(dir, ".dir.vzrun-new", 0700) == 0 && symlinkat("no.vzrun-new", dir, ".link.vzrun-new") == 0);
	CHECK(mkfifoat(dir, ".fifo.vzrun-new", 0600) == 0);
	CHECK(flock(living, LOCK_EX) == 0);
	CHECK(file_sweep(dir, ".") == 1);
	CHECK(file_sweep(dir, ".") == 0);
	CHECK(faccessat(dir, ".dead.vzrun-new", F_OK, 0) < 0 && faccessat(dir, ".living.vzrun-new", F_OK, 0) == 0);
	close(living);
	CHECK(file_sweep(dir, ".") == 1);
	CHECK(file_sweep(dir, "none") == 0);
	CHECK(unlinkat(dir, "no.vzrun-new", 0) == 0 && unlinkat(dir, ".other.new", 0) == 0);
	CHECK(unlinkat(dir, ".dir.vzrun-new", AT_REMOVEDIR) == 0 && unlinkat(dir, ".link.vzrun-new", 0) == 0);
	CHECK(unlinkat(dir, ".fifo.vzrun-new", 0) == 0);
	rmdir(path);
}

/* Long names that differ at their end only have private names that differ, too. */
TEST(long_names_are_apart)
{
	char path[32], a[NAME_MAX + 1], b[NAME_MAX + 1];
	auto_close int dir = make_dir(path);

	memset(a, 'x', NAME_MAX);
	a[NAME_MAX] = '\0';
	strcpy(b, a);
	b[NAME_MAX - 1] = 'y';
	CHECK(write_atomic(dir, a, "1") == 0 && write_atomic(dir, b, "2") == 0);
	CHECK(write_atomic(dir, a, "a") == 0 && write_atomic(dir, b, "b") == 0);
	CHECK(is(dir, a, "a") && is(dir, b, "b"));
	CHECK(unlinkat(dir, a, 0) == 0 && unlinkat(dir, b, 0) == 0);
	rmdir(path);
}

/* Calls of this number with one of these flags fail, as on a file system that lacks them; for good, so in a child. */
static void deny(int nr, int arg, unsigned flags, int error)
{
	size_t low = __BYTE_ORDER == __BIG_ENDIAN ? 4 : 0;
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (unsigned)(offsetof(struct seccomp_data, args) + 8 * (size_t)arg + low)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flags, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { COUNT(f), f };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) == 0);
}

static void no_tmpfile(void) { deny(SYS_openat, 2, O_TMPFILE & ~O_DIRECTORY, EOPNOTSUPP); }
static void no_locks(void) { deny(SYS_flock, 1, LOCK_EX, ENOLCK); }
static void broken_locks(void) { deny(SYS_flock, 1, LOCK_EX, EPERM); }

/* A new file, an old one, and one beside which a killed writer left something. */
static void write_thrice(int dir)
{
	CHECK(write_atomic(dir, "a", "one") == 0 && is(dir, "a", "one"));
	CHECK(write_atomic(dir, "a", "two") == 0 && is(dir, "a", "two"));
	close(leave(dir, ".a.vzrun-new"));
	CHECK(write_atomic(dir, "a", "three") == 0 && is(dir, "a", "three"));
	CHECK(file_sweep(dir, ".") == 0);
	close(leave(dir, ".a.vzrun-new"));
	CHECK(file_sweep(dir, ".") == 1);
	CHECK(unlinkat(dir, "a", 0) == 0);
}

static void fail_to_write(int dir)
{
	CHECK_FAILS(write_atomic(dir, "a", "one"), "write .a.vzrun-new: Operation not permitted");
	CHECK(faccessat(dir, ".a.vzrun-new", F_OK, 0) < 0 && faccessat(dir, "a", F_OK, 0) < 0);
}

TEST(file_systems_without_private_files_or_locks)
{
	static const struct { void (*lacks)(void), (*lacks_too)(void), (*check)(int dir); } cases[] = {
		{ no_tmpfile, NULL, write_thrice },
		{ no_locks, NULL, write_thrice },
		{ no_tmpfile, no_locks, write_thrice },
		{ no_tmpfile, broken_locks, fail_to_write },
	};
	char path[32];
	int status;

	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_close int dir = make_dir(path);
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			cases[i].lacks();
			if (cases[i].lacks_too)
				cases[i].lacks_too();
			cases[i].check(dir);
			fflush(stdout);
			_exit(unit_failed);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		CHECK(rmdir(path) == 0);
	}
}

/* What others can put into a directory and lock is not waited for. Another link makes a file one that others have. */
TEST(locks_of_others_are_not_waited_for)
{
	char path[32];
	auto_close int dir = make_dir(path);
	auto_close int theirs = leave(dir, ".a.vzrun-new");

	CHECK(linkat(dir, ".a.vzrun-new", dir, "other", 0) == 0 && flock(theirs, LOCK_EX) == 0);
	CHECK(write_atomic(dir, "a", "one") == 0 && write_atomic(dir, "a", "two") == 0 && is(dir, "a", "two"));
	CHECK(faccessat(dir, ".a.vzrun-new", F_OK, 0) < 0 && is(dir, "other", "half"));
	CHECK(unlinkat(dir, "other", 0) == 0);

	CHECK(symlinkat("a", dir, ".a.vzrun-new") == 0);
	CHECK(write_atomic(dir, "a", "three") == 0 && is(dir, "a", "three"));
	CHECK(mkfifoat(dir, ".a.vzrun-new", 0666) == 0);
	CHECK(write_atomic(dir, "a", "four") == 0 && is(dir, "a", "four"));
	CHECK(mkdirat(dir, ".a.vzrun-new", 0700) == 0);
	CHECK_FAILS(write_atomic(dir, "a", "five"), "write .a.vzrun-new: Is a directory");
	CHECK(unlinkat(dir, ".a.vzrun-new", AT_REMOVEDIR) == 0);

	/* Ours, but who may read it can lock it. */
	auto_close int read = leave(dir, ".a.vzrun-new");
	CHECK(fchmod(read, 0644) == 0 && flock(read, LOCK_EX) == 0);
	CHECK_FAILS(write_atomic(dir, "a", "six"), "write .a.vzrun-new: Resource temporarily unavailable");
	CHECK(is(dir, "a", "four"));
	CHECK(unlinkat(dir, "a", 0) == 0 && unlinkat(dir, ".a.vzrun-new", 0) == 0);
	rmdir(path);
}

enum { WRITERS = 6, ROUNDS = 200 };

/* Writers without a lock of their own: each succeeds, a reader sees a whole text, nothing is left. */
TEST(writers_at_once)
{
	char path[32], text[4096], *got;
	auto_close int dir = make_dir(path);
	pid_t pids[WRITERS];
	int status;
	size_t n;

	CHECK(write_atomic(dir, "a", "start") == 0);
	for (int w = 0; w < WRITERS; w++) {
		pids[w] = fork();
		if (pids[w])
			continue;
		memset(text, 'a' + w, sizeof text);
		for (int i = 0; i < ROUNDS; i++)
			if (file_write_volatile(dir, "a", text, sizeof text, 0600) < 0 || file_sweep(dir, ".") < 0)
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(file_read(dir, "a", &got, &n) == 0);
		CHECK(n == 5 || (n == sizeof text && got[0] == got[n - 1]));
		free(got);
	}
	for (int w = 0; w < WRITERS; w++)
		CHECK(waitpid(pids[w], &status, 0) == pids[w] && status == 0);
	CHECK(file_sweep(dir, ".") == 0);
	CHECK(unlinkat(dir, "a", 0) == 0);
	CHECK(rmdir(path) == 0);
}

UNIT_MAIN(UNIT(writer_takes_over_what_a_killed_one_left), UNIT(sweep_removes_what_nobody_writes),
	  UNIT(long_names_are_apart), UNIT(file_systems_without_private_files_or_locks),
	  UNIT(locks_of_others_are_not_waited_for), UNIT(writers_at_once))
