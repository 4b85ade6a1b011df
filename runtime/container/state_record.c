/* The record of a container: what is in it, written, read, and checked before it is believed. */
#include "runtime/container/state.h"
#include "base/file.h"
#include "base/scope.h"

#include <stdio.h>
#include <string.h>

static const struct field cgroup_fields[] = {
	F(struct state_cgroup, "path",  K_STR, path),
	F(struct state_cgroup, "unit",  K_STR, unit),
	F(struct state_cgroup, "hiers", K_STR, hier_names),
	F(struct state_cgroup, "made",  K_STR, made_names),
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
	char hiers[CG_NAMES_MAX], made[CG_NAMES_MAX];
	struct state named = *s;

	if (s->cgroup.path) {
		cg_names(s->cgroup.hiers, hiers);
		cg_names(s->cgroup.made, made);
		named.cgroup.hier_names = hiers;
		named.cgroup.made_names = made;
	}
	bind_encode(&o, NULL, &state_record, &named);
	buf_puts(&b, "\n");
	if (b.oom)
		return fail(ENOMEM, "write state.json: out of memory");
	if (b.n > FILE_READ_MAX)
		return fail(E2BIG, "write state.json: too large, annotations and hooks take %zu bytes", b.n);
	/* Not synced: a power cut ends the container as well. */
	return file_write_volatile(dir_fd, "state.json", b.p, b.n, 0600);
}

/* Paths that kills and rmdirs will be aimed at, as struct cg has them: absolute, below the root, by grammar. */
static bool is_group(const char *stored)
{
	char path[CG_PATH_MAX];

	if (strlen(stored) >= sizeof path)
		return false;
	for (const char *at = stored, *end; at; at = *end ? strchr(end, ':') : NULL, at = at ? at + 1 : NULL) {
		end = strchrnul(at, '\n');
		snprintf(path, sizeof path, "%.*s", (int)(end - at), at);
		if (path[0] != '/' || cg_check_path(path) < 0)
			return false;
		if (!*end)
			return true;
	}
	return false;
}

static int check_group(const char *id, struct state_cgroup *g)
{
	if (g->unit && (strlen(g->unit) >= CG_UNIT_MAX || strchr(g->unit, '/')))
		return fail(EINVAL, "state of %s is corrupt: state.json: cgroup.unit is no name of a unit", id);
	if (!g->path)
		return 0;
	TRY(cg_host_check());
	g->hiers = g->hier_names ? cg_named(g->hier_names) : 0;
	g->made = g->made_names ? cg_named(g->made_names) : 0;
	if (g->made & ~g->hiers || !is_group(g->path))
		return fail(EINVAL, "state of %s is corrupt: state.json: cgroup is not a container's", id);
	return 0;
}

static int decode(const char *id, struct json *tree, struct state *out)
{
	struct arena a = { 0 };
	int r = bind_decode(&a, &state_record, tree, out);

	out->arena = a;
	out->tree = tree;
	/* It comes first, before what another version has otherwise. */
	if (out->version.set && out->version.v != STATE_VERSION)
		return fail_as(ERR_UNSUPPORTED, "state of %s has version %u, this vzrun knows %d", id, out->version.v,
			       STATE_VERSION);
	if (r < 0)
		return fail_in(r, "state of %s is corrupt: state.json", id);
	if (!str_eq(out->id, id) || out->pid.v < 1 || out->pid.v > INT32_MAX)
		return fail(EINVAL, "state of %s is corrupt: state.json: id or pid is wrong", id);
	return check_group(id, &out->cgroup);
}

int state_load_at(int fd, const char *path, const char *id, struct state *out)
{
	static char small[8 << 10];
	auto_free char *big = NULL;
	const char *text = NULL;
	size_t len;
	struct json *tree;
	int r = file_read_small(fd, path, FILE_REGULAR, (struct file_small){ small, sizeof small }, &big, &text, &len);

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
	return state_load_at(dir_fd, "state.json", id, out);
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
	cg->hiers = s->cgroup.hiers;
	cg->made = s->cgroup.made;
}
