/* Containers as they are looked at: one, all of them, the processes of one. */
#include "runtime/container/opened.h"
#include "base/log.h"
#include "base/scope.h"

#include <fcntl.h>

static int look(int root_fd, const char *id, struct container_info *out)
{
	*out = (struct container_info){ 0 };
	TRY(state_look(root_fd, id, &out->s, &out->status));
	out->pid = out->status == ST_STOPPED ? 0 : (pid_t)out->s.pid.v;
	return 0;
}

int container_info(const char *root, const char *id, struct container_info *out)
{
	auto_close int fd = opened_root(root, id);

	TRY(fd);
	return look(fd, id, out);
}

void container_info_free(struct container_info *i)
{
	state_free(&i->s);
}

void container_info_json(struct jout *o, const char *key, const struct container_info *i)
{
	jout_open(o, key, '{');
	jout_str(o, "ociVersion", SPEC_VERSION);
	jout_str(o, "id", i->s.id);
	jout_i64(o, "pid", i->pid);
	jout_str(o, "status", status_name(i->status));
	jout_str(o, "bundle", i->s.bundle);
	jout_str(o, "rootfs", i->s.rootfs);
	jout_str(o, "created", i->s.created);
	if (i->s.annotations.n > 0) {
		jout_open(o, "annotations", '{');
		for (size_t k = 0; k < i->s.annotations.n; k++)
			jout_str(o, i->s.annotations.v[k].key, i->s.annotations.v[k].value);
		jout_close(o, '}');
	}
	jout_str(o, "owner", i->s.owner && str_eq(i->s.owner, "0") ? "root" : i->s.owner);
	jout_close(o, '}');
}

struct listing { int root_fd; int (*each)(void *, const struct container_info *); void *ctx; };

static int list_one(void *p, const char *id)
{
	struct listing *l = p;
	struct container_info i;
	int r;

	r = look(l->root_fd, id, &i);
	if (r < 0) {
		/* Half made, or corrupt: said, and the others are shown. */
		if (err_class() != ERR_NOT_FOUND && !(r == -ENODATA && state_is_held(l->root_fd, id)))
			log_warn("%s", err_text());
		err_clear();
		return 0;
	}
	r = l->each(l->ctx, &i);
	container_info_free(&i);
	return r;
}

int container_list(const char *root, int (*each)(void *, const struct container_info *), void *ctx)
{
	auto_close int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct listing l = { .root_fd = fd, .each = each, .ctx = ctx };

	if (fd < 0)
		return fail_errno("open %s", root);
	cg_look_at_many();
	return state_each(fd, list_one, &l);
}

int container_group(const char *root, const char *id, struct cg *out)
{
	auto_opened struct opened o;

	*out = (struct cg){ 0 };
	TRY(opened_container(root, id, false, &o));
	return opened_group(&o, out);
}

int container_pids(const char *root, const char *id, pid_t **pids, size_t *n)
{
	static struct cg cg;
	auto_opened struct opened o;

	*pids = NULL;
	*n = 0;
	TRY(opened_container(root, id, false, &o));
	TRY(opened_group(&o, &cg));
	return cg.hiers ? cg_pids(&cg, true, pids, n) : opened_members(&o, pids, n);
}
