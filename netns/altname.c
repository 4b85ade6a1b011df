#include "netns/altname.h"
#include "netns/link.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

/* More than the kernel gives a link, which is 496. */
struct altnames { struct arena *a; const char *v[NLQ_MAX]; size_t n; };

static void see_altnames(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlattr *list = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)h, sizeof(struct ifinfomsg), IFLA_PROP_LIST), *v;
	struct altnames *s = ctx;
	int rem;

	(void)i;
	if (list)
		nla_for_each_nested(v, list, rem)
			if (nla_type(v) == IFLA_ALT_IFNAME && s->n < COUNT(s->v))
				s->v[s->n++] = arena_strdup(s->a, nla_get_string(v));
}

static int altnames_of(struct nlq *q, int index, const char *device, struct altnames *out)
{
	struct ifinfomsg m = { .ifi_index = index };
	int r;

	nlq_add(q, RTM_GETLINK, 0, &m, sizeof m);
	r = nlq_talk(q, see_altnames, out);
	if (r < 0)
		return net_fail_talk(q, r, "other names of %s", device);
	for (size_t i = 0; i < out->n; i++)
		if (!out->v[i])
			return fail(ENOMEM, "out of memory");
	return 0;
}

static void altname(struct nlq *q, int index, const char *name, bool add)
{
	struct ifinfomsg m = { .ifi_index = index };
	struct nlattr *list;

	nlq_add(q, add ? RTM_NEWLINKPROP : RTM_DELLINKPROP, add ? NLM_F_EXCL | NLM_F_CREATE | NLM_F_APPEND : 0, &m, sizeof m);
	list = nlq_nest(q, IFLA_PROP_LIST | NLA_F_NESTED);
	nlq_put_str(q, IFLA_ALT_IFNAME, name);
	nlq_end(q, list);
}

int net_altnames_mend(struct nlq *q, int index, const char *device, const struct strv *noted, bool add)
{
	enum { TOGETHER = 64 };		/* they are long, and a send has 32 KiB */
	auto_arena struct arena a = { 0 };
	struct altnames is = { .a = &a };
	int err[TOGETHER], r = 0;

	TRY(altnames_of(q, index, device, &is));
	for (size_t i = 0; i < is.n && r >= 0; i++) {
		if (!strv_has(noted, is.v[i]))
			altname(q, index, is.v[i], false);
		if (q->n == TOGETHER || i == is.n - 1)
			r = nlq_talk(q, NULL, NULL);
	}
	if (r < 0)
		return net_fail_talk(q, r, "%s: take off the names that the guest gave it", device);
	for (size_t i = 0; add && i < noted->n && r >= 0; i++) {
		if (!strv_has(&(struct strv){ is.v, is.n }, noted->v[i]))
			altname(q, index, noted->v[i], true);
		if (q->n == TOGETHER || i == noted->n - 1)
			r = nlq_ask(q, NULL, NULL, err);
	}
	return r < 0 ? net_fail_talk(q, r, "%s: its other names", device) : 0;
}

int net_altnames_note(struct nlq *q, int index, const char *device, struct arena *a, struct strv *out)
{
	struct altnames found = { .a = a };

	TRY(altnames_of(q, index, device, &found));
	return strv_copy(a, found.v, found.n, out);
}
