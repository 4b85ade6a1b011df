/* What the console said, from the keeper's log of it, and what it goes on to say. */
#include "runtime/guest/guest.h"
#include "base/file.h"
#include "base/scope.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

enum { PAUSE_MS = 200 };

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

int guest_log(const struct guest_where *at, const char *name, uint64_t lines, struct buf *out, int *end)
{
	auto_close int dir = guest_dir(at, name);
	auto_buf struct buf all = { 0 };

	TRY(dir);
	/* The older half first. */
	auto_close int older = open_log(dir, "console.log.1"), newer = open_log(dir, "console.log");
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

/* The keeper has begun another file: it is read from its beginning. */
static bool turned(int dir, int *fd)
{
	struct stat is, was;

	if (fstatat(dir, "console.log", &is, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (*fd >= 0 && (fstat(*fd, &was) < 0 || is.st_ino == was.st_ino)))
		return false;
	drop_fd(fd);
	*fd = open_log(dir, "console.log");
	return *fd >= 0;
}

/* The bytes at the end of text that begin a character whose rest is still to come. */
static size_t unfinished(const char *text, size_t n)
{
	for (size_t k = 1; k <= 3 && k <= n; k++) {
		unsigned char c = (unsigned char)text[n - k];

		if (c >= 0xc0)
			return k < (c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2) ? k : 0;
		if (c < 0x80)
			return 0;
	}
	return 0;
}

int guest_log_follow(const struct guest_where *at, const char *name, int *fd, guest_log_fn *put)
{
	auto_close int dir = guest_dir(at, name);
	char text[8192], rest[4];
	size_t held = 0;
	bool down = false;
	pid_t pid;

	TRY(dir);
	for (;;) {
		ssize_t n = *fd < 0 ? 0 : TEMP_FAILURE_RETRY(read(*fd, text + held, sizeof text - 1 - held));

		if (n < 0)
			return fail_errno("read console.log of guest %s", name);
		if (n > 0) {
			size_t all = without_nuls(text, held + (size_t)n), later = unfinished(text, all);

			memcpy(rest, text + all - later, later);
			text[all - later] = '\0';
			TRY(put(text));
			memcpy(text, rest, held = later);
		} else if (!turned(dir, fd)) {
			if (down)
				return 0;
			/* What it said before is read once more. */
			down = guest_status(at, name, &pid) == GUEST_STOPPED;
			if (!down)
				(void)poll(NULL, 0, PAUSE_MS);
		}
	}
}
