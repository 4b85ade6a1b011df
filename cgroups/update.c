/* A live group's limits changed as a transaction: a write that is refused puts the earlier ones back. */
#include "cgroups/internal.h"
#include "base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { OLD_MAX = 8192 };

/* text: path, key, old text, each with its NUL. */
struct former { struct buf *stays; size_t path_n, key_n; char text[]; };

/* Files of one line a device: how a device that had none gets rid of what it was given. */
static const struct { const char *file, *none; } resets[] = {
	{ "/io.max", "rbps=max wbps=max riops=max wiops=max" }, { "/io.weight", "default" },
	{ "/io.bfq.weight", "default" }, { "/rdma.max", "hca_handle=max hca_object=max" },
	{ "_device", "0" }, { "/net_prio.ifpriomap", "0" },
};

static const char *reset_of(const char *path)
{
	for (size_t i = 0; i < COUNT(resets); i++)
		if (str_ends(path, resets[i].file))
			return resets[i].none;
	return NULL;
}

static int write_line(const char *path, const char *line, size_t n)
{
	char text[512];

	if (n >= sizeof text)
		return -E2BIG;
	memcpy(text, line, n);
	text[n] = '\0';
	/* An empty write reaches no file: a line end means "none" to those that can be empty. */
	return file_poke(AT_FDCWD, path, n ? text : "\n");
}

static int put_back_lines(const char *path, const char *key, const char *old, const char *none)
{
	int r = 0;

	for (const char *p = old, *end; *p && r >= 0; p = *end ? end + 1 : end) {
		end = strchrnul(p, '\n');
		r = write_line(path, p, (size_t)(end - p));
	}
	if (r >= 0 && !cg_text_of(old, key)) {
		char text[256];

		snprintf(text, sizeof text, "%s %s", key, none);
		r = file_poke(AT_FDCWD, path, text);
	}
	return r;
}

static int put_back(void *arg)
{
	const struct former *f = arg;
	const char *path = f->text, *key = path + f->path_n, *old = key + f->key_n, *none = reset_of(path);
	int r;

	/* What is read there is a report; what is written is its first number. */
	if (str_ends(path, "memory.oom_control"))
		r = write_line(path, str_starts(old, "oom_kill_disable 1") ? "1" : "0", 1);
	else if (none)
		r = put_back_lines(path, key, old, none);
	else
		r = write_line(path, old, strcspn(old, "\n"));
	if (r < 0)
		buf_printf(f->stays, "%s%s (%s)", f->stays->n ? ", " : "", strrchr(path, '/') + 1,
			   strerrordesc_np(-r));
	return r;
}

/*
 * A v2 cpuset that holds processes is never made empty again (ENOSPC): what the group had from the group above it is
 * given back in numbers.
 */
static ssize_t read_former(const char *path, char *old, size_t size)
{
	ssize_t n = file_peek(AT_FDCWD, path, old, size), k;
	char effective[PATH_MAX];

	if (n < 0 || old[strspn(old, "\n")] || (!str_ends(path, "/cpuset.cpus") && !str_ends(path, "/cpuset.mems")))
		return n;
	snprintf(effective, sizeof effective, "%s.effective", path);
	k = file_peek(AT_FDCWD, effective, old, size);
	if (k < 0)
		old[0] = '\0';
	return k < 0 ? 0 : k;
}

int cg_remember(struct cg_former *all, const char *path, const char *text)
{
	char old[OLD_MAX];
	ssize_t n = read_former(path, old, sizeof old);
	size_t path_n = strlen(path) + 1, key_n = strcspn(text, " "), size;

	/* It cannot be read: the write will say more. */
	if (n < 0)
		return 0;
	size = sizeof(struct former) + path_n + key_n + 1 + (size_t)n + 1;
	auto_free struct former *f = malloc(size);
	if (!f)
		return fail(ENOMEM, "out of memory");
	*f = (struct former){ &all->stays, path_n, key_n + 1 };
	memcpy(f->text, path, path_n);
	memcpy(f->text + path_n, text, key_n);
	f->text[path_n + key_n] = '\0';
	memcpy(f->text + path_n + key_n + 1, old, (size_t)n + 1);
	return undo_push(&all->undo, "cgroup limits", put_back, f, size);
}

/* r, and beside what it names the other half of it, where systemd takes and keeps the two together. */
struct whole { struct cg_resources r; struct cg_memory memory; struct cg_cpu cpu; };

static bool has(const struct cg *cg, enum ctl c, bool *v2, char dir[CG_FULL])
{
	int i = cg_ctl_hier(c);

	if (i < 0 || !(cg->hiers & BIT(i)))
		return false;
	*v2 = cg_host()->h[i].v2;
	cg_file(cg, (size_t)i, NULL, dir);
	return true;
}

static void make_whole(const struct cg *cg, const struct cg_resources *r, struct whole *w)
{
	char dir[CG_FULL];
	bool v2;

	w->r = *r;
	if (r->memory && has(cg, CTL_MEMORY, &v2, dir) && v2) {
		w->memory = *r->memory;
		cg_memory_as_is(dir, &w->memory);
		w->r.memory = &w->memory;
	}
	if (r->cpu && has(cg, CTL_CPU, &v2, dir)) {
		w->cpu = *r->cpu;
		cg_cpu_as_is(dir, v2, &w->cpu);
		w->r.cpu = &w->cpu;
	}
}

/* After the files are written, from which the other halves come. It rounds, so they are written once more. */
static int tell_systemd(const struct cg *cg, const struct cg_resources *r)
{
	struct whole w;

	make_whole(cg, r, &w);
	TRY(cg_unit_set(cg, &w.r));
	return cg_write_limits(cg, &w.r, NULL);
}

int cg_update(const struct cg *cg, const struct cg_resources *r)
{
	struct cg_former all = { 0 };
	int ret = cg_write_limits(cg, r, &all);

	/* What the kernel takes systemd is told. */
	if (ret >= 0 && cg->unit[0])
		ret = tell_systemd(cg, r);
	if (ret >= 0) {
		undo_commit(&all.undo);
		return ret;
	}
	undo_rollback(&all.undo);
	if (all.stays.n)
		ret = fail_in(ret, "not put back: %s", buf_text(&all.stays));
	buf_free(&all.stays);
	return ret;
}
