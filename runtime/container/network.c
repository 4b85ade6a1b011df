/* The networks of a plain bundle: "vzrun": { "networks": [ ... ] }, as a guest has them. */
#include "runtime/container/create.h"
#include "base/scope.h"

#include <linux/sched.h>
#include <string.h>

struct bundle_conf { struct list networks; };

static const struct field conf_fields[] = {
	SUB(struct bundle_conf, "networks", K_LIST, networks, &net_nic_record),
	{ 0 }
};
static const struct record conf_record = RECORD("vzrun", struct bundle_conf, conf_fields);

static int check(const struct create *c, const struct list *nics)
{
	TRY_IN(net_check(nics), "vzrun.networks");
	if (!spec_new_ns(c->spec, CLONE_NEWNET))
		return fail(EINVAL, "vzrun.networks: needs a new network namespace in linux.namespaces");
	if (c->req->restore)
		return fail_as(ERR_UNSUPPORTED, "vzrun.networks: a container with networks cannot be restored");
	for (size_t i = 0; i < nics->n; i++)
		if (((const struct net_nic_conf *)nics->v)[i].kind == NET_KIND_PHYSICAL)
			return fail_as(ERR_UNSUPPORTED, "vzrun.networks[%zu].kind: a link of the host's is lent to a "
				       "container by linux.netDevices", i);
	return 0;
}

/* What only a guest can have is not left out in silence. */
static int refuse_guests_own(struct json *vzrun)
{
	static const char *const members[] = { "ports", "firewall" };

	for (size_t i = 0; i < COUNT(members); i++)
		if (json_get(vzrun, members[i]))
			return fail_as(ERR_UNSUPPORTED, "config.json: vzrun.%s: is for guests (vzrun create --rootfs); "
				       "a container has vzrun.networks", members[i]);
	return 0;
}

int create_find_networks(struct create *c)
{
	struct bundle_conf conf;

	/* Not for guests: runtime/guest claims their addresses. */
	if (c->req->spec || !c->spec->vzrun)
		return 0;
	TRY(refuse_guests_own(c->spec->vzrun));
	TRY_IN(bind_decode_at(&c->child.arena, &conf_record, c->spec->vzrun, &conf, "vzrun"), "config.json");
	if (!conf.networks.n)
		return 0;
	if (!c->req->home)
		return fail_as(ERR_UNSUPPORTED, "config.json: vzrun.networks: there is no place for networks (VZRUN_HOME)");
	TRY_IN(check(c, &conf.networks), "config.json");
	c->nics = conf.networks;
	return 0;
}

/* Owner and home go into the journal before the first claim, so that `delete` can release all after a kill. */
int create_network(void *p)
{
	struct create *c = p;
	char root[PATH_MAX];

	if (!c->nics.n)
		return 0;
	if (!realpath(c->req->root, root))
		return fail_errno("%s", c->req->root);
	net_owner_of(root, c->req->id, c->t.net_owner);
	if ((size_t)snprintf(c->t.net_home, sizeof c->t.net_home, "%s", c->req->home) >= sizeof c->t.net_home)
		return fail(ENAMETOOLONG, "VZRUN_HOME: too long");
	TRY(journal_network(c->t.journal, c->t.net_owner, c->t.net_home));
	TRY_IN(net_claim(c->t.net_home, c->t.net_owner, &c->nics, c->ports, &c->child.n_ports), "vzrun.networks");
	c->child.ports = c->ports;
	return 0;
}

int teardown_network(void *p)
{
	struct teardown *t = p;
	int r;

	if (!t->net_owner[0])
		return 0;
	r = net_release(t->net_home, t->net_owner);
	t->incomplete |= r < 0;
	return r;
}
