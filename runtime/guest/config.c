#include "runtime/guest/guest.h"
#include "base/scope.h"
#include "runtime/guest/lxcfs.h"
#include "runtime/guest/profile.h"
#include "selinux/lsm.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define WORDS(...) \
	{ (const char *[]){ __VA_ARGS__, NULL }, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *) }

static const struct spec_mount default_mounts[] = {
	{ "/proc", "proc", "proc", WORDS("nosuid", "noexec", "nodev"), { 0 }, { 0 } },
	{ "/sys", "sysfs", "sysfs", WORDS("nosuid", "noexec", "nodev", "ro"), { 0 }, { 0 } },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", WORDS("nosuid", "noexec", "nodev", "relatime"), { 0 }, { 0 } },
	{ "/dev", "tmpfs", "tmpfs", WORDS("nosuid", "noexec", "strictatime", "mode=755", "size=4m"), { 0 }, { 0 } },
	{ "/dev/pts", "devpts", "devpts",
	  WORDS("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"), { 0 }, { 0 } },
	{ "/dev/shm", "tmpfs", "shm", WORDS("nosuid", "nodev", "mode=1777"), { 0 }, { 0 } },
	{ "/dev/mqueue", "mqueue", "mqueue", WORDS("nosuid", "noexec", "nodev"), { 0 }, { 0 } },
	{ "/run", "tmpfs", "tmpfs", WORDS("nosuid", "nodev", "mode=755"), { 0 }, { 0 } },
	/* A systemd that may not mount gives up without it. */
	{ "/run/lock", "tmpfs", "tmpfs", WORDS("nosuid", "nodev", "noexec", "mode=1777", "size=5m"), { 0 }, { 0 } },
};

static const char boot_id[] = "/proc/sys/kernel/random/boot_id";

static const int default_namespaces[] = {
	CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNET, CLONE_NEWCGROUP,
	CLONE_NEWTIME,
};

static const char *const base_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=linux", "container=vzrun",
};

bool guest_wants(const struct guest *g, const char *feature)
{
	return strv_has(&g->conf.features, feature);
}

static int no_memory(void)
{
	return fail(ENOMEM, "out of memory");
}

static void *more(struct arena *a, const void *v, size_t n, size_t extra, size_t size)
{
	char *p = arena_alloc(a, n + extra + 1, size);

	if (p && n)
		memcpy(p, v, n * size);
	return p;
}

static bool has(const struct list *mounts, const char *dst)
{
	LIST_EACH(struct spec_mount, m, *mounts)
		if (str_eq(m->dst, dst))
			return true;
	return false;
}

static struct spec_mount bound(const char *src, const char *dst)
{
	static const char *words[] = { "bind", "ro", "nosuid", "nodev", "noexec", NULL };

	return (struct spec_mount){ .dst = dst, .type = "bind", .src = src, .options = { words, 5 } };
}

/* Ours first, without those that the file has its own word on; then the file's. */
static int fill_mounts(struct guest *g, struct arena *a, const char *cgroup_type)
{
	struct list *m = &g->spec.mounts;
	struct spec_mount *v = arena_alloc(a, m->n + COUNT(default_mounts) + LXCFS_FILES + 3, sizeof *v);
	uint32_t served = lxcfs_serves();
	size_t n = 0;

	if (!v)
		return no_memory();
	for (size_t i = 0; i < COUNT(default_mounts); i++)
		if (!has(m, default_mounts[i].dst)) {
			v[n] = default_mounts[i];
			if (cgroup_type && str_eq(v[n].type, "cgroup"))
				v[n].type = cgroup_type;
			n++;
		}
	for (size_t i = 0; i < LXCFS_FILES; i++) {
		const char *src = arena_printf(a, LXCFS "%s", lxcfs_files[i]);

		if (!src)
			return no_memory();
		if (served >> i & 1 && !has(m, lxcfs_files[i]))
			v[n++] = bound(src, lxcfs_files[i]);
	}
	/* The keeper's, by descriptor: a path of the host's would be seen in the guest's list of mounts. */
	v[n++] = bound(CONTAINER_HOST_DIR, GUEST_HOST_DIR);
	if (!has(m, boot_id))
		v[n++] = bound(CONTAINER_HOST_DIR "/boot_id", boot_id);
	if (m->n)
		memcpy(v + n, m->v, m->n * sizeof *v);
	*m = (struct list){ v, n + m->n };
	return 0;
}

/* A guest's clocks begin when it starts: its uptime is its own. */
static int fill_clocks(struct spec_linux *l, struct arena *a)
{
	static const struct { const char *name; clockid_t id; } clocks[] = {
		{ "monotonic", CLOCK_MONOTONIC }, { "boottime", CLOCK_BOOTTIME },
	};
	const struct spec_ns *last = (const struct spec_ns *)l->namespaces.v + l->namespaces.n - 1;
	struct spec_time_offset *v;

	if (l->time_offsets.n > 0 || last->type != CLONE_NEWTIME)
		return 0;
	v = arena_alloc(a, COUNT(clocks), sizeof *v);
	if (!v)
		return no_memory();
	for (size_t i = 0; i < COUNT(clocks); i++) {
		struct timespec now;

		if (clock_gettime(clocks[i].id, &now) < 0)
			return fail_errno("read the clock %s", clocks[i].name);
		v[i] = (struct spec_time_offset){ .key = clocks[i].name, .secs = { -now.tv_sec, true } };
	}
	l->time_offsets = (struct list){ v, COUNT(clocks) };
	return 0;
}

static int fill_namespaces(struct guest *g, struct arena *a, bool userns)
{
	struct list *l = &g->spec.linux_->namespaces;
	struct spec_ns *v;
	size_t n = 0;

	if (l->n > 0)
		return 0;
	v = arena_alloc(a, COUNT(default_namespaces), sizeof *v);
	if (!v)
		return no_memory();
	for (size_t i = 0; i < COUNT(default_namespaces); i++) {
		if (!userns && default_namespaces[i] == CLONE_NEWUSER)
			continue;
		/* Not in every kernel; a guest then sees the host's uptime. */
		if (default_namespaces[i] == CLONE_NEWTIME && access("/proc/self/ns/time", F_OK) < 0) {
			if (errno != ENOENT)
				return fail_errno("look for /proc/self/ns/time");
			continue;
		}
		v[n++] = (struct spec_ns){ .type = default_namespaces[i] };
	}
	*l = (struct list){ v, n };
	return fill_clocks(g->spec.linux_, a);
}

static int fill_ids(struct spec_linux *l, struct arena *a, uint32_t base)
{
	struct spec_idmap *m;

	if (!base || l->uid_maps.n > 0)
		return 0;
	m = arena_alloc(a, 1, sizeof *m);
	if (!m)
		return no_memory();
	*m = (struct spec_idmap){ { 0, true }, { base, true }, { 65536, true } };
	l->uid_maps = l->gid_maps = (struct list){ m, 1 };
	return 0;
}

static int fill_caps(struct spec_process *p, struct arena *a, unsigned features)
{
	uint64_t mask = profile_caps(features);
	const char **v;
	size_t n = 0;

	if (p->caps)
		return 0;
	p->caps = arena_alloc(a, 1, sizeof *p->caps);
	v = arena_alloc(a, 65, sizeof *v);
	if (!p->caps || !v)
		return no_memory();
	for (unsigned i = 0; i < 64; i++)
		if (mask & UINT64_C(1) << i && caps_name(i))
			v[n++] = arena_strdup(a, caps_name(i));
	p->caps->bounding = p->caps->effective = p->caps->permitted = (struct strv){ v, n };
	return 0;
}

static const struct strv init = WORDS("/sbin/init");

static int fill_process(struct guest *g, struct arena *a, unsigned features)
{
	struct spec_process *p = g->spec.process;
	const char **env;

	if (!p) {
		p = g->spec.process = arena_alloc(a, 1, sizeof *p);
		if (!p)
			return no_memory();
		p->cwd = "/";
		p->args = init;
	}
	env = more(a, p->env.v, p->env.n, COUNT(base_env) + 1, sizeof *env);
	if (!env)
		return no_memory();
	p->env.v = env;
	for (size_t i = 0; i < COUNT(base_env); i++) {
		char name[32];

		snprintf(name, sizeof name, "%.*s", (int)strcspn(base_env[i], "="), base_env[i]);
		if (!spec_env(&p->env, name))
			env[p->env.n++] = base_env[i];
	}
	/* systemd.io/CONTAINER_INTERFACE: an init that can, tells when it is up. */
	env[p->env.n++] = "NOTIFY_SOCKET=" GUEST_HOST_DIR "/notify";
	p->terminal = true;
	return fill_caps(p, a, features);
}

/*
 * In a user namespace nobody makes nodes, and the host's own may be closed to all but its root. So the
 * guest's lie beside its disk and are bound. dir_fd < 0: the file is only checked.
 */
static int own_node(struct guest *g, const char *name, const struct spec_device *d, const char *label)
{
	static const char *words[] = { "bind", "nosuid", "noexec", NULL };
	struct list *mounts = &g->spec.mounts;
	struct spec_mount *m = more(&g->spec.arena, mounts->v, mounts->n, 1, sizeof *m);
	struct stat st;

	if (!m)
		return no_memory();
	if (g->dir_fd >= 0) {
		(void)unlinkat(g->dir_fd, name, 0);
		if (mknodat(g->dir_fd, name, S_IFCHR | 0666, makedev((unsigned)d->major.v, (unsigned)d->minor.v)) < 0 ||
		    fchmodat(g->dir_fd, name, 0666, 0) < 0 || fstatat(g->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return fail_errno("make the device %s of the guest", name);
		TRY(lsm_label_at(g->dir_fd, name, label));
	}
	m[mounts->n++] = (struct spec_mount){ .dst = d->path, .type = "bind", .options = { words, 3 },
		.src = guest_path(&g->spec.arena, &g->at, g->name, name) };
	mounts->v = m;
	return 0;
}

/* But what is mounted there is what the guest is to see: lxcfs's files, the configuration's own. */
static int fill_masks(struct spec *s, struct arena *a)
{
	const char **v = arena_alloc(a, profile_masked.n + 1, sizeof *v);
	size_t n = 0;

	if (!v)
		return no_memory();
	for (size_t i = 0; i < profile_masked.n; i++)
		if (!has(&s->mounts, profile_masked.v[i]))
			v[n++] = profile_masked.v[i];
	s->linux_->masked = (struct strv){ v, n };
	return 0;
}

/* A guest's devices: the default ones, and what its features ask for. */
static int fill_devices(struct guest *g, struct arena *a, const struct guest_plan *p)
{
	static const struct { const char *feature; struct spec_device d; } known[] = {
		{ "fuse", { .path = "/dev/fuse", .type = S_IFCHR, .major = { 10, true }, .minor = { 229, true } } },
		{ "tun", { .path = "/dev/net/tun", .type = S_IFCHR, .major = { 10, true }, .minor = { 200, true } } },
	};
	const struct spec_device *tun = &known[1].d;
	struct spec_linux *l = g->spec.linux_;
	struct cg_resources *r = l->resources ? l->resources : arena_alloc(a, 1, sizeof *r);
	struct spec_device *v = more(a, l->devices.v, l->devices.n, COUNT(known), sizeof *v);
	struct cg_device_rule *rules = !r ? NULL :
		more(a, r->devices.v, r->devices.n, COUNT(known) + 2, sizeof *rules);

	if (!r || !v || !rules)
		return no_memory();
	/* First the refusal of everything, tunnels by name, which others have open; then what the file says. */
	memmove(rules + 2, rules, r->devices.n * sizeof *rules);
	rules[0] = (struct cg_device_rule){ .allow = { false, true }, .access = "rwm" };
	rules[1] = (struct cg_device_rule){ .allow = { false, true }, .type = "c", .major = tun->major,
					    .minor = tun->minor, .access = "rwm" };
	r->devices.n += 2;
	for (size_t i = 0; i < COUNT(known); i++) {
		if (!guest_wants(g, known[i].feature))
			continue;
		rules[r->devices.n++] = (struct cg_device_rule){ .allow = { true, true }, .type = "c",
			.major = known[i].d.major, .minor = known[i].d.minor, .access = "rwm" };
		if (p->base)
			TRY(own_node(g, known[i].feature, &known[i].d, p->labels ? p->labels->file : NULL));
		else
			v[l->devices.n++] = known[i].d;
	}
	l->devices.v = v;
	r->devices.v = rules;
	l->resources = r;
	return 0;
}

/* A label that the file gives is the user's own. */
static void fill_labels(struct guest *g, const struct guest_labels *l)
{
	if (!l || !*l->process || g->spec.process->selinux_label)
		return;
	g->spec.process->selinux_label = l->process;
	if (!g->spec.linux_->mount_label)
		g->spec.linux_->mount_label = l->file;
}

/* What the file binds may lie where another guest writes: a link there would give it a place of the host's. */
static int refuse_links(struct list *mounts, struct arena *a)
{
	LIST_EACH(struct spec_mount, m, *mounts) {
		struct strv *o = (struct strv *)&m->options;
		bool bind = strv_has(o, "bind") || strv_has(o, "rbind");

		if (strv_has(o, "remount") || !(bind || (m->type && str_eq(m->type, "bind"))))
			continue;
		const char **v = more(a, o->v, o->n, 2, sizeof *v);
		if (!v)
			return no_memory();
		v[o->n] = "src-nolinks";
		*o = (struct strv){ v, o->n + 1 };
	}
	return 0;
}

/* Whatever the file says there. */
static int name_it(struct spec *s, const char *name)
{
	struct pair *v = more(&s->arena, s->annotations.v, s->annotations.n, 1, sizeof *v), *p = v;

	if (!v)
		return no_memory();
	while (p < v + s->annotations.n && !str_eq(p->key, "org.vzrun.guest"))
		p++;
	s->annotations.n += p == v + s->annotations.n;
	s->annotations.v = v;
	*p = (struct pair){ "org.vzrun.guest", name };
	return 0;
}

int guest_effective(struct guest *g, const struct guest_plan *p)
{
	struct spec *s = &g->spec;
	struct arena *a = &s->arena;
	unsigned features = (p->base ? PROFILE_USERNS : 0) | (guest_wants(g, "nesting") ? PROFILE_NESTING : 0) |
			    (guest_wants(g, "i386") ? PROFILE_I386 : 0);

	/* Runtimes inside mount with whatever the kernel has. */
	if (p->apparmor && !(features & PROFILE_NESTING))
		features |= PROFILE_MEDIATED;
	if (!s->linux_)
		s->linux_ = arena_alloc(a, 1, sizeof *s->linux_);
	if (!s->linux_)
		return no_memory();
	s->version = SPEC_VERSION;
	s->hostname = s->hostname ? s->hostname : g->name;
	TRY(refuse_links(&s->mounts, a));
	TRY(fill_mounts(g, a, p->cgroup_type));
	TRY(fill_namespaces(g, a, p->base));
	TRY(fill_ids(s->linux_, a, p->base));
	TRY(fill_process(g, a, features));
	TRY(fill_devices(g, a, p));
	fill_labels(g, p->labels);
	if (p->apparmor)
		s->process->apparmor = p->apparmor;
	if (!s->linux_->masked.v)
		TRY(fill_masks(s, a));
	if (!s->linux_->readonly.v)
		s->linux_->readonly = profile_readonly(features);
	if (!s->linux_->seccomp)
		s->linux_->seccomp = (struct spec_seccomp *)(uintptr_t)profile_seccomp(a, features);
	if (!s->linux_->seccomp)
		return no_memory();
	TRY(name_it(s, g->name));
	TRY(spec_check(s));
	/* Of a container the engines want it told as a program that is not there. */
	if (s->process && !*s->process->args.v[0])
		return fail(EINVAL, "process.args[0]: empty");
	return 0;
}
