/*
 * `set`: limits, names, addresses and tags of a guest, changed while it runs and saved in config.json; both or neither.
 */
#pragma once
#include "runtime/guest/nics.h"

/* Live and saved changes; "-" for unset is not offered: limits are replaced. */
struct guest_set_req {
	struct opt_i64 memory, swap, pids;
	const char *cpus, *hostname;
	struct nic_words nics;
	struct strv dns;		/* of /etc/resolv.conf; "auto" alone: the network's */
	struct strv tag_add, tag_del;
	bool only_now, only_next, dry_run;
};
int guest_set(const struct guest_where *at, const char *name, const struct guest_set_req *r,
	      struct buf *told);

int guest_cpu_quota(const char *cpus, uint64_t *quota);	/* "1.5" to microseconds a 100 ms period; ERR_USAGE */
