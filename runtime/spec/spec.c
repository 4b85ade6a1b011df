#include "runtime/spec/spec.h"
#include "base/file.h"
#include "base/scope.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

/*
 * Until 1.3 of the specification a limit of 0 processes was none at all, and engines of that time still write it for
 * -1. Since then it is a limit, and leaves what 1 leaves: the kernel asks only when a process is made beside the first.
 */
static void limit_of_none(const struct spec *s)
{
	struct cg_pids *p = s->linux_ && s->linux_->resources ? s->linux_->resources->pids : NULL;
	unsigned minor;

	if (p && p->limit.set && p->limit.v == 0)
		p->limit.v = s->version && sscanf(s->version, "1.%u.", &minor) == 1 && minor >= 3 ? 1 : -1;
}

int spec_decode(const char *name, struct json *tree, struct spec *out)
{
	struct arena a = { 0 };
	struct spec s;
	int r = bind_decode(&a, &spec_record, tree, &s);

	/* Decoding zeroes the record, so what it owns is set after. */
	s.arena = a;
	s.tree = tree;
	if (r < 0) {
		spec_free(&s);
		return fail_class(fail_in(r, "%s", name), ERR_CONFIG);
	}
	limit_of_none(&s);
	/* Empty is as good as absent to those who write every member. */
	if (s.linux_ && s.linux_->cgroups_path && !*s.linux_->cgroups_path)
		s.linux_->cgroups_path = NULL;
	*out = s;
	return 0;
}

/* A new user namespace of which nothing is said has the process's ids alone, and they are the caller's. */
static int default_maps(struct spec *s)
{
	struct spec_linux *l = s->linux_;
	struct spec_idmap *m;

	if (!spec_new_ns(s, CLONE_NEWUSER) || l->uid_maps.n > 0 || l->gid_maps.n > 0)
		return 0;
	m = arena_alloc(&s->arena, 2, sizeof *m);
	if (!m)
		return fail(ENOMEM, "out of memory");
	m[0] = (struct spec_idmap){ { s->process ? s->process->user.uid.v : 0, true }, { geteuid(), true }, { 1, true } };
	m[1] = (struct spec_idmap){ { s->process ? s->process->user.gid.v : 0, true }, { getegid(), true }, { 1, true } };
	l->uid_maps = (struct list){ m, 1 };
	l->gid_maps = (struct list){ m + 1, 1 };
	return 0;
}

int spec_take(const char *name, struct json *tree, struct spec *out)
{
	int r;

	TRY(spec_decode(name, tree, out));
	r = default_maps(out);
	r = r < 0 ? r : spec_check(out);
	if (r >= 0)
		return 0;
	spec_free(out);
	return fail_class(fail_in(r, "%s", name), ERR_CONFIG);
}

int spec_parse(const char *name, const char *text, size_t len, struct spec *out)
{
	struct json *tree;
	int r = json_parse(name, text, len, &tree);

	return r < 0 ? fail_class(r, ERR_CONFIG) : spec_take(name, tree, out);
}

static int load(int dirfd, const char *path, unsigned how, struct spec *out)
{
	static char small[32 << 10];
	auto_free char *big = NULL;
	const char *text;
	size_t len;

	TRY(file_read_small(dirfd, path, how, (struct file_small){ small, sizeof small }, &big, &text, &len));
	return spec_parse(path, text, len, out);
}

int spec_load(int dirfd, const char *path, struct spec *out)
{
	return load(dirfd, path, 0, out);
}

int spec_load_named(int dirfd, const char *path, struct spec *out)
{
	return load(dirfd, path, FILE_NAMED, out);
}

void spec_free(struct spec *s)
{
	arena_free(&s->arena);
	json_free(&s->tree);
}

int spec_process_load(struct arena *a, struct json **tree, const char *path, struct spec_process *out)
{
	auto_free char *text = NULL;
	size_t len;

	TRY(file_read_named(AT_FDCWD, path, &text, &len));
	TRY(json_parse(path, text, len, tree));
	TRY_IN(bind_decode(a, &spec_process_record, *tree, out), "%s", path);
	TRY_IN(spec_process_check(out), "%s", path);
	return 0;
}

static const struct spec_ns *ns_of(const struct spec *s, int type)
{
	if (s->linux_)
		LIST_EACH(struct spec_ns, n, s->linux_->namespaces)
			if (n->type == type)
				return n;
	return NULL;
}

bool spec_has_ns(const struct spec *s, int type)
{
	return ns_of(s, type);
}

const char *spec_ns_path(const struct spec *s, int type)
{
	const struct spec_ns *n = ns_of(s, type);

	return n && n->path && *n->path ? n->path : NULL;
}

bool spec_new_ns(const struct spec *s, int type)
{
	return ns_of(s, type) && !spec_ns_path(s, type);
}

const char *spec_env(const struct strv *env, const char *name)
{
	size_t n = strlen(name);

	/* The last one counts, as in stage_environment(). */
	for (size_t i = env->n; i-- > 0;)
		if (strncmp(env->v[i], name, n) == 0 && env->v[i][n] == '=')
			return env->v[i] + n + 1;
	return NULL;
}
