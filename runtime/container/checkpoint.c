#include "runtime/container/checkpoint_io.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/container/opened.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- mounts: which of them criu cannot make again from within ----------------------------------- */

struct mounted { char *dev, *root, *at, *type; bool inner; };
struct mount_list { struct mounted v[512]; size_t n; };

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw" */
static bool parse_mount(char *line, struct mounted *m)
{
	char *save = NULL, *word = strtok_r(line, " ", &save);
	char **fields[] = { NULL, NULL, &m->dev, &m->root, &m->at };

	for (size_t i = 0; word && i < COUNT(fields); i++, word = strtok_r(NULL, " ", &save))
		if (fields[i])
			*fields[i] = word;
	while (word && !str_eq(word, "-"))
		word = strtok_r(NULL, " ", &save);
	m->type = word ? strtok_r(NULL, " ", &save) : NULL;
	if (!m->type)
		return false;
	str_unescape(m->root, strlen(m->root) + 1, m->root, strlen(m->root));
	str_unescape(m->at, strlen(m->at) + 1, m->at, strlen(m->at));
	return true;
}

/* What the container is: a guest, and in a cgroup namespace of its own. */
struct dumped { bool guest, groups; };

static bool is_made_anew(const struct mounted *m, const struct dumped *k)
{
	static const char *const types[] = { "proc", "sysfs", "tmpfs", "devpts", "mqueue" };

	if (k->guest && (str_eq(m->at, "/dev/pts") || str_eq(m->at, GUEST_HOST_DIR)))
		return false;
	/* Seen from here a mount of groups begins at the group; inside a namespace of them, at its root. */
	if (str_starts(m->type, "cgroup"))
		return k->groups;
	for (size_t i = 0; i < COUNT(types); i++)
		if (str_eq(m->type, types[i]))
			return str_eq(m->root, "/");
	return false;
}

static bool is_part_of(const struct mounted *m, const struct mounted *whole)
{
	size_t n = str_eq(whole->root, "/") ? 0 : strlen(whole->root);

	return str_eq(m->dev, whole->dev) && strncmp(m->root, whole->root, n) == 0 &&
	       (m->root[n] == '/' || !m->root[n]);
}

/* Made anew, the root itself, or a part of what is: everything else comes from outside. */
static void find_inner(struct mount_list *l, const struct dumped *kind)
{
	for (size_t i = 0; i < l->n; i++)
		l->v[i].inner = str_eq(l->v[i].at, "/") || is_made_anew(&l->v[i], kind);
	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < l->n && !l->v[i].inner; k++)
			l->v[i].inner = (str_eq(l->v[k].at, "/") || is_made_anew(&l->v[k], kind)) &&
					is_part_of(&l->v[i], &l->v[k]);
}

/* The guest has mounted something that is neither its own nor its configuration's. */
static int refuse_mount(const struct mounted *m)
{
	return fail_as(ERR_UNSUPPORTED, "what was mounted inside at %s (%s) is not carried by a checkpoint", m->at, m->type);
}

static int put_external_mounts(const struct opened *c, const struct checkpoint_opts *with, const struct image *image,
			       struct buf *opts)
{
	static struct mount_list l;
	auto_free char *text = NULL;
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	char path[40], *save = NULL;

	snprintf(path, sizeof path, "/proc/%d/mountinfo", (int)c->s.pid.v);
	TRY(file_read(AT_FDCWD, path, &text, NULL));
	l.n = 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (l.n == COUNT(l.v))
			return fail_as(ERR_CHECKPOINT, "container %s has more than %zu mounts", c->s.id, COUNT(l.v));
		l.n += parse_mount(line, &l.v[l.n]);
	}
	find_inner(&l, &(struct dumped){ with->guest, sys_has_own_ns((pid_t)c->s.pid.v, "cgroup") });
	jout_open(&o, NULL, '[');
	for (size_t i = 0; i < l.n; i++)
		if (!l.v[i].inner) {
			if (with->spec && !restore_has_source(with->spec, l.v[i].at, l.v[i].root))
				return refuse_mount(&l.v[i]);
			jout_str(&o, NULL, l.v[i].at);
			criu_pair(opts, CRIU_EXT_MNT, l.v[i].at, l.v[i].at);
		}
	jout_close(&o, ']');
	if (b.oom)
		return fail(ENOMEM, "out of memory");
	return file_write_atomic(image->dir, "external.json", b.p, b.n, 0600);
}

/* ---- the dump ----------------------------------------------------------------------------------- */

/* What is open as 0, 1 and 2, under criu's names: `restore` puts its own standard streams in place of pipes. */
static int save_descriptors(const struct opened *c, const struct image *image)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	jout_open(&o, NULL, '[');
	for (int fd = 0; fd < 3; fd++) {
		char path[48], target[256];
		ssize_t n;

		snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)c->s.pid.v, fd);
		n = readlink(path, target, sizeof target - 1);
		target[n > 0 ? n : 0] = '\0';
		jout_str(&o, NULL, target);
	}
	jout_close(&o, ']');
	if (b.oom)
		return fail(ENOMEM, "out of memory");
	return file_write_atomic(image->dir, "descriptors.json", b.p, b.n, 0600);
}

/* A namespace that was joined by path belongs to others: criu must neither dump nor create it. */
static int put_joined_namespaces(const struct spec *s, struct buf *opts)
{
	static const struct { int type; const char *name, *key; } external[] = {
		{ CLONE_NEWNET, "net", "extRootNetNS" }, { CLONE_NEWPID, "pid", "extRootPidNS" },
	};

	for (size_t i = 0; i < COUNT(external); i++) {
		const char *path = spec_ns_path(s, external[i].type);
		char text[96];
		struct stat st;

		if (!path)
			continue;
		if (stat(path, &st) < 0)
			return fail_errno("linux.namespaces: %s", path);
		snprintf(text, sizeof text, "%s[%ju]:%s", external[i].name, (uintmax_t)st.st_ino, external[i].key);
		criu_text(opts, CRIU_EXTERNAL, text);
	}
	return 0;
}

/* The freezer that `pause` uses: criu thaws it while it works, and would wait for ever if another froze the tree. */
static void put_freezer(const struct opened *c, struct buf *opts)
{
	static struct cg cg;
	char dir[CG_PATH_MAX + 512];

	if (opened_group(c, &cg) == 0 && cg_freezer(&cg, dir, sizeof dir) == 0)
		criu_text(opts, CRIU_FREEZE_CGROUP, dir);
	else
		err_clear();
}

static int check_parent(const struct checkpoint_opts *o, const struct image *image)
{
	if (!o->parent_path)
		return 0;
	if (o->parent_path[0] == '/')
		return fail_as(ERR_USAGE, "--parent-path must be relative");
	auto_close int parent = openat(image->dir, o->parent_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return parent < 0 ? fail_errno("invalid --parent-path: %s/%s", image->path, o->parent_path) : 0;
}

static int dump_options(const struct opened *c, const struct checkpoint_opts *o, const struct image *image,
			struct buf *opts)
{
	auto_spec struct spec s = { 0 };

	TRY(check_parent(o, image));
	TRY(image_options(o, image, &c->s.annotations, opts));
	criu_num(opts, CRIU_PID, (uint64_t)c->s.pid.v);
	criu_text(opts, CRIU_ROOT, c->s.rootfs);
	criu_flag(opts, CRIU_LEAVE_RUNNING, o->leave_running);
	criu_text(opts, CRIU_PARENT_IMG, o->parent_path);
	criu_flag(opts, CRIU_TRACK_MEM, o->parent_path || o->pre_dump);
	put_freezer(c, opts);
	if (c->s.config)
		TRY_IN(spec_load(AT_FDCWD, c->s.config, &s), "checkpoint");
	TRY(put_joined_namespaces(&s, opts));
	if (o->pre_dump)
		return 0;
	TRY(put_external_mounts(c, o, image, opts));
	return o->guest ? terminal_put(c, image, opts) : save_descriptors(c, image);
}

struct dumping { const struct opened *c; const struct checkpoint_opts *o; const struct image *image; };

static int on_notice(void *ctx, const char *script, pid_t pid, int *passed)
{
	const struct dumping *d = ctx;

	(void)pid, (void)passed;
	log_debug("criu: %s", script);
	image_ready(d->o, script);
	if (!str_eq(script, "post-dump"))
		return 0;
	if (d->o->guest)
		TRY(terminal_session(d->c, d->image));
	return d->o->commit ? d->o->commit(d->o->ctx) : 0;
}

static int check_status(const struct opened *c, const struct checkpoint_opts *o)
{
	if (!o->guest && map_get(&c->s.annotations, "org.vzrun.guest"))
		return fail_as(ERR_UNSUPPORTED, "%s is a guest of another home (VZRUN_HOME)", c->s.id);
	if (c->status != ST_RUNNING && c->status != ST_PAUSED)
		return fail_as(ERR_STATE, "Container cannot be checkpointed in %s state", status_name(c->status));
	if (c->status == ST_PAUSED && faccessat(c->dir_fd, "start", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return fail_as(ERR_STATE, "Container cannot be checkpointed in created state");
	if (!c->s.config && !o->guest)
		return fail_as(ERR_STATE, "container %s: its record does not name its configuration", c->s.id);
	return 0;
}

/* criu takes what is below the first process; the rest would die with it. */
static int refuse_joined(const struct opened *c)
{
	pid_t pid;

	TRY(opened_joined(c, &pid));
	return pid ? fail_as(ERR_STATE, "process %d runs in it by exec or enter, and is none that its init has started",
			     (int)pid) : 0;
}

static int dump(const struct opened *c, const struct checkpoint_opts *o)
{
	const char *program = o->criu ? o->criu : "criu";
	auto_buf struct buf opts = { 0 };
	struct image image;
	int r;

	TRY(check_status(c, o));
	TRY(criu_check(program));
	TRY(o->guest ? refuse_joined(c) : 0);
	r = image_open(o, true, "dump.log", &image);
	if (r >= 0)
		r = dump_options(c, o, &image, &opts);
	if (r >= 0)
		r = criu_talk(&(struct criu_run){ .program = program, .type = o->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP,
						  .opts = &opts, .notify = on_notice,
						  .ctx = &(struct dumping){ c, o, &image } });
	if (r < 0 && image.work >= 0)
		r = criu_why(r, image.work, image.work_path, image.log);
	image_close(&image);
	return r;
}

int container_checkpoint(const char *root, const char *id, const struct checkpoint_opts *o)
{
	auto_opened struct opened c;

	TRY(opened_container(root, id, true, &c));
	TRY(dump(&c, o));
	/* Under the same lock: nobody can have deleted it meanwhile, and made another of its name. */
	return o->leave_running || o->pre_dump ? 0 : opened_delete(&c);
}
