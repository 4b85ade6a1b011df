/* Words of the command line about NICs, applied to what is wished. */
#include "runtime/guest/nic.h"
#include "base/scope.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void nic_wishes(const struct guest *g, struct nic_wishes *out)
{
	const struct net_nic_conf *v = g->conf.networks.v;

	*out = (struct nic_wishes){ .n = v ? g->conf.networks.n : 1 };
	for (size_t i = 0; i < out->n; i++) {
		out->v[i] = v ? v[i] : (struct net_nic_conf){ .network = "default" };
		out->v[i].index = (struct opt_u32){ net_nic_index(&out->v[i], i), true };
	}
}

void nic_encode(struct jout *o, const char *key, const struct nic_wishes *w)
{
	jout_open(o, key, '[');
	for (size_t i = 0; i < w->n; i++) {
		struct net_nic_conf nic = w->v[i];

		/* Its place says it. */
		if (nic.index.v == i)
			nic.index.set = false;
		bind_encode(o, NULL, &net_nic_record, &nic);
	}
	jout_close(o, ']');
}

int nic_put(struct json **tree, const struct nic_wishes *w)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	nic_encode(&o, NULL, w);
	return b.oom ? fail(ENOMEM, "out of memory") : json_set(tree, "vzrun.networks", buf_text(&b));
}

/* "[3].ip: what" is the option's fault: "--ip: what"; the parent's option is the kind. */
int nic_check(const struct nic_wishes *w)
{
	struct list l = { (void *)(uintptr_t)w->v, w->n };
	char text[256];
	const char *p;

	if (net_check(&l) >= 0)
		return 0;
	snprintf(text, sizeof text, "%s", err_text());
	p = strstr(text, "].");
	size_t i = strtoul(text + 1, NULL, 10);
	if (p && i < w->n && str_starts(p, "].parent: "))
		return fail_as(ERR_USAGE, "--%s: %s", name_of(net_kinds, w->v[i].kind), strchr(p, ' ') + 1);
	return p ? fail_as(ERR_USAGE, "--%s", p + 2) : fail_as(ERR_USAGE, "more than %d network interfaces", NET_PORTS_MAX);
}

static bool on_network(const struct net_nic_conf *c, const char *network)
{
	return c->kind <= NET_KIND_NETWORK && (!network || str_eq(c->network ? c->network : "default", network));
}

/* One member of several NICs: no two words of a command set it of the same. */
struct setting { const char *option; size_t member; struct nic_wishes *w; struct arena *a; bool set[NET_PORTS_MAX]; };

/* "VALUE[,net=NETWORK]": of the first NIC that is on it and has had no word yet. */
static int set(struct setting *s, const char *word)
{
	const char *comma = strchr(word, ','), *network = comma ? comma + 5 : NULL;
	const char *value = arena_printf(s->a, "%.*s", (int)strcspn(word, ","), word);

	if (!value)
		return fail(ENOMEM, "out of memory");
	if (comma && (!str_starts(comma, ",net=") || !str_is_name(network)))
		return fail_as(ERR_USAGE, "--%s: %.80s: expected VALUE[,net=NETWORK]", s->option, word);
	for (size_t i = 0; i < s->w->n; i++) {
		if (!on_network(&s->w->v[i], network) || s->set[i])
			continue;
		*(const char **)((char *)&s->w->v[i] + s->member) = value;
		s->set[i] = true;
		return 0;
	}
	return fail_as(ERR_USAGE, "--%s: %.80s: there is no%s interface on %s%s", s->option, word,
		       memchr(s->set, 1, sizeof s->set) ? " further" : "", network ? "network " : "a network",
		       network ? network : "");
}

static int set_all(struct setting *s, const struct strv *words)
{
	for (size_t i = 0; i < words->n; i++)
		TRY(set(s, words->v[i]));
	return 0;
}

/* An address that it has, wherever; it need not be wished: it may be a leased one. */
static int del_ip(struct nic_wishes *w, const char *word, const struct net_port *has, size_t n)
{
	int family = strchr(word, ':') ? AF_INET6 : AF_INET;
	struct net_wish asked;

	if (net_wish_parse(word, family, &asked) < 0 || !asked.given)
		return fail_as(ERR_USAGE, "--ip-del: %.64s is not an address", word);
	for (size_t i = 0; i < n; i++) {
		const void *held = family == AF_INET ? (const void *)&has[i].ip : &has[i].ip6;

		if (memcmp(held, asked.addr, family == AF_INET ? 4 : 16) != 0)
			continue;
		for (size_t k = 0; k < w->n; k++)
			if (w->v[k].index.v == has[i].index) {
				*(family == AF_INET ? &w->v[k].ip : &w->v[k].ip6) = "none";
				return 0;
			}
	}
	return fail_as(ERR_NOT_FOUND, "--ip-del: the guest has no address %.64s", word);
}

/* "max" both ways is no limit: nothing need be said. */
static void forget_no_limits(struct nic_wishes *w)
{
	struct net_rate rate;

	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].rate && net_rate_parse(w->v[i].rate, &rate) >= 0 && !rate.in && !rate.out)
			w->v[i].rate = NULL;
	err_clear();
}

int nic_words(struct nic_wishes *w, const struct nic_words *r, const struct net_port *has, size_t n, struct arena *a)
{
	struct setting ip = { "ip", offsetof(struct net_nic_conf, ip), w, a, { false } };
	struct setting ip6 = { "ip6", offsetof(struct net_nic_conf, ip6), w, a, { false } };
	struct setting mac = { "mac", offsetof(struct net_nic_conf, mac), w, a, { false } };
	struct setting rate = { "rate", offsetof(struct net_nic_conf, rate), w, a, { false } };

	for (size_t i = 0; i < r->ip_del.n; i++)
		TRY(del_ip(w, r->ip_del.v[i], has, n));
	for (size_t i = 0; i < r->ip.n; i++)
		TRY(set(strchr(r->ip.v[i], ':') ? &ip6 : &ip, r->ip.v[i]));
	TRY(set_all(&ip6, &r->ip6));
	TRY(set_all(&mac, &r->mac));
	TRY(set_all(&rate, &r->rate));
	forget_no_limits(w);
	return nic_check(w);
}
