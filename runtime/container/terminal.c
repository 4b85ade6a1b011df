/*
 * The console of a guest in a checkpoint. To criu it is a terminal from outside ("tty[RDEV:DEV]"), by each of
 * its names: the slave, which /dev/console is, and /dev/tty, by which a shell has opened what controls it.
 */
#include "runtime/container/checkpoint_io.h"
#include "base/file.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/container/opened.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

static const char *const places[TERMINAL_NAMES] = { "/dev/console", "/dev/tty" };
/* In criu's messages of a terminal: its kind, "from outside"; the session that it controls. */
enum { TTY_TYPE = 2, TTY_EXTERNAL = 5, TTY_SID = 6, TTY_PGRP = 7 };

static int look(pid_t init, const char *place, struct stat *st)
{
	char path[40];

	snprintf(path, sizeof path, "/proc/%d/root", (int)init);
	auto_close int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return fail_errno("open %s", path);
	auto_close int fd = path_open(root, place, O_PATH | O_NOFOLLOW);
	TRY(fd);
	return fstat(fd, st) < 0 ? fail_errno("%s", place) : 0;
}

int terminal_put(const struct opened *c, const struct image *image, struct buf *opts)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	jout_open(&o, NULL, '[');
	for (size_t i = 0; i < COUNT(places); i++) {
		char name[64];
		struct stat st;

		if (look((pid_t)c->s.pid.v, places[i], &st) < 0 || !S_ISCHR(st.st_mode)) {
			err_clear();
			continue;
		}
		snprintf(name, sizeof name, "tty[%jx:%jx]", (uintmax_t)st.st_rdev, (uintmax_t)st.st_dev);
		criu_text(opts, CRIU_EXTERNAL, name);
		jout_str(&o, NULL, name);
	}
	jout_close(&o, ']');
	if (b.oom)
		return fail(ENOMEM, "out of memory");
	return file_write_atomic(image->dir, "terminal.json", b.p, b.n, 0600);
}

/* ---- whose it is -------------------------------------------------------------------------------- */

struct job { int pgrp, session, tty, foreground; };

static bool read_job(pid_t pid, struct job *j)
{
	char path[32], text[1024], *end;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (file_peek(AT_FDCWD, path, text, sizeof text) < 0 || !(end = strrchr(text, ')')))
		return false;
	return sscanf(end + 1, " %*c %*d %d %d %d %d", &j->pgrp, &j->session, &j->tty, &j->foreground) == 4;
}

int terminal_session(const struct opened *c, const struct image *image)
{
	struct criu_edit e = { .where = TTY_TYPE, .is = TTY_EXTERNAL, .field = { TTY_SID, TTY_PGRP } };
	auto_free pid_t *pids = NULL;
	struct stat st;
	size_t n;

	if (look((pid_t)c->s.pid.v, places[0], &st) < 0) {
		err_clear();
		return 0;
	}
	TRY(opened_members(c, &pids, &n));
	for (size_t i = 0; i < n; i++) {
		struct job j;
		pid_t group;

		if (!read_job(pids[i], &j) || j.session != pids[i] || (dev_t)j.tty != st.st_rdev)
			continue;
		group = sys_inner_pid(j.foreground);
		e.value[0] = (uint64_t)sys_inner_pid(pids[i]);
		e.value[1] = group ? (uint64_t)group : e.value[0];
		return criu_image_edit(image->dir, "tty-info.img", &e);
	}
	return 0;
}

/* ---- another one -------------------------------------------------------------------------------- */

/* The host's number of a group of the container. */
static uint32_t group_outside(const struct spec *s, uint64_t gid)
{
	LIST_EACH(struct spec_idmap, m, s->linux_->gid_maps)
		if (gid >= m->inside.v && gid - m->inside.v < m->size.v)
			return (uint32_t)(m->host.v + (gid - m->inside.v));
	return (uint32_t)gid;
}

static int set_option(int fs, const struct spec *s, const char *word)
{
	char key[32], number[16];
	const char *value = strchr(word, '=');
	uint64_t gid;

	if (!value)
		return 0;
	snprintf(key, sizeof key, "%.*s", (int)(value - word), word);
	value++;
	if (str_eq(key, "gid") && str_u64(value, UINT32_MAX, &gid) == 0) {
		snprintf(number, sizeof number, "%u", group_outside(s, gid));
		value = number;
	}
	return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) < 0 ? fail_errno("/dev/pts: %s", word) : 0;
}

static int make_devpts(const struct spec *s)
{
	auto_close int fs = fsopen("devpts", FSOPEN_CLOEXEC);
	int mnt;

	if (fs < 0)
		return fail_errno("file system \"devpts\"");
	LIST_EACH(struct spec_mount, m, s->mounts)
		for (size_t i = 0; str_eq(m->dst, "/dev/pts") && i < m->options.n; i++)
			TRY(set_option(fs, s, m->options.v[i]));
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", "devpts", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail_errno("make the file system of /dev/pts");
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	return mnt < 0 ? fail_errno("mount the file system of /dev/pts") : mnt;
}

int terminal_make(const struct spec *s, struct terminal *out)
{
	const struct spec_idmap *root = s->linux_->uid_maps.v;
	int zero = 0;

	*out = (struct terminal)TERMINAL_NONE;
	TRY(out->fs = make_devpts(s));
	out->master = openat(out->fs, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (out->master < 0 || ioctl(out->master, TIOCSPTLCK, &zero) < 0)
		return fail_errno("open a console");
	out->slave = ioctl(out->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (out->slave < 0 || (s->linux_->uid_maps.n > 0 && fchown(out->slave, root->host.v, (gid_t)-1) < 0))
		return fail_errno("open the console's slave");
	return 0;
}

int terminal_give(const struct image *image, unsigned first_fd, struct buf *opts)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct strv names;

	TRY(image_list(image, "terminal.json", &names, &a, &tree));
	if (names.n > TERMINAL_NAMES)
		return fail_as(ERR_CHECKPOINT, "%s/terminal.json: too many names", image->path);
	for (size_t i = 0; i < names.n; i++)
		criu_pair_num(opts, CRIU_INHERIT_FD, names.v[i], first_fd + i);
	return (int)names.n;
}

void terminal_close(struct terminal *t)
{
	drop_fd(&t->fs);
	drop_fd(&t->master);
	drop_fd(&t->slave);
}
