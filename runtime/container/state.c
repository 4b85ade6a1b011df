#include "runtime/container/state.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static const struct field cgroup_fields[] = {
	F(struct state_cgroup, "path",  K_STR, path),
	F(struct state_cgroup, "unit",  K_STR, unit),
	F(struct state_cgroup, "hiers", K_U32, hiers),
	F(struct state_cgroup, "made",  K_U32, made),
	{ 0 }
};
static const struct record cgroup_record = RECORD("cgroup", struct state_cgroup, cgroup_fields);

static const struct field rdt_fields[] = {
	F(struct state_rdt, "group",   K_STR,  group),
	F(struct state_rdt, "monitor", K_BOOL, monitor),
	{ 0 }
};
static const struct record rdt_state_record = RECORD("resctrl", struct state_rdt, rdt_fields);

static const struct field listener_fields[] = {
	FR(struct state_listener, "path",     K_STR, path),
	F(struct state_listener,  "metadata", K_STR, metadata),
	{ 0 }
};
static const struct record listener_record = RECORD("listener", struct state_listener, listener_fields);

static const struct field state_fields[] = {
	FR(struct state,  "version",     K_U32,  version),
	FR(struct state,  "id",          K_STR,  id),
	FR(struct state,  "bundle",      K_STR,  bundle),
	FR(struct state,  "rootfs",      K_STR,  rootfs),
	F(struct state,   "config",      K_STR,  config),
	FR(struct state,  "created",     K_STR,  created),
	F(struct state,   "owner",       K_STR,  owner),
	FR(struct state,  "pid",         K_I64,  pid),
	FR(struct state,  "startTime",   K_U64,  start_time),
	SUB(struct state, "cgroup",      K_OBJ,  cgroup, &cgroup_record),
	SUB(struct state, "resctrl",     K_OPT,  rdt, &rdt_state_record),
	F(struct state,   "namespaces",  K_U64,  namespaces),
	F(struct state,   "ownUserns",   K_BOOL, own_userns),
	F(struct state,   "filtered",    K_BOOL, filtered),
	F(struct state,   "annotations", K_MAP,  annotations),
	SUB(struct state, "hooks",       K_OPT,  hooks, &spec_hooks_record),
	SUB(struct state, "listener",    K_OPT,  listener, &listener_record),
	SUB(struct state, "personality", K_OPT,  personality, &spec_personality_record),
	SUB(struct state, "memoryPolicy", K_OPT, memory_policy, &spec_memory_policy_record),
	{ 0 }
};
static const struct record state_record = RECORD("state.json", struct state, state_fields);

const char *status_name(enum status s)
{
	static const char *const names[] = { [ST_CREATING] = "creating", [ST_CREATED] = "created",
		[ST_RUNNING] = "running", [ST_PAUSED] = "paused", [ST_STOPPED] = "stopped" };

	return names[s];
}

int state_root(const char *root)
{
	return file_make_dirs(root, 0700);
}

static int check_id(const char *id)
{
	return str_is_id(id) ? 0 : fail_as(ERR_USAGE, "invalid container ID format: \"%s\"", id);
}

int state_claim(int root_fd, const char *id)
{
	struct stat st;

	TRY(check_id(id));
	for (;;) {
		if (mkdirat(root_fd, id, 0700) < 0) {
			if (errno == EEXIST)
				return fail_as(ERR_EXISTS, "container with given ID already exists: \"%s\"", id);
			return fail_errno("create the state directory of %s", id);
		}
		auto_close int fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 || TEMP_FAILURE_RETRY(flock(fd, LOCK_EX)) < 0) {
			int r = fail_errno("lock the state directory of %s", id);

			/* Empty, and whoever else may have it by now looks at it again. */
			(void)unlinkat(root_fd, id, AT_REMOVEDIR);
			return r;
		}
		if (fstat(fd, &st) < 0) {
			int r = fail_errno("look at the state directory of %s", id);

			(void)unlinkat(root_fd, id, AT_REMOVEDIR);
			return r;
		}
		/* A delete that came between took away what was still empty: only who has the lock may. */
		if (st.st_nlink == 0)
			continue;
		return take_fd(&fd);
	}
}

static int unknown(const char *id)
{
	return fail_as(ERR_NOT_FOUND, "container \"%s\" does not exist", id);
}

int state_open(int root_fd, const char *id, bool lock)
{
	struct stat st;

	TRY(check_id(id));
	auto_close int fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? unknown(id) : fail_errno("open the state of %s", id);
	if (!lock)
		return take_fd(&fd);
	if (TEMP_FAILURE_RETRY(flock(fd, LOCK_EX)) < 0)
		return fail_errno("lock the state of %s", id);
	if (fstat(fd, &st) < 0)
		return fail_errno("look at the state of %s", id);
	/* Whoever held the lock may have been deleting it. */
	if (st.st_nlink == 0)
		return unknown(id);
	return take_fd(&fd);
}

int state_settled(int dir_fd, const char *id)
{
	if (TEMP_FAILURE_RETRY(flock(dir_fd, LOCK_SH)) < 0)
		return fail_errno("lock the state of %s", id);
	return flock(dir_fd, LOCK_UN) < 0 ? fail_errno("unlock the state of %s", id) : 0;
}

struct state_mark state_mark(int dir_fd)
{
	struct stat state, journal;

	if (fstatat(dir_fd, "state.json", &state, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(dir_fd, "journal", &journal, AT_SYMLINK_NOFOLLOW) < 0)
		return (struct state_mark){ 0 };
	return (struct state_mark){ state.st_ino, state.st_mtim, journal.st_size };
}

int state_drop(int root_fd, int fd, const char *id)
{
	static const char *const files[] = { "start", "seccomp", "state.json", "journal" };

	for (size_t i = 0; i < COUNT(files); i++)
		if (unlinkat(fd, files[i], 0) < 0 && errno != ENOENT)
			return fail_errno("remove %s of %s", files[i], id);
	if (unlinkat(root_fd, id, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY)
		return fail_errno("remove the state of %s", id);
	/* A write that was killed half-way leaves its private file; the notification socket has a directory. */
	auto_close int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	for (struct dirent *e; d && (e = readdir(d));)
		if (e->d_type != DT_DIR)
			(void)unlinkat(fd, e->d_name, 0);
		else if (e->d_name[0] != '.')
			(void)path_remove_tree(fd, e->d_name);
	if (d) {
		copy = -1;
		closedir(d);
	}
	if (unlinkat(root_fd, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return fail_errno("remove the state of %s", id);
	return 0;
}

void state_json(struct jout *o, const char *id, const char *status, const char *pid, const char *bundle,
		const struct map *annotations)
{
	jout_open(o, NULL, '{');
	jout_str(o, "ociVersion", SPEC_VERSION);
	jout_str(o, "id", id);
	jout_str(o, "status", status);
	if (pid)
		jout_raw(o, "pid", pid);
	jout_str(o, "bundle", bundle);
	jout_open(o, "annotations", '{');
	for (size_t i = 0; i < annotations->n; i++)
		jout_str(o, annotations->v[i].key, annotations->v[i].value);
	jout_close(o, '}');
	jout_close(o, '}');
}

char *state_text(struct arena *a, const struct state *s, const char *status, pid_t pid)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	char number[16];

	snprintf(number, sizeof number, "%d", (int)pid);
	state_json(&o, s->id, status, pid > 0 ? number : NULL, s->bundle, &s->annotations);
	return b.oom ? NULL : arena_strdup(a, buf_text(&b));
}

int state_save(int dir_fd, const struct state *s)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	bind_encode(&o, NULL, &state_record, s);
	buf_puts(&b, "\n");
	if (b.oom)
		return fail(ENOMEM, "write state.json: out of memory");
	if (b.n > FILE_READ_MAX)
		return fail(E2BIG, "write state.json: too large, annotations and hooks take %zu bytes", b.n);
	/* Not synced: whom it describes a power cut ends as well. */
	return file_write_volatile(dir_fd, "state.json", b.p, b.n, 0600);
}

/* A path that kills and rmdirs will be aimed at: absolute, below the root, by grammar. */
static bool is_group(const char *stored)
{
	char first[CG_PATH_MAX];

	snprintf(first, sizeof first, "%.*s", (int)strcspn(stored, "\n"), stored);
	return first[0] == '/' && first[1] && strlen(stored) < CG_PATH_MAX && cg_check_path(first) == 0 &&
	       !strstr(stored, "..");
}

static int decode(const char *id, struct json *tree, struct state *out)
{
	struct arena a = { 0 };
	int r = bind_decode(&a, &state_record, tree, out);

	out->arena = a;
	out->tree = tree;
	if (r < 0)
		return fail_in(r, "state of %s is corrupt: state.json", id);
	if (out->version.v > STATE_VERSION)
		return fail_as(ERR_UNSUPPORTED, "state of %s has version %u, this vzrun knows up to %d", id,
			       out->version.v, STATE_VERSION);
	if (!str_eq(out->id, id) || out->pid.v < 1 || out->pid.v > INT32_MAX)
		return fail(EINVAL, "state of %s is corrupt: state.json: id or pid is wrong", id);
	if (out->cgroup.unit && (strlen(out->cgroup.unit) >= CG_UNIT_MAX || strchr(out->cgroup.unit, '/')))
		return fail(EINVAL, "state of %s is corrupt: state.json: cgroup.unit is no name of a unit", id);
	if (out->cgroup.path)
		TRY(cg_host_check());
	if (out->cgroup.path && (out->cgroup.hiers.v >> cg_host()->n || out->cgroup.made.v & ~out->cgroup.hiers.v ||
				 !is_group(out->cgroup.path)))
		return fail(EINVAL, "state of %s is corrupt: state.json: cgroup is not a container's", id);
	return 0;
}

static int load(int fd, const char *path, const char *id, struct state *out)
{
	auto_free char *text = NULL;
	size_t len;
	struct json *tree;
	int r = file_read(fd, path, &text, &len);

	*out = (struct state){ 0 };
	if (r == -ENOENT)
		return fail(ENODATA, "container \"%s\" is still being created, or its creation was killed", id);
	TRY_IN(r, "state of %s", id);
	TRY_IN(json_parse("state.json", text, len, &tree), "state of %s is corrupt", id);
	r = decode(id, tree, out);
	if (r < 0)
		state_free(out);
	return r;
}

int state_load(int dir_fd, const char *id, struct state *out)
{
	return load(dir_fd, "state.json", id, out);
}

void state_free(struct state *s)
{
	arena_free(&s->arena);
	json_free(&s->tree);
	/* Nothing may point into what is gone: a state that was refused is empty. */
	*s = (struct state){ 0 };
}

void state_group(const struct state *s, struct cg *cg)
{
	cg->path[0] = '\0';
	cg->hiers = cg->made = 0;
	snprintf(cg->unit, sizeof cg->unit, "%s", s->cgroup.unit ? s->cgroup.unit : "");
	if (!s->cgroup.path)
		return;
	snprintf(cg->path, sizeof cg->path, "%s", s->cgroup.path);
	cg->hiers = s->cgroup.hiers.v;
	cg->made = s->cgroup.made.v;
}

/* A zombie is dead for everybody but its parent. Without a descriptor to spare nobody is dead. */
static int is_alive(const struct state *s, int *pidfd)
{
	auto_close int fd = -1;
	int dead = 1;

	if (!pidfd) {
		int alive = sys_is_alive((pid_t)s->pid.v, s->start_time.v);

		return alive < 0 ? fail_errno("look whether process %d lives", (int)s->pid.v) : alive;
	}
	fd = sys_pidfd_of((pid_t)s->pid.v, s->start_time.v);
	if (fd >= 0)
		dead = sys_pidfd_wait(fd, 0);
	if ((fd < 0 && errno != ESRCH) || dead < 0)
		return fail_errno("look whether process %d lives", (int)s->pid.v);
	if (dead)
		return 0;
	*pidfd = take_fd(&fd);
	return 1;
}

static int status(int fd, const char *start, const struct state *s, int *pidfd)
{
	int alive = is_alive(s, pidfd);
	bool created;
	struct cg cg;

	TRY(alive);
	if (!alive)
		return ST_STOPPED;
	created = faccessat(fd, start, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (!created && errno != ENOENT)
		return fail_errno("look whether %s was started", s->id);
	state_group(s, &cg);
	int frozen = cg.hiers ? cg_is_frozen(&cg) : 0;
	/* Somebody took its group away, or there is no freezer in it. */
	if (frozen < 0 && frozen != -ENOENT && err_class() != ERR_UNSUPPORTED)
		return frozen;
	err_clear();
	return frozen > 0 ? ST_PAUSED : created ? ST_CREATED : ST_RUNNING;
}

int state_status(int dir_fd, const struct state *s, int *pidfd)
{
	return status(dir_fd, "start", s, pidfd);
}

/* Without opening the directory: who lists a thousand does it a thousand times. */
int state_look(int root_fd, const char *id, struct state *out, enum status *st)
{
	char path[ID_MAX + 16];
	int r;

	TRY(check_id(id));
	snprintf(path, sizeof path, "%s/state.json", id);
	r = load(root_fd, path, id, out);
	if (r == -ENOTDIR ||
	    (r == -ENODATA && faccessat(root_fd, id, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT))
		return unknown(id);
	TRY(r);
	snprintf(path, sizeof path, "%s/start", id);
	r = status(root_fd, path, out, NULL);
	if (r < 0)
		state_free(out);
	else
		*st = (enum status)r;
	return r < 0 ? r : 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The ids of a directory, each with the NUL at its end. */
static int read_ids(int root_fd, struct buf *out, size_t *n)
{
	int copy = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	int code;

	if (!d) {
		if (copy >= 0)
			close(copy);
		return fail_errno("read the state directory");
	}
	while ((errno = 0, e = readdir(d)))
		if (str_is_id(e->d_name)) {
			buf_add(out, e->d_name, strlen(e->d_name) + 1);
			++*n;
		}
	code = errno;
	closedir(d);
	errno = code;
	return code ? fail_errno("read the state directory") : 0;
}

int state_each(int root_fd, int (*each)(void *, const char *), void *ctx)
{
	auto_buf struct buf text = { 0 };
	auto_free const char **ids = NULL;
	size_t n = 0;
	int r = 0;

	TRY(read_ids(root_fd, &text, &n));
	ids = calloc(n + 1, sizeof *ids);
	if (!ids || text.oom)
		return fail(ENOMEM, "read the state directory: out of memory");
	for (size_t i = 0, at = 0; i < n; at += strlen(ids[i++]) + 1)
		ids[i] = text.p + at;
	qsort(ids, n, sizeof *ids, by_name);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = each(ctx, ids[i]);
	return r;
}
