/* The vzrun object of a guest's config.json: what it may say, and whether it does. */
#include "runtime/guest/guest.h"
#include "base/file.h"
#include "base/scope.h"
#include "runtime/guest/profile.h"
#include "selinux/lsm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const struct field conf_fields[] = {
	F(struct guest_conf,   "image",       K_STR,  image),
	F(struct guest_conf,   "layers",      K_STRV, layers),
	F(struct guest_conf,   "storage",     K_STR,  storage),
	F(struct guest_conf,   "userns",      K_STR,  userns),
	F(struct guest_conf,   "selinux",     K_STR,  selinux),
	F(struct guest_conf,   "apparmor",    K_STR,  apparmor),
	SUB(struct guest_conf, "networks",    K_LIST, networks, &net_nic_record),
	SUB(struct guest_conf, "ports",       K_LIST, ports,    &net_publish_record),
	SUB(struct guest_conf, "firewall",    K_LIST, firewall, &net_rule_record),
	F(struct guest_conf,   "dns",         K_STRV, dns),
	F(struct guest_conf,   "stopSignal",  K_STR,  stop_signal),
	F(struct guest_conf,   "stopTimeout", K_U64,  stop_timeout),
	F(struct guest_conf,   "features",    K_STRV, features),
	F(struct guest_conf,   "tags",        K_STRV, tags),
	{ 0 }
};
const struct record guest_conf_record = RECORD("vzrun", struct guest_conf, conf_fields);

static const char *const features[] = { "nesting", "fuse", "tun", "i386", NULL };

bool guest_feature_known(const char *word)
{
	for (size_t i = 0; features[i]; i++)
		if (str_eq(features[i], word))
			return true;
	return false;
}

int guest_check_dns(const struct strv *servers, const char *what)
{
	struct net_wish w;

	if (servers->n > 8)
		return fail_as(ERR_USAGE, "%s: more than 8 servers", what);
	for (size_t i = 0; i < servers->n; i++) {
		const char *s = servers->v[i];

		if (servers->n == 1 && str_eq(s, "auto"))
			break;
		if (strchr(s, '/') || net_wish_parse(s, strchr(s, ':') ? AF_INET6 : AF_INET, &w) < 0 || !w.given)
			return fail_as(ERR_USAGE, "%s: %.64s is not the address of a server", what, s);
	}
	return 0;
}

static int check_conf(const struct guest_conf *c)
{
	uint64_t base;

	TRY(guest_check_dns(&c->dns, "dns"));
	TRY(guest_check_tags(&c->tags, "tags"));
	if (c->storage && !str_eq(c->storage, "overlay") && !str_eq(c->storage, "dir"))
		return fail(EINVAL, "storage: unknown value \"%s\" (overlay or dir)", c->storage);
	if (c->layers.n == 0 && !(c->storage && str_eq(c->storage, "dir")))
		return fail(EINVAL, "layers: missing for storage \"overlay\"");
	if (c->userns && !str_eq(c->userns, "auto") && !str_eq(c->userns, "host") &&
	    (str_u64(c->userns, UINT32_MAX - 65536, &base) < 0 || base < 65536))
		return fail(EINVAL, "userns: unknown value \"%s\" (auto, host, or a first id from 65536 on)", c->userns);
	if (c->selinux && label_check(c->selinux) < 0)
		return fail(EINVAL, "selinux: unknown value \"%.80s\" (auto, none or a label)", c->selinux);
	if (c->apparmor)
		TRY(lsm_check_grammar("apparmor: profile", c->apparmor));
	for (size_t i = 0; i < c->features.n; i++)
		if (!guest_feature_known(c->features.v[i]))
			return fail(EINVAL, "features[%zu]: unknown value \"%s\" (nesting, fuse, tun, i386)", i,
				    c->features.v[i]);
	if (c->stop_signal && signal_number(c->stop_signal) <= 0)
		return fail(EINVAL, "stopSignal: unknown value \"%s\"", c->stop_signal);
	return 0;
}

/* It goes into /etc/hosts: no blank and no line of its own. */
static bool is_host_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");

	return n > 0 && n <= 64 && !s[n] && s[0] != '-' && s[0] != '.';
}

/* The store's are names, so that a home can be moved; from here on all are paths. */
static int find_layers(struct guest *g)
{
	const struct strv named = g->conf.layers;
	const char **v = arena_alloc(&g->spec.arena, named.n + 1, sizeof *v);

	for (size_t i = 0; v && i < named.n; i++) {
		const char *name = named.v[i];

		if (name[0] != '/' && (!*name || name[0] == '.' || strchr(name, '/')))
			return fail(EINVAL, "layers[%zu]: \"%.80s\" is neither a name in the store nor an absolute path",
				    i, name);
		v[i] = *name == '/' ? name : arena_printf(&g->spec.arena, "%s/images/layers/%s", g->at.home, name);
		if (!v[i])
			v = NULL;
	}
	g->conf.layers.v = v;
	return v ? 0 : fail(ENOMEM, "out of memory");
}

int guest_conf_load(struct guest *g)
{
	if (g->spec.hostname && !is_host_name(g->spec.hostname))
		return fail(EINVAL, "hostname: \"%.80s\" is not a host name", g->spec.hostname);
	if (!g->spec.vzrun)
		return fail(EINVAL, "vzrun: missing");
	TRY(bind_decode_at(&g->spec.arena, &guest_conf_record, g->spec.vzrun, &g->conf, "vzrun"));
	TRY_IN(net_check(&g->conf.networks), "vzrun.networks");
	TRY_IN(net_publish_check(&g->conf.ports), "vzrun.ports");
	TRY_IN(net_rules_check(&g->conf.firewall), "vzrun.firewall");
	int r = check_conf(&g->conf);
	if (r >= 0)
		r = find_layers(g);
	return r < 0 ? fail(-r, "vzrun.%s", strdupa(err_text())) : 0;
}

static int lint_guest(struct guest *g)
{
	struct guest_plan plan = { .base = 65536 };

	TRY(guest_conf_load(g));
	if (g->conf.userns && str_eq(g->conf.userns, "host"))
		plan.base = 0;
	return guest_effective(g, &plan);
}

int guest_check_text(const char *path, const char *text, size_t len)
{
	struct guest g = { .name = "guest", .at = { "/", "/" }, .dir_fd = -1 };
	struct json *tree;
	int r = json_parse(path, text, len, &tree);

	if (r >= 0)
		r = spec_decode(path, tree, &g.spec);
	if (r < 0)
		return r == -EINVAL ? fail_class(r, ERR_CONFIG) : r;
	r = g.spec.vzrun ? lint_guest(&g) : spec_check(&g.spec);
	spec_free(&g.spec);
	return r < 0 ? fail_class(fail_in(r, "%s", path), ERR_CONFIG) : 0;
}

int guest_lint(const char *path, struct json **tree)
{
	auto_free char *text = NULL;
	size_t len;
	int r = file_read_named(AT_FDCWD, path, &text, &len);

	if (r < 0)
		return r == -ENOENT ? fail_class(r, ERR_NOT_FOUND) : r;
	r = json_parse(path, text, len, tree);
	if (r < 0)
		return r == -EINVAL ? fail_class(r, ERR_CONFIG) : r;
	return guest_check_text(path, text, len);
}
