#include "runtime/guest/guest.h"
#include "base/file.h"
#include "base/scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int guest_cpu_quota(const char *cpus, uint64_t *quota)
{
	char whole[16];
	size_t n = strcspn(cpus, ".");
	uint64_t w = 0, frac = 0, scale = 100000;

	if (n == 0 || n >= sizeof whole)
		return fail_as(ERR_USAGE, "--cpus: \"%s\" is not a number of processors", cpus);
	memcpy(whole, cpus, n);
	whole[n] = '\0';
	if (str_u64(whole, 4096, &w) < 0)
		return fail_as(ERR_USAGE, "--cpus: \"%s\" is not a number of processors", cpus);
	for (const char *p = cpus[n] ? cpus + n + 1 : ""; *p; p++) {
		if (*p < '0' || *p > '9' || scale == 1)
			return fail_as(ERR_USAGE, "--cpus: \"%s\" is not a number of processors", cpus);
		scale /= 10;
		frac += (uint64_t)(*p - '0') * scale;
	}
	*quota = w * 100000 + frac;
	/* The kernel refuses quotas below a millisecond. */
	return *quota < 1000 ? fail_as(ERR_USAGE, "--cpus: \"%s\" is less than 0.01", cpus) : 0;
}

struct change {
	struct json **tree;
	struct cg_resources live;
	struct cg_memory memory;
	struct cg_cpu cpu;
	struct cg_pids pids;
	struct buf *told;
};

static int put(struct change *c, const char *path, int64_t v)
{
	char text[24];

	snprintf(text, sizeof text, "%jd", (intmax_t)v);
	buf_printf(c->told, "  %s = %s\n", path, text);
	return json_set(c->tree, path, text);
}

/* OCI counts memory and swap together: a new memory limit keeps what may be swapped. */
static int collect_memory(struct change *c, const struct cg_memory *old, const struct guest_set_req *r)
{
	int64_t limit = r->memory.set ? r->memory.v : old && old->limit.set ? old->limit.v : -1;
	bool had = old && old->limit.set && old->limit.v > 0 && old->swap.set && old->swap.v >= old->limit.v;
	int64_t swap = r->swap.set ? r->swap.v : had ? old->swap.v - old->limit.v : -2;

	if (r->memory.set) {
		if (limit >= 0 && limit < (1 << 20))
			return fail_as(ERR_USAGE, "--memory: less than 1M");
		TRY(put(c, "linux.resources.memory.limit", limit));
		c->memory.limit = (struct opt_i64){ limit, true };
	}
	if (r->swap.set && r->swap.v >= 0 && limit < 0)
		return fail_as(ERR_USAGE, "--swap: needs a memory limit");
	if (swap > INT64_MAX - (limit < 0 ? 0 : limit))
		return fail_as(ERR_USAGE, "--swap: too large");
	if (!r->swap.set && !(r->memory.set && old && old->swap.set))
		return 0;
	c->memory.swap = (struct opt_i64){ limit < 0 || swap < 0 ? -1 : limit + swap, true };
	return put(c, "linux.resources.memory.swap", c->memory.swap.v);
}

static int collect(struct change *c, const struct guest *g, const struct guest_set_req *r)
{
	const struct spec_linux *l = g->spec.linux_;
	uint64_t quota;

	if (r->memory.set || r->swap.set) {
		TRY(collect_memory(c, l && l->resources ? l->resources->memory : NULL, r));
		c->live.memory = &c->memory;
	}
	if (r->pids.set) {
		TRY(put(c, "linux.resources.pids.limit", r->pids.v));
		c->pids.limit = r->pids;
		c->live.pids = &c->pids;
	}
	if (r->cpus) {
		TRY(guest_cpu_quota(r->cpus, &quota));
		TRY(put(c, "linux.resources.cpu.quota", (int64_t)quota));
		TRY(put(c, "linux.resources.cpu.period", 100000));
		c->cpu.quota = (struct opt_i64){ (int64_t)quota, true };
		c->cpu.period = (struct opt_u64){ 100000, true };
		c->live.cpu = &c->cpu;
	}
	return 0;
}

static int apply_live(const struct guest *g, const struct change *c, const struct guest_set_req *r)
{
	static struct cg cg;
	struct container_info i;
	pid_t pid;

	if (guest_status(&g->at, g->name, &pid) == GUEST_STOPPED) {
		if (r->only_now)
			return fail_as(ERR_STATE, "guest \"%s\" is not running: there is nothing to change now", g->name);
		return 0;
	}
	TRY(container_info(g->at.root, g->name, &i));
	cg = (struct cg){ .hiers = i.s.cgroup.hiers.v, .made = i.s.cgroup.made.v };
	snprintf(cg.path, sizeof cg.path, "%s", i.s.cgroup.path ? i.s.cgroup.path : "");
	snprintf(cg.unit, sizeof cg.unit, "%s", i.s.cgroup.unit ? i.s.cgroup.unit : "");
	container_info_free(&i);
	TRY_IN(cg_apply(&cg, &c->live), "guest \"%s\" not changed", g->name);
	return 0;
}

static int save(const struct guest *g, struct json *tree)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b, .pretty = true };

	jout_tree(&o, NULL, tree);
	buf_puts(&b, "\n");
	return b.oom ? fail(ENOMEM, "out of memory") : file_write_atomic(g->dir_fd, "config.json", b.p, b.n, 0600);
}

int guest_set(const struct guest_where *at, const char *name, const struct guest_set_req *r, struct buf *told)
{
	auto_json struct json *tree = NULL;
	auto_guest struct guest g;
	struct change c = { .tree = &tree, .told = told };
	auto_buf struct buf quoted = { 0 };

	TRY(guest_open(at, name, true, &g));
	TRY(json_load(g.dir_fd, "config.json", &tree));
	TRY(collect(&c, &g, r));
	if (r->hostname) {
		if (!str_is_name(r->hostname))
			return fail_as(ERR_USAGE, "--hostname: \"%s\" is not a host name", r->hostname);
		if (r->only_now)
			return fail_as(ERR_USAGE, "--hostname: takes effect at the next start only");
		buf_printf(&quoted, "\"%s\"", r->hostname);
		buf_printf(told, "  hostname = %s (at the next start)\n", r->hostname);
		TRY(json_set(&tree, "hostname", buf_text(&quoted)));
	}
	if (!told->n)
		return fail_as(ERR_USAGE, "nothing to set");
	TRY_IN(cg_check(&c.live), "%s", name);
	if (r->dry_run)
		return 0;
	/* Live first: what the kernel refuses is not saved. */
	if (!r->only_next)
		TRY(apply_live(&g, &c, r));
	return r->only_now ? 0 : save(&g, tree);
}
