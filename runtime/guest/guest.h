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
#include "runtime/container/checkpoint.h"

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

/* Words about NICs: VALUE[,net=NETWORK]. ip takes addresses of both families. */
struct nic_words { struct strv ip, ip6, ip_del, mac, rate; };

/* ---- create, destroy ------------------------------------------------------------------------ */
struct guest_create_req {
	const char *image, *rootfs, *template;	/* exactly one */
	const char *storage, *userns, *selinux, *apparmor, *hostname;
	struct strv networks;			/* "none" alone: none; empty: "default" */
	struct nic_words nics;
	struct strv dns;
	struct opt_u64 memory, swap;
	struct opt_u64 pids;
	const char *cpus;			/* "1.5" */
	struct strv features, binds, tags;
	struct strv command;			/* instead of the image's or /sbin/init */
};
int guest_create(const struct guest_where *at, const char *name, const struct guest_create_req *r);
int guest_destroy(const struct guest_where *at, const char *name, bool force);
/* What a killed creation or removal left; one that was finished meanwhile stays. */
int guest_destroy_unfinished(const struct guest_where *at, const char *name);
/*
 * What killed commands left: half-made guests, creations of containers, and (only: NULL) what is nobody's. The number
 * of things mended.
 */
int guest_recover(const struct guest_where *at, const char *only);

/* ---- start, stop ------------------------------------------------------------------------------ */
struct guest_started { pid_t pid; bool ready; uint64_t ms; };
/* wait: until the init says that it is up, where it can tell; timeout_ms 0: no limit. */
int guest_start(const struct guest_where *at, const char *name, bool wait, uint64_t timeout_ms,
		struct guest_started *out);
/*
 * The init's own signal, after timeout_ms (NULL: the guest's stopTimeout, or a minute; 0: at once) SIGKILL.
 * *killed: the time ran out. Already stopped: ERR_STATE. A broken config.json keeps no guest from stopping.
 */
int guest_stop(const struct guest_where *at, const char *name, const uint64_t *timeout_ms, bool *killed);

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

/* ---- tags.c -------------------------------------------------------------------------------------- */
int guest_check_tags(const struct strv *tags, const char *what);	/* ERR_USAGE: "--tag: ..." with what as the place */
bool guest_has_tag(const struct strv *tags, const char *tag);
void guest_put_tags(struct jout *o, const char *key, const struct strv *tags);
/* Of the guest's file, whose tags are has; a line of what they are then is added to told. ERR_NOT_FOUND: del. */
int guest_edit_tags(struct json **tree, const struct strv *has, const struct strv *add, const struct strv *del,
		    struct buf *told);

/* ---- nic.c ------------------------------------------------------------------------------------- */
struct guest_nic_req {
	const char *network, *macvlan, *ipvlan, *physical;	/* at most one; none: network "default" */
	const char *name, *ip, *ip6, *mac, *rate;
	bool only_now, only_next;
};
/* Live and saved. as: its name inside. A failure leaves nothing of it. */
int guest_nic_add(const struct guest_where *at, const char *name, const struct guest_nic_req *r, char as[IFNAMSIZ]);
int guest_nic_rm(const struct guest_where *at, const char *name, const char *link, bool only_now, bool only_next);
int guest_nic_each(const struct guest_where *at, const char *name, int (*each)(void *ctx, const struct net_port *p),
		   void *ctx);

/* ---- traffic.c, stats.c --------------------------------------------------------------------------- */
/* Since it was created: live numbers are read, nothing is written. gone: what it had and has no more. */
struct guest_nic_traffic { char name[IFNAMSIZ], network[64]; bool gone; struct net_counts counts; };
struct guest_traffic { struct guest_nic_traffic nic[2 * NET_PORTS_MAX]; size_t n; struct net_counts sum; };
/* conf: its vzrun.networks; netns: of the running guest, -1: it is stopped. */
int guest_traffic(const struct guest_where *at, const char *name, int dir_fd, const struct list *conf, int netns,
		  struct guest_traffic *out);
/* ERR_STATE: it is not running. */
int guest_netns(const struct guest_where *at, const char *name);
/* counted: it has a group, and cg says what its controllers count. */
struct guest_stats { enum guest_status status; pid_t pid; bool counted; struct cg_stats cg; struct guest_traffic net; };
int guest_stats(const struct guest_where *at, const char *name, struct guest_stats *out);
/* The group of a guest that is not stopped. */
int guest_cg(const struct guest_where *at, const char *name, struct cg *out);

/* ---- ports.c ------------------------------------------------------------------------------------ */
/*
 * Published ports and firewall, in force and saved. ERR_ADDRESS: somebody has the port (who); ERR_STATE: the host's own
 * firewall would not let it through (which rule); nothing is changed then.
 */
int guest_port_add(const struct guest_where *at, const char *name, const struct net_publish *p);
int guest_port_rm(const struct guest_where *at, const char *name, const struct net_publish *p);
/* position: from 1; 0: after the last. Returns where it is. */
int guest_rule_add(const struct guest_where *at, const char *name, const struct net_rule *r, size_t position);
int guest_rule_rm(const struct guest_where *at, const char *name, size_t position);

/* A user of a running guest, by its own /etc/passwd, as "UID:GID". ERR_NOT_FOUND. */
int guest_user(const struct guest_where *at, const char *name, const char *user, char out[24]);
/* A login shell, or args, with the guest's own environment. status as of `exec`. */
int guest_shell(const struct guest_where *at, const char *name, const struct strv *args, bool tty);
/* Attaches stdin/stdout to the console until Ctrl-] or its end. */
int guest_console(const struct guest_where *at, const char *name);
/* ---- console_log.c --------------------------------------------------------------------------------- */

/* The last lines of what the console said; 0: all. *end, if asked for: where it goes on, the caller's, or -1. */
int guest_log(const struct guest_where *at, const char *name, uint64_t lines, struct buf *out, int *end);
/* From there on, as it comes, until the guest is down. put may change the text. */
typedef int guest_log_fn(char *text);
int guest_log_follow(const struct guest_where *at, const char *name, int *end, guest_log_fn *put);

int guest_cpu_quota(const char *cpus, uint64_t *quota);	/* "1.5" to microseconds a 100 ms period; ERR_USAGE */

/* ---- events.c ---------------------------------------------------------------------------------- */
struct guest_event { const char *time, *event, *detail, *victim; struct opt_i64 code, signal, pid; };
extern const struct record guest_event_record;
int event_add(int dir_fd, const struct guest_event *e);		/* time is filled in */
/* Why the guest is in the state it is in, in words; the last end and what led to it. */
int guest_why(const struct guest_where *at, const char *name, struct buf *out, struct jout *json);

/* ---- label.c: SELinux -------------------------------------------------------------------------------- */
struct guest_labels { char process[256], file[256]; };	/* "": none */
/* "auto", "none" or a label. ERR_USAGE */
int label_check(const char *word);
/*
 * Where SELinux is on: the policy knows the label, ERR_CONFIG, or for "auto" (NULL) the type of guests,
 * ERR_UNSUPPORTED.
 */
int label_possible(const char *word);
/*
 * The guest's labels: none where SELinux is off, or not wanted. What they need is done where it was not yet: two
 * categories claimed, of which no other guest of the host has both; its own directory labelled, and the files below
 * rootfs/. Fails as label_possible().
 */
int label_get(int dir_fd, const char *dir, const char *word, struct guest_labels *out);
/*
 * The directory of state gets the label by which what a keeper makes in it is of its guest. A no-op as label_keeper().
 */
int label_state(const char *root, const struct guest_labels *l);
/*
 * Layers of the store get the label of what all guests may read, each once: an overlay is labelled as a whole, but
 * mprotect(2) of a mapped file asks for the label of the file below.
 */
int label_layers(const char *home, const struct strv *layers, const struct guest_labels *l);
/*
 * The calling process, a keeper of one thread, enters the domain of keepers, with its guest's categories. Not where the
 * guest's label is none of ours: the policy has no domain that may start that one, either.
 */
int label_keeper(const struct guest_labels *l);
/* The label of the keeper of a guest with that label; "": its caller's. */
void label_of_keeper(const char *process, char *out, size_t size);
/* The label of files that are every guest's. */
void label_shared(char *out, size_t size);
/* What label_get() said, "" before it was asked. */
void label_read(int dir_fd, char *out, size_t size);
int label_release(const char *dir);	/* dir: the guest's, absolute */
int label_sweep(void);			/* of guests that are no more; how many */

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

/* ---- idrange.c: ranges of 65536 host ids, each for one running guest -------------------------------- */
int idrange_claim(const char *holder, uint32_t *base);		/* returns a descriptor that holds it */
/*
 * The range from base on; fds[1] is -1 when base is a multiple of its size. checkpoint: the path of the one that may
 * hold it, NULL: none may.
 */
int idrange_claim_at(uint32_t base, const char *checkpoint, int fds[2]);
/* While the checkpoint is there (an absolute path) nobody else gets it, though nobody runs in it. */
int idrange_hold(uint32_t base, const char *checkpoint);
int idrange_bind(int fd, pid_t pid);				/* the range is taken while this process lives, too */
void idrange_release(int fd, uint32_t base);
int idrange_sweep(void);					/* what nobody holds any more is removed; how many */

/* ---- apparmor.c -------------------------------------------------------------------------------------- */
/* Of --apparmor: what is asked for can be had now. ERR_UNSUPPORTED by name. */
int guest_apparmor_check(const char *word);
/* Which profile this start gets. "auto" on a host that can have none: none. */
int guest_apparmor_choose(struct guest *g, struct guest_plan *p);
/* After guest_effective(), whose capabilities it allows. Only a profile of our own is loaded. */
int guest_apparmor_load(const struct guest *g, const struct guest_plan *p);
/* When the guest is dead. 1: there was one of our own; 0: none. */
int guest_apparmor_drop(const struct guest_where *at, const char *name);
void guest_apparmor_name(const struct guest_where *at, const char *name, char out[96]);
int guest_apparmor_text(const char *name, const struct strv *bounding, struct buf *b);

/* ---- systemd.c -------------------------------------------------------------------------------------- */
/*
 * What the root's init is to find at /sys/fs/cgroup: "cgroup", all that the host has, or "cgroup2", that tree alone.
 * ERR_UNSUPPORTED: it runs with v2 only, and the host has none.
 */
int guest_cgroup_type(const struct container_root *r, const char **type);

/* ---- files.c ---------------------------------------------------------------------------------------- */
int guest_files(struct guest *g, struct guest_plan *p);		/* hostname, hosts, resolv.conf */
/* resolv.conf with these servers (as struct guest_conf has them); empty: there is nobody to ask. */
int guest_resolvers(const struct guest *g, const struct strv *dns, struct buf *out);

/* ---- resolv.c --------------------------------------------------------------------------------------- */
struct guest_resolv { int dir; bool written, instead; unsigned ids[2]; };
/*
 * resolv.conf of the running guest is another file from now on, whatever was there (a directory is refused). 0: nothing
 * to write, or the guest is between two boots, of which the next writes it. Until the end it can be put back.
 * ERR_UNSUPPORTED: the file system of /etc does not exchange files.
 */
int guest_resolv_put(struct guest *g, const struct strv *dns, struct guest_resolv *r);
void guest_resolv_back(struct guest_resolv *r);
void guest_resolv_end(struct guest_resolv *r);

/* ---- keeper.c ---------------------------------------------------------------------------------------- */
/*
 * Becomes the keeper of g; reports over `report`; never returns to the caller's work. restore: of its checkpoint; NULL:
 * the guest boots.
 */
_Noreturn void keeper_main(struct guest *g, int report, const struct checkpoint_opts *restore);
enum keeper_msg {
	KEEPER_STARTED = 1, KEEPER_READY, KEEPER_FAILED, KEEPER_ENDED,	/* to the starter and watchers */
	KEEPER_WARNED,		/* to the starter, before any of those */
	KEEPER_DATA, KEEPER_SIZE, KEEPER_WATCH, KEEPER_CONSOLE, KEEPER_STOPPING,	/* from clients */
	KEEPER_SUSPENDING,	/* as STOPPING, as long as the client is there */
	KEEPER_KILL,		/* its init, when nobody else knows the guest's container any more */
};
struct keeper_packet { uint32_t msg; int32_t code, class, pid; char text[1000]; };
/*
 * Connects to the keeper of a running guest. -EBUSY: it has none; any other error says nothing of it. init: of the
 * boot that is meant, as the guest may have begun another: a keeper of that hangs up; 0: whichever.
 */
int keeper_connect(const struct guest_where *at, const char *name, enum keeper_msg hello, pid_t init);
bool keeper_lives(const struct guest_where *at, const char *name);
bool keeper_done(int fd);	/* waits until it has cleared up and ended; false: for ten seconds it said nothing */
