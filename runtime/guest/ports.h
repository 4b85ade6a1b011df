/*
 * What of a guest is reached from outside: published ports and its firewall's rules. config.json has what is wished,
 * and netns/ makes it true while the guest runs.
 */
#pragma once
#include "runtime/guest/guest.h"

/*
 * Published ports and firewall, in force and saved. ERR_ADDRESS: somebody has the port (who); ERR_STATE: the host's own
 * firewall would not let it through (which rule); nothing is changed then.
 */
int guest_port_add(const struct guest_where *at, const char *name, const struct net_publish *p);
int guest_port_rm(const struct guest_where *at, const char *name, const struct net_publish *p);
/* position: from 1; 0: after the last. Returns where it is. */
int guest_rule_add(const struct guest_where *at, const char *name, const struct net_rule *r, size_t position);
int guest_rule_rm(const struct guest_where *at, const char *name, size_t position);
