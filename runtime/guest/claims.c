#include "runtime/guest/claims.h"
#include "base/err.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The last one to release removes it, perhaps between our opening and our lock. */
int claims_open(const char *path, bool make)
{
	struct stat st;

	for (;;) {
		auto_close int dir = make ? file_make_dirs(path, 0700)
					  : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (dir < 0)
			return make ? dir : errno == ENOENT ? -ENOENT : fail_errno("open %s", path);
		if (TEMP_FAILURE_RETRY(flock(dir, LOCK_EX)) < 0 || fstat(dir, &st) < 0)
			return fail_errno("lock %s", path);
		if (st.st_nlink > 0)
			return take_fd(&dir);
	}
}

static void read_owner(int claims, const char *name, char *out, size_t size)
{
	ssize_t n = readlinkat(claims, name, out, size - 1);

	out[n > 0 ? n : 0] = '\0';
}

/* What cannot be told may live. */
static bool is_gone(const char *owner)
{
	return faccessat(AT_FDCWD, owner, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* A home may be spelt in several ways: by a link, with a slash at its end. */
static bool is_same(const char *a, const char *b)
{
	struct stat x, y;

	return str_eq(a, b) || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

int claims_take(int claims, const char *name, const char *owner)
{
	char has[PATH_MAX];

	for (int tries = 0; tries < 2; tries++) {
		if (symlinkat(owner, claims, name) == 0)
			return 1;
		if (errno != EEXIST)
			return fail_errno("claim %s", name);
		read_owner(claims, name, has, sizeof has);
		if (is_same(has, owner))
			return 1;
		if (!is_gone(has))
			return 0;
		(void)unlinkat(claims, name, 0);
	}
	return 0;
}

int claims_held(const char *path, const char *name, const char *owner)
{
	char link[128], has[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof link, "%s/%s", path, name);
	n = readlink(link, has, sizeof has - 1);
	if (n < 0)
		return errno == ENOENT ? 0 : fail_errno("read %s", link);
	has[n] = '\0';
	return !(owner && is_same(has, owner)) && !is_gone(has);
}

int claims_drop(const char *path, const char *owner)
{
	auto_close int claims = claims_open(path, false);
	DIR *d = claims < 0 ? NULL : opendir(path);
	char has[PATH_MAX];
	struct dirent *e;
	int n = 0, r = 0;

	if (claims < 0)
		return claims == -ENOENT ? 0 : claims;
	if (!d)
		return fail_errno("open %s", path);
	while ((errno = 0, e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		read_owner(claims, e->d_name, has, sizeof has);
		if (owner ? is_same(has, owner) : *has && is_gone(has))
			n += unlinkat(claims, e->d_name, 0) == 0;
	}
	if (errno)
		r = fail_errno("read %s", path);
	closedir(d);
	(void)rmdir(path);
	return r < 0 ? r : n;
}
