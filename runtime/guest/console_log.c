/* What the console said, from the keeper's log of it, and what it goes on to say. */
#include "runtime/guest/guest.h"
#include "base/dgram.h"
#include "base/file.h"
#include "base/scope.h"
#include "runtime/guest/console.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* What a terminal said may hold NULs, which are nothing to a reader. */
static size_t without_nuls(char *text, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (text[i])
			text[kept++] = text[i];
	text[kept] = '\0';
	return kept;
}

/* -1: there is none. */
static int open_log(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 && errno != ENOENT ? fail_errno("open %s", name) : fd;
}

static int add_log(int fd, const char *name, struct buf *b)
{
	auto_free char *text = NULL;
	size_t len;

	if (fd == -1)
		return 0;
	TRY(fd);
	TRY(file_read_fd(fd, name, FILE_READ_MAX, &text, &len));
	buf_add(b, text, without_nuls(text, len));
	return 0;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return a >= 0 && b >= 0 && fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino;
}

int guest_log(const struct guest_where *at, const char *name, uint64_t lines, struct buf *out, int *end)
{
	auto_close int dir = guest_dir(at, name);
	auto_buf struct buf all = { 0 };

	TRY(dir);
	/* Opened first: where the keeper begins another file meanwhile, it is the older half, and not missed. */
	auto_close int newer = open_log(dir, "console.log"), older = open_log(dir, "console.log.1");
	if (!same_file(older, newer))
		TRY(add_log(older, "console.log.1", &all));
	TRY(add_log(newer, "console.log", &all));
	if (all.oom)
		return fail(ENOMEM, "out of memory");
	const char *text = buf_text(&all), *stop = text + all.n, *p = stop;
	for (uint64_t n = 0; lines && p > text; p--)
		if (p[-1] == '\n' && p != stop && ++n == lines)
			break;
	buf_puts(out, lines ? p : text);
	if (end)
		*end = take_fd(&newer);
	return 0;
}

/* The keeper has begun another file, and writes no more to the one that fd is. */
static bool is_past(int dir, int fd)
{
	struct stat is, was;

	return fstatat(dir, "console.log", &is, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (fd < 0 || (fstat(fd, &was) == 0 && is.st_ino != was.st_ino));
}

/* The bytes at the end of text that begin a character, or the end of a line, whose rest is still to come. */
static size_t unfinished(const char *text, size_t n)
{
	if (n && text[n - 1] == '\r')
		return 1;
	for (size_t k = 1; k <= 3 && k <= n; k++) {
		unsigned char c = (unsigned char)text[n - k];

		if (c >= 0xc0)
			return k < (c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2) ? k : 0;
		if (c < 0x80)
			return 0;
	}
	return 0;
}

/* rest: what was cut at the end of the last piece. */
struct following { int dir, fd; char rest[4]; size_t held; };

static int put_the_rest(struct following *f, guest_log_fn *put)
{
	char text[8192];
	ssize_t n;

	do {
		memcpy(text, f->rest, f->held);
		n = f->fd < 0 ? 0 : TEMP_FAILURE_RETRY(read(f->fd, text + f->held, sizeof text - 1 - f->held));
		if (n < 0)
			return fail_errno("read console.log");
		if (n > 0) {
			size_t all = without_nuls(text, f->held + (size_t)n), later = unfinished(text, all);

			memcpy(f->rest, text + all - later, f->held = later);
			text[all - later] = '\0';
			TRY(put(text));
		}
	} while (n > 0);
	return 0;
}

static int put_what_came(struct following *f, guest_log_fn *put)
{
	for (bool past = true; past;) {
		/* Asked before the rest is read, or what comes in between is lost. */
		past = is_past(f->dir, f->fd);
		TRY(put_the_rest(f, put));
		if (past) {
			drop_fd(&f->fd);
			f->fd = open_log(f->dir, "console.log");
			past = f->fd >= 0;
		}
	}
	return 0;
}

/* The keeper's pidfd, to see when the log is at its end; no client's place is taken for it. -1: there is no keeper. */
static int keeper_of(int dir)
{
	auto_close int fd = dgram_connect(dir, "keeper.sock", SOCK_SEQPACKET);
	struct ucred who;
	socklen_t n = sizeof who;

	err_clear();
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
		return -1;
	return pidfd_open(who.pid, 0);
}

/* inotify(7): the file is written to, and another takes its name. */
static int watch(int dir)
{
	auto_close int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[32];

	snprintf(path, sizeof path, "/proc/self/fd/%d", dir);
	if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return fail_errno("follow console.log");
	return take_fd(&fd);
}

int guest_log_follow(const struct guest_where *at, const char *name, int *fd, guest_log_fn *put)
{
	auto_close int dir = guest_dir(at, name);
	struct following f = { .dir = dir, .fd = take_fd(fd) };
	int r = dir;

	if (r >= 0) {
		auto_close int changes = watch(dir), keeper = keeper_of(dir);
		struct pollfd pf[] = { { keeper, POLLIN, 0 }, { changes, POLLIN, 0 } };
		char events[4096];

		r = changes < 0 ? changes : put_what_came(&f, put);
		while (r >= 0 && keeper >= 0 && !pf[0].revents) {
			if (TEMP_FAILURE_RETRY(poll(pf, COUNT(pf), -1)) < 0)
				r = fail_errno("follow console.log");
			while (read(changes, events, sizeof events) > 0)
				;
			r = r < 0 ? r : put_what_came(&f, put);
		}
		if (r >= 0 && f.held) {
			f.rest[f.held] = '\0';
			r = put(f.rest);
		}
	}
	drop_fd(&f.fd);
	return r;
}
