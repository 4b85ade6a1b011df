#include "images/stage.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static bool owner_lives(const char *name)
{
	char part[64], *start, *end;
	uint64_t pid, begun;

	snprintf(part, sizeof part, "%s", name);
	start = strchr(part, '.');
	end = start ? strchr(start + 1, '.') : NULL;
	if (!end)
		return false;
	*start++ = *end = '\0';
	if (str_u64(part, INT_MAX, &pid) < 0 || str_u64(start, UINT64_MAX, &begun) < 0)
		return false;
	return sys_start_time((pid_t)pid) == begun;
}

int stage_collect(const struct store *s)
{
	struct dirent **list;
	int n = scandirat(s->tmp, ".", &list, NULL, NULL);

	if (n < 0)
		return fail_errno("list unfinished work in the image store");
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		/*
		 * Somebody else may be removing it too, or its last process may still be dying: next time,
		 * then.
		 */
		if (!str_eq(name, ".") && !str_eq(name, "..") && !owner_lives(name) &&
		    path_remove_tree(s->tmp, name) < 0)
			log_debug("left for later: images/tmp/%s: %s", name, err_text());
		free(list[i]);
	}
	free(list);
	(void)file_sweep(s->refs, ".");
	err_clear();
	return 0;
}

int stage_open(struct stage *g, const struct store *s)
{
	static unsigned serial;

	*g = (struct stage){ .store = s, .dir = -1 };
	TRY(stage_collect(s));
	snprintf(g->name, sizeof g->name, "%d.%ju.%u", (int)getpid(), (uintmax_t)sys_start_time(getpid()),
		 serial++);
	if (mkdirat(s->tmp, g->name, 0700) < 0) {
		int r = fail_class(fail_errno("create images/tmp/%s", g->name), ERR_STORAGE);

		g->name[0] = '\0';
		return r;
	}
	g->dir = openat(s->tmp, g->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return g->dir < 0 ? fail_errno("open images/tmp/%s", g->name) : 0;
}

void stage_close(struct stage *g)
{
	struct err_saved pending;

	drop_fd(&g->dir);
	free(TAKE(g->v));
	if (!g->name[0])
		return;
	err_save(&pending);
	if (path_remove_tree(g->store->tmp, g->name) < 0)
		log_warn("images/tmp/%s is left: %s", g->name, err_text());
	err_restore(&pending);
	g->name[0] = '\0';
}

void stage_name(struct stage *g, const char *what, char out[32])
{
	snprintf(out, 32, "%s-%u", what, g->made++);
}

void stage_path(const struct stage *g, const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/tmp/%s/%s", g->store->path, g->name, name);
}

static int add(struct stage *g, bool layer, const char *name, const char *hex)
{
	struct staged *v = reallocarray(g->v, g->n + 1, sizeof *v);

	if (!v)
		return fail(ENOMEM, "images: out of memory");
	g->v = v;
	v[g->n] = (struct staged){ .layer = layer };
	snprintf(v[g->n].name, sizeof v->name, "%s", name);
	snprintf(v[g->n].hex, sizeof v->hex, "%s", hex);
	g->n++;
	return 0;
}

int stage_add_blob(struct stage *g, const char *name, const char *hex)
{
	return add(g, false, name, hex);
}

int stage_add_layer(struct stage *g, const char *name, const char *hex)
{
	return add(g, true, name, hex);
}

bool stage_has_layer(const struct stage *g, const char *hex)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].layer && str_eq(g->v[i].hex, hex))
			return true;
	return store_has_layer(g->store, hex);
}

static int commit_one(struct stage *g, const struct staged *v)
{
	int to = v->layer ? g->store->layers : g->store->blobs;

	if (!v->layer && fchmodat(g->dir, v->name, 0600, 0) < 0)
		return fail_errno("blob sha256:%s", v->hex);
	if (renameat2(g->dir, v->name, to, v->hex, RENAME_NOREPLACE) == 0)
		return 0;
	/* Same content; and a guest may be running on the layer that is there. */
	if (errno == EEXIST || errno == ENOTEMPTY)
		return path_remove_tree(g->dir, v->name);
	if (errno == EINVAL && renameat(g->dir, v->name, to, v->hex) == 0)
		return 0;
	return fail_errno("store %s %s", v->layer ? "layer" : "blob", v->hex);
}

int stage_commit(struct stage *g)
{
	/* One call writes tens of thousands of files back faster than a call for each. */
	if (g->n && syncfs(g->dir) < 0)
		return fail_class(fail_errno("sync the image store"), ERR_STORAGE);
	for (size_t i = 0; i < g->n; i++)
		TRY(fail_class(commit_one(g, &g->v[i]), ERR_STORAGE));
	if (g->n && (fsync(g->store->blobs) < 0 || fsync(g->store->layers) < 0))
		return fail_class(fail_errno("sync the image store"), ERR_STORAGE);
	g->n = 0;
	return 0;
}

int stage_put_text(struct stage *g, const char *text, size_t len, char hex[HEX_SIZE])
{
	char name[32];

	TRY(digest_memory(text, len, hex));
	stage_name(g, "text", name);
	auto_close int fd = openat(g->dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || file_write_all(fd, text, len) < 0)
		return fail_class(fail_errno("write images/tmp/%s/%s", g->name, name), ERR_STORAGE);
	return stage_add_blob(g, name, hex);
}
