#include "runtime/guest/doctor.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/scope.h"
#include "cgroups/cgroup.h"
#include "runtime/container/criu.h"
#include "runtime/guest/guest.h"
#include "selinux/lsm.h"
#include "runtime/guest/lxcfs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void say(struct doctor_answer *a, enum doctor_state state, const char *fmt, ...) PRINTF(3, 4);
static void say(struct doctor_answer *a, enum doctor_state state, const char *fmt, ...)
{
	va_list ap;

	a->state = state;
	va_start(ap, fmt);
	vsnprintf(a->text, sizeof a->text, fmt, ap);
	va_end(ap);
}

/* The pending error is the answer. */
static void say_error(struct doctor_answer *a)
{
	say(a, DOCTOR_LACKS, "%s", err_text());
	err_clear();
}

/* mount_setattr (5.12) is the newest call without which there is no guest. */
static void kernel(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	(void)c;
	(void)home;
	(void)uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	if (major < 5 || (major == 5 && minor < 12))
		say(a, DOCTOR_LACKS, "Linux %s is older than 5.12", u.release);
	else if (major < 6 || (major == 6 && minor < 15))
		say(a, DOCTOR_PART, "Linux %s: before 6.15 each start forks once more to assemble an overlay", u.release);
	else
		say(a, DOCTOR_OK, "Linux %s", u.release);
}

static void user_namespaces(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	char most[32] = "?";
	int code = doctor_try(try_userns, NULL);

	(void)c;
	(void)home;
	(void)file_peek(AT_FDCWD, "/proc/sys/user/max_user_namespaces", most, sizeof most);
	if (code)
		say(a, DOCTOR_LACKS, "unshare(CLONE_NEWUSER): %s; user.max_user_namespaces is %s", strerrordesc_np(code),
		    most);
	else
		say(a, DOCTOR_OK, "at most %s", most);
}

static void idmapped_mounts(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	char dir[PATH_MAX];
	int code;

	(void)c;
	snprintf(dir, sizeof dir, "%s", home);
	while (access(dir, F_OK) < 0 && strrchr(dir, '/') > dir)
		*strrchr(dir, '/') = '\0';
	code = doctor_try(try_idmap, dir);
	if (code == EPERM && geteuid() != 0)
		say(a, DOCTOR_PART, "only root can make them");
	else if (code)
		say(a, DOCTOR_LACKS, "of the file system of %.100s: %s", dir, strerrordesc_np(code));
	else
		say(a, DOCTOR_OK, "of the file system of %.100s", dir);
}

static void in_kernel(struct doctor_answer *a, int code, const char *what, const char *arg)
{
	if (!code)
		say(a, DOCTOR_OK, "in this kernel");
	else
		say(a, DOCTOR_LACKS, "%s%s: %s", what, arg, strerrordesc_np(code));
}

static void file_system(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	(void)home;
	in_kernel(a, doctor_try(try_fs, c->arg), "fsopen of ", c->arg);
}

static void link_kind(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	(void)home;
	in_kernel(a, doctor_try(try_link, c->arg), "a link of kind ", c->arg);
}

static void nftables(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	(void)c;
	(void)home;
	in_kernel(a, doctor_try(try_nftables, NULL), "no answer from nf_tables", "");
}

static void groups(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	static const char *const wanted[] = { "memory", "cpu", "pids", "cpuset" };
	static const char *const layouts[] = { "none", "v1", "hybrid", "v2" };
	const struct cg_host *h = cg_host();
	char have[512] = "", lack[128] = "";

	(void)c;
	(void)home;
	for (size_t i = 0; i < h->n; i++) {
		const struct cg_hier *hier = cg_hier(i);
		char path[300], v2[200];

		if (!hier)
			continue;
		snprintf(path, sizeof path, "%s/cgroup.controllers", hier->mount);
		if (hier->v2 && file_peek(AT_FDCWD, path, v2, sizeof v2) > 0)
			snprintf(have + strlen(have), sizeof have - strlen(have), " %s ", v2);
		snprintf(have + strlen(have), sizeof have - strlen(have), " %s ", hier->name);
	}
	for (char *p = have; *p; p++)
		*p = *p == ',' ? ' ' : *p;
	for (size_t i = 0; i < COUNT(wanted); i++) {
		char word[16];

		snprintf(word, sizeof word, " %s ", wanted[i]);
		if (!strstr(have, word))
			snprintf(lack + strlen(lack), sizeof lack - strlen(lack), " %s", wanted[i]);
	}
	if (h->layout == CG_NONE)
		say(a, DOCTOR_LACKS, "none is mounted");
	else if (*lack)
		say(a, DOCTOR_PART, "%s, without%s", layouts[h->layout], lack);
	else
		say(a, DOCTOR_OK, "%s, with memory cpu pids cpuset", layouts[h->layout]);
}

static void filters(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	char text[200];

	(void)c;
	(void)home;
	if (file_peek(AT_FDCWD, "/proc/sys/kernel/seccomp/actions_avail", text, sizeof text) <= 0)
		say(a, DOCTOR_LACKS, "no seccomp filters in this kernel");
	else if (!strstr(text, "user_notif"))
		say(a, DOCTOR_PART, "without notifications: %s", text);
	else
		say(a, DOCTOR_OK, "%s", text);
}

static void modules(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	char text[128] = "";

	(void)c;
	(void)home;
	(void)file_peek(AT_FDCWD, "/sys/kernel/security/lsm", text, sizeof text);
	if (!lsm_selinux_on() && !lsm_apparmor_on())
		say(a, DOCTOR_PART, "neither SELinux nor AppArmor is on%s%s", *text ? ": " : "", text);
	else if (lsm_selinux_on() && label_possible(NULL) < 0)
		say(a, DOCTOR_PART, "SELinux: %.120s: %.60s", err_text(), err_try_text());
	else if (lsm_apparmor_on() && !lsm_profiles())
		say(a, DOCTOR_PART, "AppArmor is on, and guests get no profile: there is no apparmor_parser, or no policy to change");
	else
		say(a, DOCTOR_OK, "%s%s: %s", lsm_selinux_on() ? "SELinux" : "", lsm_apparmor_on() ? "AppArmor" : "", text);
	err_clear();
}

static void helper(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	char path[PATH_MAX];

	(void)home;
	if (helper_find(c->name, path) < 0)
		say_error(a);
	else
		say(a, DOCTOR_OK, "%.180s", path);
}

static void program(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	const char *path = getenv("PATH");
	char full[PATH_MAX];

	(void)home;
	for (size_t n; path && *path; path += n + (path[n] == ':')) {
		n = strcspn(path, ":");
		snprintf(full, sizeof full, "%.*s/%s", (int)n, path, c->arg);
		if (n && access(full, X_OK) == 0) {
			say(a, DOCTOR_OK, "%.180s", full);
			return;
		}
	}
	say(a, DOCTOR_LACKS, "no %s in PATH", c->arg);
}

static void criu(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	program(a, c, home);
	if (a->state == DOCTOR_OK && criu_check(c->arg) < 0)
		say_error(a);
}

static void lxcfs(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	program(a, c, home);
	if (a->state != DOCTOR_OK)
		return;
	if (lxcfs_serves())
		say(a, DOCTOR_OK, "runs on " LXCFS);
	else
		say(a, DOCTOR_LACKS, "installed, and does not run on " LXCFS);
}

static void node(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	auto_close int fd = open(c->arg, O_RDWR | O_CLOEXEC);

	(void)home;
	if (fd < 0)
		say(a, DOCTOR_LACKS, "open %s: %s", c->arg, strerrordesc_np(errno));
	else
		say(a, DOCTOR_OK, "%s", c->arg);
}

static void system_manager(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	(void)home;
	if (access(c->arg, F_OK) < 0)
		say(a, DOCTOR_LACKS, "systemd is not this host's init");
	else
		say(a, DOCTOR_OK, "runs");
}

const struct doctor_check doctor_checks[] = {
	{ "kernel", kernel, NULL, "guests and containers", "a kernel of 5.12 or later", false },
	{ "user-namespaces", user_namespaces, NULL, "guests that are nobody on the host",
	  "sysctl user.max_user_namespaces=65536", false },
	{ "idmapped-mounts", idmapped_mounts, NULL, "disks of guests with plain ids",
	  "VZRUN_HOME on ext4, xfs, btrfs or tmpfs", false },
	{ "overlay", file_system, "overlay", "guests that share an image", "modprobe overlay", false },
	{ "cgroups", groups, NULL, "limits", "mount them, or boot with cgroup_enable=memory", false },
	{ "seccomp", filters, NULL, "filters of system calls", "a kernel with CONFIG_SECCOMP_FILTER", false },
	{ "lsm", modules, NULL, "labels, profiles", "boot with security=selinux or apparmor; apt-get install apparmor", true },
	{ "bridge", link_kind, "bridge", "networks", "modprobe bridge", false },
	{ "veth", link_kind, "veth", "networks", "modprobe veth", false },
	{ "vxlan", link_kind, "vxlan", "networks over several hosts", "modprobe vxlan", true },
	{ "nftables", nftables, NULL, "NAT, firewall, published ports", "modprobe nf_tables", false },
	{ "tun", node, "/dev/net/tun", "--features tun", "modprobe tun", true },
	{ "fuse", node, "/dev/fuse", "--features fuse", "modprobe fuse", true },
	{ "vzrun-image", helper, NULL, "images and templates", "make install", false },
	{ "vzrun-net", helper, NULL, "networks", "make install", false },
	{ "vzrun-systemd", helper, NULL, "--systemd-cgroup", "make install", true },
	{ "vzrun-probe", helper, NULL, "doctor --inside", "make install", true },
	{ "mmdebstrap", program, "mmdebstrap", "--template debian:SUITE", "apt-get install mmdebstrap", true },
	{ "lxcfs", lxcfs, "lxcfs", "guests that see their own memory, processors and uptime",
	  "apt-get install lxcfs; lxcfs --enable-cfs -l /var/lib/lxcfs", true },
	{ "dnsmasq", program, "dnsmasq", "names of guests in networks", "apt-get install dnsmasq-base", true },
	{ "criu", criu, "criu", "checkpoint and restore",
	  "apt-get install criu; a later criu where the kernel is later", true },
	{ "newuidmap", program, "newuidmap", "ranges of ids for ordinary users", "apt-get install uidmap", true },
	{ "systemd", system_manager, "/run/systemd/system", "--systemd-cgroup", "boot the host with systemd", true },
	{ 0 }
};

const char *doctor_state_name(enum doctor_state s)
{
	static const char *const names[] = { "ok", "partly", "lacks" };

	return names[s];
}
