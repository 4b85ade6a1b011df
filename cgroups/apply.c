/* Writes what the resources ask for, by the table of knobs. */
#include "cgroups/internal.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"

#include <fcntl.h>
#include <string.h>

enum { TEXT_MAX = 4096, AGAIN_MAX = 16 };

/* What the kernel's bare code means for this controller. */
static const struct { int code; enum ctl ctl; const char *hint; } hints[] = {
	{ EBUSY, CTL_MEMORY,
	  "the group uses more than that now: stop something in it first, or choose a higher limit" },
	{ EINVAL, CTL_MEMORY, "the limit of memory and swap together may not be below the memory limit" },
	{ EACCES, CTL_CPUSET,
	  "only CPUs and nodes of the parent group can be given: see cpuset.cpus above it" },
	{ ERANGE, CTL_CPUSET, "see /sys/devices/system/cpu/online and /sys/devices/system/node/online" },
	{ EINVAL, CTL_CPUSET, "see /sys/devices/system/cpu/online and /sys/devices/system/node/online" },
	{ ENODEV, CTL_IO, "name a whole disk (ls -l /dev, lsblk), not a partition" },
	{ EINVAL, CTL_IO, "name a whole disk (lsblk), not a partition" },
	{ EOPNOTSUPP, CTL_IO,
	  "the disk's I/O scheduler takes no weights: echo bfq > /sys/block/DISK/queue/scheduler" },
	{ EINVAL, CTL_CPU, "a quota may not exceed the parent group's, nor a burst the quota" },
};

struct again { const struct knob *k; const void *value; };
struct job {
	const struct cg *cg;
	struct at at;
	char dir[CG_FULL];
	int hier;			/* that dir belongs to */
	struct cg_former *former;
	struct again again[AGAIN_MAX];
	size_t n;
};

static int refused(int code, const struct knob *k, const char *path, const char *value)
{
	int r;

	errno = code;
	r = fail_errno("%s: write \"%s\" to %s", k->what, value, path);
	for (size_t i = 0; i < COUNT(hints); i++)
		if (hints[i].code == code && hints[i].ctl == k->ctl) {
			err_try("%s", hints[i].hint);
			break;
		}
	if (code == ENOENT && (strstr(path, "memsw") || str_ends(path, "/memory.swap.max")))
		err_try("this kernel does not count swap: boot with swapaccount=1, or leave memory.swap out");
	if (code == EACCES || code == EPERM)
		fail_class(r, ERR_PERMISSION);
	return fail_class(r, code == EBUSY ? ERR_RESOURCE : code == ENOENT ? ERR_UNSUPPORTED : ERR_CONFIG);
}

/* v2 would kill, v1 would reclaim and perhaps say EBUSY: look first where that was asked for. */
static int check_use(const struct job *j, const char *file)
{
	const struct cg_memory *m = j->at.r->memory;
	char path[CG_FULL], now[32];
	uint64_t used;

	snprintf(path, sizeof path, "%s/%s", j->dir,
		 cg_host()->h[j->hier].v2 ? "memory.current" : "memory.usage_in_bytes");
	if (file_peek(AT_FDCWD, path, now, sizeof now) <= 0 || str_u64(now, UINT64_MAX, &used) < 0 ||
	    m->limit.v <= 0 || used <= (uint64_t)m->limit.v)
		return 0;
	return fail_class(fail(EBUSY, "memory limit: %jd bytes for %s: %s bytes are in use",
			       (intmax_t)m->limit.v, file, now),
			  ERR_RESOURCE);
}

/* 0 written, 1 to be tried again, 2 the next row may know the file. */
static int write_one(struct job *j, const struct knob *k, const void *value, bool last)
{
	bool v2 = cg_host()->h[j->hier].v2;
	const struct knob_file *f = v2 ? &k->v2 : &k->v1;
	char path[CG_FULL + 128], name[96], text[512];
	struct num n = cg_knob_num(k->kind, value);
	int r = (f->name ? f : v2 ? &k->v1 : &k->v2)->text(&j->at, value, text, sizeof text);

	if (r == 0 && !f->name)
		return k->flags & OR_NEXT
			   ? 2
			   : fail_as(ERR_UNSUPPORTED, "%s: cgroup v%d has no such setting", k->what, v2 + 1);
	if (r != 0)
		return r < 0 ? fail_in(r, "%s", k->what) : 0;
	cg_knob_file(f, value, name, sizeof name);
	snprintf(path, sizeof path, "%s/%s", j->dir, name);
	if ((k->flags & CHECK_USE) && j->at.r->memory->check_before_update.v)
		TRY(check_use(j, path));
	if (j->former)
		TRY(cg_remember(j->former, path, text));
	r = file_poke(AT_FDCWD, path, text);
	if (r == 0)
		return 0;
	if (r == -ENOENT && (k->flags & OR_NEXT))
		return 2;
	if (r == -ENOENT && ((k->flags & OPTIONAL) || ((k->flags & NONE_OK) && n.none)))
		return 0;
	return r == -EINVAL && !last && j->n < AGAIN_MAX ? 1 : refused(-r, k, path, text);
}

static int enter_hier(struct job *j, const char *what, int i)
{
	if (i == j->hier)
		return 0;
	if (i < 0 || !(j->cg->hiers & BIT(i)))
		return fail_as(ERR_UNSUPPORTED, "%s: the group %.*s does not exist in the %s hierarchy", what,
			       (int)strcspn(j->cg->path, "\n"), j->cg->path,
			       i < 0 ? "needed" : cg_host()->h[i].name);
	cg_file(j->cg, (size_t)i, NULL, j->dir);
	j->hier = i;
	return 0;
}

static int write_knob(struct job *j, const struct knob *k, const void *value, bool *next)
{
	const char *one = value;
	size_t n = 1;

	TRY(enter_hier(j, k->what, cg_ctl_hier(k->ctl)));
	if (k->kind == V_LIST) {
		one = ((const struct list *)value)->v;
		n = ((const struct list *)value)->n;
	}
	for (size_t i = 0; i < n; i++, one += k->size) {
		int r = write_one(j, k, one, false);

		TRY(r);
		if (r == 1)
			j->again[j->n++] = (struct again){ k, one };
		*next |= r == 2;
	}
	return 0;
}

static int write_knobs(struct job *j)
{
	bool skip = false;

	for (const struct knob *k = cg_knobs; k < cg_knobs + cg_knobs_n; k++) {
		const void *value = cg_knob_value(k, j->at.r);
		bool next = false;

		if (value && !skip)
			TRY(write_knob(j, k, value, &next));
		/* A row that OR_NEXT follows is only for those whose file the first row did not find. */
		skip = (k->flags & OR_NEXT) && !next;
	}
	for (size_t i = 0; i < j->n; i++) {
		TRY(enter_hier(j, j->again[i].k->what, cg_ctl_hier(j->again[i].k->ctl)));
		TRY(write_one(j, j->again[i].k, j->again[i].value, true));
	}
	return 0;
}

/* One write(2) a line: io.max and its like take one device at a time. */
static int write_unified(struct job *j, const struct pair *p)
{
	const struct knob k = { .what = "unified" };
	char path[CG_FULL], line[TEXT_MAX];

	snprintf(path, sizeof path, "%s/%s", j->dir, p->key);
	for (const char *s = p->value, *end; *s || s == p->value; s = *end ? end + 1 : end) {
		end = strchrnul(s, '\n');
		if ((size_t)(end - s) >= sizeof line)
			return fail(EINVAL, "unified.%s: the value is too long", p->key);
		memcpy(line, s, (size_t)(end - s));
		line[end - s] = '\0';
		if (j->former)
			TRY(cg_remember(j->former, path, line));
		int r = file_poke(AT_FDCWD, path, line);
		if (r == -ENOENT)
			return fail_as(ERR_UNSUPPORTED, "unified.%s: there is no %s", p->key, path);
		if (r < 0)
			return refused(-r, &k, path, line);
		if (!*end)
			break;
	}
	return 0;
}

int cg_write_limits(const struct cg *cg, const struct cg_resources *r, struct cg_former *former)
{
	struct job j = { .cg = cg, .hier = -1, .at = { .r = r }, .former = former };
	struct need need;

	j.at.dir = j.dir;
	TRY(fault_point("cgroup limits"));
	/* An update may ask for a v2 controller that the start did not. */
	TRY(cg_need(r, &need));
	need.v2_want = 0;
	if (need.v2_ctl)
		TRY(cg_enable(cg, (size_t)cg_v2_hier(), &need));
	if (r->memory && r->memory->kernel.set && r->memory->kernel.v != 0)
		log_warn("memory.kernel is ignored: kernels since 5.16 have no such limit; memory.limit "
			 "counts kernel memory");
	TRY(write_knobs(&j));
	if (r->unified.n)
		TRY(enter_hier(&j, "unified", cg_v2_hier()));
	for (size_t i = 0; i < r->unified.n; i++)
		TRY(write_unified(&j, &r->unified.v[i]));
	return r->devices.n ? cg_devices_apply(cg, &r->devices) : 0;
}

int cg_apply(const struct cg *cg, const struct cg_resources *r)
{
	/*
	 * systemd first: what it is not told it may take back at its next reload, and what it has no word
	 * for follows.
	 */
	if (cg->unit[0] && cg->told != r)
		TRY(cg_unit_set(cg, r));
	return cg_write_limits(cg, r, NULL);
}
