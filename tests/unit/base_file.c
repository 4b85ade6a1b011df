#include "base/file.h"
#include "base/scope.h"
#include "base/err.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
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
	close(leave(dir, ".a.new"));
	CHECK(write_atomic(dir, "a", "two") == 0 && is(dir, "a", "two"));
	CHECK(faccessat(dir, ".a.new", F_OK, 0) < 0);
	unlinkat(dir, "a", 0);
	rmdir(path);
}

TEST(sweep_removes_what_nobody_writes)
{
	char path[32];
	auto_close int dir = make_dir(path);
	int living = leave(dir, ".living.new");

	close(leave(dir, ".dead.new"));
	close(leave(dir, "no.new"));
	close(leave(dir, ".other"));
	CHECK(flock(living, LOCK_EX) == 0);
	CHECK(file_sweep(dir, ".") == 1 && file_sweep(dir, ".") == 0);
	CHECK(faccessat(dir, ".dead.new", F_OK, 0) < 0 && faccessat(dir, ".living.new", F_OK, 0) == 0);
	close(living);
	CHECK(file_sweep(dir, ".") == 1);
	CHECK(file_sweep(dir, "none") == 0);
	CHECK(unlinkat(dir, "no.new", 0) == 0 && unlinkat(dir, ".other", 0) == 0);
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
	  UNIT(long_names_are_apart), UNIT(writers_at_once))
