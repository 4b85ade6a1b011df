/*
 * What a restored guest gets from outside. criu mounts by path, as the root of the guest's user namespace, who
 * may enter no directory that is closed to all: so everything is opened here first, by descriptor, and then laid
 * out in a file system of our own, which only our mount namespace has.
 */
#include "runtime/container/checkpoint_io.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/container/create.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { OUTSIDE_MAX = 512 };

/* tree: a detached one; -1: it is at `source` in what else is laid out. */
struct outside { const char *at; int tree; char source[16]; };

struct restore_guest {
	struct outside v[OUTSIDE_MAX];
	size_t n;
	struct strv places;
	struct json *json;
	struct arena arena;
	struct terminal terminal;
	int user, root, image;		/* user: a namespace of the guest's maps, -1: the host's */
};

/* Directories that stand in every root, and that neither we nor criu need. */
static const char *const yards[] = { "/mnt", "/media", "/srv" };

/* ---- collecting --------------------------------------------------------------------------------- */

static const struct mnt_op *row_of(const struct create *c, const char *at)
{
	const struct mnt_op *found = NULL;

	for (const struct mnt_op *op = c->child.plan.op; op < c->child.plan.op + c->child.plan.n; op++)
		if (op->verb == MNT_BIND && str_eq(op->dst, at))
			found = op;
	return found;
}

/* With what its row says, as mount_bind.c would do it: those with maps of ids are open already. */
static int tree_of(const struct create *c, const struct mnt_op *op)
{
	struct mnt_op one = *op;

	one.flags &= ~(unsigned)MNT_REC;
	auto_close int tree = op->src_fd >= 0 ? fcntl(op->src_fd, F_DUPFD_CLOEXEC, 3)
					      : mnt_open_source(c->child.bundle_fd, &one);
	TRY_IN(tree < 0 && op->src_fd >= 0 ? fail_errno("keep its source") : tree, "mounts: %s", op->dst);
	TRY(mnt_set_attributes(tree, op));
	return take_fd(&tree);
}

/* The host's own node: nobody changes it through the guest. criu mounts with the flags of what it mounts. */
static int node_of(const struct create *c, const char *at)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
				.propagation = MS_PRIVATE };
	char source[4096];

	TRY(restore_source_of_ours(c, at, source, sizeof source));
	auto_close int tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &a, sizeof a) < 0)
		return fail_errno("restore: %s", source);
	return take_fd(&tree);
}

static bool is_hosts(const struct mnt_op *op)
{
	return str_eq(op->dst, GUEST_HOST_DIR) || (op->flags & MNT_INSIDE);
}

static int collect_one(struct restore_guest *g, const struct create *c, const char *at)
{
	struct outside *o = &g->v[g->n];
	const struct mnt_op *op = row_of(c, at);

	*o = (struct outside){ .at = at, .tree = -1 };
	if (str_eq(at, "/dev/console"))
		snprintf(o->source, sizeof o->source, "pts/0");
	else if (str_eq(at, "/dev/pts"))
		snprintf(o->source, sizeof o->source, "pts");
	else if (op && is_hosts(op))
		snprintf(o->source, sizeof o->source, "host%s", str_eq(at, GUEST_HOST_DIR) ? "" : "/boot_id");
	else
		TRY(o->tree = op ? tree_of(c, op) : node_of(c, at));
	g->n++;
	return 0;
}

static int collect_root(struct restore_guest *g, const struct create *c)
{
	const struct spec_linux *l = c->spec->linux_;

	if (c->req->overlay->idmap)
		TRY(g->user = idmap_namespace(&l->uid_maps, &l->gid_maps));
	g->root = rootfs_assemble(c->req->overlay, g->user, l);
	TRY_IN(g->root, "root filesystem");
	return 0;
}

/* criu reads it as the host's root and as the guest's. */
static int collect_image(struct restore_guest *g, const struct image *image)
{
	g->image = open_tree(image->dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (g->image < 0)
		return fail_errno("open %s", image->path);
	TRY_IN(g->user >= 0 ? mnt_idmap(g->image, g->user, false, NULL) : 0, "%s", image->path);
	return 0;
}

int restore_guest_collect(const struct create *c, const struct image *image, struct restore_guest **out)
{
	struct restore_guest *g = calloc(1, sizeof *g);

	if (!g)
		return fail(ENOMEM, "out of memory");
	*out = g;
	g->user = g->root = g->image = -1;
	g->terminal = (struct terminal)TERMINAL_NONE;
	TRY(collect_root(g, c));
	TRY(collect_image(g, image));
	TRY(terminal_make(c->spec, &g->terminal));
	TRY(image_list(image, "external.json", &g->places, &g->arena, &g->json));
	if (g->places.n > OUTSIDE_MAX)
		return fail_as(ERR_CHECKPOINT, "%s/external.json: more than %d mounts", image->path, OUTSIDE_MAX);
	for (size_t i = 0; i < g->places.n; i++)
		TRY(collect_one(g, c, g->places.v[i]));
	return 0;
}

/* ---- handing over ------------------------------------------------------------------------------- */

static int open_yard(const char **path)
{
	struct stat st;

	for (size_t i = 0; i < COUNT(yards); i++) {
		*path = yards[i];
		if (stat(*path, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		if (mount("restore", *path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=256k") < 0)
			return fail_errno("restore: a place to hand things over, at %s", *path);
		auto_close int fd = open(*path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? fail_errno("open %s", *path) : take_fd(&fd);
	}
	return fail_as(ERR_UNSUPPORTED, "restore: the host has no directory /mnt");
}

static int lay_out(int yard, const char *name, int tree)
{
	struct stat st;

	if (fstat(tree, &st) < 0 ||
	    (S_ISDIR(st.st_mode) ? mkdirat(yard, name, 0755) : mknodat(yard, name, S_IFREG | 0644, 0)) < 0 ||
	    move_mount(tree, "", yard, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return fail_errno("restore: hand %s to criu", name);
	return 0;
}

int restore_guest_hand_over(struct restore_guest *g, const struct create *c, struct image *image, struct buf *opts)
{
	const char *path;
	char source[128];
	int dir;
	auto_close int yard = open_yard(&path);

	TRY(yard);
	TRY(lay_out(yard, "image", g->image));
	TRY(lay_out(yard, "root", g->root));
	TRY(lay_out(yard, "pts", g->terminal.fs));
	TRY(lay_out(yard, "host", c->req->host_dir));
	for (size_t i = 0; i < g->n; i++) {
		struct outside *o = &g->v[i];

		if (o->tree >= 0) {
			snprintf(o->source, sizeof o->source, "%zu", i);
			TRY_IN(lay_out(yard, o->source, o->tree), "%s", o->at);
		}
		snprintf(source, sizeof source, "%s/%s", path, o->source);
		criu_pair(opts, CRIU_EXT_MNT, o->at, source);
	}
	snprintf(source, sizeof source, "%s/root", path);
	criu_text(opts, CRIU_ROOT, source);
	dir = openat(yard, "image", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return fail_errno("open %s", image->path);
	close(image->dir);
	image->dir = dir;
	return 0;
}

int restore_guest_slave(const struct restore_guest *g)
{
	int fd = fcntl(g->terminal.slave, F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? fail_errno("the console") : fd;
}

int restore_guest_master(struct restore_guest *g)
{
	return take_fd(&g->terminal.master);
}

int restore_guest_network(const struct create *c, const struct image *image, pid_t pid)
{
	/* What the guest has written below /proc/sys/net. */
	auto_free char *settings = NULL;
	int r = file_read(image->dir, IMAGE_SYSCTLS, &settings, NULL);

	if (r < 0 && r != -ENOENT)
		return fail_in(r, "%s/" IMAGE_SYSCTLS, image->path);
	err_clear();
	auto_close int net = sys_open_ns(pid, "net");
	int ours = net < 0 ? -1 : sys_is_our_ns(net, "net");
	if (ours < 0)
		return fail_errno("open the network namespace of process %d", (int)pid);
	/* The runtime's own network namespace: nothing of the guest may be set up in it, in whatever order criu works. */
	if (ours)
		return fail_as(ERR_CHECKPOINT, "criu has made no network namespace yet");
	TRY_IN(net_attach_all(c->req->ports, c->req->n_ports, net, settings), "network");
	return 0;
}

void restore_guest_close(struct restore_guest **p)
{
	struct restore_guest *g = *p;

	if (!g)
		return;
	for (size_t i = 0; i < g->n; i++)
		drop_fd(&g->v[i].tree);
	drop_fd(&g->user);
	drop_fd(&g->root);
	drop_fd(&g->image);
	terminal_close(&g->terminal);
	json_free(&g->json);
	arena_free(&g->arena);
	free(g);
	*p = NULL;
}
