/* What is more than a system call: see musl.h. */
#include "words.h"
#include <dirent.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static const char *word(const char *const *words, size_t n, int i)
{
	return i > 0 && (size_t)i < n ? words[i] : NULL;
}

const char *strerrordesc_np(int code)
{
	return word(errors, sizeof errors / sizeof *errors, code);
}

const char *strerrorname_np(int code)
{
	return word(error_names, sizeof error_names / sizeof *error_names, code);
}

const char *sigabbrev_np(int sig)
{
	return word(signals, sizeof signals / sizeof *signals, sig);
}

static int keep(struct dirent ***names, size_t n, const struct dirent *e)
{
	/* By powers of two: n names fill their array when n is one. */
	if ((n & (n - 1)) == 0) {
		struct dirent **more = realloc(*names, (n ? 2 * n : 1) * sizeof *more);
		if (!more)
			return -1;
		*names = more;
	}
	size_t size = offsetof(struct dirent, d_name) + strlen(e->d_name) + 1;
	struct dirent *copy = malloc(size);
	if (!copy)
		return -1;
	memcpy(copy, e, size);
	(*names)[n] = copy;
	return 0;
}

static int read_all(DIR *d, struct dirent ***names, int (*select)(const struct dirent *))
{
	size_t n = 0;
	struct dirent *e;

	while ((errno = 0, e = readdir(d)))
		if (!select || select(e)) {
			if (keep(names, n, e) < 0)
				break;
			n++;
		}
	if (errno == 0)
		return (int)n;
	while (n > 0)
		free((*names)[--n]);
	free(*names);
	return -1;
}

int scandirat(int dirfd, const char *path, struct dirent ***names, int (*select)(const struct dirent *),
	      int (*compare)(const struct dirent **, const struct dirent **))
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	*names = NULL;
	if (!d) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	int n = read_all(d, names, select), saved = errno;
	closedir(d);
	errno = saved;
	if (n > 0 && compare)
		qsort(*names, (size_t)n, sizeof **names, (int (*)(const void *, const void *))compare);
	return n;
}

/*
 * musl gives a page back with the last block in it. So who has no block left asks the kernel for a page with each small
 * malloc(3), and gives it back with each free(3): two calls, a fault, 5 us and more. One block that stays keeps a page.
 */
static void *volatile kept;

__attribute__((constructor)) static void keep_a_page(void)
{
	kept = malloc(1);
}
