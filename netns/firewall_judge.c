/*
 * vzrun-net judge: reads which ports should be open to whom (netns/firewall_ports.h), answers which of them the
 * host's own firewall would not let through to a listener on the host, and by which rule.
 */
#include "netns/firewall_judge.h"
#include "base/file.h"
#include "base/scope.h"
#include "netns/firewall_main.h"
#include "netns/firewall_ports.h"

#include <arpa/inet.h>
#include <string.h>

enum { TABLES_MAX = 256 };
struct tables { struct foreign v[TABLES_MAX]; size_t n; struct json *list; struct buf text[TABLES_MAX]; };

static void tables_free(struct tables *t)
{
	for (size_t i = 0; i < t->n; i++) {
		json_free(&t->v[i].list);
		buf_free(&t->text[i]);
	}
	json_free(&t->list);
}

static int list(const char *command, bool json, struct buf *text, struct json **tree)
{
	TRY(fw_list(command, json, text));
	return tree ? json_parse("nftables", text->p ? text->p : "", text->n, tree) : 0;
}

static int load_table(struct tables *t, const char *family, const char *name)
{
	struct foreign *f = &t->v[t->n];
	auto_buf struct buf json = { 0 };
	char command[256];

	/* A name that the library's grammar takes is the only kind that the kernel got from it. */
	if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./\\-") != strlen(name))
		return fail_as(ERR_UNSUPPORTED, "nftables table %s %.64s: its name cannot be asked for", family, name);
	snprintf(command, sizeof command, "list table %s %s", family, name);
	if (list(command, true, &json, &f->list) < 0)
		return fail_in(-EIO, "list nftables table %s %s", family, name);
	*f = (struct foreign){ family, name, f->list, NULL };
	t->n++;
	TRY(list(command, false, &t->text[t->n - 1], NULL));
	f->text = buf_text(&t->text[t->n - 1]);
	return 0;
}

static int load_tables(struct tables *t)
{
	auto_buf struct buf json = { 0 };
	struct json *objects;

	TRY_IN(list("list tables", true, &json, &t->list), "list nftables tables");
	objects = json_get(t->list, "nftables");
	for (size_t i = 0; json_is(objects, JSON_ARRAY) && i < objects->n; i++) {
		struct json *v = json_get(objects->values[i], "table");
		const char *family = v ? json_get_str(v, "family") : NULL, *name = v ? json_get_str(v, "name") : NULL;

		if (!family || !name || fw_is_ours(name) ||
		    (!str_eq(family, "ip") && !str_eq(family, "ip6") && !str_eq(family, "inet")))
			continue;
		if (t->n == TABLES_MAX)
			return fail_as(ERR_UNSUPPORTED, "more than %d nftables tables", TABLES_MAX);
		TRY(load_table(t, family, name));
	}
	return 0;
}

static bool has_family(const struct foreign *f, int family)
{
	return str_eq(f->family, "inet") || str_eq(f->family, family == AF_INET ? "ip" : "ip6");
}

static int judge_packet(const struct tables *t, const struct packet *p, struct reason *out)
{
	for (size_t i = 0; i < t->n; i++)
		if (has_family(&t->v[i], p->family) && judge_table(&t->v[i], p, out))
			return 1;
	return judge_legacy(p->family, out);
}

/* As one, and if that does not do, one by one: an accept each is as good as one for all. */
static int judge_range(const struct tables *t, struct packet p, struct reason *out)
{
	unsigned first = p.first, last = p.last;

	if (!judge_packet(t, &p, out))
		return 0;
	for (p.first = first; first < last && p.first <= last; p.first++) {
		p.last = p.first;
		if (judge_packet(t, &p, out))
			return 1;
	}
	return first == last;
}

static int subnet(const char *text, struct sources *out, int *family)
{
	size_t n = strcspn(text, "/");
	char part[INET6_ADDRSTRLEN];
	uint64_t prefix;

	*family = strchr(text, ':') ? AF_INET6 : AF_INET;
	*out = (struct sources){ 0 };
	if (n >= sizeof part || !text[n] || str_u64(text + n + 1, *family == AF_INET ? 32 : 128, &prefix) < 0)
		return fail(EINVAL, "not a subnet");
	memcpy(part, text, n);
	part[n] = '\0';
	out->prefix = (unsigned)prefix;
	return inet_pton(*family, part, out->addr) == 1 ? 0 : fail(EINVAL, "not a subnet");
}

/* Everything that comes by this link and should be let through. 1: not all of it is. */
static int judge_link(const struct tables *t, const struct fw_port *port, const struct fw_link *l, struct packet p,
		      struct reason *out)
{
	int family;

	p.iif = l->name;
	if (!port->lan) {
		p.from.any = true;
		return judge_range(t, p, out);
	}
	for (size_t i = 0; i < l->on_link.n; i++) {
		TRY(subnet(l->on_link.v[i], &p.from, &family));
		if (family == p.family && judge_range(t, p, out))
			return 1;
	}
	return 0;
}

static int judge_port(const struct tables *t, const struct fw_judge *req, const struct fw_port *port,
		      struct reason *out, const char **link)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < COUNT(families); i++) {
		struct packet p = { .family = families[i], .proto = port->udp ? IPPROTO_UDP : IPPROTO_TCP,
				    .first = port->port.v, .last = port->port.v + port->count.v - 1 };

		if (port->address && !!strchr(port->address, ':') != (p.family == AF_INET6))
			continue;
		p.to_known = port->address;
		if (port->address && inet_pton(p.family, port->address, p.to) != 1)
			return fail(EINVAL, "address: not an address");
		LIST_EACH(const struct fw_link, l, req->links) {
			int r = judge_link(t, port, l, p, out);

			*link = l->name;
			if (r != 0)
				return r;
		}
	}
	return 0;
}

int fw_judge_run(const char *in, size_t n)
{
	static struct tables t;
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	struct fw_judge req;
	size_t i = 0;
	int r;

	TRY(json_parse("stdin", in, n, &tree));
	TRY_IN(bind_decode(&a, &fw_judge_record, tree, &req), "stdin");
	r = load_tables(&t);
	jout_open(&o, NULL, '{');
	jout_open(&o, "refused", '[');
	LIST_EACH(const struct fw_port, port, req.ports) {
		struct fw_refused refused = { .port = { (uint32_t)i++, true } };
		struct reason why;

		if (r >= 0)
			r = judge_port(&t, &req, port, &why, &refused.link);
		if (r <= 0)
			continue;
		refused.chain = why.chain;
		refused.rule = why.rule;
		refused.sure = why.sure;
		bind_encode(&o, NULL, &fw_refused_record, &refused);
	}
	jout_close(&o, ']');
	jout_close(&o, '}');
	tables_free(&t);
	TRY_IN(r, "ports");
	return b.oom ? fail(ENOMEM, "out of memory") : file_write_all(1, b.p, b.n) < 0 ? fail_errno("stdout") : 0;
}
