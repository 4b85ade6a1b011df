/*
 * What a start looks up in a guest's root, and the files in /etc that it provides; resolv.conf of a running guest, too.
 */
#pragma once
#include "runtime/guest/guest.h"

/*
 * What the root's init is to find at /sys/fs/cgroup: "cgroup", all that the host has, or "cgroup2", that tree alone.
 * ERR_UNSUPPORTED: it runs with v2 only, and the host has none.
 */
int guest_cgroup_type(const struct container_root *r, const char **type);

int guest_files(struct guest *g, struct guest_plan *p);		/* hostname, hosts, resolv.conf */
/* resolv.conf with these servers (as struct guest_conf has them); empty: there is nobody to ask. */
int guest_resolvers(const struct guest *g, const struct strv *dns, struct buf *out);

struct guest_resolv { int dir; bool written, instead; unsigned ids[2]; };
/*
 * resolv.conf of the running guest is another file from now on, whatever was there (a directory is refused). 0: nothing
 * to write, or the guest is between two boots, of which the next writes it. Until the end it can be put back.
 * ERR_UNSUPPORTED: the file system of /etc does not exchange files.
 */
int guest_resolv_put(struct guest *g, const struct strv *dns, struct guest_resolv *r);
void guest_resolv_back(struct guest_resolv *r);
void guest_resolv_end(struct guest_resolv *r);
