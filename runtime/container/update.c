#include "runtime/container/create.h"
#include "base/fault.h"
#include "base/scope.h"
#include "runtime/container/opened.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool refuses_all(const struct cg_device_rule *r)
{
	return !r->allow.v && (!r->type || !*r->type || *r->type == 'a') && (!r->major.set || r->major.v < 0) &&
	       (!r->minor.set || r->minor.v < 0) &&
	       (!r->access || !*r->access || (strchr(r->access, 'r') && strchr(r->access, 'w') && strchr(r->access, 'm')));
}

/* Where rules begin to differ: behind what refuses everything, with which an engine begins. */
static size_t behind_refusal(const struct list *rules)
{
	size_t at = 0, i = 0;

	LIST_EACH(struct cg_device_rule, r, *rules) {
		i++;
		if (refuses_all(r))
			at = i;
	}
	return at;
}

/*
 * What every container may use whatever its rules say, as the specification has it: the default
 * devices, pseudo-terminals, and making (not opening) any node. And the device of tunnels, unless a rule
 * closes it: with runc and crun it has always been open, and Kubernetes has no way to ask for it.
 */
static int with_default_devices(struct arena *a, const struct list *rules, struct list *out)
{
	static const struct { const char *type; int major, minor; const char *access; } always[] = {
		{ "c", -1, -1, "m" }, { "b", -1, -1, "m" }, { "c", 1, 3, "rwm" }, { "c", 1, 5, "rwm" },
		{ "c", 1, 7, "rwm" }, { "c", 1, 8, "rwm" }, { "c", 1, 9, "rwm" }, { "c", 5, 0, "rwm" },
		{ "c", 5, 2, "rwm" }, { "c", 136, -1, "rwm" },
	};
	static const struct cg_device_rule tun = { .allow = { true, true }, .type = "c", .access = "rwm",
						   .major = { 10, true }, .minor = { 200, true }, .lax = true };
	const struct cg_device_rule *own = rules->v;
	size_t n = rules->n + 1, at = behind_refusal(rules);
	struct cg_device_rule *v = arena_alloc(a, n + COUNT(always), sizeof *v);

	if (!v)
		return fail(ENOMEM, "out of memory");
	memcpy(v, own, at * sizeof *v);
	v[at] = tun;
	memcpy(v + at + 1, own + at, (rules->n - at) * sizeof *v);
	for (size_t i = 0; i < COUNT(always); i++)
		v[n + i] = (struct cg_device_rule){
			.allow = { true, true }, .type = always[i].type, .access = always[i].access,
			.major = { always[i].major, always[i].major >= 0 },
			.minor = { always[i].minor, always[i].minor >= 0 },
		};
	*out = (struct list){ v, n + COUNT(always) };
	return 0;
}

int limits_complete(struct arena *a, const struct cg_resources *wanted, struct cg_resources *out)
{
	*out = *wanted;
	return wanted->devices.n > 0 ? with_default_devices(a, &wanted->devices, &out->devices) : 0;
}

/*
 * A limit in a hierarchy that the start had no use for: the container is brought into it now. On record
 * first, so that whatever end this takes, delete finds the group.
 */
static int widen(const struct opened *o, struct cg *cg, const struct cg_resources *r)
{
	struct state s = o->s;
	struct cg wider = *cg;
	uint32_t mask;

	TRY(cg_lacking(cg, r, &mask));
	if (!mask)
		return 0;
	auto_close int journal = journal_reopen(o->dir_fd);
	TRY(journal);
	wider.hiers |= mask;
	wider.made |= mask;
	TRY(journal_cgroup_made(journal, &wider));
	TRY(fault_point("widen the cgroup"));
	TRY(cg_extend(cg, mask));
	s.cgroup.hiers = cg->hiers;
	s.cgroup.made = cg->made;
	return state_save(o->dir_fd, &s);
}

static int update(const struct opened *o, const struct cg_resources *wanted)
{
	auto_arena struct arena a = { 0 };
	struct cg_resources r = *wanted, complete;
	static struct cg cg;

	if (o->status == ST_STOPPED)
		return fail_as(ERR_STATE, "container not running");
	/* Engines send a pids limit of 0 when they mean to leave it unchanged. */
	if (r.pids && r.pids->limit.v == 0)
		r.pids = NULL;
	TRY_IN(cg_check(&r), "resources");
	TRY(opened_group(o, &cg));
	if (!cg.hiers)
		return fail_as(ERR_STATE, "container %s has no cgroup: its limits cannot be changed", o->s.id);
	TRY(widen(o, &cg, &r));
	TRY(limits_complete(&a, &r, &complete));
	return cg_update(&cg, &complete);
}

/* Refused in runc's words where the kernel, or the processor, has no such thing. */
static int check_shares(int root, const struct rdt_conf *shares)
{
	if (shares->l3 && (root < 0 || faccessat(root, "info/L3", F_OK, 0) < 0))
		return fail_as(ERR_UNSUPPORTED, "Intel RDT/CAT: l3 cache schema is not enabled");
	if (shares->mb && (root < 0 || faccessat(root, "info/MB", F_OK, 0) < 0))
		return fail_as(ERR_UNSUPPORTED, "Intel RDT/MBA: memory bandwidth schema is not enabled");
	return 0;
}

static int update_shares(const struct opened *o, const struct rdt_conf *shares)
{
	auto_close int root = rdt_open();

	TRY(check_shares(root, shares));
	if (o->status == ST_STOPPED)
		return fail_as(ERR_STATE, "container not running");
	if (!o->s.rdt || !o->s.rdt->group)
		return fail_as(ERR_STATE, "container %s was made without linux.intelRdt: its shares cannot be changed",
			       o->s.id);
	return rdt_update(root, shares, o->s.rdt->group);
}

int container_update(const char *root, const char *id, const struct cg_resources *r,
		     const struct rdt_conf *shares)
{
	auto_opened struct opened o;

	TRY(opened_container(root, id, true, &o));
	if (shares && (shares->l3 || shares->mb))
		TRY(update_shares(&o, shares));
	return update(&o, r);
}
