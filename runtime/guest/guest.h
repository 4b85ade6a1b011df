/*
 * Persistent guests: named OCI bundles below VZRUN_HOME/guests, started as OCI containers
 * (runtime/container) with a keeper process each. Only this room knows images, networks
 * and containers at once.
 *
 *	HOME/guests/NAME/config.json	OCI configuration plus the "vzrun" object; edited by hand or by `set`;
 *					written last: a directory without it and without events is a killed creation
 *	                 disk/{upper,work}	the guest's layer (storage "overlay"), plain ids
 *	                 rootfs/		the whole root (storage "dir")
 *	                 console.log[.1]	what the console said, bounded
 *	                 events			one JSON object a line, bounded: what happened to the guest
 *	                 checkpoint/		the processes of a suspended guest, see checkpoint.h; dump.log, restore.log
 *	                 label			SELinux label of its processes, which its files are labelled for
 *	                 keeper.sock	while it runs
 *	                 fuse, tun		device nodes of its features, bound into its /dev
 *
 * The directory is the guest's lock (flock). Addresses are leased from create to destroy.
 */
#pragma once
#include "images/image.h"
#include "netns/net.h"
#include "netns/publish.h"
#include "netns/rule.h"
#include "runtime/container/container.h"
#include "runtime/guest/label.h"
#include "runtime/guest/tags.h"

struct guest_where { const char *home, *root; };	/* VZRUN_HOME and --root, absolute */

/* The "vzrun" object of a guest's config.json. */
struct guest_conf {
	const char *image;		/* reference it was made from */
	struct strv layers;		/* absolute directories, lowest first; in the file also names of the store's */
	const char *storage;		/* "overlay" or "dir" */
	const char *userns;		/* "auto", "host", or the first host id of 65536 */
	const char *selinux;		/* "auto", "none", or the label of its processes */
	const char *apparmor;		/* "auto", "none", or the name of a profile that is loaded */
	struct list networks;		/* struct net_nic_conf; absent: one NIC in "default"; []: none */
	struct strv dns;		/* servers of resolv.conf; "auto": the network's or host's; absent: if it has no file */
	struct list ports;		/* struct net_publish */
	struct list firewall;		/* struct net_rule */
	const char *stop_signal;	/* when the init is not one that we know */
	struct opt_u64 stop_timeout;	/* seconds */
	struct strv features;		/* "nesting", "fuse", "tun", "i386" */
	struct strv tags;		/* names, to choose guests by */
};
extern const struct record guest_conf_record;

struct guest {
	struct guest_where at;
	char name[64];
	int dir_fd;			/* the guest's directory, locked if asked for */
	struct spec spec;
	struct guest_conf conf;
};
#define auto_guest __attribute__((cleanup(guest_close)))

/* -ENOENT, ERR_NOT_FOUND; a corrupt config.json is ERR_CONFIG with its place. */
int guest_open(const struct guest_where *at, const char *name, bool lock, struct guest *out);
void guest_close(struct guest *g);
/* 1: there is one, whole or not; 0. */
int guest_look(const struct guest_where *at, const char *name);
bool guest_exists(const struct guest_where *at, const char *name);	/* what cannot be looked at is none */
int guest_check_name(const char *name);
/* HOME/guests/NAME/FILE; file NULL: the directory; name NULL: that of all guests. NULL: out of memory. */
char *guest_path(struct arena *a, const struct guest_where *at, const char *name, const char *file);
int guest_dir(const struct guest_where *at, const char *name);	/* a descriptor; -ENOENT, ERR_NOT_FOUND */
/* Never waits: ERR_LOCKED; ERR_NOT_FOUND: destroyed meanwhile. */
int guest_lock(int dir_fd, const char *name);
/* 1: its directory, locked. 0: it is gone, or somebody is at work on it, and *dir, too, is to be closed. */
int guest_take_idle(const struct guest_where *at, const char *name, int *dir);
/* Calls each(ctx, name), in alphabetical order. */
int guest_each(const struct guest_where *at, int (*each)(void *ctx, const char *name), void *ctx);

/* ---- what it is ------------------------------------------------------------------------------- */
enum guest_status { GUEST_STOPPED = 1, GUEST_STARTING, GUEST_RUNNING, GUEST_PAUSED, GUEST_UNKNOWN };
const char *guest_status_name(enum guest_status s);
/* The word for it: of a stopped one that has a checkpoint "suspended". */
const char *guest_status_word(const struct guest_where *at, const char *name, enum guest_status s);
/* It runs, and is not paused. Else ERR_STATE, with what to try. */
int guest_check_up(const struct guest_where *at, const char *name, pid_t *pid);
/* GUEST_UNKNOWN, with the error pending, when it cannot be told: nobody may take that for stopped. */
enum guest_status guest_status(const struct guest_where *at, const char *name, pid_t *pid);
/* A pidfd of the init and its number; -ESRCH when it is dead, ERR_NOT_FOUND when there is no container. */
int guest_init(const struct guest_where *at, const char *name, pid_t *pid);
/*
 * Clears what a guest that is down left without a keeper to clear it: container, cgroup, sockets. dir_fd is
 * locked. 1: there was something. Neither a running guest nor one with a keeper is touched.
 */
int guest_sweep(const struct guest_where *at, const char *name, int dir_fd);

/* ---- config.c ----------------------------------------------------------------------------------- */
/* Fills in what the file leaves to the defaults: namespaces, mounts, masks, capabilities, filter, devices. */
struct guest_plan {
	struct container_root root;
	const char *cgroup_type;	/* of the mount at /sys/fs/cgroup */
	struct child_file files[3];
	size_t n_files;
	struct net_port ports[NET_PORTS_MAX];
	size_t n_ports;
	uint32_t base;			/* first host id; 0: the host's user namespace */
	const struct guest_labels *labels;
	int slot_fd[2];			/* hold the range */
	const char *apparmor;		/* the profile; NULL: none, or the file's own */
	bool own_profile;		/* it is made for this guest, and loaded while it runs */
	struct arena arena;
};
int guest_effective(struct guest *g, const struct guest_plan *p);
int guest_conf_load(struct guest *g);		/* decodes and checks spec.vzrun; "vzrun.storage: ..." */
bool guest_feature_known(const char *word);
/* Addresses, or "auto" alone. ERR_USAGE: "--dns: ..." with what as the place. */
int guest_check_dns(const struct strv *servers, const char *what);
/*
 * Checks a configuration file as `start` would, a guest's (with a vzrun object) or a plain bundle's.
 * *tree: the file, for bind_unknown().
 */
int guest_lint(const char *path, struct json **tree);
/* The same of a text; path: for messages. */
int guest_check_text(const char *path, const char *text, size_t len);
bool guest_wants(const struct guest *g, const char *feature);
