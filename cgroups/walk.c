/* The groups below a group, however many and however deep: a guest makes those of its part of the tree as it likes. */
#include "cgroups/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

/* Where it goes on in a group when what is below one of its own is done. The kernel goes by the hash of the name. */
struct level { long at; char name[NAME_MAX + 1]; };
struct walk { DIR *dir; struct level *v; size_t depth, room; };

/* Takes fd. */
static int stand_in(struct walk *w, int fd)
{
	DIR *d = fdopendir(fd);

	if (!d) {
		int r = fail_errno("list a cgroup");

		close(fd);
		return r;
	}
	closedir(w->dir);
	w->dir = d;
	return 0;
}

/* 1: in it; 0: it is gone. */
static int go_down(struct walk *w, const char *name)
{
	int fd = openat(dirfd(w->dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : fail_errno("list cgroup %s", name);
	if (w->depth == w->room) {
		size_t room = w->room ? w->room * 2 : 16;
		struct level *grown = realloc(w->v, room * sizeof *grown);

		if (!grown) {
			close(fd);
			return fail(ENOMEM, "list cgroup %s: out of memory", name);
		}
		w->v = grown;
		w->room = room;
	}
	w->v[w->depth].at = telldir(w->dir);
	snprintf(w->v[w->depth].name, sizeof w->v->name, "%s", name);
	TRY(stand_in(w, fd));
	w->depth++;
	return 1;
}

/* No group is ever moved below another: ".." is where we came from. */
static int go_up(struct walk *w)
{
	int fd = openat(dirfd(w->dir), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fail_errno("go back to the cgroup above");
	TRY(stand_in(w, fd));
	seekdir(w->dir, w->v[--w->depth].at);
	return 0;
}

static struct dirent *next_group(DIR *d)
{
	struct dirent *e;

	do
		errno = 0, e = readdir(d);
	while (e && (e->d_type != DT_DIR || e->d_name[0] == '.'));
	return e;
}

/* 0: all of it is done. */
static int step(struct walk *w, cg_enter_fn *enter, cg_leave_fn *leave, void *ctx)
{
	struct dirent *e = next_group(w->dir);
	int r;

	if (!e && errno)
		return fail_errno("list a cgroup");
	if (e) {
		r = go_down(w, e->d_name);
		if (r > 0 && enter)
			r = enter(dirfd(w->dir), ctx);
		return r < 0 ? r : 1;
	}
	if (!w->depth)
		return 0;
	TRY(go_up(w));
	if (leave)
		leave(dirfd(w->dir), w->v[w->depth].name);
	return 1;
}

int cg_walk(int fd, cg_enter_fn *enter, cg_leave_fn *leave, void *ctx)
{
	struct walk w = { .dir = fdopendir(fd) };
	int r;

	if (!w.dir) {
		r = fail_errno("list a cgroup");
		close(fd);
		return r;
	}
	do
		r = step(&w, enter, leave, ctx);
	while (r > 0);
	closedir(w.dir);
	free(w.v);
	return r;
}
