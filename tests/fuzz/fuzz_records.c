/* What a guest left on record: its links, its traffic, its events, and what netns/ holds for it. */
#include "netns/dns_process.h"
#include "netns/record.h"
#include "runtime/guest/nic.h"
#include "runtime/guest/stats.h"
#include "tests/fuzz/fuzz.h"

#include <sys/stat.h>

static void links(const uint8_t *data, size_t size)
{
	int dir = fuzz_dir();
	auto_links struct guest_links l = { 0 };
	struct guest_links again;
	struct net_port p;
	size_t i = 0;

	fuzz_file("links.json", data, size);
	if (links_load(dir, &l) < 0)
		return;
	LIST_EACH(const struct net_nic_conf, nic, l.nics)
		net_standing("/nowhere", "web", nic, i++, &p);
	demand(l.nics.n <= NET_PORTS_MAX);
	demand(links_store(dir, &l) == 0 && links_load(dir, &again) >= 0);
	demand(again.nics.n == l.nics.n && again.loans.n == l.loans.n);
	links_free(&again);
	while (l.nics.n || l.loans.n) {
		const struct net_nic_conf *first = l.nics.v;

		links_remove(&l, l.nics.n ? net_nic_index(first, 0) : ((const struct net_loan *)l.loans.v)->index.v);
	}
}

static void traffic(const uint8_t *data, size_t size)
{
	int dir = fuzz_dir();
	struct guest_where at = { "/nowhere", "/nowhere" };
	struct guest_traffic t;

	fuzz_file("traffic.json", data, size);
	if (guest_traffic(&at, "web", dir, NULL, -1, &t) == 0)
		demand(t.n <= COUNT(t.nic));
}

static void record(const uint8_t *data, size_t size)
{
	int dir = fuzz_dir();
	auto_net_held struct net_held h = { 0 }, again = { 0 };

	(void)mkdirat(dir, ".guests", 0700);
	fuzz_file(".guests/web.json", data, size);
	if (net_record_load(dir, "web", &h) < 0) {
		demand(!h.tree && !h.r.owner);
		return;
	}
	demand(str_eq(h.r.owner, "web") && h.r.nics.n <= NET_PORTS_MAX);
	demand(net_record_store(dir, &h.r) == 0 && net_record_load(dir, "web", &again) == 0);
	demand(again.r.nics.n == h.r.nics.n && again.r.ports.n == h.r.ports.n && again.r.firewall.n == h.r.firewall.n);
}

/* Which dnsmasq is ours to signal. */
static void dns(const uint8_t *data, size_t size)
{
	int dir = fuzz_dir();
	struct dns_where w = { .name = "x" };
	struct dns_run r, again;

	fuzz_file("run", data, size);
	snprintf(w.path, sizeof w.path, "/proc/self/fd/%d", dir);
	if (!dns_run_read(&w, &r))
		return;
	demand(dns_run_write(dir, &r) == 0 && dns_run_read(&w, &again) && memcmp(&r, &again, sizeof r) == 0);
}

static const struct fuzz_kind kinds[] = {
	{ 'l', links }, { 't', traffic }, { 'r', record }, { 'd', dns },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_kinds(kinds, COUNT(kinds), data, size);
	return 0;
}
