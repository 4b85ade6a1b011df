#include "runtime/guest/idrange.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/str.h"
#include "base/sys.h"
#include "runtime/guest/claims.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * One file a range, for the whole host whatever VZRUN_HOME: RUN/BASE. A range is taken
 * while somebody holds its lock (the keeper) or the process written in it lives (the
 * guest's init, should the keeper have been killed). Ranges lie above those of
 * useradd's and systemd's, and around whatever /etc/subuid gives away.
 */
#define RUN_DIR "/run/vzrun-ids"
/* Ranges of checkpointed processes: persistent, because a checkpoint survives a reboot of the host. */
#define HELD_DIR "/var/lib/vzrun-ids"
enum { FIRST = 0x70000000, SIZE = 65536, SLOTS = 2048 };

/* 1: some of it is. */
static int given_away(const char *table, uint32_t base)
{
	uint64_t start, count;
	char line[256];
	bool hit = false;
	auto_fclose FILE *f = fopen(table, "re");

	if (!f)
		return errno == ENOENT ? 0 : fail_errno("read %s", table);
	while (!hit && fgets(line, sizeof line, f)) {
		char *save = NULL, *name = strtok_r(line, ":\n", &save), *from = strtok_r(NULL, ":\n", &save),
		     *n = strtok_r(NULL, ":\n", &save);

		if (!name || !from || !n || str_u64(from, UINT32_MAX, &start) < 0 || str_u64(n, UINT32_MAX, &count) < 0)
			continue;
		hit = base < start + count && start < (uint64_t)base + SIZE;
	}
	return ferror(f) ? fail_errno("read %s", table) : hit;
}

static bool still_lives(int fd)
{
	char text[64] = { 0 };
	unsigned long long start;
	int pid;

	ssize_t n = pread(fd, text, sizeof text - 1, 0);

	if (n < 0)
		return true;
	if (n == 0 || sscanf(text, "%d %llu", &pid, &start) != 2)
		return false;
	/* What cannot be told may live. */
	return start && sys_is_alive(pid, start) != 0;
}

/* 1: by a checkpoint other than this one (NULL: than any). */
static int is_held(uint32_t base, const char *checkpoint)
{
	char name[16];

	snprintf(name, sizeof name, "%u", base);
	return claims_held(HELD_DIR, name, checkpoint);
}

static int try_slot(int dir, uint32_t base)
{
	char name[16];
	struct stat here, there;

	snprintf(name, sizeof name, "%u", base);
	auto_close int fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno("claim ids %s", name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || still_lives(fd))
		return -EAGAIN;
	/* Released (unlinked) between our open and our lock: the name may be somebody else's by now. */
	if (fstat(fd, &here) < 0 || fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
	    here.st_ino != there.st_ino)
		return -EAGAIN;
	return take_fd(&fd);
}

/*
 * -EAGAIN: the slot is in use; -EBUSY: a checkpoint holds it. That is asked before the slot is locked, so that the
 * checkpoint's own guest does not find it locked by a searcher; and again under the lock, because a guest that is being
 * suspended writes the hold before it releases the slot.
 */
static int free_slot(int dir, uint32_t base, const char *checkpoint)
{
	int held = is_held(base, checkpoint);
	char name[16];

	if (held)
		return held < 0 ? held : -EBUSY;
	auto_close int fd = try_slot(dir, base);
	TRY(fd);
	held = is_held(base, checkpoint);
	if (held == 0)
		return take_fd(&fd);
	/* The directory stays: more is claimed in it. */
	snprintf(name, sizeof name, "%u", base);
	(void)unlinkat(dir, name, 0);
	return held < 0 ? held : -EBUSY;
}

static int claim_once(const char *holder, uint32_t *base)
{
	auto_close int dir = file_make_dirs(RUN_DIR, 0700);
	uint64_t h = str_hash(holder, strlen(holder));

	TRY(dir);
	/* The search begins at a hash of the holder, so that guests started at once do not contend for the same slot. */
	for (uint32_t i = 0; i < SLOTS; i++) {
		uint32_t b = FIRST + (uint32_t)((h + i) % SLOTS) * SIZE;
		int fd, taken = given_away("/etc/subuid", b);

		if (taken == 0)
			taken = given_away("/etc/subgid", b);
		TRY(taken);
		if (taken)
			continue;
		fd = free_slot(dir, b, NULL);
		if (fd >= 0) {
			*base = b;
			return fd;
		}
		if (fd != -EAGAIN && fd != -EBUSY)
			return fd;
	}
	return fail_as(ERR_RESOURCE, "all %d ranges of user ids are in use", SLOTS);
}

static int claim_at_once(uint32_t base, const char *checkpoint, int fds[2])
{
	auto_close int dir = file_make_dirs(RUN_DIR, 0700);

	fds[0] = fds[1] = -1;
	TRY(dir);
	/* Ranges are told apart on a grid of their size: one off the grid takes two places of it. */
	for (uint32_t i = 0; i < (base % SIZE ? 2 : 1); i++) {
		int r = fds[i] = free_slot(dir, base - base % SIZE + i * SIZE, checkpoint);

		if (r >= 0)
			continue;
		if (r == -EAGAIN || r == -EBUSY)
			r = fail_as(ERR_RESOURCE, "user ids from %u on are in use by another guest%s", base,
				    r == -EBUSY ? ", which is suspended" : "");

		if (i > 0)
			idrange_release(fds[0], base - base % SIZE);
		fds[0] = fds[1] = -1;
		return r;
	}
	return 0;
}

/* Another process may remove the empty directory between the open and the claim: then the claim is tried again. */
static bool again(int r, int *tries)
{
	if (r == -ENOENT && (*tries)++ < 64)
		return true;
	if (r < 0)
		(void)rmdir(RUN_DIR);
	return false;
}

int idrange_claim(const char *holder, uint32_t *base)
{
	int fd, tries = 0;

	do
		fd = claim_once(holder, base);
	while (again(fd, &tries));
	return fd;
}

int idrange_claim_at(uint32_t base, const char *checkpoint, int fds[2])
{
	int r, tries = 0;

	do
		r = claim_at_once(base, checkpoint, fds);
	while (again(r, &tries));
	return r;
}

int idrange_bind(int fd, pid_t pid)
{
	uint64_t start = sys_start_time(pid);
	char text[64];
	int n = snprintf(text, sizeof text, "%d %ju\n", (int)pid, (uintmax_t)start);

	if (!start)
		return fail_errno("look when process %d was born", (int)pid);
	return pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n) < 0 ? fail_errno("record the id range") : 0;
}

void idrange_release(int fd, uint32_t base)
{
	char path[48];

	if (fd < 0)
		return;
	snprintf(path, sizeof path, RUN_DIR "/%u", base);
	(void)unlink(path);
	close(fd);
	(void)rmdir(RUN_DIR);
}

/* The hold must survive a power cut as the checkpoint does; so must the directory, which may be new. */
static int sync_held(int held)
{
	auto_close int above = openat(held, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return above < 0 || fsync(held) < 0 || fsync(above) < 0 ? fail_errno("sync " HELD_DIR) : 0;
}

int idrange_hold(uint32_t base, const char *checkpoint)
{
	auto_close int held = claims_open(HELD_DIR, true);
	char name[16];

	TRY(held);
	for (uint32_t i = 0; i < (base % SIZE ? 2 : 1); i++) {
		snprintf(name, sizeof name, "%u", base - base % SIZE + i * SIZE);
		int r = claims_take(held, name, checkpoint);
		TRY(r);
		if (r == 0)
			return fail_as(ERR_RESOURCE, "user ids from %s on are another checkpoint's", name);
	}
	return sync_held(held);
}

/* 1: it was nobody's, and is gone. 0: it is in use, or somebody released it meanwhile. */
static int sweep_slot(int dir, const char *name)
{
	uint64_t base;

	if (str_u64(name, UINT32_MAX, &base) < 0)
		return 0;
	/* Not by try_slot() alone: it would make what is released meanwhile. */
	if (faccessat(dir, name, F_OK, 0) < 0)
		return errno == ENOENT ? 0 : fail_errno("look at ids %s", name);
	int fd = try_slot(dir, (uint32_t)base);
	if (fd < 0)
		return fd == -EAGAIN ? 0 : fd;
	idrange_release(fd, (uint32_t)base);
	return 1;
}

static int sweep_running(void)
{
	auto_close int dir = open(RUN_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *e;
	int n = 0, r = 0;

	if (dir < 0)
		return errno == ENOENT ? 0 : fail_errno("open %s", RUN_DIR);
	DIR *d = opendir(RUN_DIR);
	if (!d)
		return errno == ENOENT ? 0 : fail_errno("open %s", RUN_DIR);
	while (r >= 0 && (errno = 0, e = readdir(d)))
		n += (r = sweep_slot(dir, e->d_name)) > 0;
	if (r >= 0 && errno)
		r = fail_errno("read %s", RUN_DIR);
	closedir(d);
	/* A process killed between making the directory and its first claim left it empty. */
	n += rmdir(RUN_DIR) == 0 && n == 0;
	return r < 0 ? r : n;
}

int idrange_sweep(void)
{
	int held = claims_drop(HELD_DIR, NULL), running = sweep_running();

	TRY(held);
	TRY(running);
	return held + running;
}
