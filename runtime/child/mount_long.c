/*
 * File systems whose options are too long for fsconfig(2), which takes less than 256 bytes each; mount(2)
 * takes a page.
 */
#include "runtime/child/mount.h"
#include "base/file.h"
#include "base/scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool mnt_too_long(const char *data)
{
	for (const char *p = data; p && *p; p += strspn(p, ",")) {
		size_t n = strcspn(p, ",");
		const char *eq = memchr(p, '=', n);

		if (eq && (size_t)(p + n - eq) > 256)
			return true;
		p += n;
	}
	return false;
}

/* The root of a mount that was not there `before`, by the ids of mountinfo. */
static bool is_new_mount(int fd, const char *before)
{
	struct statx st;
	char id[24];
	size_t n;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &st) < 0 ||
	    !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT) || !(st.stx_mask & STATX_MNT_ID))
		return false;
	n = (size_t)snprintf(id, sizeof id, "\n%ju ", (uintmax_t)st.stx_mnt_id);
	return strncmp(before, id + 1, n - 1) != 0 && !strstr(before, id);
}

/*
 * mount(2) wants a path: the destination's, by its descriptor and the host's procfs. What is there then is
 * found by its name again, which may lead elsewhere by now (to another mount of the container, that would be
 * taken away):
 * only a mount that was not there before is ours, as nobody else mounts in this namespace.
 */
int mnt_long_fs(struct mnt_ctx *c, const struct mnt_op *op, int at, bool read_only)
{
	auto_free char *before = NULL;
	char place[40];
	int tree;

	TRY(file_read(c->host_proc, "self/mountinfo", &before, NULL));
	snprintf(place, sizeof place, "self/fd/%d", at);
	if (fchdir(c->host_proc) < 0 || mount(op->src, place, op->type, read_only ? MS_RDONLY : 0, op->data) < 0)
		return fail_errno("file system \"%s\"", op->type);
	auto_close int top = mnt_open_target(c, op->dst, op->type, true);
	TRY(top);
	if (!is_new_mount(top, before))
		return fail(EPERM, "the destination changed meanwhile");
	tree = open_tree(top, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return fail_errno("clone the file system");
	snprintf(place, sizeof place, "self/fd/%d", top);
	if (umount2(place, MNT_DETACH) < 0) {
		close(tree);
		return fail_errno("take the file system off again");
	}
	return tree;
}
