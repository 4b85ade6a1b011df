#include "runtime/guest/files.h"
#include "base/scope.h"

#include <arpa/inet.h>
#include <string.h>

static const char *hosts_text(struct guest *g, struct guest_plan *p)
{
	auto_buf struct buf b = { 0 };
	char addr[INET6_ADDRSTRLEN];
	bool any = false;

	buf_puts(&b, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
		     "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
	for (size_t i = 0; i < p->n_ports; i++) {
		if (p->ports[i].ip.s_addr) {
			buf_printf(&b, "%s\t%s\n", inet_ntop(AF_INET, &p->ports[i].ip, addr, sizeof addr), g->spec.hostname);
			any = true;
		}
		if (!IN6_IS_ADDR_UNSPECIFIED(&p->ports[i].ip6))
			buf_printf(&b, "%s\t%s\n", inet_ntop(AF_INET6, &p->ports[i].ip6, addr, sizeof addr),
				   g->spec.hostname);
	}
	if (!any)
		buf_printf(&b, "127.0.1.1\t%s\n", g->spec.hostname);
	return arena_strdup(&p->arena, buf_text(&b));
}

static int resolvers(const struct strv *dns, const struct net_port *ports, size_t n, struct buf *out)
{
	if (dns->n == 0 || str_eq(dns->v[0], "auto"))
		return n > 0 ? net_resolv_conf(ports, n, out) : 0;
	for (size_t i = 0; i < dns->n; i++)
		buf_printf(out, "nameserver %s\n", dns->v[i]);
	return out->oom ? fail(ENOMEM, "out of memory") : 0;
}

int guest_resolvers(const struct guest *g, const struct strv *dns, struct buf *out)
{
	struct net_port ports[NET_PORTS_MAX];
	size_t n;

	TRY(net_leased(g->at.home, g->name, ports, &n));
	return resolvers(dns, ports, n, out);
}

int guest_files(struct guest *g, struct guest_plan *p)
{
	auto_buf struct buf resolv = { 0 };
	const char *host = g->spec.hostname ? g->spec.hostname : g->name;

	g->spec.hostname = host;
	p->n_files = 0;
	p->files[p->n_files++] = (struct child_file){ "/etc/hostname", arena_printf(&p->arena, "%s\n", host), 0644,
						      false };
	p->files[p->n_files++] = (struct child_file){ "/etc/hosts", hosts_text(g, p), 0644, false };
	TRY(resolvers(&g->conf.dns, p->ports, p->n_ports, &resolv));
	/* A link of its own resolver, or a file somebody edited, stays: unless servers were asked for, if by "auto". */
	if (resolv.n > 0)
		p->files[p->n_files++] = (struct child_file){
			"/etc/resolv.conf", arena_strdup(&p->arena, buf_text(&resolv)), 0644, g->conf.dns.n == 0 };
	for (size_t i = 0; i < p->n_files; i++)
		if (!p->files[i].text)
			return fail(ENOMEM, "out of memory");
	return 0;
}
