/* resolv.conf of a guest that runs: its root may do anything with the file, its directory and its mounts meanwhile. */
#include "runtime/guest/guest.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/guest/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

static const char path[] = "/etc/resolv.conf", beside[] = ".vzrun-resolv.conf";

/* On the host: whom a file belongs to that is root's inside. */
static int root_of(int proc, const char *map, unsigned *id)
{
	int r = idmap_outside(proc, map, 0, id);

	if (r == -ENODATA)
		return fail(ENODATA, "%s of the guest has no root", map);
	return r < 0 ? fail(-r, "%s of the guest: %s", map, strerror(-r)) : 0;
}

struct ids { uid_t uid; gid_t gid; };

/* Files are made as the guest's root makes them: an idmapped mount knows no other, and its rights are enough. */
static struct ids become(struct ids to)
{
	struct ids was = { .gid = (gid_t)setfsgid(to.gid) };

	was.uid = (uid_t)setfsuid(to.uid);
	return was;
}

static int write_beside(int dir, const char *text)
{
	if (unlinkat(dir, beside, 0) < 0 && errno != ENOENT)
		return fail_errno("%s: remove %s beside it", path, beside);
	auto_close int fd = openat(dir, beside, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return fail_errno("write %s", path);
	if (file_write_all(fd, text, strlen(text)) == 0 && fchmod(fd, 0644) == 0)
		return 0;
	int r = fail_errno("write %s", path);
	(void)unlinkat(dir, beside, 0);
	return r;
}

/* Neither name is followed, so it does not matter what is there, or what is put there now. */
static int exchange(struct guest_resolv *r)
{
	struct stat st;

	r->instead = renameat2(r->dir, beside, r->dir, "resolv.conf", RENAME_EXCHANGE) == 0;
	if (!r->instead && (errno != ENOENT || renameat(r->dir, beside, r->dir, "resolv.conf") < 0)) {
		bool lacks = errno == EINVAL;
		int ret = fail_errno("replace %s", path);

		(void)unlinkat(r->dir, beside, 0);
		return lacks ? fail_as(ERR_UNSUPPORTED, "replace %s: its file system does not exchange files "
				       "(RENAME_EXCHANGE); set it with --next", path) : ret;
	}
	r->written = true;
	if (!r->instead || fstatat(r->dir, beside, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	guest_resolv_back(r);
	return fail(EISDIR, "replace %s: a directory is there", path);
}

int guest_resolv_put(struct guest *g, const struct strv *dns, struct guest_resolv *r)
{
	auto_buf struct buf text = { 0 };
	char proc_path[32];
	const char *name;
	struct ids was;
	pid_t pid;
	int ret;

	*r = (struct guest_resolv){ .dir = -1 };
	TRY(guest_resolvers(g, dns, &text));
	auto_close int init = guest_init(&g->at, g->name, &pid);
	if (init < 0 || text.n == 0) {
		err_clear();
		return 0;
	}
	snprintf(proc_path, sizeof proc_path, "/proc/%d", (int)pid);
	auto_close int proc = open(proc_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int root = proc < 0 ? -1 : openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	TRY(proc < 0 ? 0 : root_of(proc, "uid_map", &r->ids[0]));
	TRY(proc < 0 ? 0 : root_of(proc, "gid_map", &r->ids[1]));
	/* The number was this process's all the time if it lives afterwards. */
	if (root < 0 || sys_pidfd_wait(init, 0) != 0)
		return fail_as(ERR_STATE, "guest \"%s\" is ending", g->name);
	was = become((struct ids){ r->ids[0], r->ids[1] });
	ret = r->dir = path_parent(root, path, &name);
	if (ret >= 0)
		ret = write_beside(r->dir, buf_text(&text));
	if (ret >= 0)
		ret = exchange(r);
	become(was);
	return ret < 0 ? fail_in(ret, "guest \"%s\"", g->name) : 1;
}

void guest_resolv_back(struct guest_resolv *r)
{
	struct err_saved why;
	struct ids was;

	if (!r->written)
		return;
	err_save(&why);
	was = become((struct ids){ r->ids[0], r->ids[1] });
	if (r->instead)
		(void)renameat2(r->dir, beside, r->dir, "resolv.conf", RENAME_EXCHANGE);
	(void)unlinkat(r->dir, r->instead ? beside : "resolv.conf", 0);
	become(was);
	r->written = false;
	err_restore(&why);
}

void guest_resolv_end(struct guest_resolv *r)
{
	if (r->written && r->instead) {
		struct ids was = become((struct ids){ r->ids[0], r->ids[1] });

		(void)unlinkat(r->dir, beside, 0);
		become(was);
	}
	scope_close(&r->dir);
}
