#include "runtime/container/opened.h"
#include "base/log.h"
#include "base/scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

void opened_free(struct opened *o)
{
	drop_fd(&o->root_fd);
	drop_fd(&o->dir_fd);
	drop_fd(&o->pidfd);
	state_free(&o->s);
}

int opened_root(const char *root, const char *id)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return fail_as(ERR_NOT_FOUND, "container \"%s\" does not exist", id);
	return fd < 0 ? fail_errno("open %s", root) : fd;
}

static int look(struct opened *o)
{
	int status = state_status(o->dir_fd, &o->s, &o->pidfd);

	TRY(status);
	o->status = (enum status)status;
	return 0;
}

int opened_container(const char *root, const char *id, bool lock, struct opened *o)
{
	*o = (struct opened){ .root_fd = -1, .dir_fd = -1, .pidfd = -1 };
	o->root_fd = opened_root(root, id);
	TRY(o->root_fd);
	o->dir_fd = state_open(o->root_fd, id, lock);
	TRY(o->dir_fd);
	TRY(lock ? state_load(o->dir_fd, id, &o->s) : state_load_unlocked(o->dir_fd, id, &o->s));
	return look(o);
}

int opened_made(const struct container *c, struct opened *o)
{
	*o = (struct opened){ .root_fd = -1, .dir_fd = -1, .pidfd = -1 };
	o->root_fd = fcntl(c->root_fd, F_DUPFD_CLOEXEC, 3);
	o->dir_fd = o->root_fd < 0 ? -1 : fcntl(c->dir_fd, F_DUPFD_CLOEXEC, 3);
	if (o->dir_fd < 0)
		return fail_errno("hold the state of %s", c->id);
	TRY(state_load(o->dir_fd, c->id, &o->s));
	return look(o);
}

int opened_group(const struct opened *o, struct cg *cg)
{
	static struct journal j;

	state_group(&o->s, cg);
	if (!cg->hiers)
		return 0;
	TRY(journal_read(o->dir_fd, &j));
	/* Where both name one group state.json counts: a killed update may not have made all that the journal announces. */
	if (j.cgroup_made && !str_eq(j.cgroup, cg->path))
		journal_group(&j, &o->s, cg);
	/* A delete that comes between takes the journal first. */
	if ((j.steps || *j.cgroup || *j.unit) && !str_eq(j.unit, cg->unit)) {
		log_warn("state of %s: cgroup.unit is not what was made: \"%s\"", o->s.id, j.unit);
		memcpy(cg->unit, j.unit, sizeof cg->unit);
	}
	return 0;
}
