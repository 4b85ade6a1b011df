#include "runtime/guest/doctor.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/scope.h"
#include "base/sys.h"
#include "cgroups/cgroup.h"
#include "netns/nl.h"
#include "runtime/container/criu.h"
#include "runtime/guest/guest.h"
#include "selinux/lsm.h"
#include "runtime/guest/lxcfs.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/mount.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <sys/wait.h>
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

/* What may have an effect is tried by a child. 0, or the errno that it says. */
static int try(int (*fn)(const void *arg), const void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(arg));
	if (pid < 0)
		return errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
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

static int unshare_user(const void *arg)
{
	(void)arg;
	return unshare(CLONE_NEWUSER) < 0 ? errno : 0;
}

/* An ordinary user gets the rights to ask in a namespace of his own. */
static int alone(int namespace)
{
	return unshare(geteuid() == 0 ? namespace : namespace | CLONE_NEWUSER);
}

static void user_namespaces(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	char most[32] = "?";
	int code = try(unshare_user, NULL);

	(void)c;
	(void)home;
	(void)file_peek(AT_FDCWD, "/proc/sys/user/max_user_namespaces", most, sizeof most);
	if (code)
		say(a, DOCTOR_LACKS, "unshare(CLONE_NEWUSER): %s; user.max_user_namespaces is %s", strerrordesc_np(code),
		    most);
	else
		say(a, DOCTOR_OK, "at most %s", most);
}

/* The ids of a tree, shifted by the user namespace of a process that is there for nothing else. */
static int shift_ids(const void *dir)
{
	struct mount_attr shift = { .attr_set = MOUNT_ATTR_IDMAP };
	char path[40];
	int ns = -1, tree = -1;
	pid_t pid = sys_clone(CLONE_NEWUSER, SIGCHLD, -1, NULL);

	if (pid == 0) {
		pause();
		_exit(0);
	}
	if (pid < 0)
		return errno;
	errno = 0;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "/proc/%d/%s_map", (int)pid, i ? "uid" : "gid");
		(void)file_poke(AT_FDCWD, path, "0 1000000 65536");
	}
	snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	tree = open_tree(AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	shift.userns_fd = (uint64_t)ns;
	int r = ns < 0 || tree < 0 ? -1 : mount_setattr(tree, "", AT_EMPTY_PATH, &shift, sizeof shift);
	int code = r < 0 ? errno : 0;

	kill(pid, SIGKILL);
	return code;
}

static void idmapped_mounts(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	char dir[PATH_MAX];
	int code;

	(void)c;
	snprintf(dir, sizeof dir, "%s", home);
	while (access(dir, F_OK) < 0 && strrchr(dir, '/') > dir)
		*strrchr(dir, '/') = '\0';
	code = try(shift_ids, dir);
	if (code == EPERM && geteuid() != 0)
		say(a, DOCTOR_PART, "only root can make them");
	else if (code)
		say(a, DOCTOR_LACKS, "of the file system of %.100s: %s", dir, strerrordesc_np(code));
	else
		say(a, DOCTOR_OK, "of the file system of %.100s", dir);
}

/* It loads the module, where there is one. */
static int open_fs(const void *type)
{
	return alone(CLONE_NEWNS) < 0 || fsopen(type, FSOPEN_CLOEXEC) < 0 ? errno : 0;
}

static void file_system(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	int code = try(open_fs, c->arg);

	(void)home;
	if (code)
		say(a, DOCTOR_LACKS, "fsopen(\"%s\"): %s", c->arg, strerrordesc_np(code));
	else
		say(a, DOCTOR_OK, "in this kernel");
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

/* In a network namespace that ends with the process. */
static int make_link(const void *kind)
{
	struct ifinfomsg i = { 0 };
	auto_nlq struct nlq q = { 0 };
	struct nlattr *info;
	int r;

	if (alone(CLONE_NEWNET) < 0)
		return errno;
	r = nlq_open(&q, NETLINK_ROUTE);
	if (r < 0)
		return -r;
	nlq_add(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof i);
	nlq_put_str(&q, IFLA_IFNAME, "vzd0");
	info = nlq_nest(&q, IFLA_LINKINFO);
	nlq_put_str(&q, IFLA_INFO_KIND, kind);
	if (str_eq(kind, "vxlan")) {
		struct nlattr *data = nlq_nest(&q, IFLA_INFO_DATA);

		nlq_put_u32(&q, IFLA_VXLAN_ID, 1);
		nlq_end(&q, data);
	}
	nlq_end(&q, info);
	return -nlq_talk(&q, NULL, NULL);
}

static void link_kind(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	int code = try(make_link, c->arg);

	(void)home;
	if (code)
		say(a, DOCTOR_LACKS, "a link of kind %s: %s", c->arg, strerrordesc_np(code));
	else
		say(a, DOCTOR_OK, "in this kernel");
}

/* The generation of the rules, which every kernel with nftables tells. */
static int ask_nftables(const void *arg)
{
	struct nfgenmsg h = { 0 };
	auto_nlq struct nlq q = { 0 };
	int r;

	(void)arg;
	if (alone(CLONE_NEWNET) < 0)
		return errno;
	r = nlq_open(&q, NETLINK_NETFILTER);
	if (r < 0)
		return -r;
	nlq_add(&q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, 0, &h, sizeof h);
	return -nlq_talk(&q, NULL, NULL);
}

static void nftables(struct doctor_answer *a, const struct doctor_check *c, const char *home)
{
	int code = try(ask_nftables, NULL);

	(void)c;
	(void)home;
	if (code)
		say(a, DOCTOR_LACKS, "no answer from nf_tables: %s", strerrordesc_np(code));
	else
		say(a, DOCTOR_OK, "in this kernel");
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
	{ "criu", criu, "criu", "checkpoint and restore", "apt-get install criu", true },
	{ "newuidmap", program, "newuidmap", "ranges of ids for ordinary users", "apt-get install uidmap", true },
	{ "systemd", system_manager, "/run/systemd/system", "--systemd-cgroup", "boot the host with systemd", true },
	{ 0 }
};

const char *doctor_state_name(enum doctor_state s)
{
	static const char *const names[] = { "ok", "partly", "lacks" };

	return names[s];
}
