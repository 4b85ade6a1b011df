/* Files that are read whole. */
#include "base/arena.h"
#include "base/file.h"
#include "base/err.h"
#include "base/scope.h"
#include "base/str.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a file is read to. The memory that it began with may be the caller's own. */
struct sink { char *at, *owned; size_t cap; };

static bool widen(struct sink *s)
{
	char *more = mem_grow(s->at, s->owned ? NULL : s->at, s->cap, s->cap * 2);

	if (!more)
		return false;
	s->at = s->owned = more;
	s->cap *= 2;
	return true;
}

/*
 * whole: bytes after which no second read is needed to say that this was all; SHORT: any that are fewer than asked for;
 * 0: it is needed.
 */
#define SHORT SIZE_MAX
static int read_into(int fd, const char *path, size_t max, size_t whole, struct sink *s, size_t *len)
{
	size_t n = 0;

	for (;;) {
		ssize_t r = read(fd, s->at + n, s->cap - n - 1);

		if (r < 0 && errno == EINTR)
			continue;
		/* Files are opened so that a fifo does not hang us there; a writer that has it open is waited for. */
		if (r < 0 && errno == EAGAIN &&
		    TEMP_FAILURE_RETRY(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1)) > 0)
			continue;
		if (r < 0)
			return fail_errno("read %s", path);
		n += (size_t)r;
		if (n > max)
			return fail(EFBIG, "%s: larger than %zu bytes", path, max);
		if (r == 0 || (whole == SHORT ? n + 1 < s->cap : whole && n == whole))
			break;
		if (n + 1 == s->cap && !widen(s))
			return fail(ENOMEM, "read %s: out of memory", path);
	}
	s->at[n] = '\0';
	if (len)
		*len = n;
	return 0;
}

int file_read_fd(int fd, const char *path, size_t max, char **text, size_t *len)
{
	struct stat st;
	struct sink s = { .cap = 4096 };

	if (fstat(fd, &st) < 0)
		return fail_errno("stat %s", path);
	if (st.st_size > 0 && (size_t)st.st_size <= max)
		s.cap = (size_t)st.st_size + 2;
	s.at = s.owned = malloc(s.cap);
	if (!s.at)
		return fail(ENOMEM, "read %s: out of memory", path);
	int r = read_into(fd, path, max, S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size : 0, &s, len);
	auto_free char *buf = s.owned;
	if (r >= 0)
		*text = TAKE(buf);
	return r;
}

static int read_path(int dirfd, const char *path, int flags, char **text, size_t *len)
{
	auto_close int fd = TEMP_FAILURE_RETRY(openat(dirfd, path, flags | O_RDONLY | O_NOCTTY | O_CLOEXEC));

	if (fd < 0)
		return fail_errno("open %s", path);
	return file_read_fd(fd, path, FILE_READ_MAX, text, len);
}

int file_read(int dirfd, const char *path, char **text, size_t *len)
{
	return read_path(dirfd, path, O_NONBLOCK, text, len);
}

int file_read_named(int dirfd, const char *path, char **text, size_t *len)
{
	return read_path(dirfd, path, 0, text, len);
}

int file_read_small(int dirfd, const char *path, unsigned how, struct file_small small, char **big, const char **text,
		    size_t *len)
{
	int flags = (how & FILE_NAMED ? 0 : O_NONBLOCK) | O_RDONLY | O_NOCTTY | O_CLOEXEC;
	auto_close int fd = TEMP_FAILURE_RETRY(openat(dirfd, path, flags));
	struct sink s = { .at = small.p, .cap = small.size };

	*big = NULL;
	if (fd < 0)
		return fail_errno("open %s", path);
	int r = read_into(fd, path, FILE_READ_MAX, how & FILE_REGULAR ? SHORT : 0, &s, len);
	*big = s.owned;
	*text = s.at;
	return r;
}

ssize_t file_peek(int dirfd, const char *path, char *buf, size_t size)
{
	auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : TEMP_FAILURE_RETRY(read(fd, buf, size - 1));

	if (n < 0)
		return -errno;
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}
