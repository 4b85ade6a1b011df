/*
 * Suspended guests: `checkpoint` writes the processes of a running guest into HOME/guests/NAME/checkpoint and
 * ends them, `restore` goes on with them, once: they belong to the disk as it is now.
 */
#include "runtime/guest/checkpoint.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/guest/events.h"
#include "runtime/guest/idrange.h"
#include "runtime/guest/keeper_wire.h"
#include "runtime/guest/nic.h"
#include "runtime/guest/stats.h"
#include "selinux/lsm.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* DUMPING: not complete yet. SPENT: restored, or about to be. */
#define IMAGE "checkpoint"
#define DUMPING IMAGE ".new"
#define SPENT IMAGE ".spent"
#define NOTE "guest.json"

/* What criu's image relies on and does not contain: a restore has to make it the same again. */
static const struct field note_fields[] = {
	F(struct checkpoint_note, "idBase", K_U32, base),
	F(struct checkpoint_note, "bootId", K_STR, boot_id),
	{ 0 }
};
static const struct record note_record = RECORD("checkpoint", struct checkpoint_note, note_fields);

int guest_look_suspended(int dir_fd)
{
	if (faccessat(dir_fd, IMAGE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : fail_errno("look for a checkpoint");
}

bool guest_suspended(int dir_fd)
{
	int r = guest_look_suspended(dir_fd);

	if (r < 0)
		err_clear();
	return r > 0;
}

int guest_checkpoint_sweep(int dir_fd)
{
	static const char *const left[] = { DUMPING, SPENT };
	int n = 0;

	for (size_t i = 0; i < COUNT(left); i++) {
		if (faccessat(dir_fd, left[i], F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT)
				return fail_errno("look for %s", left[i]);
			continue;
		}
		TRY(path_remove_tree(dir_fd, left[i]));
		n++;
	}
	return n;
}

/* For good: the disk goes on without it, and a power cut must not bring it back. */
static int spend(int dir_fd)
{
	TRY(path_remove_tree(dir_fd, SPENT));
	if (renameat(dir_fd, IMAGE, dir_fd, SPENT) < 0)
		return fail_errno("take the checkpoint");
	return fsync(dir_fd) < 0 ? fail_errno("sync the directory of the guest") : 0;
}

/* There is none where what failed came before. */
static int unspend(int dir_fd)
{
	if (renameat(dir_fd, SPENT, dir_fd, IMAGE) < 0)
		return errno == ENOENT ? 0 : fail_errno("put the checkpoint back from " SPENT);
	return fsync(dir_fd) < 0 ? fail_errno("sync the directory of the guest") : 0;
}

int guest_checkpoint_drop(int dir_fd)
{
	int is = guest_look_suspended(dir_fd);

	TRY(is);
	if (is)
		TRY(spend(dir_fd));
	TRY(guest_checkpoint_sweep(dir_fd));
	return 0;
}

int checkpoint_hold(const struct guest *g, uint32_t base)
{
	auto_arena struct arena a = { 0 };

	if (!guest_suspended(g->dir_fd))
		return 0;
	const char *path = guest_path(&a, &g->at, g->name, IMAGE);
	return path ? idrange_hold(base, path) : fail(ENOMEM, "out of memory");
}

/* The range of ids that the checkpoint held is free. If this fails, the next claim of the range removes the rest. */
static void let_go(void)
{
	if (idrange_sweep() < 0)
		err_clear();
}

int guest_discard(const struct guest_where *at, const char *name)
{
	auto_close int dir = guest_dir(at, name);

	TRY(dir);
	TRY(guest_lock(dir, name));
	if (!guest_suspended(dir))
		return fail_as(ERR_STATE, "guest \"%s\" has no checkpoint", name);
	TRY(guest_checkpoint_drop(dir));
	let_go();
	(void)event_add(dir, &(struct guest_event){ .event = "ended", .detail = "its checkpoint was discarded" });
	return 0;
}

/* criu mounts file systems anew without their SELinux context, so the guest could not use them. */
static int refuse_label(const char *label)
{
	if (!*label)
		return 0;
	return fail_as(ERR_UNSUPPORTED, "under SELinux a guest cannot be checkpointed: its label (%s) is not carried by "
		       "criu's mounts", label);
}

/* ---- checkpoint --------------------------------------------------------------------------------- */

struct suspending { const struct guest_where *at; const char *name; int dir; const struct guest *g; uint32_t base; };

static bool is_boot_id(const char *s)
{
	return strlen(s) == 36 && strspn(s, "0123456789abcdef-") == 36;
}

/* It is the guest's word: what is none is not carried. */
static char *boot_id_of(struct arena *a, pid_t init)
{
	auto_free char *text = NULL;
	char path[40];

	snprintf(path, sizeof path, "/proc/%d/root", (int)init);
	auto_close int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || path_read(root, GUEST_HOST_DIR "/boot_id", 64, &text, NULL) < 0) {
		err_clear();
		return NULL;
	}
	text[strcspn(text, "\n")] = '\0';
	return is_boot_id(text) ? arena_strdup(a, text) : NULL;
}

static int id_base_of(pid_t init, uint32_t *base)
{
	char path[40];
	int r;

	snprintf(path, sizeof path, "/proc/%d/uid_map", (int)init);
	r = idmap_outside(AT_FDCWD, path, 0, base);
	if (r == -ENODATA)
		return fail(EIO, "%s: root is not mapped", path);
	return r < 0 ? fail(-r, "read %s: %s", path, strerrordesc_np(-r)) : 0;
}

static int write_note(int dir, pid_t init)
{
	auto_arena struct arena a = { 0 };
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	struct checkpoint_note n = { .base = { .set = true }, .boot_id = boot_id_of(&a, init) };

	TRY(id_base_of(init, &n.base.v));
	bind_encode(&o, NULL, &note_record, &n);
	buf_puts(&b, "\n");
	if (b.oom)
		return fail(ENOMEM, "out of memory");
	if (mkdirat(dir, DUMPING, 0700) < 0)
		return fail_errno("make " DUMPING);
	auto_close int image = openat(dir, DUMPING, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return image < 0 ? fail_errno("open " DUMPING) : file_write_atomic(image, NOTE, b.p, b.n, 0600);
}

static int keep_sysctls(struct suspending *s, int image)
{
	auto_close int netns = guest_netns(s->at, s->name);
	auto_buf struct buf b = { 0 };

	TRY(netns);
	TRY(net_sysctl_keep(netns, &b));
	return file_write_volatile(image, IMAGE_SYSCTLS, b.p ? b.p : "", b.n, 0600);
}

/* criu has no directories in it. */
static int sync_all(int image)
{
	struct dirent **list;
	int n = scandirat(image, ".", &list, NULL, NULL), r = 0;

	if (n < 0)
		return fail_errno("read " DUMPING);
	for (int i = 0; i < n; i++) {
		auto_close int fd = openat(image, list[i]->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

		if (r >= 0 && (fd < 0 ? errno != ELOOP : fsync(fd) < 0))
			r = fail_errno("sync " DUMPING "/%s", list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return r;
}

/* The processes stand still; when this is done they are ended, and the files are all that there is of them. */
static int complete(void *ctx)
{
	struct suspending *s = ctx;
	auto_close int image = openat(s->dir, DUMPING, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (image < 0)
		return fail_errno("open " DUMPING);
	TRY(keep_sysctls(s, image));
	TRY(sync_all(image));
	if (renameat(s->dir, DUMPING, s->dir, IMAGE) < 0)
		return fail_errno("name the checkpoint");
	/* The keeper holds the range as well, unless it is killed first. */
	if (s->base)
		TRY(checkpoint_hold(s->g, s->base));
	return fsync(s->dir) < 0 ? fail_errno("sync the directory of the guest") : 0;
}

/* A dump that failed lets its processes go on; if they are dead, what has its name is all that there is of them. */
static int undo(struct suspending *s, int r)
{
	struct err_saved why;
	pid_t pid;

	err_save(&why);
	auto_close int init = guest_init(s->at, s->name, &pid);
	bool lives = init >= 0 && sys_pidfd_wait(init, 0) == 0;
	if (!lives)
		(void)guest_checkpoint_sweep(s->dir);
	else if (guest_checkpoint_drop(s->dir) >= 0)
		let_go();
	bool lost = !lives && !guest_suspended(s->dir);
	err_restore(&why);
	return lost ? fail_in(r, "it ended or rebooted meanwhile") : r;
}

/* Its network is made anew as config.json has it, as by a start. */
static int check_network(struct suspending *s, const struct spec *spec)
{
	static struct net_port ports[NET_PORTS_MAX];
	const struct spec_linux *l = spec->linux_;
	auto_close int netns = guest_netns(s->at, s->name);
	size_t n = 0;

	TRY(netns);
	for (size_t i = 0; l && i < l->sysctl.n; i++)
		if (str_starts(l->sysctl.v[i].key, "net."))
			return fail_as(ERR_UNSUPPORTED, "config.json: linux.sysctl: %s is not carried by a checkpoint",
				       l->sysctl.v[i].key);
	TRY(nic_ports(s->at, s->name, s->dir, NULL, ports, &n));
	TRY_IN(net_refuse_foreign(ports, n, netns), "its network has what a checkpoint does not carry");
	return 0;
}

static int suspend(struct suspending *s, struct guest *g, const struct checkpoint_opts *o)
{
	auto_arena struct arena a = { 0 };
	struct checkpoint_opts with = *o;
	struct guest_plan plan = { 0 };
	char label[256];
	pid_t init;
	int r;

	with.image_path = guest_path(&a, s->at, s->name, DUMPING);
	with.work_path = guest_path(&a, s->at, s->name, NULL);
	if (!with.image_path || !with.work_path)
		return fail(ENOMEM, "out of memory");
	with.guest = with.empty_net = with.tcp_established = with.file_locks = true;
	with.commit = complete;
	with.ctx = s;
	TRY(guest_check_up(s->at, s->name, &init));
	label_read(s->dir, label, sizeof label);
	TRY(lsm_selinux_on() ? refuse_label(label) : 0);
	TRY(check_network(s, &g->spec));
	TRY(id_base_of(init, &plan.base));
	TRY_IN(guest_effective(g, &plan), "config.json");
	with.spec = &g->spec;
	s->g = g;
	s->base = plan.base;
	TRY(guest_checkpoint_drop(s->dir));
	r = write_note(s->dir, init);
	if (r >= 0)
		r = container_checkpoint(s->at->root, s->name, &with);
	return r < 0 ? undo(s, r) : 0;
}

int guest_checkpoint(const struct guest_where *at, const char *name, const struct checkpoint_opts *o)
{
	auto_guest struct guest g = { .dir_fd = -1 };
	struct suspending s = { .at = at, .name = name };
	pid_t init;

	TRY(guest_open(at, name, true, &g));
	TRY(guest_check_up(at, name, &init));
	s.dir = g.dir_fd;
	/* It says why the guest ends, and clears up. */
	auto_close int keeper = keeper_connect(at, name, KEEPER_SUSPENDING, 0);
	TRY(keeper);
	TRY_IN(suspend(&s, &g, o), "guest \"%s\" not checkpointed", name);
	(void)flock(g.dir_fd, LOCK_UN);
	if (!keeper_done(keeper))
		return fail_as(ERR_TIMEOUT, "guest \"%s\" is checkpointed, and its keeper does not end", name);
	return 0;
}

/* ---- restore: in the keeper --------------------------------------------------------------------- */

int checkpoint_open(struct guest_restore *r, const struct guest *g, const struct guest_labels *l)
{
	struct json *tree = NULL;
	auto_close int image = openat(g->dir_fd, IMAGE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int ret;

	TRY(refuse_label(l->process));
	if (image < 0)
		return errno == ENOENT ? fail_as(ERR_STATE, "guest \"%s\" has no checkpoint", g->name)
				       : fail_errno("open " IMAGE);
	ret = json_load(image, NOTE, &tree);
	if (ret >= 0)
		ret = bind_decode(&r->arena, &note_record, tree, &r->note);
	r->note.boot_id = ret >= 0 && r->note.boot_id && is_boot_id(r->note.boot_id)
				? arena_strdup(&r->arena, r->note.boot_id) : NULL;
	json_free(&tree);
	TRY_IN(ret, IMAGE "/" NOTE);
	r->opts.work_path = guest_path(&r->arena, &g->at, g->name, NULL);
	r->opts.image_path = guest_path(&r->arena, &g->at, g->name, IMAGE);
	if (!r->opts.image_path || !r->opts.work_path)
		return fail(ENOMEM, "out of memory");
	r->opts.guest = r->opts.empty_net = r->opts.tcp_established = r->opts.file_locks = true;
	return 0;
}

int checkpoint_spend(const struct guest *g)
{
	return spend(g->dir_fd);
}

void checkpoint_close(struct guest_restore *r, const struct guest *g, bool restored)
{
	struct err_saved why;

	err_save(&why);
	if ((restored ? guest_checkpoint_drop(g->dir_fd) : unspend(g->dir_fd)) < 0)
		(void)event_add(g->dir_fd, &(struct guest_event){ .event = "cleanup-failed", .detail = err_text() });
	else if (restored)
		let_go();
	err_restore(&why);
	arena_free(&r->arena);
}
