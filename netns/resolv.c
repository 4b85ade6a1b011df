/* The guest's /etc/resolv.conf from the host's. */
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "netns/net.h"
#include "netns/resolv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>

/* Where systemd-resolved writes the servers that its stub on 127.0.0.53 asks. */
static const char *const sources[] = { "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf" };

/* A loopback address, or one that only the host's links can reach, means nothing in a guest. */
static bool usable(const char *addr)
{
	struct in6_addr a6;
	struct in_addr a4;

	if (inet_pton(AF_INET, addr, &a4) == 1)
		return ntohl(a4.s_addr) >> 24 != 127 && a4.s_addr != 0;
	return inet_pton(AF_INET6, addr, &a6) == 1 && !IN6_IS_ADDR_LOOPBACK(&a6) &&
	       !IN6_IS_ADDR_LINKLOCAL(&a6) && !IN6_IS_ADDR_UNSPECIFIED(&a6);
}

static bool printable(const char *s)
{
	for (; *s; s++)
		if ((*s < ' ' && *s != '\t') || *s >= 0x7f)
			return false;
	return true;
}

size_t net_resolv_filter(const char *text, struct buf *out)
{
	size_t servers = 0;

	for (size_t n; *text; text += n + (text[n] == '\n')) {
		char line[512], addr[128];

		n = strcspn(text, "\n");
		snprintf(line, sizeof line, "%.*s", n < sizeof line ? (int)n : 0, text);
		if (sscanf(line, " nameserver %127s", addr) == 1) {
			if (!usable(addr))
				continue;
			buf_printf(out, "nameserver %s\n", addr);
			servers++;
		} else if (printable(line) && (str_starts(line, "search ") || str_starts(line, "domain ") ||
					       str_starts(line, "options "))) {
			buf_printf(out, "%s\n", line);
		}
	}
	return servers;
}

static int of_host(struct buf *out)
{
	for (size_t i = 0; i < COUNT(sources); i++) {
		auto_buf struct buf b = { 0 };
		auto_free char *text = NULL;
		size_t servers;

		if (file_read(AT_FDCWD, sources[i], &text, NULL) < 0)
			continue;
		servers = net_resolv_filter(text, &b);
		if (servers) {
			buf_add(out, b.p, b.n);
			return 0;
		}
	}
	err_clear();
	log_warn("the host has no resolver that a guest could reach: its resolv.conf stays empty");
	return 0;
}

/* What the host searches too comes after: of several such lines only the last would count. */
void net_resolv_segment(const char *text, const char *network, struct buf *out)
{
	char search[512] = "";

	for (size_t n; *text; text += n + (text[n] == '\n')) {
		char line[512];

		n = strcspn(text, "\n");
		snprintf(line, sizeof line, "%.*s", n < sizeof line ? (int)n : 0, text);
		if (!printable(line))
			continue;
		if (str_starts(line, "options "))
			buf_printf(out, "%s\n", line);
		else if (str_starts(line, "search ") || str_starts(line, "domain "))
			snprintf(search, sizeof search, " %s", line + strlen("search "));
	}
	buf_printf(out, "search %s%s\n", network, search);
}

static bool has_dns(const struct net_port *p)
{
	return p->dns.s_addr || !IN6_IS_ADDR_UNSPECIFIED(&p->dns6);
}

/* NULL: the host's resolvers. */
static const struct net_port *whom_to_ask(const struct net_port *p, size_t n)
{
	const struct net_port *closed = NULL;
	bool outward = false;

	for (size_t i = 0; i < n; i++) {
		if (has_dns(&p[i]) && p[i].outward)
			return &p[i];
		if (has_dns(&p[i]) && !closed)
			closed = &p[i];
		outward |= p[i].outward || p[i].kind != NET_KIND_NETWORK;
	}
	return outward ? NULL : closed;
}

int net_resolv_conf(const struct net_port *ports, size_t n, struct buf *out)
{
	const struct net_port *p = whom_to_ask(ports, n);
	auto_free char *text = NULL;
	char addr[INET6_ADDRSTRLEN];

	if (!p) {
		TRY(of_host(out));
		return out->oom ? fail(ENOMEM, "resolv.conf: out of memory") : 0;
	}
	if (p->dns.s_addr)
		buf_printf(out, "nameserver %s\n", inet_ntop(AF_INET, &p->dns, addr, sizeof addr));
	if (!IN6_IS_ADDR_UNSPECIFIED(&p->dns6))
		buf_printf(out, "nameserver %s\n", inet_ntop(AF_INET6, &p->dns6, addr, sizeof addr));
	if (file_read(AT_FDCWD, "/etc/resolv.conf", &text, NULL) < 0)
		err_clear();
	net_resolv_segment(text ? text : "", p->network, out);
	return out->oom ? fail(ENOMEM, "resolv.conf: out of memory") : 0;
}
