/* What the words with two meanings (create, start) call when a guest is meant. */
#pragma once
#include "cli/opt.h"
#include "runtime/guest/guest.h"
#include "runtime/guest/nics.h"
#include "runtime/guest/stats.h"

enum { PIDS_MAX = 4194304 };		/* the kernel's own, of 64 bits */

struct guest_create_args {
	const char *image, *rootfs, *template, *storage, *userns, *selinux, *apparmor, *hostname, *cpus;
	struct opt_u64 memory, swap;
	struct opt_i64 pids;
	struct strv features, binds, net, dns, tags;
	struct nic_words nics;
};
/* The rows of guest_create_args at member m of T. */
#define GUEST_CREATE_OPTS(T, m)                                                                              \
	OSTR(T, 0, "image", "REF", m.image, "make a guest from an image of the store"),                       \
	OSTR(T, 0, "rootfs", "DIR|TAR", m.rootfs, "make a guest from a directory, tar, OCI or docker archive"), \
	OSTR(T, 0, "template", "NAME", m.template, "make a guest from a template: debian:bookworm, busybox"), \
	OCHOICE(T, 0, "storage", "overlay|dir", m.storage, "a layer over the image, or a copy of its own"),   \
	OSTR(T, 0, "userns", "auto|host|BASE", m.userns, "user namespace (default: auto, a range of its own)"), \
	OSTR(T, 0, "selinux", "auto|none|LABEL", m.selinux, "label (default: auto, two categories of its own)"), \
	OSTR(T, 0, "apparmor", "auto|none|PROFILE", m.apparmor, "AppArmor profile (default: auto, one of its own)"), \
	OSTR(T, 0, "hostname", "NAME", m.hostname, "host name inside (default: the guest's name)"),           \
	OSIZE(T, 0, "memory", m.memory, "memory limit"),                                                      \
	OSIZE(T, 0, "swap", m.swap, "swap limit, beside the memory"),                                         \
	OSTR(T, 0, "cpus", "N", m.cpus, "processors' worth of time: 2, 0.5"),                                 \
	OINT(T, 0, "pids", "N", m.pids, 1, PIDS_MAX, "most processes and threads (default: 4096)"),             \
	OSTRV(T, 0, "net", "NETWORK|none", m.net, "network; repeatable, an interface each (default: default)"),   \
	OSTRV(T, 0, "ip", "ADDRESS|auto[,net=NAME]", m.nics.ip, "address (default: a free one); repeatable"),  \
	OSTRV(T, 0, "ip6", "ADDRESS|auto[,net=NAME]", m.nics.ip6, "the same, IPv6 only"),                      \
	OSTRV(T, 0, "mac", "ADDRESS[,net=NAME]", m.nics.mac, "MAC address (default: derived from the name)"),  \
	OSTRV(T, 0, "rate", "IN[:OUT][:BURST][,net=NAME]", m.nics.rate, "bits a second: 100M, 1G:10M, max"),   \
	OSTRV(T, 0, "bind", "SRC:DST[:OPTION,...]", m.binds, "of the host; ro, idmap, z or Z (label it); repeatable"), \
	OSTRV(T, 0, "dns", "ADDRESS|auto", m.dns, "DNS server; repeatable (default: the network's)"),          \
	OSTRV(T, 0, "tag", "TAG", m.tags, "a word to choose guests by; repeatable"),                            \
	OSTRV(T, 0, "features", "WORD", m.features, "nesting, fuse, tun or i386; repeatable")

struct guest_start_args { bool no_wait; struct opt_u64 timeout; };
#define GUEST_START_OPTS(T)                                                                        \
	OFLAG(T, 0, "no-wait", no_wait, "a guest: do not wait until its init reports that it is up"), \
	ODURATION(T, 0, "timeout", timeout, "a guest: how long to wait (default: 90s; 0: for ever)")

static inline struct guest_where guest_at(const struct cli *g)
{
	return (struct guest_where){ g->home, g->root };
}
/* The addresses that a guest holds, of both families, at the end of line, and as "addresses" of o if there is one. */
void guest_put_addresses(struct jout *o, struct buf *line, const struct guest_where *at, const char *name);
void stats_traffic_json(struct jout *o, const char *key, const struct guest_traffic *t);	/* cmd_stats.c */
/* --now and --next, members of m in T. */
#define WHEN_OPTS(T, m)                                                                       \
	OFLAG(T, 0, "now", m.only_now, "change the running guest only, save nothing"),        \
	OFLAG(T, 0, "next", m.only_next, "save for the next start only")
/* ERR_USAGE: both at once. */
int guest_check_when(bool only_now, bool only_next);
/* ERR_USAGE names the first of the n options that is given: a guest knows none of them. */
struct not_for_guests { const char *option; bool given; };
int guest_refuse_options(const struct not_for_guests *o, size_t n);
bool guest_asked_for(const struct guest_create_args *a);
/* Of those that say how it is to be. */
bool guest_options_given(const struct guest_create_args *a);
int guest_create_cmd(struct cli *g, const struct guest_create_args *a, const char *name, int argc,
		     char **command);
/*
 * r of what was tried with a container; of one that is a guest a failure is told in a guest's words, and why it is
 * not up in place of that there is no container.
 */
int guest_voice(struct cli *g, const char *name, int r);
/* For an option that only guests have, when guest_look() found none of that name: that is said, as of a guest. */
int no_guest(struct cli *g, const char *name);
/* The exit status of the pending error of a command in a guest: 127 not found, 126 not executable, 125. */
int guest_exec_status(void);
int guest_start_cmd(struct cli *g, const struct guest_start_args *a, const char *name);
