/*
 * What an owner publishes and filters, on record (networks/.guests) and in the kernel. A published port leads to
 * the guest while its link is up: a stopped guest's ports belong to it, but nothing is sent to its address.
 */
#pragma once
#include "netns/publish.h"
#include "netns/rule.h"

/*
 * From now on the owner publishes exactly `ports` (checked by net_publish_check()). fresh: the one of them that is
 * new, looked at for what the host says to it; NULL: none is. Nothing is changed when it fails.
 * ERR_ADDRESS: another owner or a process of the host has it; ERR_STATE: the guest has no address that the host leads
 * to, or the host's own firewall would not let it through; ERR_NOT_FOUND: the address is not the host's.
 */
int net_publish(const char *home, const char *owner, const struct list *ports, const struct net_publish *fresh);
/* Whether that would fail, as things are now: for who saves the wish before it is fulfilled. */
int net_publish_possible(const char *home, const char *owner, const struct list *ports,
			 const struct net_publish *fresh);

/* From now on exactly these rules (checked by net_rules_check()) hold for the owner's traffic. */
int net_guard(const char *home, const char *owner, const struct list *rules);

/*
 * At a start, when the links are up: what the configuration says is on record, and the ports are opened. A port
 * that the host refuses now is warned about and stays closed (to lan and world, if it is the firewall that refuses).
 */
int net_publish_up(const char *home, const char *owner, const struct list *ports, const struct list *rules);
/* At an end: nothing is led to the guest any more. Already so is success. */
int net_publish_down(const char *home, const char *owner);

enum net_port_state { NET_PORT_CLOSED, NET_PORT_HOST_ONLY, NET_PORT_OPEN };
/* As it is in the kernel; one for each of the ports. */
int net_publish_look(const char *home, const char *owner, const struct list *ports, enum net_port_state *out);
