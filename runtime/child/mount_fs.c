/* New file systems, by fsopen(2), and what is mounted with other options. */
#include "runtime/child/mount.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/path.h"
#include "base/scope.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* fail_errno() with what the file system itself says about it: "e tmpfs: Bad value for 'size'". */
static int fs_fail(int fs, const char *what, const char *name)
{
	int code = errno;
	char why[256] = "";
	ssize_t n = read(fs, why, sizeof why - 1);

	why[n > 0 ? n : 0] = '\0';
	why[strcspn(why, "\n")] = '\0';
	if (n < 3 || why[1] != ' ')
		return fail(code, "%s \"%s\": %s", what, name, strerrordesc_np(code));
	return fail(code, "%s \"%s\": %s (%s)", what, name, strerrordesc_np(code), why + 2);
}

/* By mount(2) some words are bits, and a file system that has no such thing never hears of them. */
static int set_flag(int fs, const char *word)
{
	char why[256];

	if (fsconfig(fs, FSCONFIG_SET_FLAG, word, NULL, 0) == 0)
		return 0;
	if (errno != EINVAL || !mnt_is_super_option(word))
		return fs_fail(fs, "option", word);
	while (read(fs, why, sizeof why) > 0)
		;
	log_warn("mount option \"%s\" is left out: the file system has no such thing", word);
	return 0;
}

/* One option: KEY, KEY=VALUE or KEY="VALUE" (a value with commas, as SELinux labels have). */
static int set_option(int fs, char *word)
{
	char *eq = strchr(word, '='), *value = eq;
	size_t n;

	if (!eq)
		return set_flag(fs, word);
	*eq = '\0';
	n = strlen(++value);
	if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
		value[n - 1] = '\0';
		value++;
	}
	if (fsconfig(fs, FSCONFIG_SET_STRING, word, value, 0) == 0)
		return 0;
	*eq = '=';
	return fs_fail(fs, "option", word);
}

static int set_options(int fs, const char *data)
{
	char buf[PATH_MAX], *p = buf;

	if (!data)
		return 0;
	if (strlen(data) >= sizeof buf)
		return fail(ENAMETOOLONG, "mount options are longer than %zu bytes", sizeof buf - 1);
	strcpy(buf, data);
	while (*p) {
		bool quoted = false;
		char *end = p;

		for (; *end && (quoted || *end != ','); end++)
			quoted ^= *end == '"';
		bool last = !*end;
		*end = '\0';
		if (*p)
			TRY(set_option(fs, p));
		p = last ? end : end + 1;
	}
	return 0;
}

/* A tmpfs that says nothing of its mode looks like the directory that it covers. */
static int set_mode(int fs, int at)
{
	struct stat st;
	char mode[8];

	if (fstat(at, &st) < 0)
		return fail_errno("look at the destination");
	snprintf(mode, sizeof mode, "%o", st.st_mode & 07777);
	return fsconfig(fs, FSCONFIG_SET_STRING, "mode", mode, 0) < 0 ? fs_fail(fs, "option", "mode") : 0;
}

/*
 * One superblock of these serves all mounts of a namespace or of the host: made read-only by the first
 * container of a pod's network, /sys would be so for a privileged one after it. And a tmpfs is filled after
 * it is made.
 */
static bool read_only_by_mount(const char *type)
{
	static const char *const types[] = {
		"tmpfs", "proc", "sysfs", "mqueue", "cgroup", "cgroup2", "devtmpfs", "debugfs", "tracefs",
		"securityfs", "configfs", "pstore", "efivarfs", "binfmt_misc", "fusectl",
	};

	for (size_t i = 0; i < COUNT(types); i++)
		if (str_eq(types[i], type))
			return true;
	return false;
}

/* Read-only for the file system too, where the option stands for both, as mount(2) has it. */
static bool wants_ro(const struct mnt_op *op)
{
	return op->attr_set & MOUNT_ATTR_RDONLY && !read_only_by_mount(op->type);
}

int mnt_new_fs(const struct mnt_op *op, int covered)
{
	auto_close int fs = fsopen(op->type, FSOPEN_CLOEXEC);
	uint64_t attr = op->attr_set;
	int mnt;

	if (op->flags & MNT_RO_LAST || undefended("read-only"))
		attr &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	if (fs < 0)
		return fail_errno("file system \"%s\"", op->type);
	if (op->src && *op->src && fsconfig(fs, FSCONFIG_SET_STRING, "source", op->src, 0) < 0)
		return fs_fail(fs, "source", op->src);
	if (covered >= 0)
		TRY(set_mode(fs, covered));
	TRY(set_options(fs, op->data));
	if (wants_ro(op) && fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
		return fs_fail(fs, "option", "ro");
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fs_fail(fs, "create the file system", op->type);
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attr);
	return mnt < 0 ? fs_fail(fs, "mount the file system", op->type) : mnt;
}

/*
 * The file system of a namespace's message queues was made with the namespace, by the host's root: who is
 * another leaves it with the label that the policy gives.
 */
static int set_label(int mnt, const char *label)
{
	auto_close int dir = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return fail_errno("open the file system");
	if (fsetxattr(dir, "security.selinux", label, strlen(label) + 1, 0) < 0 && errno != EPERM)
		return fail_errno("set the label \"%s\"", label);
	return 0;
}

static bool is_there(int root_fd, const char *path)
{
	auto_close int fd = path_open(root_fd, path, O_PATH);

	return fd >= 0;
}

int mnt_fs(struct mnt_ctx *c, struct mnt_op *op)
{
	/* Over what is made for it alone a tmpfs stays open to all: the user inside is often not root. */
	bool covers = op->flags & MNT_MODE_OF_DST && is_there(c->root_fd, op->dst);
	auto_close int at = mnt_open_target(c, op->dst, op->type, true);
	struct mnt_op rest = *op;

	TRY(at);
	bool is_long = mnt_too_long(op->data);
	auto_close int mnt = is_long ? mnt_long_fs(c, op, at, wants_ro(op)) : mnt_new_fs(op, covers ? at : -1);
	TRY(mnt);
	if (op->flags & MNT_IDMAP)
		TRY(mnt_idmap(mnt, op->idmap_fd, op->flags & MNT_IDMAP_REC, op->type));
	if (!is_long)
		rest.attr_set = rest.attr_clr = 0;
	if (op->flags & MNT_RO_LAST)
		rest.attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY, rest.rec_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	if (op->flags & MNT_COPY_UP)
		TRY_IN(mnt_copy_up(at, mnt, op->data), "tmpcopyup");
	if (op->label)
		TRY(set_label(mnt, op->label));
	TRY(mnt_set_attributes(mnt, &rest));
	TRY(mnt_attach_at(c, at, mnt, op->dst));
	if (op->flags & MNT_RO_LAST)
		op->src_fd = take_fd(&mnt);
	return 0;
}

static int remount_fs(int at, const struct mnt_op *op)
{
	const char *word = op->attr_set & MOUNT_ATTR_RDONLY ? "ro" : op->attr_clr & MOUNT_ATTR_RDONLY ? "rw" : NULL;
	auto_close int fs = fspick(at, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);

	if (fs < 0)
		return fail_errno("remount");
	if (word && fsconfig(fs, FSCONFIG_SET_FLAG, word, NULL, 0) < 0)
		return fs_fail(fs, "option", word);
	TRY(set_options(fs, op->data));
	return fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ? fs_fail(fs, "remount", op->dst) : 0;
}

int mnt_remount(struct mnt_ctx *c, struct mnt_op *op)
{
	auto_close int at = path_open(c->root_fd, op->dst, O_PATH);

	TRY(at);
	if (!(op->flags & MNT_REMOUNT_BIND) && (op->data || (op->attr_set | op->attr_clr) & MOUNT_ATTR_RDONLY))
		TRY(remount_fs(at, op));
	return mnt_set_attributes(at, op);
}
