/* Texts of the kernel and of a guest's files: /proc, the kernel's log, /etc/passwd, resolv.conf, leases. */
#include "runtime/container/checkpoint.c"

#include "cgroups/internal.h"
#include "netns/dns.h"
#include "netns/resolv.h"
#include "runtime/child/child.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

/* /proc/self/cgroup, a line "#", /proc/self/mountinfo */
static void groups(char *text)
{
	static struct cg_host host;
	char *second = strstr(text, "\n#\n");

	host = (struct cg_host){ 0 };
	if (second)
		*second = '\0';
	cg_parse_self(text, &host);
	if (second)
		cg_parse_mounts(second + 3, &host);
	demand(host.n <= CG_HIER_MAX);
	for (size_t i = 0; i < host.n; i++)
		demand(host.h[i].own[0] == '/' && host.h[i].name[0]);
	(void)cg_ctl_mask(text);
}

/* Mountinfo again, for which of a container's mounts come from outside. */
static void mounts(char *text)
{
	static struct mount_list l;
	char *rest = text, *line;

	l.n = 0;
	while (l.n < COUNT(l.v) && (line = fuzz_line(&rest)))
		l.n += parse_mount(line, &l.v[l.n]);
	find_inner(&l, &(struct dumped){ .guest = false });
	for (size_t i = 0; i < l.n; i++)
		demand(l.v[i].at && l.v[i].root && l.v[i].dev && l.v[i].type);
	find_inner(&l, &(struct dumped){ .guest = true, .groups = true });
}

/* A guest's /etc/passwd is the guest's. */
static void passwd(char *text)
{
	auto_arena struct arena a = { 0 };
	int dir = fuzz_dir();
	const char *home;

	(void)mkdirat(dir, "etc", 0755);
	fuzz_file("etc/passwd", (const uint8_t *)text, strlen(text));
	for (uid_t uid = 0; uid < 2; uid++) {
		home = home_of(&a, dir, uid);
		demand(home && !strpbrk(home, ":\n"));
	}
}

/* Nothing but words of resolv.conf comes out, a line each. */
static void resolvers(char *text)
{
	const struct net_def d = { .name = "web", .bridge = "br0", .mode = NET_NAT,
				   .v4 = { AF_INET, 16, { 10, 77 } }, .v6 = { AF_INET6, 64, { 0xfd, 0x77 } } };
	auto_buf struct buf filtered = { 0 }, segment = { 0 }, servers = { 0 };
	char *rest, *line;

	(void)net_resolv_filter(text, &filtered);
	net_resolv_segment(text, "web", &segment);
	net_dns_servers(&servers, &d, text);
	for (rest = servers.p; (line = fuzz_line(&rest));)
		demand(!*line || (str_starts(line, "server=") && !strpbrk(line + 7, " \t/=#,")));
	for (rest = filtered.p; (line = fuzz_line(&rest));)
		for (const char *p = line; *p; p++)
			demand((unsigned char)*p >= ' ' || *p == '\t');
}

/* dnsmasq's files: what is an owner's goes, and nothing else. */
static void hosts(char *text)
{
	const struct net_nic nic = { .network = "web", .ip = "10.77.0.2", .ip6 = "fd77::2", .mac = "02:00:00:00:00:01" };
	auto_buf struct buf kept = { 0 }, gone = { 0 }, again = { 0 }, none = { 0 };

	net_dns_without(text, "web", &nic, 1, &kept, &gone);
	net_dns_without(buf_text(&kept), "web", &nic, 1, &again, &none);
	demand(none.n == 0 && str_eq(buf_text(&kept), buf_text(&again)));
	demand(!net_dns_names(buf_text(&kept), "10.77.0.2"));
}

static const struct fuzz_kind kinds[] = {
	{ 'g', .text = groups }, { 'm', .text = mounts }, { 'p', .text = passwd }, { 'r', .text = resolvers },
	{ 'h', .text = hosts },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_kinds(kinds, COUNT(kinds), data, size);
	return 0;
}
