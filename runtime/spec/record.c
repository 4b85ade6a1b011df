#include "runtime/spec/spec.h"

#include <linux/sched.h>
#include <sys/stat.h>

/* The configuration as tables; the schema is OCI's config-schema.json and config-linux.json. */

static const struct field idmap_fields[] = {
	FR(struct spec_idmap, "containerID", K_U32, inside),
	FR(struct spec_idmap, "hostID",      K_U32, host),
	FR(struct spec_idmap, "size",        K_U32, size),
	{ 0 }
};
static const struct record idmap_record = RECORD("idmap", struct spec_idmap, idmap_fields);

static const struct field mount_fields[] = {
	FR(struct spec_mount,  "destination", K_STR,  dst),
	F(struct spec_mount,   "type",        K_STR,  type),
	F(struct spec_mount,   "source",      K_STR,  src),
	F(struct spec_mount,   "options",     K_STRV, options),
	SUB(struct spec_mount, "uidMappings", K_LIST, uid_maps, &idmap_record),
	SUB(struct spec_mount, "gidMappings", K_LIST, gid_maps, &idmap_record),
	{ 0 }
};
static const struct record mount_record = RECORD("mount", struct spec_mount, mount_fields);

static const struct field user_fields[] = {
	F(struct spec_user, "uid",            K_U32,  uid),
	F(struct spec_user, "gid",            K_U32,  gid),
	F(struct spec_user, "umask",          K_U32,  umask),
	F(struct spec_user, "additionalGids", K_U32V, groups),
	{ 0 }
};
static const struct record user_record = RECORD("user", struct spec_user, user_fields);

static const struct field caps_fields[] = {
	F(struct spec_caps, "bounding",    K_STRV, bounding),
	F(struct spec_caps, "effective",   K_STRV, effective),
	F(struct spec_caps, "inheritable", K_STRV, inheritable),
	F(struct spec_caps, "permitted",   K_STRV, permitted),
	F(struct spec_caps, "ambient",     K_STRV, ambient),
	{ 0 }
};
static const struct record caps_record = RECORD("capabilities", struct spec_caps, caps_fields);

static const struct field rlimit_fields[] = {
	FR(struct spec_rlimit, "type", K_STR, type),
	FR(struct spec_rlimit, "hard", K_U64, hard),
	FR(struct spec_rlimit, "soft", K_U64, soft),
	{ 0 }
};
static const struct record rlimit_record = RECORD("rlimit", struct spec_rlimit, rlimit_fields);

static const struct field box_fields[] = {
	F(struct spec_box, "height", K_U32, height),
	F(struct spec_box, "width",  K_U32, width),
	{ 0 }
};
static const struct record box_record = RECORD("consoleSize", struct spec_box, box_fields);

static const struct field process_fields[] = {
	F(struct spec_process,   "terminal",        K_BOOL, terminal),
	SUB(struct spec_process, "consoleSize",     K_OBJ,  console_size, &box_record),
	SUB(struct spec_process, "user",            K_OBJ,  user, &user_record),
	F(struct spec_process,   "args",            K_STRV, args),
	F(struct spec_process,   "env",             K_STRV, env),
	FR(struct spec_process,  "cwd",             K_STR,  cwd),
	SUB(struct spec_process, "capabilities",    K_OPT,  caps, &caps_record),
	SUB(struct spec_process, "rlimits",         K_LIST, rlimits, &rlimit_record),
	F(struct spec_process,   "noNewPrivileges", K_BOOL, no_new_privs),
	F(struct spec_process,   "apparmorProfile", K_STR,  apparmor),
	F(struct spec_process,   "oomScoreAdj",     K_I64,  oom_score_adj),
	F(struct spec_process,   "selinuxLabel",    K_STR,  selinux_label),
	SUB(struct spec_process, "ioPriority",      K_OPT,  io_priority, &spec_io_priority_record),
	SUB(struct spec_process, "scheduler",       K_OPT,  scheduler, &spec_scheduler_record),
	SUB(struct spec_process, "execCPUAffinity", K_OPT,  cpu_affinity, &spec_affinity_record),
	{ 0 }
};
const struct record spec_process_record = RECORD("process", struct spec_process, process_fields);

static const struct field hook_fields[] = {
	FR(struct spec_hook, "path",    K_STR,  path),
	F(struct spec_hook,  "args",    K_STRV, args),
	F(struct spec_hook,  "env",     K_STRV, env),
	F(struct spec_hook,  "timeout", K_I64,  timeout),
	{ 0 }
};
static const struct record hook_record = RECORD("hook", struct spec_hook, hook_fields);

static const struct field hooks_fields[] = {
	SUB(struct spec_hooks, "prestart",        K_LIST, of[HOOK_PRESTART], &hook_record),
	SUB(struct spec_hooks, "createRuntime",   K_LIST, of[HOOK_CREATE_RUNTIME], &hook_record),
	SUB(struct spec_hooks, "createContainer", K_LIST, of[HOOK_CREATE_CONTAINER], &hook_record),
	SUB(struct spec_hooks, "startContainer",  K_LIST, of[HOOK_START_CONTAINER], &hook_record),
	SUB(struct spec_hooks, "poststart",       K_LIST, of[HOOK_POSTSTART], &hook_record),
	SUB(struct spec_hooks, "poststop",        K_LIST, of[HOOK_POSTSTOP], &hook_record),
	{ 0 }
};
const struct record spec_hooks_record = RECORD("hooks", struct spec_hooks, hooks_fields);

const char *const hook_names[HOOK_KINDS] = {
	[HOOK_PRESTART] = "prestart", [HOOK_CREATE_RUNTIME] = "createRuntime",
	[HOOK_CREATE_CONTAINER] = "createContainer", [HOOK_START_CONTAINER] = "startContainer",
	[HOOK_POSTSTART] = "poststart", [HOOK_POSTSTOP] = "poststop",
};

const struct name spec_ns_names[] = {
	{ "pid", CLONE_NEWPID }, { "network", CLONE_NEWNET }, { "mount", CLONE_NEWNS }, { "ipc", CLONE_NEWIPC },
	{ "uts", CLONE_NEWUTS }, { "user", CLONE_NEWUSER }, { "cgroup", CLONE_NEWCGROUP }, { "time", CLONE_NEWTIME },
	{ 0 }
};
static const struct field ns_fields[] = {
	ENUMR(struct spec_ns, "type", type, spec_ns_names),
	F(struct spec_ns,     "path", K_STR, path),
	{ 0 }
};
static const struct record ns_record = RECORD("namespace", struct spec_ns, ns_fields);

static const struct name device_types[] = {
	{ "c", S_IFCHR }, { "u", S_IFCHR }, { "b", S_IFBLK }, { "p", S_IFIFO }, { 0 }
};
static const struct field device_fields[] = {
	FR(struct spec_device,    "path",     K_STR, path),
	ENUMR(struct spec_device, "type",     type, device_types),
	F(struct spec_device,     "major",    K_I64, major),
	F(struct spec_device,     "minor",    K_I64, minor),
	F(struct spec_device,     "fileMode", K_U32, mode),
	F(struct spec_device,     "uid",      K_U32, uid),
	F(struct spec_device,     "gid",      K_U32, gid),
	{ 0 }
};
static const struct record device_record = RECORD("device", struct spec_device, device_fields);

static const struct field offset_fields[] = {
	F(struct spec_time_offset, "secs",     K_I64, secs),
	F(struct spec_time_offset, "nanosecs", K_U32, nanosecs),
	{ 0 }
};
static const struct record offset_record = RECORD("timeOffset", struct spec_time_offset, offset_fields);

static const struct field linux_fields[] = {
	SUB(struct spec_linux, "uidMappings",       K_LIST, uid_maps, &idmap_record),
	SUB(struct spec_linux, "gidMappings",       K_LIST, gid_maps, &idmap_record),
	F(struct spec_linux,   "sysctl",            K_MAP,  sysctl),
	SUB(struct spec_linux, "resources",         K_OPT,  resources, &cg_resources_record),
	F(struct spec_linux,   "cgroupsPath",       K_STR,  cgroups_path),
	SUB(struct spec_linux, "namespaces",        K_LIST, namespaces, &ns_record),
	SUB(struct spec_linux, "devices",           K_LIST, devices, &device_record),
	SUB(struct spec_linux, "seccomp",           K_OPT,  seccomp, &spec_seccomp_record),
	F(struct spec_linux,   "rootfsPropagation", K_STR,  rootfs_propagation),
	F(struct spec_linux,   "maskedPaths",       K_STRV, masked),
	F(struct spec_linux,   "readonlyPaths",     K_STRV, readonly),
	F(struct spec_linux,   "mountLabel",        K_STR,  mount_label),
	SUB(struct spec_linux, "timeOffsets",       K_RECMAP, time_offsets, &offset_record),
	SUB(struct spec_linux, "personality",       K_OPT,  personality, &spec_personality_record),
	SUB(struct spec_linux, "intelRdt",          K_OPT,  intel_rdt, &rdt_record),
	SUB(struct spec_linux, "netDevices",        K_RECMAP, net_devices, &net_device_record),
	SUB(struct spec_linux, "memoryPolicy",      K_OPT,  memory_policy, &spec_memory_policy_record),
	{ 0 }
};
static const struct record linux_record = RECORD("linux", struct spec_linux, linux_fields);

static const struct field root_fields[] = {
	FR(struct spec, "path",     K_STR,  root_path),
	F(struct spec,  "readonly", K_BOOL, root_readonly),
	{ 0 }
};
static const struct record root_record = RECORD("root", struct spec, root_fields);

static const struct field spec_fields[] = {
	FR(struct spec,  "ociVersion",  K_STR,  version),
	F(struct spec,   "hostname",    K_STR,  hostname),
	F(struct spec,   "domainname",  K_STR,  domainname),
	FLAT("root", &root_record),
	SUB(struct spec, "process",     K_OPT,  process, &spec_process_record),
	SUB(struct spec, "mounts",      K_LIST, mounts, &mount_record),
	SUB(struct spec, "hooks",       K_OPT,  hooks, &spec_hooks_record),
	SUB(struct spec, "linux",       K_OPT,  linux_, &linux_record),
	F(struct spec,   "annotations", K_MAP,  annotations),
	F(struct spec,   "vzrun",       K_RAW,  vzrun),
	{ 0 }
};
const struct record spec_record = RECORD("config.json", struct spec, spec_fields);
