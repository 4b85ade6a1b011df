/*
 * The OCI configuration (runtime-spec 1.3, Linux) as typed records, loaded and checked.
 * Siblings own their slices: cgroups/ "linux.resources", netns/ the NICs of "vzrun".
 * A loaded spec owns its tree and arena; every string in it points there.
 */
#pragma once
#include "base/bind.h"
#include "cgroups/cgroup.h"
#include "cgroups/rdt.h"
#include "netns/net.h"
#include "runtime/spec/seccomp.h"
#include "runtime/spec/tune.h"

#define SPEC_VERSION "1.3.0"

struct spec_idmap { struct opt_u32 inside, host, size; };
struct spec_mount {
	const char *dst, *type, *src;
	struct strv options;
	struct list uid_maps, gid_maps;		/* struct spec_idmap */
};
struct spec_user { struct opt_u32 uid, gid, umask; struct u32v groups; };
struct spec_caps { struct strv bounding, effective, inheritable, permitted, ambient; };
struct spec_rlimit { const char *type; struct opt_u64 hard, soft; };
struct spec_box { struct opt_u32 height, width; };
struct spec_process {
	bool terminal, no_new_privs;
	struct spec_box console_size;
	struct spec_user user;
	struct strv args, env;
	const char *cwd, *apparmor, *selinux_label;
	struct spec_caps *caps;
	struct list rlimits;			/* struct spec_rlimit */
	struct opt_i64 oom_score_adj;
	struct spec_io_priority *io_priority;
	struct spec_scheduler *scheduler;
	struct spec_affinity *cpu_affinity;	/* of processes that join; not the first one's */
};
struct spec_hook { const char *path; struct strv args, env; struct opt_i64 timeout; };
enum hook_kind { HOOK_PRESTART, HOOK_CREATE_RUNTIME, HOOK_CREATE_CONTAINER, HOOK_START_CONTAINER,
		 HOOK_POSTSTART, HOOK_POSTSTOP, HOOK_KINDS };
struct spec_hooks { struct list of[HOOK_KINDS]; };	/* struct spec_hook */
extern const char *const hook_names[HOOK_KINDS];

struct spec_ns { int type; const char *path; };	/* type: a CLONE_NEW* flag */
extern const struct name spec_ns_names[];
struct spec_device { const char *path; int type; struct opt_i64 major, minor;
		     struct opt_u32 mode, uid, gid; };
struct spec_time_offset { const char *key; struct opt_i64 secs; struct opt_u32 nanosecs; };
struct spec_linux {
	struct list uid_maps, gid_maps;		/* struct spec_idmap */
	struct map sysctl;
	struct cg_resources *resources;
	const char *cgroups_path;
	struct list namespaces;			/* struct spec_ns */
	struct list devices;			/* struct spec_device */
	struct spec_seccomp *seccomp;
	const char *rootfs_propagation, *mount_label;
	struct strv masked, readonly;
	struct list time_offsets;		/* struct spec_time_offset */
	struct spec_personality *personality;
	struct spec_memory_policy *memory_policy;
	struct rdt_conf *intel_rdt;
	struct list net_devices;		/* struct net_device_conf */
};

struct spec {
	const char *version, *hostname, *domainname;
	const char *root_path;
	bool root_readonly;
	struct spec_process *process;
	struct list mounts;			/* struct spec_mount */
	struct spec_hooks *hooks;
	struct spec_linux *linux_;
	struct map annotations;
	struct json *vzrun;				/* the guest's object, for runtime/guest */
	struct arena arena;
	struct json *tree;
};
extern const struct record spec_record, spec_process_record, spec_hooks_record;

/*
 * Reads, decodes and checks dirfd/path. Errors begin with path: "config.json: mounts[3].destination:
 * missing".
 */
int spec_load(int dirfd, const char *path, struct spec *out);
/* The same of what the caller named: a fifo's writer is waited for. */
int spec_load_named(int dirfd, const char *path, struct spec *out);
/* The same from a text or a tree (which it takes over, also on failure). */
int spec_parse(const char *name, const char *text, size_t len, struct spec *out);
int spec_take(const char *name, struct json *tree, struct spec *out);
/*
 * spec_take without the checks: for a file that leaves things to defaults, which are filled in before
 * spec_check().
 */
int spec_decode(const char *name, struct json *tree, struct spec *out);
void spec_free(struct spec *s);
#define auto_spec __attribute__((cleanup(spec_free)))

/* A process alone, for exec --process. out->args etc. live in `a` and `tree`. */
int spec_process_load(struct arena *a, struct json **tree, const char *path, struct spec_process *out);

/* Everything that can be refused before anything is touched. Messages begin with the place. */
int spec_check(const struct spec *s);
int spec_process_check(const struct spec_process *p);

bool spec_has_ns(const struct spec *s, int type);		/* new or joined */
const char *spec_ns_path(const struct spec *s, int type);	/* NULL: absent or new */
bool spec_new_ns(const struct spec *s, int type);
int spec_sysctl_ns(const char *key);				/* whose setting it is, as CLONE_NEW...; 0: the host's */
/* The value of NAME in an environment; NULL when absent. */
const char *spec_env(const struct strv *env, const char *name);

/* The text that `vzrun spec` writes. */
const char *spec_default_text(bool rootless);
/* rlimit names: RLIMIT_NOFILE ...; -1 unknown. */
int spec_rlimit_number(const char *name);
