#include "runtime/guest/checkpoint.h"
#include "base/scope.h"
#include "runtime/guest/files.h"
#include "runtime/guest/nic.h"
#include "runtime/guest/set.h"
#include "runtime/guest/stats.h"

#include <stddef.h>
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
	int64_t quota = -1;
	uint64_t us;

	if (r->memory.set || r->swap.set) {
		TRY(collect_memory(c, l && l->resources ? l->resources->memory : NULL, r));
		c->live.memory = &c->memory;
	}
	if (r->pids.set) {
		if (r->pids.v == 0)
			return fail_as(ERR_USAGE, "--pids: 0 is no limit that a guest could run with");
		TRY(put(c, "linux.resources.pids.limit", r->pids.v));
		c->pids.limit = r->pids;
		c->live.pids = &c->pids;
	}
	if (r->cpus) {
		if (!str_eq(r->cpus, "-1") && !str_eq(r->cpus, "max")) {
			TRY(guest_cpu_quota(r->cpus, &us));
			quota = (int64_t)us;
		}
		TRY(put(c, "linux.resources.cpu.quota", quota));
		TRY(put(c, "linux.resources.cpu.period", 100000));
		c->cpu.quota = (struct opt_i64){ quota, true };
		c->cpu.period = (struct opt_u64){ 100000, true };
		c->live.cpu = &c->cpu;
	}
	return 0;
}

#define AT_START " (at the next start)"

static int apply_live(struct guest *g, const struct change *c, const struct guest_set_req *r,
		      struct guest_resolv *resolv)
{
	static struct cg cg;
	pid_t pid;

	if (guest_status(&g->at, g->name, &pid) == GUEST_STOPPED) {
		if (r->only_now)
			return fail_as(ERR_STATE, "guest \"%s\" is not running: there is nothing to change now", g->name);
		return 0;
	}
	if (r->dns.n) {
		int put = guest_resolv_put(g, &r->dns, resolv);

		TRY(put);
		if (put == 0 && r->only_now)
			return fail_as(ERR_STATE, "guest \"%s\" has no resolv.conf of ours to change now", g->name);
		if (put == 0)
			buf_puts(c->told, "  vzrun.dns" AT_START "\n");
	}
	TRY(guest_cg(&g->at, g->name, &cg));
	TRY_IN(cg_update(&cg, &c->live), "guest \"%s\" not changed", g->name);
	return 0;
}

static int collect_hostname(struct change *c, const struct guest_set_req *r)
{
	auto_buf struct buf b = { 0 };

	if (!r->hostname)
		return 0;
	if (!str_is_name(r->hostname))
		return fail_as(ERR_USAGE, "--hostname: \"%s\" is not a host name", r->hostname);
	if (r->only_now)
		return fail_as(ERR_USAGE, "--hostname: takes effect at the next start only");
	buf_printf(&b, "\"%s\"", r->hostname);
	buf_printf(c->told, "  hostname = %s" AT_START "\n", r->hostname);
	return json_set(c->tree, "hostname", buf_text(&b));
}

/* The processes of a checkpoint go on with the file that they had. */
static int collect_dns(struct change *c, const struct guest *g, const struct guest_set_req *r)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	int suspended;

	if (!r->dns.n)
		return 0;
	TRY(guest_check_dns(&r->dns, "--dns"));
	TRY(suspended = guest_look_suspended(g->dir_fd));
	jout_open(&o, NULL, '[');
	for (size_t i = 0; i < r->dns.n; i++)
		jout_str(&o, NULL, r->dns.v[i]);
	jout_close(&o, ']');
	buf_printf(c->told, "  vzrun.dns = %s%s\n", buf_text(&b), suspended ? AT_START : "");
	return json_set(c->tree, "vzrun.dns", buf_text(&b));
}

static int collect_tags(struct change *c, const struct guest *g, const struct guest_set_req *r)
{
	if (!r->tag_add.n && !r->tag_del.n)
		return 0;
	if (r->only_now)
		return fail_as(ERR_USAGE, "--tag-add, --tag-del: tags are saved, and nothing is changed now");
	return guest_edit_tags(c->tree, &g->conf.tags, &r->tag_add, &r->tag_del, c->told);
}

static bool names_nics(const struct nic_words *w)
{
	return w->ip.n || w->ip6.n || w->ip_del.n || w->mac.n || w->rate.n;
}

static void tell_nic(struct buf *told, const struct net_nic_conf *was, const struct net_nic_conf *is, size_t i)
{
	static const struct { const char *name; size_t at; } members[] = {
		{ "ip", offsetof(struct net_nic_conf, ip) }, { "ip6", offsetof(struct net_nic_conf, ip6) },
		{ "mac", offsetof(struct net_nic_conf, mac) }, { "rate", offsetof(struct net_nic_conf, rate) },
	};

	for (size_t k = 0; k < COUNT(members); k++) {
		const char *a = *(const char *const *)((const char *)was + members[k].at);
		const char *b = *(const char *const *)((const char *)is + members[k].at);

		if (a != b)
			buf_printf(told, "  vzrun.networks[%zu].%s = %s\n", i, members[k].name, b ? b : "none");
	}
}

static int collect_nics(struct nic_edit *e, const struct guest_set_req *r, struct buf *told)
{
	struct nic_wishes was;

	if (!names_nics(&r->nics))
		return 0;
	TRY(nic_edit_look(e));
	was = e->w;
	TRY(nic_words(&e->w, &r->nics, e->has, e->n_has, &e->arena));
	for (size_t i = 0; i < e->w.n; i++)
		tell_nic(told, &was.v[i], &e->w.v[i], i);
	return 0;
}

int guest_set(const struct guest_where *at, const char *name, const struct guest_set_req *r, struct buf *told)
{
	SCOPED(nic_edit_close) struct nic_edit e;
	SCOPED(guest_resolv_end) struct guest_resolv resolv = { .dir = -1 };
	struct change c = { .tree = &e.tree, .told = told };
	int ret = 0;

	TRY(nic_edit_open(&e, at, name, r->only_now, r->only_next));
	TRY(collect(&c, &e.g, r));
	TRY(collect_hostname(&c, r));
	TRY(collect_dns(&c, &e.g, r));
	TRY(collect_tags(&c, &e.g, r));
	TRY(collect_nics(&e, r, told));
	if (!told->n)
		return fail_as(ERR_USAGE, "nothing to set");
	TRY_IN(cg_check(&c.live), "%s", name);
	if (r->dry_run)
		return 0;
	/* Live first: what the kernel refuses is not saved. */
	if (e.looked)
		TRY(nic_edit_apply(&e));
	if (!r->only_next)
		ret = apply_live(&e.g, &c, r, &resolv);
	if (ret < 0)
		nic_edit_back(&e);
	else
		ret = nic_edit_save(&e);
	if (ret < 0)
		guest_resolv_back(&resolv);
	return ret;
}
