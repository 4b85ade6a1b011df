#include "runtime/spec/spec.h"
#include "base/fault.h"
#include "base/scope.h"

#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const struct name rlimit_names[] = {
	{ "RLIMIT_AS", RLIMIT_AS }, { "RLIMIT_CORE", RLIMIT_CORE }, { "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA }, { "RLIMIT_FSIZE", RLIMIT_FSIZE }, { "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK }, { "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE }, { "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE }, { "RLIMIT_NPROC", RLIMIT_NPROC }, { "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO }, { "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING }, { "RLIMIT_STACK", RLIMIT_STACK },
};

int spec_rlimit_number(const char *name)
{
	for (size_t i = 0; i < COUNT(rlimit_names); i++)
		if (str_eq(rlimit_names[i].text, name))
			return rlimit_names[i].value;
	return -1;
}

static int check_version(const char *v)
{
	unsigned major, minor, patch;
	int end = 0, numbers = (int)strspn(v, "0123456789.");

	/* Any 1.x: members that are newer than us are ignored, as the specification says. */
	if (sscanf(v, "%9u.%9u.%9u%n", &major, &minor, &patch, &end) != 3 || end != numbers || !strchr("-+", v[end]))
		return fail(EINVAL, "ociVersion: \"%s\" is not a version", v);
	if (major != 1)
		return fail(EINVAL, "ociVersion: %s is not supported (1.0 to " SPEC_VERSION " are)", v);
	return 0;
}

static int check_maps(const char *what, const struct list *maps)
{
	size_t i = 0;

	if (maps->n > 340)
		return fail(EINVAL, "%s: the kernel takes at most 340", what);
	LIST_EACH(struct spec_idmap, m, *maps) {
		if (m->size.v == 0)
			return fail(EINVAL, "%s[%zu].size: must not be 0", what, i);
		if (m->inside.v + (uint64_t)m->size.v > UINT32_MAX || m->host.v + (uint64_t)m->size.v > UINT32_MAX)
			return fail(EINVAL, "%s[%zu]: reaches beyond the last id", what, i);
		for (size_t j = 0; j < i; j++) {
			const struct spec_idmap *o = (struct spec_idmap *)maps->v + j;

			if (m->inside.v < o->inside.v + (uint64_t)o->size.v &&
			    o->inside.v < m->inside.v + (uint64_t)m->size.v)
				return fail(EINVAL, "%s[%zu]: overlaps %s[%zu]", what, i, what, j);
		}
		i++;
	}
	return 0;
}

static int check_namespaces(const struct spec *s)
{
	const struct spec_linux *l = s->linux_;
	int seen = 0;
	size_t i = 0;

	LIST_EACH(struct spec_ns, n, l->namespaces) {
		if (seen & n->type)
			return fail(EINVAL, "linux.namespaces[%zu]: %s is given twice", i,
				    name_of(spec_ns_names, n->type));
		if (n->path && *n->path && n->path[0] != '/')
			return fail(EINVAL, "linux.namespaces[%zu].path: must be absolute", i);
		seen |= n->type;
		i++;
	}
	TRY(check_maps("linux.uidMappings", &l->uid_maps));
	TRY(check_maps("linux.gidMappings", &l->gid_maps));
	if (l->uid_maps.n > 0 && !(seen & CLONE_NEWUSER))
		return fail(EINVAL, "linux.uidMappings: needs a user namespace in linux.namespaces");
	if (l->gid_maps.n > 0 && !(seen & CLONE_NEWUSER))
		return fail(EINVAL, "linux.gidMappings: needs a user namespace in linux.namespaces");
	if (spec_new_ns(s, CLONE_NEWUSER) && (l->uid_maps.n == 0 || l->gid_maps.n == 0))
		return fail(EINVAL, "linux.%s: missing, the new user namespace needs it",
			    l->uid_maps.n == 0 ? "uidMappings" : "gidMappings");
	if ((s->hostname || s->domainname) && !(seen & CLONE_NEWUTS))
		return fail(EINVAL, "%s: needs a uts namespace in linux.namespaces",
			    s->hostname ? "hostname" : "domainname");
	return 0;
}

static int check_mounts(const struct spec *s)
{
	char what[48];
	size_t i = 0;

	LIST_EACH(struct spec_mount, m, s->mounts) {
		if (!m->dst[0])
			return fail(EINVAL, "mounts[%zu].destination: empty", i);
		if (strlen(m->dst) >= 4096)
			return fail(EINVAL, "mounts[%zu].destination: too long", i);
		snprintf(what, sizeof what, "mounts[%zu].uidMappings", i);
		TRY(check_maps(what, &m->uid_maps));
		snprintf(what, sizeof what, "mounts[%zu].gidMappings", i);
		TRY(check_maps(what, &m->gid_maps));
		if (!m->uid_maps.n != !m->gid_maps.n)
			return fail(EINVAL, "mounts[%zu].%s: missing", i, m->uid_maps.n ? "gidMappings" : "uidMappings");
		i++;
	}
	return 0;
}

int spec_sysctl_ns(const char *key)
{
	static const struct { const char *prefix; int ns; } owners[] = {
		{ "net.", CLONE_NEWNET }, { "fs.mqueue.", CLONE_NEWIPC }, { "kernel.msg", CLONE_NEWIPC },
		{ "kernel.sem", CLONE_NEWIPC }, { "kernel.shm", CLONE_NEWIPC }, { "kernel.domainname", CLONE_NEWUTS },
	};
	char dotted[256];

	snprintf(dotted, sizeof dotted, "%s", key);
	for (char *p = dotted; *p; p++)
		*p = *p == '/' ? '.' : *p;
	for (size_t i = 0; i < COUNT(owners); i++)
		if (str_starts(dotted, owners[i].prefix))
			return owners[i].ns;
	return 0;
}

static int check_sysctl(const struct spec *s)
{
	const struct map *m = &s->linux_->sysctl;

	for (size_t i = 0; i < m->n && !undefended("sysctl-names"); i++) {
		const char *key = m->v[i].key;
		int ns = spec_sysctl_ns(key);

		if (!*key || strstr(key, "..") || strlen(key) > 200)
			return fail(EINVAL, "linux.sysctl.%s: not a sysctl name", key);
		if (str_eq(key, "kernel.hostname") || str_eq(key, "kernel/hostname"))
			return fail(EINVAL, "linux.sysctl.%s: is not allowed: the field \"hostname\" says it", key);
		if (!ns)
			return fail(EINVAL, "linux.sysctl.%s: belongs to the host, not to a namespace", key);
		/* Written in a namespace that is not the container's own, it would change the host's. */
		if (!spec_has_ns(s, ns))
			return fail(EINVAL, "linux.sysctl.%s: needs a %s namespace in linux.namespaces", key,
				    name_of(spec_ns_names, ns));
	}
	return 0;
}

static int check_hooks(const struct spec *s)
{
	for (int k = 0; s->hooks && k < HOOK_KINDS; k++) {
		size_t i = 0;

		LIST_EACH(struct spec_hook, h, s->hooks->of[k]) {
			if (h->path[0] != '/')
				return fail(EINVAL, "hooks.%s[%zu].path: must be absolute", hook_names[k], i);
			if (h->timeout.set && (h->timeout.v <= 0 || h->timeout.v > 86400))
				return fail(EINVAL, "hooks.%s[%zu].timeout: must be 1 to 86400 seconds",
					    hook_names[k], i);
			i++;
		}
	}
	return 0;
}

/* The last id of 32 bits means "leave it as it is" to the kernel: it would be root (rule R9). */
static int check_ids(const struct spec_user *u)
{
	if (u->uid.v == UINT32_MAX || u->gid.v == UINT32_MAX)
		return fail(EINVAL, "user.%s: %u is not an id", u->uid.v == UINT32_MAX ? "uid" : "gid", UINT32_MAX);
	for (size_t i = 0; i < u->groups.n; i++)
		if (u->groups.v[i] == UINT32_MAX)
			return fail(EINVAL, "user.additionalGids[%zu]: %u is not an id", i, UINT32_MAX);
	return 0;
}

/* The kernel's struct winsize has 16 bits for each. */
static int check_console_size(const struct spec_box *b)
{
	if (b->height.set != b->width.set)
		return fail(EINVAL, "consoleSize.%s: missing", b->height.set ? "width" : "height");
	if (b->height.v > UINT16_MAX || b->width.v > UINT16_MAX)
		return fail(ERANGE, "consoleSize.%s: %u is too large (at most %u)", b->height.v > UINT16_MAX ? "height" : "width",
			    b->height.v > UINT16_MAX ? b->height.v : b->width.v, UINT16_MAX);
	return 0;
}

int spec_process_check(const struct spec_process *p)
{
	size_t i = 0;

	TRY(check_console_size(&p->console_size));
	if (p->cwd[0] != '/')
		return fail(EINVAL, "cwd: \"%s\" is not absolute", p->cwd);
	if (p->args.n == 0)
		return fail(EINVAL, "args: missing or empty");
	TRY(check_ids(&p->user));
	if (p->oom_score_adj.set && (p->oom_score_adj.v < -1000 || p->oom_score_adj.v > 1000))
		return fail(EINVAL, "oomScoreAdj: must be -1000 to 1000");
	if (p->user.umask.set && p->user.umask.v > 0777)
		return fail(EINVAL, "user.umask: must be at most 0777");
	LIST_EACH(struct spec_rlimit, l, p->rlimits) {
		if (spec_rlimit_number(l->type) < 0)
			return fail(EINVAL, "rlimits[%zu].type: unknown value \"%s\"", i, l->type);
		for (size_t j = 0; j < i; j++)
			if (str_eq(((struct spec_rlimit *)p->rlimits.v)[j].type, l->type))
				return fail(EINVAL, "rlimits[%zu].type: %s is given twice", i, l->type);
		if (l->soft.v > l->hard.v)
			return fail(EINVAL, "rlimits[%zu].soft: is above hard", i);
		i++;
	}
	TRY(spec_io_priority_check(p->io_priority));
	TRY(spec_scheduler_check(p->scheduler));
	TRY(spec_affinity_check(p->cpu_affinity));
	for (i = 0; i < p->env.n; i++)
		if (!strchr(p->env.v[i], '=') || p->env.v[i][0] == '=')
			return fail(EINVAL, "env[%zu]: \"%s\" is not NAME=VALUE", i, p->env.v[i]);
	return 0;
}

static int check_number(size_t i, const char *what, const struct opt_i64 *n, int64_t max)
{
	if (!n->set)
		return fail(EINVAL, "linux.devices[%zu].%s: missing", i, what);
	if (n->v < 0 || n->v > max)
		return fail(EINVAL, "linux.devices[%zu].%s: must be 0 to %jd", i, what, (intmax_t)max);
	return 0;
}

static int check_devices(const struct spec_linux *l)
{
	size_t i = 0;

	LIST_EACH(struct spec_device, d, l->devices) {
		if (d->path[0] != '/')
			return fail(EINVAL, "linux.devices[%zu].path: must be absolute", i);
		/* dev_t of the kernel: 12 and 20 bits. */
		if (d->type != S_IFIFO) {
			TRY(check_number(i, "major", &d->major, 4095));
			TRY(check_number(i, "minor", &d->minor, 1048575));
		}
		i++;
	}
	return 0;
}

static int check_time_offsets(const struct spec *s)
{
	LIST_EACH(struct spec_time_offset, o, s->linux_->time_offsets) {
		if (!str_eq(o->key, "monotonic") && !str_eq(o->key, "boottime"))
			return fail(EINVAL, "linux.timeOffsets.%s: no such clock (monotonic and boottime have offsets)",
				    o->key);
		if (o->nanosecs.v >= 1000000000)
			return fail(EINVAL, "linux.timeOffsets.%s.nanosecs: must be below 1000000000", o->key);
	}
	if (s->linux_->time_offsets.n > 0 && !spec_new_ns(s, CLONE_NEWTIME))
		return fail(EINVAL, "linux.timeOffsets: needs a new time namespace in linux.namespaces");
	return 0;
}

static int check_paths(const char *what, const struct strv *paths)
{
	for (size_t i = 0; i < paths->n; i++)
		if (!*paths->v[i])
			return fail(EINVAL, "%s[%zu]: empty", what, i);
	return 0;
}

/* What is the host's, and lent to the container. */
static int check_host_things(const struct spec *s)
{
	const struct spec_linux *l = s->linux_;

	if (l->intel_rdt)
		TRY_IN(rdt_check(l->intel_rdt), "linux.intelRdt");
	if (l->net_devices.n > 0 && !spec_has_ns(s, CLONE_NEWNET))
		return fail(EINVAL, "linux.netDevices: unable to move network devices without a NET namespace");
	TRY_IN(net_devices_check(&l->net_devices), "linux.netDevices");
	return 0;
}

static int check_linux(const struct spec *s)
{
	static const char *const propagation[] = { "", "private", "rprivate", "slave", "rslave", "shared", "rshared",
						   "unbindable", "runbindable", NULL };
	const struct spec_linux *l = s->linux_;
	char path[CG_PATH_MAX];
	size_t i = 0;

	TRY(check_namespaces(s));
	TRY(check_time_offsets(s));
	TRY(check_sysctl(s));
	if (l->resources)
		TRY_IN(cg_check(l->resources), "linux.resources");
	if (l->cgroups_path)
		TRY_IN(cg_check_path(cg_clean_path(l->cgroups_path, path)), "linux.cgroupsPath");
	if (l->seccomp)
		TRY_IN(spec_seccomp_check(l->seccomp), "linux.seccomp");
	TRY(check_devices(l));
	TRY(check_paths("linux.maskedPaths", &l->masked));
	TRY(check_paths("linux.readonlyPaths", &l->readonly));
	TRY(spec_personality_check(l->personality));
	TRY(spec_memory_policy_check(l->memory_policy));
	TRY(check_host_things(s));
	for (i = 0; l->rootfs_propagation && propagation[i]; i++)
		if (str_eq(propagation[i], l->rootfs_propagation))
			return 0;
	return l->rootfs_propagation ? fail(EINVAL, "linux.rootfsPropagation: unknown value \"%s\"",
					    l->rootfs_propagation) : 0;
}

/* Without mounts of its own the process would run on the host's root, whatever the rest of the file says. */
static int check_root(const struct spec *s)
{
	const struct spec_linux *l = s->linux_;

	if (!spec_has_ns(s, CLONE_NEWNS))
		return fail(EINVAL, "linux.namespaces: a mount namespace is missing");
	if (spec_new_ns(s, CLONE_NEWNS) && (!s->root_path || !*s->root_path))
		return fail(EINVAL, s->root_path ? "root.path: empty" : "root: missing");
	if (spec_new_ns(s, CLONE_NEWNS))
		return 0;
	if (s->root_readonly)
		return fail(EINVAL, "root.readonly: the root belongs to the joined mount namespace");
	if (s->mounts.n > 0)
		return fail(EINVAL, "mounts: cannot be made in a joined mount namespace");
	return l->masked.n > 0 || l->readonly.n > 0
		? fail(EINVAL, "linux.%s: cannot be made in a joined mount namespace",
		       l->masked.n > 0 ? "maskedPaths" : "readonlyPaths") : 0;
}

/* The kernel does not let a deadline process fork unless its children are ordinary ones. */
static int check_forks(const struct spec *s)
{
	const struct spec_scheduler *d = s->process ? s->process->scheduler : NULL;

	if (!d || !str_eq(name_of(spec_sched_policies, d->policy), "SCHED_DEADLINE") ||
	    strv_has(&d->flags, "SCHED_FLAG_RESET_ON_FORK"))
		return 0;
	if (s->hooks && s->hooks->of[HOOK_START_CONTAINER].n > 0)
		return fail(EINVAL, "process.scheduler.flags: startContainer hooks need SCHED_FLAG_RESET_ON_FORK");
	return s->linux_ && s->linux_->seccomp && spec_seccomp_notifies(s->linux_->seccomp)
		? fail(EINVAL, "process.scheduler.flags: SCMP_ACT_NOTIFY needs SCHED_FLAG_RESET_ON_FORK") : 0;
}

int spec_check(const struct spec *s)
{
	TRY(check_version(s->version));
	TRY(check_root(s));
	if (s->process)
		TRY_IN(spec_process_check(s->process), "process");
	TRY(check_mounts(s));
	TRY(check_hooks(s));
	TRY(check_forks(s));
	return s->linux_ ? check_linux(s) : 0;
}
