#include "netns/rate.h"
#include "netns/link.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

enum { PACKET_MAX = 65536 };	/* as segmentation offload hands it over */

static uint64_t within(uint64_t v, uint64_t least, uint64_t most)
{
	return v < least ? least : v > most ? most : v;
}

/* What the link carries in so many milliseconds. */
static uint64_t bytes_of(uint64_t bits, unsigned ms)
{
	return bits / 8000 * ms;
}

uint64_t net_rate_burst_in(const struct net_rate *r)
{
	return r->burst ? r->burst : within(bytes_of(r->in, 10), PACKET_MAX, 4 << 20);
}

uint64_t net_rate_burst_out(const struct net_rate *r)
{
	return r->burst ? r->burst : within(bytes_of(r->out, 100), 2 * PACKET_MAX, 32 << 20);
}

static void put_bucket(struct nlq *q, const struct net_rate *r)
{
	uint64_t rate = r->in / 8, burst = net_rate_burst_in(r);
	struct tc_tbf_qopt p = {
		.rate = { .linklayer = TC_LINKLAYER_ETHERNET,
			  .rate = rate > UINT32_MAX ? UINT32_MAX : (uint32_t)rate },
		/* Room for what waits 50 ms, and never for less than two whole packets. */
		.limit = (uint32_t)(burst + within(bytes_of(r->in, 50), 2 * PACKET_MAX, 64 << 20)),
	};
	struct nlattr *options = nlq_nest(q, TCA_OPTIONS);

	nlq_put(q, TCA_TBF_PARMS, &p, sizeof p);
	nlq_put_u32(q, TCA_TBF_BURST, (uint32_t)burst);
	if (rate > UINT32_MAX)
		nlq_put(q, TCA_TBF_RATE64, &rate, sizeof rate);
	nlq_end(q, options);
}

int net_rate_set_in(struct nlq *q, const char *host_if, const struct net_rate *r)
{
	struct tcmsg m = { .tcm_family = AF_UNSPEC, .tcm_parent = TC_H_ROOT };
	struct net_link l;
	int e = net_link_find(q, host_if, &l);

	if (e == -ENODEV)
		return fail_as(ERR_NOT_FOUND, "port %s is gone", host_if);
	TRY(e);
	m.tcm_ifindex = l.index;
	if (r->in) {
		nlq_add(q, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m);
		nlq_put_str(q, TCA_KIND, "tbf");
		put_bucket(q, r);
	} else {
		nlq_add(q, RTM_DELQDISC, 0, &m, sizeof m);
	}
	e = nlq_talk(q, NULL, NULL);
	/* The default of a port has no handle that could be deleted. */
	if (e == 0 || (!r->in && (e == -ENOENT || e == -EINVAL)))
		return 0;
	/* Without the scheduler's module. */
	if (r->in && e == -ENOENT)
		return fail_as(ERR_UNSUPPORTED, "port %s: this kernel has no tbf to limit the rate with", host_if);
	return net_fail_talk(q, e, "port %s: limit the rate", host_if);
}
