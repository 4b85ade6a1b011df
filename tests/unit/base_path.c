#include "base/path.h"
#include "base/file.h"
#include "base/path_walk.h"
#include "base/scope.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* A root that its owner filled with malice, and a secret beside it. */
static int root = -1, outside = -1;
static char top[] = "/tmp/vzrun-unit.XXXXXX";

static void make_tree(void)
{
	char path[64];

	if (root >= 0)
		return;
	if (!mkdtemp(top))
		return;
	outside = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(outside, "root", 0755);
	mkdirat(outside, "secret", 0755);
	snprintf(path, sizeof path, "%s/root", top);
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(root, "dir", 0755);
	close(openat(root, "dir/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	(void)!symlinkat("/dir", root, "abs");
	(void)!symlinkat("../../../../../../../dir", root, "up");
	(void)!symlinkat("../secret", root, "out");
	(void)!symlinkat("/secret", root, "absout");
	(void)!symlinkat("nowhere", root, "dangling");
	(void)!symlinkat("loop", root, "loop");
	mkfifoat(root, "fifo", 0644);
}

static ino_t inode(int fd)
{
	struct stat st = { 0 };

	fstat(fd, &st);
	return st.st_ino;
}

typedef int opener(int rootfd, const char *path, int flags);

static int by_kernel(int rootfd, const char *path, int flags)
{
	return path_open(rootfd, path, flags);
}

static int by_walk(int rootfd, const char *path, int flags)
{
	int fd = path_walk(rootfd, path, flags | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	return fd < 0 ? -errno : fd;
}

static void stays_inside(opener *open_it)
{
	static const char *const to_dir[] = { "dir", "/dir", "abs", "up", "./dir/.", "dir/../dir", "../../dir", "abs/../dir",
					      "/../../../dir" };
	static const struct { const char *path; int r; } refused[] = {
		{ "out", -ENOENT }, { "absout", -ENOENT }, { "../secret", -ENOENT }, { "dangling", -ENOENT },
		{ "loop", -ELOOP }, { "dir/file/x", -ENOTDIR }, { "", -ENOENT },
	};

	for (size_t i = 0; i < COUNT(to_dir); i++) {
		auto_close int want = openat(root, "dir", O_PATH | O_CLOEXEC), fd = open_it(root, to_dir[i], O_PATH);

		CHECK(fd >= 0 && inode(fd) == inode(want));
	}
	for (size_t i = 0; i < COUNT(refused); i++)
		CHECK(open_it(root, refused[i].path, O_PATH) == refused[i].r);
	CHECK(open_it(root, "dir/file", O_PATH | O_DIRECTORY) == -ENOTDIR);
}

TEST(open_in_root)
{
	make_tree();
	stays_inside(by_kernel);
}

TEST(walk_in_root)
{
	make_tree();
	stays_inside(by_walk);
}

TEST(magic_links)
{
	auto_close int proc = open("/proc", O_PATH | O_CLOEXEC);

	CHECK(by_kernel(proc, "self/root", O_PATH) == -ELOOP);
	CHECK(by_walk(proc, "self/root", O_PATH) == -ELOOP);
	CHECK(path_open_strict(proc, "self", O_PATH) == -ELOOP);
}

TEST(strict)
{
	make_tree();
	CHECK(path_open_strict(root, "abs", O_PATH) == -ELOOP);
	CHECK(path_open_strict(root, "../secret", O_PATH) == -EXDEV);
	auto_close int fd = path_open_strict(root, "dir/file", O_PATH);
	CHECK(fd >= 0);
}

TEST(ensure)
{
	bool created;
	struct stat st;

	make_tree();
	auto_close int a = path_ensure(root, "/new/deep/er", PATH_DIR, &created);
	CHECK(a >= 0 && created);
	auto_close int b = path_ensure(root, "/new/deep/er/", PATH_DIR, &created);
	CHECK(b >= 0 && !created && inode(a) == inode(b));
	auto_close int c = path_ensure(root, "abs/f", PATH_FILE, &created);
	CHECK(c >= 0 && created && fstatat(root, "dir/f", &st, 0) == 0 && S_ISREG(st.st_mode));
	/* Through a link to what is not there, as the root has it, and out of what is not there never upwards. */
	CHECK(path_ensure(root, "gone/../../x", PATH_DIR, NULL) == -EINVAL);
	CHECK(path_ensure(root, "loop/x", PATH_DIR, NULL) == -ELOOP);
	auto_close int d = path_ensure(root, "dangling", PATH_FILE, &created);
	CHECK(d >= 0 && created && fstatat(root, "nowhere", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode));
	CHECK(path_ensure(root, "dangling/x", PATH_DIR, NULL) == -ENOTDIR);
	auto_close int e = path_ensure(root, "absout/x", PATH_DIR, &created);
	CHECK(e >= 0 && created && fstatat(root, "secret/x", &st, 0) == 0 && S_ISDIR(st.st_mode));
	auto_close int f = path_ensure(root, "out/y/z", PATH_FILE, NULL);
	CHECK(f >= 0 && fstatat(root, "secret/y/z", &st, 0) == 0);
	CHECK(fstatat(outside, "secret/x", &st, 0) < 0 && fstatat(outside, "secret/y", &st, 0) < 0);
}

TEST(write_replaces_links)
{
	auto_free char *text = NULL;
	struct stat st;

	make_tree();
	(void)!symlinkat("../../secret/stolen", root, "dir/conf");
	CHECK(path_write(root, "/dir/conf", "hello", 5, 0644) == 0);
	CHECK(fstatat(root, "dir/conf", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode));
	CHECK(fstatat(outside, "secret/stolen", &st, 0) < 0);
	CHECK(path_read(root, "dir/conf", 100, &text, NULL) == 0);
	CHECK_STR(text, "hello");
}

TEST(read_is_careful)
{
	char *text = NULL;

	make_tree();
	CHECK(path_read(root, "fifo", 100, &text, NULL) == -EINVAL);
	CHECK(path_read(root, "dir", 100, &text, NULL) < 0);
	CHECK(path_write(root, "big", "0123456789", 10, 0644) == 0);
	CHECK(path_read(root, "big", 9, &text, NULL) == -EFBIG);
}

static void make_chain(int dir, const char *name, int depth)
{
	mkdirat(dir, name, 0755);
	int at = openat(dir, name, O_PATH | O_CLOEXEC);
	for (int i = 0; i < depth; i++) {
		mkdirat(at, "d", 0755);
		close(openat(at, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
		int below = openat(at, "d", O_PATH | O_CLOEXEC);

		close(at);
		at = below;
	}
	close(at);
}

/* Deeper than descriptors and stack would allow. */
TEST(remove_deep)
{
	struct stat st;

	make_tree();
	make_chain(root, "deep", 3000);
	CHECK(path_remove_tree(root, "deep") == 0);
	CHECK(fstatat(root, "deep", &st, 0) < 0);
}

/* All names that what is deep is moved to are taken. A tmpfs lists the newest first, others the oldest. */
TEST(remove_decoys)
{
	char dir[] = "/dev/shm/vzrun-test-XXXXXX", name[48];

	if (!mkdtemp(dir))
		return;
	auto_close int at = open(dir, O_PATH | O_CLOEXEC);
	make_chain(at, "oldest", 100);
	for (int i = 0; i < 1500; i++) {
		snprintf(name, sizeof name, ".vzrun-deep-%d", i);
		close(openat(at, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	}
	make_chain(at, "newest", 100);
	CHECK(path_remove_tree(AT_FDCWD, dir) == 0);
	CHECK(access(dir, F_OK) < 0);
}

TEST(remove_tree)
{
	auto_close int kept = -1;
	int attr = FS_IMMUTABLE_FL;
	struct stat st;

	make_tree();
	/* Where we may, and the file system can: what must not be removed is told as that. */
	kept = openat(root, "kept", O_CREAT | O_RDONLY | O_CLOEXEC, 0644);
	if (ioctl(kept, FS_IOC_SETFLAGS, &attr) == 0) {
		CHECK(path_remove_tree(root, "kept") == -EPERM);
		attr = 0;
		CHECK(ioctl(kept, FS_IOC_SETFLAGS, &attr) == 0);
	}
	CHECK(path_remove_tree(outside, "root") == 0);
	CHECK(fstatat(outside, "secret", &st, 0) == 0);
	CHECK(path_remove_tree(outside, "root") == 0);
	close(root);
	close(outside);
	CHECK(path_remove_tree(AT_FDCWD, top) == 0);
}

UNIT_MAIN(UNIT(open_in_root), UNIT(walk_in_root), UNIT(magic_links), UNIT(strict), UNIT(ensure),
	  UNIT(write_replaces_links),
	  UNIT(read_is_careful), UNIT(remove_deep), UNIT(remove_decoys),
	  UNIT(remove_tree))
