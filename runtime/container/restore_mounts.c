/* The mounts of a restored container: where what came from outside is on this host. */
#include "runtime/container/checkpoint_io.h"
#include "base/file.h"
#include "base/path.h"
#include "base/scope.h"
#include "runtime/container/create.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_at_or_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n > 1 && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
}

static bool is_bind(const struct spec_mount *m)
{
	return m->src && (strv_has(&m->options, "bind") || strv_has(&m->options, "rbind") ||
			  (m->type && str_eq(m->type, "bind")));
}

/* A mount, and where mountinfo says that it is; the configuration's word may go through links of the root. */
struct place { const struct spec_mount *m; const char *at; };
struct places { struct place *v; size_t n; };

static int fd_name(int fd, char *out, size_t size)
{
	char self[32];
	ssize_t n;

	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	n = readlink(self, out, size - 1);
	out[n < 0 ? 0 : n] = '\0';
	return n < 0 || (size_t)n == size - 1 ? -1 : 0;
}

static const char *place_of(struct arena *a, int root, const char *dst)
{
	const char *clean = mnt_clean(a, dst);
	auto_close int fd = clean ? path_open(root, clean, O_PATH) : -1;
	char top[4096], own[4096];

	/* Below another mount, perhaps, which is not there yet. */
	if (fd < 0 || fd_name(root, top, sizeof top) < 0 || fd_name(fd, own, sizeof own) < 0) {
		err_clear();
		return clean;
	}
	return is_at_or_below(own, top) ? mnt_clean(a, own + strlen(top)) : clean;
}

static int find_places(const struct create *c, struct arena *a, struct places *out)
{
	auto_close int root = open(c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return fail_errno("root.path %s", c->rootfs);
	*out = (struct places){ .v = arena_alloc(a, c->spec->mounts.n + 1, sizeof *out->v) };
	if (!out->v)
		return fail(ENOMEM, "out of memory");
	LIST_EACH(struct spec_mount, m, c->spec->mounts) {
		out->v[out->n] = (struct place){ m, place_of(a, root, m->dst) };
		if (!out->v[out->n++].at)
			return fail(ENOMEM, "out of memory");
	}
	return 0;
}

/* Which of the first n mounts `at` lies on: the deepest, and of several at one place the last. */
static const struct place *mount_at(const struct place *v, size_t n, const char *at,
				    bool (*is)(const struct spec_mount *))
{
	const struct place *best = NULL;

	for (const struct place *p = v; p < v + n; p++)
		if (is_at_or_below(at, p->at) && (!is || is(p->m)) && (!best || strlen(p->at) >= strlen(best->at)))
			best = p;
	return best;
}

static int source_of(const struct create *c, const struct spec_mount *m, char *out, size_t size)
{
	bool absolute = m->src[0] == '/';
	int n = snprintf(out, size, "%s%s%s", absolute ? "" : c->bundle, absolute ? "" : "/", m->src);

	return (size_t)n < size ? 0 : fail(ENAMETOOLONG, "mounts: %s: source", m->dst);
}

/* A cgroup mount without a cgroup namespace shows the group's path on the host: that of the new group. */
static bool group_at(const struct create *c, const char *at, char *out, size_t size)
{
	char place[4096];

	LIST_EACH(struct spec_mount, m, c->spec->mounts)
		for (size_t i = 0; m->type && str_starts(m->type, "cgroup") && i < cg_host()->n; i++) {
			const struct cg_hier *h = &cg_host()->h[i];
			bool alone = cg_host()->layout == CG_V2 || str_eq(m->type, "cgroup2");

			snprintf(place, sizeof place, "%s%s%s", m->dst, alone ? "" : "/", alone ? "" : mnt_cgroup_name(h));
			if (str_eq(place, at) && (h->v2 || !alone))
				return (c->t.cg.hiers ? cg_dir(&c->t.cg, i, out, size) : cg_own_dir(i, out, size)) >= 0;
		}
	return false;
}

/*
 * Not by a bind of the configuration: what is masked, and the nodes of /dev that are bound for want of
 * rights.
 */
int restore_source_of_ours(const struct create *c, const char *at, char *out, size_t size)
{
	const struct spec_linux *l = c->spec->linux_;

	for (size_t i = 0; l && i < l->masked.n; i++)
		if (str_eq(l->masked.v[i], at)) {
			snprintf(out, size, "/dev/null");
			return 0;
		}
	if (group_at(c, at, out, size))
		return 0;
	/*
	 * A node that was bound is the host's of that name. Nothing else of /dev is: the list is the image's
	 * word.
	 */
	for (const struct mnt_op *op = c->child.plan.op; op < c->child.plan.op + c->child.plan.n; op++)
		if (op->verb == MNT_NODE && op->flags & MNT_BIND_NODES && str_eq(op->dst, at)) {
			snprintf(out, size, "%s", at);
			return 0;
		}
	return fail_as(ERR_CONFIG, "restore: something of the host was mounted at %s, and config.json has no "
		       "mount there (what a hook has mounted comes back only as one of its mounts)", at);
}

/* Without the rows of the plan, which is made by a start: see collect_one() and above. */
bool restore_has_source(const struct spec *s, const char *at, const char *what)
{
	static const char *const ours[] = { "/dev/console", "/dev/pts", GUEST_HOST_DIR };

	for (size_t i = 0; i < COUNT(ours); i++)
		if (str_eq(ours[i], at))
			return true;
	for (size_t i = 0; s->linux_ && i < s->linux_->masked.n; i++)
		if (str_eq(s->linux_->masked.v[i], at))
			return true;
	LIST_EACH(struct spec_mount, m, s->mounts)
		if (is_bind(m) && str_eq(m->dst, at))
			return true;
	/* A node is the host's of that name. */
	return str_starts(at, "/dev/") && str_ends(what, at + strlen("/dev"));
}

/*
 * What was mounted somewhere inside the volume p: its place there is in the hands of whoever writes to the
 * volume.
 */
static int inside_volume(const struct create *c, const struct place *p, const char *at, size_t i,
			 char *out, size_t size)
{
	const char *rest = at + strlen(p->at);
	char source[4096];
	struct stat st;

	TRY(source_of(c, p->m, source, sizeof source));
	auto_close int top = open(source, O_PATH | O_CLOEXEC);
	if (top < 0)
		return fail_errno("mounts: %s: %s", p->m->dst, source);
	auto_close int fd = path_open_strict(top, rest + strspn(rest, "/"), O_PATH);
	TRY_IN(fd, "restore: what was mounted at %s: in %s", at, source);
	auto_close int tree = open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0 || fstat(tree, &st) < 0)
		return fail_errno("restore: what was mounted at %s", at);
	if ((size_t)snprintf(out, size, "%s/%s/%zu", c->req->root, c->req->id, i) >= size)
		return fail(ENAMETOOLONG, "restore: %s", c->req->root);
	if ((S_ISDIR(st.st_mode) ? mkdir(out, 0700) : mknod(out, S_IFREG | 0600, 0)) < 0 ||
	    move_mount(tree, "", AT_FDCWD, out, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return fail_errno("restore: what was mounted at %s: hand it to criu", at);
	return 0;
}

/* The kernel writes places without "..": such a one would lead from a mount's source to all of the host. */
static bool leads_up(const char *at)
{
	for (const char *p = at; (p = strstr(p, "/..")); p += 3)
		if (p[3] == '/' || !p[3])
			return true;
	return at[0] != '/';
}

/* A file system of our own to mount what is handed over in; it is gone with our mount namespace. */
static int make_yard(const struct create *c, bool *made)
{
	char path[4096];

	if (*made)
		return 0;
	snprintf(path, sizeof path, "%s/%s", c->req->root, c->req->id);
	if (mount("restore", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700,size=64k") < 0)
		return fail_errno("restore: a place for what was mounted in volumes, at %s", path);
	*made = true;
	return 0;
}

void restore_forget_mounts(const struct create *c)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", c->req->root, c->req->id);
	(void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
}

int restore_external_mounts(const struct create *c, const struct image *image, struct buf *opts)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct places l = { 0 };
	struct strv list;
	bool yard = false;

	TRY(find_places(c, &a, &l));
	TRY(image_list(image, "external.json", &list, &a, &tree));
	for (size_t i = 0; i < list.n; i++) {
		const char *at = list.v[i];
		const struct place *p = mount_at(l.v, l.n, at, is_bind);
		char source[4096];

		if (leads_up(at))
			return fail_as(ERR_CONFIG, "restore: %s/external.json: \"%s\" is no place of a mount",
				       image->path, at);
		if (!p) {
			TRY(restore_source_of_ours(c, at, source, sizeof source));
		} else if (is_at_or_below(p->at, at)) {
			TRY(source_of(c, p->m, source, sizeof source));
		} else {
			TRY(make_yard(c, &yard));
			TRY(inside_volume(c, p, at, i, source, sizeof source));
		}
		criu_pair(opts, CRIU_EXT_MNT, at, source);
	}
	return 0;
}

/* On the root, or on a volume, whose directories are its writers' to remove. What is elsewhere comes with that. */
static int make_mountpoint(const struct create *c, const struct place *p, const struct place *on)
{
	char source[8192];
	struct stat st;
	const char *rest = p->at + (on ? strlen(on->at) : 0);
	bool file = is_bind(p->m) && source_of(c, p->m, source, sizeof source) >= 0 && stat(source, &st) == 0 &&
		    !S_ISDIR(st.st_mode);

	if (on && (!is_bind(on->m) || !*rest))
		return 0;
	TRY(on ? source_of(c, on->m, source, sizeof source) : 0);
	auto_close int top = open(on ? source : c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return on ? fail_errno("mounts: %s: %s", on->m->dst, source) : fail_errno("root.path %s", c->rootfs);
	auto_close int fd = path_ensure(top, rest, file ? PATH_FILE : PATH_DIR, NULL);
	TRY_IN(fd, "mounts: %s", p->m->dst);
	return 0;
}

int restore_mountpoints(const struct create *c)
{
	auto_arena struct arena a = { 0 };
	struct places l = { 0 };

	TRY(find_places(c, &a, &l));
	for (const struct place *p = l.v; p < l.v + l.n; p++)
		if (!p->m->type || !str_starts(p->m->type, "cgroup"))
			TRY(make_mountpoint(c, p, mount_at(l.v, (size_t)(p - l.v), p->at, NULL)));
	return 0;
}
